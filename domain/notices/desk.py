"""What every act on a notice has in common: finding it, judging the actor, keeping, noting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Protocol

from domain.clock import Clock, NewId, local_day
from domain.errors import Conflict, Forbidden, Invalid, NotFound, StepUpRequired
from domain.identity.step_up import Method
from domain.notices.audience import Audience, Recipient, Roll
from domain.notices.events import NoticeMoved
from domain.notices.notice import Act, Content, Notice, Priority
from domain.notices.ports import Errand, NoticeStore
from domain.notices.reach import covers, reaches_all, require_reach, sees
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus


class Rules(Protocol):
    """The rules in force."""

    async def choices(self, key: str, at: datetime | None = None) -> tuple[str, ...]:
        """Answer a list of texts."""

    async def fraction(self, key: str, at: datetime | None = None) -> Fraction:
        """Answer a share."""

    async def count(self, key: str, at: datetime | None = None) -> int:
        """Answer a number."""


class Numbers(Protocol):
    """Draws numbers."""

    async def next(self, name: str) -> int:
        """Answer the next number, starting with 1."""


@dataclass(frozen=True)
class Reached:
    """Whom an audience gets now, and what follows from it.

    Attributes:
        whole: Whether that is the whole house.
        second: Whether a second person must approve.
        scopes: The parts it lies in.
    """

    recipients: Sequence[Recipient]
    whole: bool
    second: bool
    scopes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the services of notices stand on."""

    store: NoticeStore
    numbers: Numbers
    roll: Roll
    rules: Rules
    bus: Bus
    audit: AuditLog
    clock: Clock
    new_id: NewId

    async def find(self, notice_id: str, *, by: Person) -> Notice:
        """Answer a notice that a person may see as its makers do.

        Raises:
            NotFound: There is none, or this person may not know.
        """
        notice = await self.store.get(notice_id)
        if notice is None or not sees(by, notice):
            raise NotFound
        return notice

    async def take(
        self, notice_id: str, act: Act, *, by: Person, v: int | None = None
    ) -> tuple[Notice, Any]:
        """Answer a notice that a person may move, and the state the act leads to.

        Raises:
            NotFound: There is none, or this person may not know.
            Forbidden: It is not theirs, nor one to those they work for.
            Conflict: It is not at version ``v`` any more.
            BadState: The act does not start from its state.
        """
        notice = await self.find(notice_id, by=by)
        if not covers(by, notice, await self.homes(notice)):
            raise Forbidden(detail={"permission": Permission.NOTICE_PUBLISH.value})
        if v is not None and notice.v != v:
            raise stale(notice.v)
        return notice, notice.after(act)

    async def homes(self, content: Content) -> Mapping[str, frozenset[str]]:
        """Answer for each part of an audience, and for the meeting, the scopes it lies in."""
        parts = set(content.audience.terms)
        if content.meeting_id:
            parts.add(f"mtg:{content.meeting_id}")
        return await self.roll.homes(frozenset(parts))

    async def reach(self, content: Content, *, by: Person) -> Reached:
        """Answer whom a notice gets, if this person may write to them.

        Raises:
            Invalid: Nobody (``audience_empty``).
            Forbidden: The person may not write to all of them.
        """
        recipients = await self.recipients(content.audience)
        whole = await self.whole(content, recipients)
        homes = await self.homes(content)
        require_reach(by, content.priority, homes, whole=whole)
        kinds = await self.rules.choices("notice.review.kinds")
        second = (whole and content.priority is Priority.URGENT) or content.kind.value in kinds
        # Whose staff look after it. That somebody is named makes it nobody's but the author's: the
        # liaison need not know what an administrator writes to one deputy.
        around = [home for part, home in homes.items() if not part.startswith("user:")]
        return Reached(recipients, whole, second, frozenset().union(*around))

    async def recipients(self, audience: Audience) -> Sequence[Recipient]:
        """Answer whom an audience names now.

        Raises:
            Invalid: Nobody (``audience_empty``).
        """
        recipients = () if audience.empty else await self.roll.resolve(audience)
        if not recipients:
            raise Invalid("没有人会收到这条通知", code="audience_empty", field="audience")
        return recipients

    async def whole(self, content: Content, recipients: Sequence[Recipient]) -> bool:
        """Tell whether these recipients are the whole house, where that makes a difference."""
        if content.priority is not Priority.URGENT or content.audience.whole_house:
            return content.audience.whole_house
        return reaches_all(
            sum(one.deputy for one in recipients),
            deputies=await self.roll.deputies(),
            share=await self.rules.fraction("notice.urgent.share"),
        )

    def require_fresh(self, priority: Priority, *, by: Person) -> None:
        """Do nothing if the person has proved themselves lately, or it does not matter.

        Raises:
            StepUpRequired: 紧急 needs a fresh proof (F01).
        """
        until = by.step_up_until
        if priority is Priority.URGENT and (until is None or until <= self.clock()):
            raise StepUpRequired(
                "发布紧急通知前请再次验证身份",
                detail={"methods": [method.value for method in Method]},
            )

    async def keep(
        self,
        notice: Notice,
        change: Mapping[str, Any],
        *,
        by: str,
        errand: Errand | None = None,
        token: str = "",
    ) -> Notice:
        """Keep a notice with some fields changed, if nobody was faster.

        Raises:
            Conflict: Somebody was.
        """
        kept = self.changed(notice, change, by=by)
        if not await self.store.change(kept, was=notice, errand=errand, token=token):
            raise await self.conflict(notice)
        return kept

    async def conflict(self, notice: Notice) -> Conflict:
        """Answer the refusal that says at which version a notice is now."""
        now = await self.store.get(notice.id)
        return stale(now.v if now else 0)

    async def number(self, at: datetime) -> str:
        """Answer the next number of the year: ``通知〔2026〕12号``."""
        year = local_day(at).year
        return f"通知〔{year}〕{await self.numbers.next(f'notice:{year}')}号"

    def changed(self, notice: Notice, change: Mapping[str, Any], *, by: str) -> Notice:
        """Answer a notice with some fields changed, and who did it when."""
        head = {"v": notice.v + 1, "updated_at": self.clock(), "updated_by": by}
        return notice.model_copy(update={**change, **head})

    async def note(self, action: str, notice: Notice, *, by: str, **detail: Any) -> None:
        """Write into the audit what was done to a notice."""
        await self.audit.record(
            f"notice.{action}",
            by=by,
            obj=f"notice:{notice.id}",
            detail={"state": notice.state.value, "v": notice.v, **detail},
        )

    async def tell_author(self, notice: Notice, *, by: str) -> None:
        """Tell the author what became of a notice, unless it was their own doing."""
        if notice.author_id == by:
            return
        event = NoticeMoved(
            id=self.new_id(),
            at=self.clock(),
            v=notice.v,
            notice_id=notice.id,
            state=notice.state,
            reason=notice.reason,
        )
        await self.bus.publish(f"user:#{notice.author_id}", event)


def stale(v: int) -> Conflict:
    """Answer the refusal of a change to a notice that has moved on."""
    return Conflict("内容已被他人修改，请刷新后重试", detail={"v": v})
