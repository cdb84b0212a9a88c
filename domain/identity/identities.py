"""From an account and a card of the roster to the ``Person`` that services know."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Protocol

from domain.errors import Unauthenticated
from domain.identity.account import MAY_LOG_IN, Account, AccountStore
from domain.identity.policy import LoginPolicy
from domain.people import AccountState, Grant, Person
from domain.permissions import Permission, right
from domain.roster import Card


class Cards(Protocol):
    """Knows the roster."""

    async def get(self, person_id: str) -> Card | None:
        """Answer a card, whatever its state, or ``None``."""


class Grants(Protocol):
    """Knows who holds which role."""

    async def in_force(self, person_id: str, at: datetime) -> tuple[Grant, ...]:
        """Answer what a person holds at an instant."""


class Glasses(Protocol):
    """Knows whose break-glass window is open."""

    async def open_until(self, person_id: str, at: datetime) -> datetime | None:
        """Answer until when a person has some window open, or ``None``."""


class Identities:
    """Puts people together from what is known of them."""

    def __init__(
        self,
        accounts: AccountStore,
        cards: Cards,
        grants: Grants,
        glasses: Glasses,
        policy: LoginPolicy,
    ) -> None:
        self._accounts = accounts
        self._cards = cards
        self._grants = grants
        self._glasses = glasses
        self._policy = policy

    async def person(self, person_id: str, at: datetime) -> Person:
        """Answer a person who may be logged in at an instant.

        Raises:
            Unauthenticated: There is no account, or its state does not allow a login.
        """
        account, card, grants = await asyncio.gather(
            self._accounts.get(person_id),
            self._cards.get(person_id),
            self._grants.in_force(person_id, at),
        )
        if account is None or card is None:
            raise Unauthenticated("登录已失效，请重新登录")
        state = account.state_at(at)
        require_open(account, at, policy=self._policy)
        return Person(
            id=person_id,
            name=card.name,
            # A lock keeps strangers from guessing on; it must not throw out who is in already.
            state=AccountState.ACTIVE if state is AccountState.LOCKED else state,
            grants=grants,
            flags=card.flags,
            delegation_id=card.delegation_id,
            group_id=card.group_id,
            committee_ids=frozenset(card.committee_ids),
            org_id=card.org_id,
            break_glass_until=await self._glass(person_id, grants, at),
        )

    async def _glass(
        self, person_id: str, grants: tuple[Grant, ...], at: datetime
    ) -> datetime | None:
        # Only administrators have such windows: everybody else is spared the look-up.
        if all(right(grant.role, Permission.BREAK_GLASS) is None for grant in grants):
            return None
        return await self._glasses.open_until(person_id, at)

    async def logged_in(self, person_id: str, at: datetime) -> int:
        """Note a login; answer how many wrong passwords there were since the last one."""
        return await self._accounts.logged_in(person_id, at)


def require_open(account: Account, at: datetime, *, policy: LoginPolicy) -> None:
    """Do nothing if an account may be logged in at an instant.

    Raises:
        Unauthenticated: It may not; the code is ``account_ended`` when the archive has closed.
    """
    if account.state not in MAY_LOG_IN:
        raise Unauthenticated("账号尚未开通或已注销", code="account_closed")
    if account.state is AccountState.ENDED and (
        account.ended_at is None or at >= account.ended_at + policy.archive
    ):
        raise Unauthenticated("账号已终止，查阅期已满", code="account_ended")
