"""Impact assessments (个人信息保护法 55–56; 人脸识别技术应用安全管理办法): first this, then faces.

Without one that a second person has approved and that still holds, the module cannot be switched
on, and stops when the last one is over. An assessment is never changed: there is a new one. Each is
kept for at least three years.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider, require_second
from domain.clock import Clock, NewId
from domain.errors import BadState, Forbidden, NotFound
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog


class Said(BaseModel):
    """What an assessment says, by the headings of the law.

    Attributes:
        purpose: What faces are used for, and why that is lawful, proper and necessary.
        impact: What it means for the people concerned, and the risks.
        measures: What protects them, and whether that is enough for the risk.
        conclusion: Whether, and within which limits.
        until: When the assessment has to be made anew.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    purpose: str
    impact: str
    measures: str
    conclusion: str
    until: datetime


class Assessment(BaseModel):
    """One assessment."""

    model_config = ConfigDict(frozen=True)

    id: str
    said: Said
    made_at: datetime
    made_by: str
    approved_at: datetime | None = None
    approved_by: str = ""

    def holds(self, at: datetime) -> bool:
        """Tell whether faces may be used on the strength of it."""
        return self.approved_at is not None and at < self.said.until


class AssessmentStore(Protocol):
    """Keeps assessments for ever."""

    async def all(self) -> Sequence[Assessment]:
        """Answer every assessment, the newest first."""

    async def get(self, assessment_id: str) -> Assessment | None:
        """Answer one, or ``None``."""

    async def add(self, assessment: Assessment) -> None:
        """Keep a new one."""

    async def approve(self, assessment_id: str, *, at: datetime, by: str) -> Assessment | None:
        """Note the approval of one that was not approved yet; answer it, or ``None``."""


class AssessmentDesk:
    """Takes assessments in, and says whether one holds."""

    def __init__(
        self, store: AssessmentStore, *, audit: AuditLog, clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def holding(self) -> Assessment | None:
        """Answer the newest assessment that holds, or ``None``."""
        now = self._clock()
        return next((it for it in await self._store.all() if it.holds(now)), None)

    async def require(self) -> None:
        """Do nothing if an assessment holds.

        Raises:
            Forbidden: None does (code ``assessment_required``).
        """
        if await self.holding() is None:
            raise Forbidden(
                "人脸识别须先有经批准且在有效期内的个人信息保护影响评估",
                code="assessment_required",
                detail={"source": "个人信息保护法第五十五条、第五十六条"},
            )

    async def listed(self, *, by: Person) -> Sequence[Assessment]:
        """Answer every assessment, the newest first, for administrators and auditors."""
        by.require(Permission.PRIVACY_HANDLE)
        return await self._store.all()

    async def file(self, said: Said, *, by: Person) -> Assessment:
        """Take an assessment in; it holds once somebody else has approved it.

        Raises:
            Forbidden: The person may only look.
        """
        require_decider(by, Permission.PRIVACY_HANDLE)
        made = Assessment(id=self._new_id(), said=said, made_at=self._clock(), made_by=by.id)
        await self._store.add(made)
        await self._note("file", made, by)
        return made

    async def approve(self, assessment_id: str, *, by: Person) -> Assessment:
        """Approve what somebody else has filed.

        Raises:
            Forbidden: The person may only look, or filed it.
            NotFound: There is no such assessment.
            BadState: It was approved before, or its time is over.
        """
        require_decider(by, Permission.PRIVACY_HANDLE)
        found = await self._store.get(assessment_id)
        if found is None:
            raise NotFound
        require_second(by, first=found.made_by)
        now = self._clock()
        if now >= found.said.until:
            raise BadState("该评估已过有效期，请重新评估", allowed=())
        approved = await self._store.approve(assessment_id, at=now, by=by.id)
        if approved is None:
            raise BadState("该评估已经批准", allowed=())
        await self._note("approve", approved, by)
        return approved

    async def _note(self, verb: str, it: Assessment, by: Person) -> None:
        await self._audit.record(
            f"face.assessment.{verb}",
            by=by.id,
            obj=f"face_assessment:{it.id}",
            detail={"title": it.said.title},
        )
