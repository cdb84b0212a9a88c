"""One to one: a step-up for who is logged in, and a login for who has said who they are.

A name nobody has, or the name of somebody without a template, is given a challenge like everybody
else's and fails like everybody else: nothing tells them apart. After a few failures in a row only
the other ways are open for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.clock import Clock
from domain.errors import Invalid, UpstreamDown
from domain.faces.challenges import Challenge, Challenges, Purpose
from domain.faces.limits import FaceRules, Limits
from domain.faces.liveness import MOST_FRAMES
from domain.faces.module import FaceModule
from domain.faces.recogniser import Recogniser, Verdict
from domain.faces.refusals import FaceLocked, consent_required, not_passed, require_usable
from domain.faces.templates import FaceStore
from domain.identity.account import Account, AccountStore
from domain.identity.admission import Admission, NextStep
from domain.identity.devices import DeviceSeen
from domain.identity.lockout import Locked, Lockout, name_key
from domain.identity.sessions import Opened, SessionService
from domain.passes.badges import BadgeState, BadgeStore
from domain.passes.code import Form, Personal
from domain.passes.keys import KeyBook
from domain.people import Person

LOCK = "face"


class Verified(NamedTuple):
    """What came of it: until when a step-up counts, or how the login goes on."""

    purpose: Purpose
    until: datetime | None = None
    entry: Opened | NextStep | None = None


class Logins(Protocol):
    """Reads login names as they are kept."""

    def __call__(self, name: str) -> str:
        """Answer the name in the form in which it is kept."""


class VerificationPorts(NamedTuple):
    """What verification needs."""

    recogniser: Recogniser
    store: FaceStore
    module: FaceModule
    rules: FaceRules
    challenges: Challenges
    accounts: AccountStore
    admission: Admission
    sessions: SessionService
    lockout: Lockout
    keys: KeyBook
    badges: BadgeStore


class Verification:
    """Recognises people who have said who they are."""

    def __init__(self, ports: VerificationPorts, *, login_name: Logins, clock: Clock) -> None:
        self._ports = ports
        self._login_name = login_name
        self._clock = clock

    async def challenge(self, *, by: Person) -> Challenge:
        """Begin a step-up.

        Raises:
            Forbidden: The module is off, or the person has not agreed.
            Conflict: They have not enrolled (``not_enrolled``), with another engine
                (``template_outdated``), or their enrolment waits (``template_held``).
            FaceLocked: Too many failures.
        """
        ports = self._ports
        await ports.module.require_for(by.id)
        require_usable(await ports.store.get(by.id), ports.recogniser.model)
        limits = await ports.rules.now()
        await self._require_open(by.id, limits)
        return await ports.challenges.issue(
            Purpose.STEP_UP, limits, person_id=by.id, lock=by.id, session_id=by.session_id
        )

    async def frames(self) -> int:
        """Answer how many frames an answer has at least."""
        return (await self._ports.rules.now()).frames

    async def begin(self, *, name: str = "", code: str = "") -> Challenge:
        """Begin a login of whoever has this login name, or this personal code or badge.

        Raises:
            Invalid: Neither is said, or both.
            Forbidden: The module is off.
            FaceLocked: Too many failures under this name or code.
        """
        if bool(name) is bool(code):
            raise Invalid("请提供用户名或个人码之一", field="username")
        ports = self._ports
        await ports.module.require()
        limits = await ports.rules.now()
        if name:
            key = name_key(self._login_name(name))
            account = await ports.accounts.by_login_name(self._login_name(name))
        else:
            key = name_key(code)
            account = await self._behind(code)
        lock = account.id if account else key
        await self._require_open(lock, limits)
        person_id = account.id if account else ""
        return await ports.challenges.issue(Purpose.SIGN_IN, limits, person_id=person_id, lock=lock)

    async def verify(self, secret: str, frames: Sequence[str], *, device: DeviceSeen) -> Verified:
        """Judge the answer to a challenge, and open what it was for.

        Raises:
            Unauthenticated: ``challenge_dead``; ``liveness_failed`` or ``face_mismatch`` with the
                reason, the tries that are left and the other ways in ``detail``.
            FaceLocked: That was one failure too many.
            Forbidden: The module is off, or the consent was withdrawn.
            UpstreamDown: The engine is busy; the challenge stays good.
        """
        ports = self._ports
        await ports.module.require()
        if len(frames) > MOST_FRAMES:
            raise Invalid(f"最多 {MOST_FRAMES} 帧画面", field="frames")
        challenge = await ports.challenges.take(secret)
        limits = await ports.rules.now()
        await self._require_open(challenge.lock, limits)
        try:
            verdict = await self._judged(frames, challenge, limits)
        except UpstreamDown:
            await ports.challenges.give_back(challenge)
            raise
        # Counted before anybody is told, so that answers judged at one moment are all counted.
        left = await self._count(challenge.lock, limits)
        await ports.recogniser.record(
            verdict,
            purpose=challenge.purpose.value,
            person_id=challenge.person_id,
            limits=limits,
            steps=challenge.steps,
            device=device.user_agent[:200],
        )
        if not verdict.passed:
            await self._refuse(verdict, challenge, left)
        return await self._open(challenge, device)

    async def _judged(self, frames: Sequence[str], challenge: Challenge, limits: Limits) -> Verdict:
        recogniser = self._ports.recogniser
        looks = await recogniser.look(frames, limits)
        failed, best = await recogniser.judge(looks, challenge.steps, limits)
        if best is None:
            return failed or Verdict(passed=False, reason="face_lost")
        return await recogniser.compare(challenge.person_id, best, limits)

    async def _open(self, challenge: Challenge, device: DeviceSeen) -> Verified:
        ports = self._ports
        # A consent may have been withdrawn while the frames were looked at.
        await ports.module.require_for(challenge.person_id)
        await ports.lockout.passed(LOCK, challenge.lock)
        if challenge.purpose is Purpose.STEP_UP:
            person = await ports.sessions.recognise(challenge.session_id)
            return Verified(
                Purpose.STEP_UP, until=await ports.sessions.prove(by=person, method="face")
            )
        account = await ports.accounts.get(challenge.person_id)
        if account is None:
            raise consent_required()
        entry = await ports.admission.enter(account, method="face", device=device)
        return Verified(Purpose.SIGN_IN, entry=entry)

    async def _refuse(self, verdict: Verdict, challenge: Challenge, left: int) -> None:
        await self._ports.lockout.failed(LOCK)
        if left == 0:
            limits = await self._ports.rules.now()
            await self._require_open(challenge.lock, limits)
        code = "face_mismatch" if verdict.reason == "face_mismatch" else "liveness_failed"
        raise not_passed(code, verdict.reason, left=left)

    async def _count(self, key: str, limits: Limits) -> int:
        try:
            return await self._ports.lockout.attempt(LOCK, key, tries=limits.tries)
        except Locked as locked:
            raise FaceLocked(retry_after=locked.retry_after) from None

    async def _require_open(self, key: str, limits: Limits) -> None:
        try:
            await self._ports.lockout.require_open(LOCK, key, tries=limits.tries)
        except Locked as locked:
            raise FaceLocked(retry_after=locked.retry_after) from None

    async def _behind(self, code: str) -> Account | None:
        """Answer whose code this is; ``None`` for whatever is none of ours, or over."""
        claims = await self._ports.keys.verify(code)
        if not isinstance(claims, Personal) or not claims.since <= self._clock() < claims.until:
            return None
        person_id = claims.subject
        if claims.form == Form.BADGE:
            badge = (await self._ports.badges.many([claims.subject])).get(claims.subject)
            if badge is None or badge.state is not BadgeState.ACTIVE:
                return None
            person_id = badge.person_id
        return await self._ports.accounts.get(person_id)
