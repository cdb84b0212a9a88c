"""Consents to WeChat's subscription messages, as far as we can know them.

A one-time consent is good for one message, a long-term one for any number. WeChat tells of
consents in two ways, and neither always comes: the page reports what ``<wx-open-subscribe>`` says,
and WeChat posts an event, often only for the first pop-up. Both are counted; two reports within a
minute, one from each side, are one. Counting too many costs one refused call, after which the stock
is set right; counting too few would cost reminders.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.identity.account import OPENID_DOMAIN, AccountStore
from domain.ladder.ports import Handover, LadderStore, Outcome
from domain.ports import Vault

SAME = timedelta(minutes=1)
"""Reports from page and event within this time are about one answer."""

_RESULTS = timedelta(hours=1)
"""How long after a message WeChat may report on it."""


class Source(StrEnum):
    """Who told us of a consent."""

    PAGE = "page"
    EVENT = "event"


class Stock(BaseModel):
    """What is left of somebody's consents to one template."""

    model_config = ConfigDict(frozen=True)

    template: str
    left: int = 0
    long_term: bool = False
    refused: bool = False


class ConsentStore(Protocol):
    """Keeps the stock, by person and template."""

    async def get(self, person_id: str, template: str) -> Stock | None:
        """Answer what is left."""

    async def add(
        self, person_id: str, template: str, *, source: Source, key: str, at: datetime, long: bool
    ) -> None:
        """Count a consent, unless ``key`` was counted, or the other source told within ``SAME``."""

    async def take(self, person_id: str, template: str, *, stays: bool) -> bool:
        """Use one up; ``False`` if none is left. A long-term one ``stays``."""

    async def give_back(self, person_id: str, template: str) -> None:
        """Put one back that was not used."""

    async def clear(self, person_id: str, template: str, at: datetime) -> None:
        """Note that none is left: the person refused, or WeChat knows of none."""


class Consents:
    """Counts consents, uses them up, and hears from WeChat."""

    def __init__(
        self,
        store: ConsentStore,
        receipts: LadderStore,
        accounts: AccountStore,
        vault: Vault,
        *,
        template: str,
        long_term: bool,
        clock: Clock,
    ) -> None:
        self._store = store
        self._receipts = receipts
        self._accounts = accounts
        self._vault = vault
        self._template = template
        self._long_term = long_term
        self._clock = clock

    async def stock(self, person_id: str) -> Stock:
        """Answer what is left of somebody's consents; the template is empty if none is in use."""
        found = await self._store.get(person_id, self._template)
        return found or Stock(template=self._template, long_term=self._long_term)

    async def answered(self, person_id: str, said: Mapping[str, str], *, key: str) -> Stock:
        """Take what a page reports of ``<wx-open-subscribe>``: ``accept`` or ``reject`` each."""
        await self._count(person_id, said, source=Source.PAGE, key=key)
        return await self.stock(person_id)

    async def pushed(self, openid: str, said: Mapping[str, str], *, key: str) -> None:
        """Take what WeChat's event reports; ``key`` is the same when it is repeated."""
        account = await self._accounts.by_openid(self._vault.blind(openid, domain=OPENID_DOMAIN))
        if account is not None:
            await self._count(account.id, said, source=Source.EVENT, key=key)

    async def reported(self, openid: str, *, message_id: str, result: str) -> str | None:
        """Keep what WeChat reports of a message that was sent; answer the notice it was about."""
        account = await self._accounts.by_openid(self._vault.blind(openid, domain=OPENID_DOMAIN))
        if account is None:
            return None
        at = self._clock()
        return await self._receipts.result(
            account.id, message_id=message_id, result=result, since=at - _RESULTS, at=at
        )

    async def take(self, person_id: str) -> bool:
        """Use one consent up before a message leaves; ``False`` if none is left."""
        return await self._store.take(person_id, self._template, stays=self._long_term)

    async def settle(self, person_id: str, done: Handover) -> None:
        """Set the stock right after WeChat's answer."""
        if done.reason == "no_consent":
            await self._store.clear(person_id, self._template, self._clock())
        elif done.outcome in {Outcome.LATER, Outcome.REFUSED} and not self._long_term:
            await self._store.give_back(person_id, self._template)

    async def _count(
        self, person_id: str, said: Mapping[str, str], *, source: Source, key: str
    ) -> None:
        answer = said.get(self._template) if self._template else None
        at = self._clock()
        if answer == "accept":
            await self._store.add(
                person_id, self._template, source=source, key=key, at=at, long=self._long_term
            )
        elif answer == "reject":
            await self._store.clear(person_id, self._template, at)
