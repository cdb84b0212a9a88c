"""Invitations on paper: a signed code that opens the binding page and shows whom it is for, masked.

It proves nothing. Binding still takes name, number and a code on the mobile
(``domain.identity.binding``), so who finds the paper has found nothing. It is not kept; that it was
made stands in the audit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from domain.identity.credentials import Credentials
from domain.identity.surroundings import Surroundings
from domain.passes.code import Bind
from domain.passes.keys import KeyBook
from domain.people import Person
from domain.roster import Card

LIFE = "bind.code.life"


class Lives(Protocol):
    """Knows the times that rules name."""

    async def duration(self, key: str) -> timedelta:
        """Answer the time in force now."""


class BindCode(NamedTuple):
    """An invitation on paper: for whom, and until when it opens the binding page."""

    card: Card
    code: str
    until: datetime


class BindCodes:
    """Makes invitations on paper."""

    def __init__(
        self, credentials: Credentials, keys: KeyBook, rules: Lives, around: Surroundings
    ) -> None:
        self._credentials = credentials
        self._keys = keys
        self._rules = rules
        self._around = around

    async def make(self, person_id: str, *, by: Person) -> BindCode:
        """Invite somebody of the roster by a code on paper, good for ``bind.code.life``.

        Raises:
            NotFound: There is nobody, or not in the liaison's delegation.
        """
        card, _ = await self._credentials.prepare(person_id, by=by)
        until = self._around.clock() + await self._rules.duration(LIFE)
        code = await self._keys.sign(Bind(person_id, until))
        await self._around.audit.record(
            "account.bind_code",
            by=by.id,
            obj=f"person:{person_id}",
            detail={"until": until.isoformat()},
        )
        return BindCode(card, code, until)
