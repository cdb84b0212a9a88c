"""What the ladder needs from outside: claims on receipts, addresses, and those who carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.notices.notice import Notice
from domain.notices.receipt import Receipt, Rung
from domain.preferences import Preferences


class Outcome(StrEnum):
    """What became of a message that was handed to a provider."""

    SENT = "sent"
    REFUSED = "refused"
    """The provider, or we ourselves, said no; asking again would bring the same answer."""
    LATER = "later"
    """It was certainly not sent, and may be tried again."""
    UNKNOWN = "unknown"
    """It may have been sent: the answer did not come, or made no sense."""


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The answer of a provider: its id of the message if it gave one, or the reason."""

    outcome: Outcome
    message_id: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a reminder says.

    Attributes:
        at: When the notice was published.
        url: Where it is read.
        count: How many notices wait; more than one in a digest.
    """

    id: str
    title: str
    kind: str
    priority: str
    at: datetime
    url: str
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where somebody can be reached outside; ``gone`` if the hub must not write to them."""

    openid: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    gone: bool = False


class Addresses(Protocol):
    """Knows where people can be reached."""

    async def of(self, person_id: str) -> Address:
        """Answer where somebody can be reached; empty fields where there is no way."""


class Wishes(Protocol):
    """How people want to be served."""

    async def of(self, person_id: str) -> Preferences:
        """Answer somebody's preferences, the defaults if they never changed any."""


class Carrier(Protocol):
    """Carries a reminder outside by one way."""

    async def carry(self, person_id: str, to: Address, message: Message) -> Handover:
        """Hand a message over, once. It never raises what a provider does or says."""


class WeChatSender(Protocol):
    """WeChat's two kinds of messages.

    Attributes:
        subscription: Id of the subscription template, or empty where there is none.
        long_term: Whether one consent to it is for ever (政务民生) instead of for one message.
        card: Whether there is a template for template messages.
    """

    subscription: str
    long_term: bool
    card: bool

    async def subscribed(self, openid: str, message: Message) -> Handover:
        """Send a subscription message; refused with ``no_consent`` if the user has not agreed."""

    async def carded(self, openid: str, message: Message) -> Handover:
        """Send a template message; refused with ``not_following`` if the user left the account."""


class MemberSender(Protocol):
    """企业微信: messages to the congress's own members."""

    async def send(self, phone: str, message: Message) -> Handover:
        """Send to the member with a mobile number; refused with ``no_member`` if there is none."""


class Letters(Protocol):
    """Answers notices."""

    async def get(self, notice_id: str) -> Notice | None:
        """Answer a notice."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A receipt whose next rung is due, ours until ``until``.

    Attributes:
        token: Which claim this is; whoever has an older one has lost it.
        tries: How often this rung was tried before.
        sending: The rung that a former claimant was sending when it vanished.
        digest: Whether the receipt has waited for the digest.
    """

    receipt: Receipt
    token: str
    until: datetime
    tries: int = 0
    sending: Rung | None = None
    digest: bool = False


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What is to be kept of a rung that was climbed or left out.

    Attributes:
        rung: Where the receipt stands now.
        due: When the next rung is due; ``None`` ends the ladder.
        sent: The rung that carried a message now, if one did.
        why: The reason by rung, where it carried none.
        failed: Why the person was not reached, if the ladder ends so.
    """

    at: datetime
    rung: Rung
    due: datetime | None
    sent: Rung | None = None
    message_id: str = ""
    why: Mapping[Rung, str] = field(default_factory=dict)
    failed: str = ""


class LadderStore(Protocol):
    """Hands out receipts whose next rung is due. Each write asks for what it builds on."""

    async def claim(self, *, at: datetime, until: datetime, token: str) -> Claim | None:
        """Claim the receipt that has been due longest; unread and of interest only.

        One that was claimed and neither settled nor postponed is due again at ``until``.
        """

    async def begin(self, claim: Claim, rung: Rung) -> bool:
        """Note that a message is about to leave; ``False`` if it was read or lost meanwhile."""

    async def gather(self, claim: Claim, *, at: datetime) -> Sequence[Claim]:
        """Claim together what waits for the same person's digest, the claimed one included.

        Answers nothing if somebody else makes this person's digest at the moment.
        """

    async def begin_all(self, claims: Sequence[Claim], rung: Rung) -> Sequence[Claim]:
        """Do what ``begin`` does for several claims of one person; answer those it holds for."""

    async def settle(self, claim: Claim, settled: Settled) -> None:
        """Keep what became of a rung. A reading in the meantime still ends the ladder."""

    async def postpone(self, claim: Claim, *, due: datetime, tries: int, digest: bool) -> None:
        """Give the receipt back, to be due at another time, unless the ladder has ended."""

    async def result(
        self, person_id: str, *, message_id: str, result: str, since: datetime, at: datetime
    ) -> str | None:
        """Keep what WeChat reports of a message; answer the id of the notice it was about.

        WeChat gives subscription messages no id when it takes them. A report with an id that we do
        not know is therefore about the message that is just leaving, or else the newest since then
        without a result; where sending had ended unknown, a success makes it known. Hearing the
        same report again changes nothing.
        """

    async def to_call(self, delegations: frozenset[str] | None, limit: int) -> Sequence[Receipt]:
        """Answer receipts on the call list (of all delegations if ``None``), oldest first."""

    async def called(
        self,
        receipt_id: str,
        *,
        within: frozenset[str] | None,
        at: datetime,
        by: str,
        result: str,
        note: str,
        reached: bool,
    ) -> Receipt | None:
        """Note a call; who was reached leaves the list.

        Answers ``None`` if the receipt is not on the list of these delegations (``None``: of all).
        """

    async def spread(self, notice_id: str) -> Mapping[tuple[str, str], int]:
        """Count a notice's receipts by (how far it was carried, what became of it)."""

    async def sent(self, notice_id: str) -> tuple[Mapping[str, int], Mapping[tuple[str, str], int]]:
        """Count a notice's reminders by way, and those left out by (way, reason)."""
