"""Two ways outside: WeChat, where people must have agreed, and text messages."""

from __future__ import annotations

import logging

from domain.errors import DomainError, NotConfigured, RateLimited, Unsent, UpstreamRefused
from domain.identity.account import Account, openid_context, phone_context
from domain.identity.account import AccountStore as Accounts
from domain.ladder.consents import Consents
from domain.ladder.ports import Address, Handover, MemberSender, Message, Outcome, WeChatSender
from domain.people import AccountState
from domain.ports import SmsGateway, Vault
from domain.roster import Roster, mobile_context

_log = logging.getLogger(__name__)

SMS_TEMPLATE = "notice"
"""Name of the text message's template; its parameters are title and kind."""

_TITLE = 20
"""Longest title in a text message: the provider counts by the piece."""

_GONE = {AccountState.SUSPENDED, AccountState.ENDED, AccountState.ERASED}


class AddressBook:
    """Implements ``domain.ladder.ports.Addresses`` over accounts and the roster."""

    def __init__(self, accounts: Accounts, roster: Roster, vault: Vault) -> None:
        self._accounts = accounts
        self._roster = roster
        self._vault = vault

    async def of(self, person_id: str) -> Address:
        """Answer where somebody can be reached; empty fields where there is no way."""
        account = await self._accounts.get(person_id)
        if account is None or account.state in _GONE:
            return Address(gone=True)
        sealed = account.openid_enc
        openid = self._vault.open(sealed, context=openid_context(person_id)) if sealed else ""
        return Address(openid=openid, phone=await self._phone(account))

    async def _phone(self, account: Account) -> str:
        if account.phone_enc:
            return self._vault.open(account.phone_enc, context=phone_context(account.id))
        card = await self._roster.get(account.id)
        if card is None or card.mobile_enc is None:
            return ""
        return self._vault.open(card.mobile_enc, context=mobile_context(card.id))


class WeChatCarrier:
    """Carries by WeChat, by the first of three ways that is open to somebody.

    企业微信 to its members, who need not have agreed to anything; a subscription message where
    there is consent; a template message.
    """

    def __init__(
        self, sender: WeChatSender, consents: Consents, members: MemberSender | None = None
    ) -> None:
        self._sender = sender
        self._consents = consents
        self._members = members

    async def carry(self, person_id: str, to: Address, message: Message) -> Handover:
        """Hand a message over, once."""
        if self._members is not None and to.phone:
            done = await self._members.send(to.phone, message)
            # What was refused there was not sent; the official account may still reach them.
            if done.outcome is not Outcome.REFUSED:
                return done
        return await self._by_account(person_id, to, message)

    async def _by_account(self, person_id: str, to: Address, message: Message) -> Handover:
        if not self._sender.subscription and not self._sender.card:
            return Handover(outcome=Outcome.REFUSED, reason="not_configured")
        if not to.openid:
            return Handover(outcome=Outcome.REFUSED, reason="no_wechat")
        if self._sender.subscription and await self._consents.take(person_id):
            done = await self._sender.subscribed(to.openid, message)
            await self._consents.settle(person_id, done)
            if done.reason != "no_consent":
                return done
        if self._sender.card:
            return await self._sender.carded(to.openid, message)
        return Handover(outcome=Outcome.REFUSED, reason="no_consent")


class SmsCarrier:
    """Carries by text message."""

    def __init__(self, gateway: SmsGateway) -> None:
        self._gateway = gateway

    async def carry(self, person_id: str, to: Address, message: Message) -> Handover:
        """Hand a message over, once."""
        if not to.phone:
            return Handover(outcome=Outcome.REFUSED, reason="no_phone")
        params = {"title": message.title[:_TITLE], "kind": message.kind}
        try:
            serial = await self._gateway.send(to.phone, SMS_TEMPLATE, params)
        except DomainError as error:
            _log.warning("a text message to %s was not sent: %s", person_id, error)
            return failure(error)
        return Handover(outcome=Outcome.SENT, message_id=serial)


def failure(error: DomainError) -> Handover:
    """Answer what an error of a gateway means for a message."""
    match error:
        case NotConfigured():
            return Handover(outcome=Outcome.REFUSED, reason="not_configured")
        case RateLimited() | Unsent():
            return Handover(outcome=Outcome.LATER, reason="busy")
        case UpstreamRefused():
            return Handover(outcome=Outcome.REFUSED, reason="refused")
    return Handover(outcome=Outcome.UNKNOWN, reason="unknown")
