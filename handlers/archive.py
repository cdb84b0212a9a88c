"""The archive of a meeting: ``/api/v1/meetings/{meeting_id}/archive``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from domain.meetings.archive import Package, PackageState
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Id


class ArchiveDraft(Draft):
    """The version of the meeting that was seen."""

    v: Annotated[int, Field(ge=0, lt=2**31)]


class PackageView(BaseModel):
    """How far the package is. Once ``done``, its content is that of the file ``file_id``."""

    state: PackageState
    file_id: str | None
    sha256: str
    size: int
    entries: int
    finished_at: datetime | None

    @classmethod
    def of(cls, package: Package) -> Self:
        """Show a package."""
        return cls(**package.model_dump(include=set(cls.model_fields)))


class ArchiveHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/archive``."""

    @operation(Permission.MEETING_MANAGE)
    async def get(self, meeting_id: Id) -> PackageView:
        """Show how far the package of an archived meeting is."""
        archive = self.services.meetings.archive
        return PackageView.of(await archive.package(meeting_id, by=self.user))

    @operation(Permission.MEETING_MANAGE)
    async def post(self, meeting_id: Id, body: ArchiveDraft) -> PackageView:
        """Archive a closed meeting for good; the package is made within moments."""
        meetings = self.services.meetings
        await meetings.archive.archive(meeting_id, v=body.v, desk=meetings.desk, by=self.user)
        return PackageView.of(await meetings.archive.package(meeting_id, by=self.user))


ROUTES = [route(r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/archive", ArchiveHandler)]
"""One address: archiving, and what came of it."""
