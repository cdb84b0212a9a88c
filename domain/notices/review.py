"""Letting notices out: review, approval by a second person, publication now or at its time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from domain.approvals import require_second
from domain.errors import BadState, DomainError, Invalid, UpstreamDown
from domain.notices.audience import Recipient
from domain.notices.desk import Desk, Reached
from domain.notices.fanout import FanOut
from domain.notices.notice import Act, Content, Notice, Priority, State
from domain.people import SYSTEM, Person

_log = logging.getLogger(__name__)

_AT_ONCE = 20


class Review:
    """Moves notices from draft to published."""

    def __init__(self, desk: Desk, fan: FanOut) -> None:
        self._desk = desk
        self._fan = fan

    def require_fresh(self, content: Content, *, by: Person) -> None:
        """Do nothing if this person may let such a notice go now; ask before it is kept.

        Raises:
            StepUpRequired: It is 紧急, and the last proof of identity is too old.
        """
        self._desk.require_fresh(content.priority, by=by)

    async def send(self, notice: Notice, *, by: Person) -> Notice:
        """Let a fresh draft go as far as its author may alone: out, on time, or into review."""
        if notice.state is not State.DRAFT:
            return notice
        if notice.second:
            return await self.submit(notice.id, v=notice.v, by=by)
        return await self.publish(notice.id, v=notice.v, by=by)

    async def submit(self, notice_id: str, *, v: int, by: Person) -> Notice:
        """Hand a draft in for approval.

        Raises:
            Invalid: Nobody would get it.
            StepUpRequired: It is 紧急.
        """
        notice, state = await self._desk.take(notice_id, Act.SUBMIT, by=by, v=v)
        self._desk.require_fresh(notice.priority, by=by)
        reached = await self._desk.reach(notice, by=by)
        change = {"state": state, "reason": "", "approver_id": None, **_judged(reached)}
        kept = await self._desk.keep(notice, change, by=by.id)
        await self._desk.note("submit", kept, by=by.id)
        return kept

    async def approve(self, notice_id: str, *, v: int, by: Person) -> Notice:
        """Approve as the second person.

        Raises:
            Forbidden: The author cannot approve; or the person could not publish it themselves.
        """
        notice, state = await self._desk.take(notice_id, Act.APPROVE, by=by, v=v)
        require_second(by, first=notice.author_id)
        self._desk.require_fresh(notice.priority, by=by)
        await self._desk.reach(notice, by=by)
        kept = await self._desk.keep(notice, {"state": state, "approver_id": by.id}, by=by.id)
        await self._desk.note("approve", kept, by=by.id)
        await self._desk.tell_author(kept, by=by.id)
        return kept

    async def reject(self, notice_id: str, *, v: int, reason: str, by: Person) -> Notice:
        """Send it back to its author with a reason."""
        notice, state = await self._desk.take(notice_id, Act.REJECT, by=by, v=v)
        require_second(by, first=notice.author_id)
        kept = await self._desk.keep(notice, {"state": state, "reason": reason}, by=by.id)
        await self._desk.note("reject", kept, by=by.id, reason=reason)
        await self._desk.tell_author(kept, by=by.id)
        return kept

    async def withdraw(self, notice_id: str, *, v: int, by: Person) -> Notice:
        """Take it back to be a draft; what was approved is forgotten."""
        notice, state = await self._desk.take(notice_id, Act.WITHDRAW, by=by, v=v)
        kept = await self._desk.keep(notice, {"state": state, "approver_id": None}, by=by.id)
        await self._desk.note("withdraw", kept, by=by.id)
        return kept

    async def publish(self, notice_id: str, *, v: int, by: Person) -> Notice:
        """Publish now, or at its time if that is still to come.

        Raises:
            BadState: It must be approved by a second person first.
            Invalid: Nobody would get it.
            StepUpRequired: It is 紧急.
        """
        notice = await self._desk.find(notice_id, by=by)
        later = notice.publish_at is not None and notice.publish_at > self._desk.clock()
        act = Act.SCHEDULE if later and notice.state is not State.SCHEDULED else Act.PUBLISH
        notice, state = await self._desk.take(notice_id, act, by=by, v=v)
        self._desk.require_fresh(notice.priority, by=by)
        reached = await self._desk.reach(notice, by=by)
        self._require_approval(notice, reached)
        self._require_time(notice)
        if act is Act.SCHEDULE:
            change = {
                "state": state,
                **_judged(reached),
                "approver_id": notice.approver_id or by.id,
            }
            kept = await self._desk.keep(notice, change, by=by.id)
            await self._desk.note("schedule", kept, by=by.id)
            return kept
        return await self._publish(notice, reached, by=by.id)

    async def publish_due(self) -> int:
        """Publish what is scheduled by now; answer how many went out.

        What cannot go out (nobody is left in the audience, or it has come to reach the whole house)
        becomes a draft again with the reason, and its author hears of it.
        """
        now, sent = self._desk.clock(), 0
        for notice in await self._desk.store.due(State.SCHEDULED, now, _AT_ONCE):
            try:
                sent += await self._publish_scheduled(notice)
            except UpstreamDown:
                raise
            except DomainError as refusal:
                _log.warning("notice %s did not go out: %s", notice.id, refusal.code)
        return sent

    async def _publish_scheduled(self, notice: Notice) -> bool:
        try:
            recipients = await self._desk.recipients(notice.audience)
            whole = await self._desk.whole(notice, recipients)
            second = notice.second or (whole and notice.priority is Priority.URGENT)
            reached = Reached(recipients, whole, second, notice.scopes)
            self._require_approval(notice, reached)
            self._require_time(notice)
        except UpstreamDown:
            raise
        except DomainError as refusal:
            await self._fail(notice, refusal)
            return False
        await self._publish(notice, reached, by=SYSTEM.id)
        return True

    async def _fail(self, notice: Notice, refusal: DomainError) -> None:
        change = {"state": State.DRAFT, "reason": refusal.msg, "approver_id": None}
        kept = await self._desk.keep(notice, change, by=SYSTEM.id)
        await self._desk.note("fail", kept, by=SYSTEM.id, code=refusal.code)
        await self._desk.tell_author(kept, by=SYSTEM.id)

    async def _publish(self, notice: Notice, reached: Reached, *, by: str) -> Notice:
        now, token = self._desk.clock(), self._desk.new_id()
        change = {
            "state": notice.after(Act.PUBLISH),
            **_judged(reached),
            "no": notice.no or await self._desk.number(now),
            "approver_id": notice.approver_id or by,
            "published_at": now,
            "recipients": len(reached.recipients),
            "reason": "",
            "fan_done": False,
        }
        kept = self._desk.changed(notice, change, by=by)
        if not await self._desk.store.publish(kept, reached.recipients, was=notice, token=token):
            raise await self._desk.conflict(notice)
        self._fan.wake()
        await self._desk.note(
            "publish",
            kept,
            by=by,
            no=kept.no,
            priority=kept.priority.value,
            recipients=kept.recipients,
            recipients_sha256=_digest(reached.recipients),
            approver=kept.approver_id,
        )
        await self._desk.tell_author(kept, by=by)
        return kept

    def _require_time(self, notice: Notice) -> None:
        """Do nothing unless a draft has lain until nobody could confirm, or read, it any more."""
        now = self._desk.clock()
        if notice.confirm_by is not None and notice.confirm_by <= now:
            raise Invalid("确认截止时间已过，请修改后再发布", field="confirm_by")
        if notice.expire_at is not None and notice.expire_at <= now:
            raise Invalid("失效时间已过，请修改后再发布", field="expire_at")

    def _require_approval(self, notice: Notice, reached: Reached) -> None:
        if not reached.second:
            return
        approved = notice.approver_id is not None and notice.approver_id != notice.author_id
        if not approved or notice.state is State.DRAFT:
            raise BadState(
                "须先由另一人审批", allowed=[Act.SUBMIT, Act.EDIT], code="approval_needed"
            )


def _judged(reached: Reached) -> dict[str, Any]:
    return {"second": reached.second, "scopes": reached.scopes}


def _digest(recipients: Sequence[Recipient]) -> str:
    """Answer the hash by which the audit knows whom it went to."""
    text = "\n".join(one.person_id for one in recipients)
    return hashlib.sha256(text.encode()).hexdigest()
