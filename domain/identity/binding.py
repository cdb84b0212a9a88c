"""Binding: somebody new in WeChat says who they are and proves it with a code on their mobile.

Name, number of the deputy's certificate and mobile number must all be those of the roster; staff,
who have no such number, leave it empty. Until the code is right nothing tells whether the person
exists. Then: an account that is already bound to another WeChat answers 409, and only who says
``rebind`` takes it over; the old device is out at once.
"""

from __future__ import annotations

import hmac

from domain.errors import Conflict
from domain.identity.account import (
    Account,
    AccountStore,
    openid_context,
    phone_context,
    unionid_context,
)
from domain.identity.accounts import AccountService
from domain.identity.admission import Admission, NextStep
from domain.identity.attempts import Attempt
from domain.identity.devices import DeviceSeen
from domain.identity.events import REPLACED
from domain.identity.proofs import Proofs
from domain.identity.sessions import Opened, SessionService
from domain.identity.surroundings import Surroundings
from domain.identity.wechat_login import BIND, IN_TICKET
from domain.people import AccountState
from domain.ports import Vault
from domain.roster import PHONE_DOMAIN, Card, Kind, Roster

_PURPOSE = "binding"
_PHONE_IN_CODE = "code"


class Binding:
    """Ties accounts to WeChat identities."""

    def __init__(
        self,
        roster: Roster,
        accounts: AccountStore,
        states: AccountService,
        sessions: SessionService,
        *,
        admission: Admission,
        proofs: Proofs,
        vault: Vault,
        around: Surroundings,
    ) -> None:
        self._roster = roster
        self._accounts = accounts
        self._states = states
        self._sessions = sessions
        self._admission = admission
        self._tickets = proofs.tickets
        self._codes = proofs.codes
        self._vault = vault
        self._around = around

    async def begin(self, ticket: str, *, name: str, deputy_no: str, phone: str) -> Attempt:
        """Send a code to the mobile number, if all three belong to one person of the roster.

        The answer is the same, and takes as long, if they do not.

        Raises:
            Unauthenticated: ``ticket_dead``.
            RateLimited: One code a minute and ten a day for each number; ``locked``.
        """
        kept = await self._tickets.look(BIND, ticket)
        phone_h = self._vault.blind(phone, domain=PHONE_DOMAIN)
        # Both look-ups are made whoever is asked for, so that they take the same time.
        by_number = await self._roster.by_deputy_no(deputy_no)
        by_phone = await self._roster.by_mobile(phone_h)
        card = by_number if deputy_no else by_phone
        person_id = card.id if card and _fits(card, name, deputy_no, phone_h) else ""
        data = {
            **{key: kept.data[key] for key in ("openid_h", "openid_enc", "unionid_enc")},
            "ticket_id": kept.id,
            "phone_enc": self._vault.seal(phone, context=phone_context(_PHONE_IN_CODE)),
        }
        return await self._codes.send(_PURPOSE, phone, person_id=person_id, data=data)

    async def confirm(
        self, attempt_id: str, code: str, *, device: DeviceSeen, rebind: bool = False
    ) -> Opened | NextStep:
        """Bind the account and let the person in.

        Raises:
            Unauthenticated: ``code_wrong``: the code, or anything said before, is wrong.
            RateLimited: ``locked`` after five wrong codes.
            Conflict: ``already_bound``: the account belongs to another WeChat; the same code is
                still good for saying ``rebind``. ``openid_taken``: this WeChat is another's.
        """
        attempt = await self._codes.judge(_PURPOSE, attempt_id, code)
        account = await self._states.prepare(attempt.person_id, by=attempt.person_id)
        elsewhere = account.openid_h not in {None, attempt.data["openid_h"]}
        if elsewhere and not rebind:
            await self._refused(account, "already_bound")
            raise Conflict("该代表已绑定其他微信，如需换绑请确认", code="already_bound")
        other = await self._accounts.by_openid(attempt.data["openid_h"])
        if other is not None and other.id != account.id:
            await self._refused(account, "openid_taken")
            raise Conflict("该微信已绑定其他人员", code="openid_taken")
        await self._codes.use(attempt)
        await self._tickets.use(attempt.data["ticket_id"])
        try:
            bound = await self._bind(account, attempt)
        except Conflict as race:
            # Two bindings of one account, or with one WeChat, at the same moment.
            await self._refused(account, race.code)
            raise
        if elsewhere:
            await self._sessions.revoke_all(
                account.id, by=account.id, reason="rebound", close=REPLACED
            )
        return await self._admission.enter(bound, method="wechat", device=device)

    async def _bind(self, account: Account, attempt: Attempt) -> Account:
        data, person_id = attempt.data, account.id
        openid = self._vault.open(data["openid_enc"], context=openid_context(IN_TICKET))
        phone = self._vault.open(data["phone_enc"], context=phone_context(_PHONE_IN_CODE))
        also = {
            "openid_h": data["openid_h"],
            "openid_enc": self._vault.seal(openid, context=openid_context(person_id)),
            "unionid_enc": self._unionid(data["unionid_enc"], person_id),
            "phone_h": data["phone_h"],
            "phone_enc": self._vault.seal(phone, context=phone_context(person_id)),
        }
        fresh = {AccountState.IMPORTED, AccountState.INVITED}
        steps = {
            **dict.fromkeys(fresh, (AccountState.BOUND, AccountState.ACTIVE)),
            AccountState.BOUND: (AccountState.ACTIVE,),
        }.get(account.state, ())
        bound = await self._states.advance(
            account, *steps, reason="绑定微信", by=person_id, also=also
        )
        await self._around.audit.record(
            "account.bind",
            by=person_id,
            obj=f"person:{person_id}",
            detail={"from": account.state.value, "to": bound.state.value},
        )
        return bound

    def _unionid(self, sealed: bytes | None, person_id: str) -> bytes | None:
        if not sealed:
            return None
        unionid = self._vault.open(sealed, context=unionid_context(IN_TICKET))
        return self._vault.seal(unionid, context=unionid_context(person_id))

    async def _refused(self, account: Account, why: str) -> None:
        await self._around.audit.record(
            "account.bind_refused",
            by=account.id,
            obj=f"person:{account.id}",
            detail={"reason": why},
        )


def _fits(card: Card, name: str, deputy_no: str, phone_h: str) -> bool:
    """Tell whether everything that was typed is on the card."""
    right = hmac.compare_digest(card.name.encode(), name.encode())
    right &= hmac.compare_digest(card.mobile_h or "", phone_h)
    right &= card.active
    return right and (bool(deputy_no) or card.kind is not Kind.DEPUTY)
