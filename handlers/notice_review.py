"""Letting notices out and taking them back: review, publication, recall, 催办."""

from __future__ import annotations

from pydantic import BaseModel

from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.notices import NoticeView
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Id, Reason


class VersionDraft(Draft):
    """The version at which a notice was read."""

    v: int


class RejectionDraft(VersionDraft):
    """Why a notice goes back."""

    reason: Reason


class RecallDraft(Draft):
    """Why a notice is taken back; every reader sees it."""

    reason: Reason


class NudgedView(BaseModel):
    """How many were reminded."""

    unread: int


class SubmitHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/submit``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id, body: VersionDraft) -> NoticeView:
        """Hand a draft in for approval."""
        review = self.services.notices.review
        return NoticeView.of(await review.submit(notice_id, v=body.v, by=self.user))


class ApproveHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/approve``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id, body: VersionDraft) -> NoticeView:
        """Approve as the second person."""
        review = self.services.notices.review
        return NoticeView.of(await review.approve(notice_id, v=body.v, by=self.user))


class RejectHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/reject``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id, body: RejectionDraft) -> NoticeView:
        """Send a notice back to its author with a reason."""
        review = self.services.notices.review
        rejected = await review.reject(notice_id, v=body.v, reason=body.reason, by=self.user)
        return NoticeView.of(rejected)


class WithdrawHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/withdraw``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id, body: VersionDraft) -> NoticeView:
        """Take a notice that is not out yet back to be a draft."""
        review = self.services.notices.review
        return NoticeView.of(await review.withdraw(notice_id, v=body.v, by=self.user))


class PublishHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/publish``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id, body: VersionDraft) -> NoticeView:
        """Publish now, or at ``publish_at`` if that is still to come."""
        review = self.services.notices.review
        return NoticeView.of(await review.publish(notice_id, v=body.v, by=self.user))


class RecallHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/recall``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id, body: RecallDraft) -> NoticeView:
        """Take a published notice back; every reader is told, and why."""
        afterwards = self.services.notices.afterwards
        recalled = await afterwards.recall(notice_id, reason=body.reason, by=self.user)
        return NoticeView.of(recalled)


class NudgeHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/nudge``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id) -> NudgedView:
        """Remind those who have not read it (催办), at most once an hour."""
        afterwards = self.services.notices.afterwards
        return NudgedView(unread=await afterwards.nudge(notice_id, by=self.user))


class TrialHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/test``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, notice_id: Id) -> None:
        """Send a notice that is not out yet to oneself alone."""
        await self.services.notices.drafting.test(notice_id, by=self.user)


_ONE = r"/api/v1/notices/(?P<notice_id>[0-9A-Z]{26})"

ROUTES = [
    route(rf"{_ONE}/approve", ApproveHandler),
    route(rf"{_ONE}/nudge", NudgeHandler),
    route(rf"{_ONE}/publish", PublishHandler),
    route(rf"{_ONE}/recall", RecallHandler),
    route(rf"{_ONE}/reject", RejectHandler),
    route(rf"{_ONE}/submit", SubmitHandler),
    route(rf"{_ONE}/test", TrialHandler),
    route(rf"{_ONE}/withdraw", WithdrawHandler),
]
