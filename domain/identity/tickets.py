"""Tickets: a secret that opens one next step, once, for one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.errors import Unauthenticated
from domain.identity.attempts import Attempt, AttemptStore
from domain.identity.surroundings import Surroundings
from domain.identity.tokens import fingerprint

KIND = "ticket"


class Tickets:
    """Issues and takes back tickets."""

    def __init__(
        self,
        store: AttemptStore,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._clock = around.clock
        self._policy = around.policy
        self._make_token = around.make_token

    async def issue(
        self, step: str, *, person_id: str = "", data: Mapping[str, Any] | None = None
    ) -> str:
        """Answer a new ticket for a step."""
        token, at = self._make_token(), self._clock()
        await self._store.add(
            Attempt(
                id=fingerprint(token),
                kind=KIND,
                person_id=person_id,
                data={"step": step, **(data or {})},
                created_at=at,
                until=at + self._policy.ticket,
            )
        )
        return token

    async def look(self, step: str, token: str) -> Attempt:
        """Answer what a ticket stands for; it stays good.

        Raises:
            Unauthenticated: It is unknown, over, used, or for another step.
        """
        found = await self._store.get(KIND, fingerprint(token), at=self._clock())
        if found is None or found.state != "open" or found.data.get("step") != step:
            raise Unauthenticated("操作已超时，请重新开始", code="ticket_dead")
        return found

    async def take(self, step: str, token: str) -> Attempt:
        """Answer what a ticket stands for, and use it up.

        Raises:
            Unauthenticated: It is unknown, over, used, or for another step.
        """
        found = await self.look(step, token)
        used = await self._store.move(KIND, found.id, at=self._clock(), was="open", to="used")
        if used is None:
            raise Unauthenticated("操作已超时，请重新开始", code="ticket_dead")
        return found

    async def use(self, ticket_id: str) -> None:
        """Use a ticket up that is known by its id only; one that is gone is let be."""
        await self._store.move(KIND, ticket_id, at=self._clock(), was="open", to="used")
