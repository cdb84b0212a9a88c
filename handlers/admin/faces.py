"""The desk of face recognition: ``/api/v1/admin/face``: impact assessments, held enrolments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, StrictBool, StringConstraints

from domain.faces.assessments import Assessment, Said
from domain.faces.templates import Template
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Body, Draft, Id, Reason, Title

Paragraphs = Annotated[Body, StringConstraints(min_length=20)]
"""A text that says something."""


class AssessmentDraft(Draft):
    """An impact assessment by the headings of the law (个人信息保护法第五十六条)."""

    title: Title
    purpose: Paragraphs
    impact: Paragraphs
    measures: Paragraphs
    conclusion: Body
    until: Instant


class AssessmentView(BaseModel):
    """An impact assessment; ``holds`` says whether faces may be used on the strength of it."""

    id: str
    title: str
    purpose: str
    impact: str
    measures: str
    conclusion: str
    until: datetime
    made_at: datetime
    made_by: str
    approved_at: datetime | None
    approved_by: str
    holds: bool

    @classmethod
    def at(cls, it: Assessment, now: datetime) -> Self:
        """Show an assessment at an instant."""
        said, rest = it.said.model_dump(), it.model_dump(exclude={"said"})
        return cls(**said, **rest, holds=it.holds(now))


class HeldView(BaseModel):
    """An enrolment that waits: the person looks much like these others."""

    person_id: str
    twins: list[str]
    made_at: datetime

    @classmethod
    def of(cls, template: Template) -> Self:
        """Show it."""
        return cls(
            person_id=template.person_id, twins=list(template.twins), made_at=template.made_at
        )


class HeldDecisionDraft(Draft):
    """Whether the enrolled face is the person's own, as somebody has seen for themselves."""

    theirs: StrictBool
    reason: Reason


class AssessmentsHandler(ApiHandler):
    """``/api/v1/admin/face/assessments``."""

    @operation(Permission.PRIVACY_HANDLE)
    async def get(self) -> list[AssessmentView]:
        """List impact assessments, the newest first."""
        found = await self.services.faces.assessments.listed(by=self.user)
        now = self.web.clock()
        return [AssessmentView.at(it, now) for it in found]

    @operation(Permission.PRIVACY_HANDLE, status=201)
    async def post(self, body: AssessmentDraft) -> AssessmentView:
        """File an impact assessment; a second person approves it."""
        made = await self.services.faces.assessments.file(Said(**body.model_dump()), by=self.user)
        return AssessmentView.at(made, self.web.clock())


class ApprovalHandler(ApiHandler):
    """``/api/v1/admin/face/assessments/{assessment_id}/approval``."""

    @operation(Permission.PRIVACY_HANDLE, step_up=True)
    async def post(self, assessment_id: Id) -> AssessmentView:
        """Approve what somebody else has filed; faces may then be switched on."""
        approved = await self.services.faces.assessments.approve(assessment_id, by=self.user)
        return AssessmentView.at(approved, self.web.clock())


class HeldHandler(ApiHandler):
    """``/api/v1/admin/face/held``."""

    @operation(Permission.PRIVACY_HANDLE)
    async def get(self) -> list[HeldView]:
        """List enrolments that wait for somebody to look at the people themselves."""
        found = await self.services.faces.enrolment.held(by=self.user)
        return [HeldView.of(it) for it in found]


class HeldDecisionHandler(ApiHandler):
    """``/api/v1/admin/face/held/{person_id}/decision``."""

    @operation(Permission.PRIVACY_HANDLE, step_up=True)
    async def post(self, person_id: Id, body: HeldDecisionDraft) -> None:
        """Let an enrolment stand, or delete it."""
        await self.services.faces.enrolment.decide(
            person_id, theirs=body.theirs, reason=body.reason, by=self.user
        )


_ASSESSMENTS = r"/api/v1/admin/face/assessments"

ROUTES = [
    route(_ASSESSMENTS, AssessmentsHandler),
    route(rf"{_ASSESSMENTS}/(?P<assessment_id>[0-9A-Z]{{26}})/approval", ApprovalHandler),
    route(r"/api/v1/admin/face/held", HeldHandler),
    route(r"/api/v1/admin/face/held/(?P<person_id>[0-9A-Z]{26})/decision", HeldDecisionHandler),
]
