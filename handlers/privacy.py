"""The privacy centre: ``/api/v1/me/consents``, ``/api/v1/me/exports``, ``/api/v1/me/erasures``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from domain.consents import Consent, Decision, Purpose
from domain.erasure import ErasureRequest, ErasureState
from domain.errors import NotFound
from domain.privacy import ExportJob, JobState
from handlers.base import ApiHandler
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, Written, operation
from handlers.routing import route
from handlers.text import Draft, Id, Key, Line, Note


class ConsentDraft(Draft):
    """Yes or no to a text; ``version`` is the one that was read."""

    given: bool
    version: Line


class ConsentView(BaseModel):
    """A purpose and what one has said about it.

    ``law`` is the article that demands the processing: such a purpose cannot be refused.
    ``outdated`` says that the text has changed since it was read.
    """

    purpose: str
    title: str
    text: str
    version: str
    law: str
    sensitive: bool
    decision: Decision | None
    read_version: str | None
    given_at: datetime | None
    withdrawn_at: datetime | None
    outdated: bool

    @classmethod
    def of(cls, purpose: Purpose, consent: Consent | None) -> Self:
        """Show a purpose."""
        return cls(
            purpose=purpose.key,
            title=purpose.title,
            text=purpose.text,
            version=purpose.version,
            law=purpose.law,
            sensitive=purpose.sensitive,
            decision=consent.decision if consent else None,
            read_version=consent.version if consent else None,
            given_at=consent.given_at if consent else None,
            withdrawn_at=consent.withdrawn_at if consent else None,
            outdated=consent is not None
            and consent.decision is Decision.GIVEN
            and consent.version != purpose.version,
        )


class ExportView(BaseModel):
    """The making of a copy of everything personal."""

    id: str
    state: JobState
    asked_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    counts: Mapping[str, int]
    size: int

    @classmethod
    def of(cls, job: ExportJob) -> Self:
        """Show a job."""
        return cls(**job.model_dump(include=set(cls.model_fields)))


class ErasureDraft(Draft):
    """A request for erasure, with a word of one's own if one likes."""

    note: Note = ""


class ErasureView(BaseModel):
    """A request for erasure and what became of it."""

    id: str
    state: ErasureState
    note: str
    asked_at: datetime
    due_at: datetime
    decided_at: datetime | None
    reason: str
    kept: list[str]
    v: int

    @classmethod
    def of(cls, request: ErasureRequest) -> Self:
        """Show a request."""
        return cls(**request.model_dump(include=set(cls.model_fields)) | {"kept": request.kept})


class ConsentsHandler(ApiHandler):
    """``/api/v1/me/consents``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> list[ConsentView]:
        """Answer every purpose data is used for, with what one has said about it."""
        overview = await self.services.house.consents.overview(by=self.user)
        return [ConsentView.of(purpose, consent) for purpose, consent in overview]


class ConsentHandler(ApiHandler):
    """``/api/v1/me/consents/{purpose}``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def put(self, purpose: Key, body: ConsentDraft) -> ConsentView:
        """Give or refuse a consent after reading its text."""
        await self.services.house.consents.decide(
            purpose, given=body.given, version=body.version, by=self.user
        )
        return await self._view(purpose)

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self, purpose: Key) -> ConsentView:
        """Take a consent back; what was kept for it is deleted."""
        await self.services.house.consents.withdraw(purpose, by=self.user)
        return await self._view(purpose)

    async def _view(self, key: str) -> ConsentView:
        for purpose, consent in await self.services.house.consents.overview(by=self.user):
            if purpose.key == key:
                return ConsentView.of(purpose, consent)
        raise NotFound


class ExportsHandler(ApiHandler):
    """``/api/v1/me/exports``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> list[ExportView]:
        """Answer the copies one asked for, newest first."""
        return [ExportView.of(job) for job in await self.services.house.exports.mine(by=self.user)]

    @operation(SELF_SERVICE_WHEN_SUSPENDED, status=201, rate="export")
    async def post(self) -> ExportView:
        """Ask for a copy of everything personal; one at a time."""
        return ExportView.of(await self.services.house.exports.ask(by=self.user))


class ExportHandler(ApiHandler):
    """``/api/v1/me/exports/{job_id}``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self, job_id: Id) -> ExportView:
        """Answer how far a copy is."""
        return ExportView.of(await self.services.house.exports.get(job_id, by=self.user))


class ExportFileHandler(ApiHandler):
    """``/api/v1/me/exports/{job_id}/file``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED, step_up=True, rate="export", produces="application/zip")
    async def get(self, job_id: Id) -> Written:
        """Fetch a finished copy, for a day."""
        archive = await self.services.house.exports.fetch(job_id, by=self.user)
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f'attachment; filename="my-data-{job_id}.zip"')
        self.set_header("Cache-Control", "no-store")
        self.write(archive)
        return Written()


class ErasuresHandler(ApiHandler):
    """``/api/v1/me/erasures``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> list[ErasureView]:
        """Answer one's requests for erasure, newest first."""
        return [
            ErasureView.of(request)
            for request in await self.services.house.erasure.mine(by=self.user)
        ]

    @operation(SELF_SERVICE_WHEN_SUSPENDED, status=201, step_up=True)
    async def post(self, body: ErasureDraft) -> ErasureView:
        """Ask for erasure of what is kept about oneself; decided within fifteen days."""
        return ErasureView.of(await self.services.house.erasure.ask(body.note, by=self.user))


ROUTES = [
    route(r"/api/v1/me/consents", ConsentsHandler),
    route(r"/api/v1/me/consents/(?P<purpose>[a-z0-9_.-]{1,64})", ConsentHandler),
    route(r"/api/v1/me/exports", ExportsHandler),
    route(r"/api/v1/me/exports/(?P<job_id>[0-9A-Z]{26})", ExportHandler),
    route(r"/api/v1/me/exports/(?P<job_id>[0-9A-Z]{26})/file", ExportFileHandler),
    route(r"/api/v1/me/erasures", ErasuresHandler),
]
