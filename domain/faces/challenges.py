"""Challenges: drawn at random, for one purpose, one person and one session; good once, briefly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from domain.errors import Unauthenticated
from domain.faces.limits import Limits
from domain.faces.liveness import Step, draw
from domain.identity.attempts import Attempt, AttemptStore
from domain.identity.surroundings import Surroundings
from domain.identity.tokens import fingerprint

_KIND = "face"


class Purpose(StrEnum):
    """What a challenge is for."""

    STEP_UP = "step_up"
    SIGN_IN = "sign_in"


class Challenge(NamedTuple):
    """What the person has to do.

    Attributes:
        secret: Goes back with the frames; told once.
        lock: Under which key failures are counted; never a name in the clear.
    """

    secret: str
    purpose: Purpose
    person_id: str
    session_id: str
    lock: str
    steps: tuple[Step, ...]
    until: datetime


class Challenges:
    """Draws challenges, and takes each back once."""

    def __init__(self, store: AttemptStore, around: Surroundings) -> None:
        self._store = store
        self._clock = around.clock
        self._make_token = around.make_token

    async def issue(
        self,
        purpose: Purpose,
        limits: Limits,
        *,
        person_id: str,
        lock: str,
        session_id: str = "",
        steps: Sequence[Step] = (),
    ) -> Challenge:
        """Answer a new challenge; ``steps`` only where a test says which."""
        at, secret = self._clock(), self._make_token()
        drawn = tuple(steps) or draw()
        made = Challenge(secret, purpose, person_id, session_id, lock, drawn, at + limits.challenge)
        await self._store.add(
            Attempt(
                id=fingerprint(secret),
                kind=_KIND,
                person_id=person_id,
                data={
                    "purpose": purpose.value,
                    "session": session_id,
                    "lock": lock,
                    "steps": [step.value for step in drawn],
                },
                created_at=at,
                until=made.until,
            )
        )
        return made

    async def take(self, secret: str) -> Challenge:
        """Answer what a challenge was for, and use it up.

        Raises:
            Unauthenticated: ``challenge_dead``: unknown, used before, or too late.
        """
        used = await self._store.move(
            _KIND, fingerprint(secret), at=self._clock(), was="open", to="used"
        )
        if used is None:
            raise Unauthenticated("验证已超时或已使用，请重新开始", code="challenge_dead")
        said = used.data
        return Challenge(
            secret,
            Purpose(said["purpose"]),
            used.person_id,
            said["session"],
            said["lock"],
            tuple(Step(step) for step in said["steps"]),
            used.until,
        )

    async def give_back(self, challenge: Challenge) -> None:
        """Let a challenge be used after all: nobody has looked at the answer."""
        await self._store.move(
            _KIND, fingerprint(challenge.secret), at=self._clock(), was="used", to="open"
        )
