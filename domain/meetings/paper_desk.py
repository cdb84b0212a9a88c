"""The desk at which papers are put on agendas, and the question who may have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from domain.clock import Clock, NewId
from domain.errors import Conflict, Invalid, NotFound
from domain.files import FileRecord
from domain.meetings.agenda import AgendaItem, AgendaService, AgendaStore, require_open
from domain.meetings.meeting import SEALED, Meeting, serves
from domain.meetings.papers import Former, Paper, PaperAdded, PaperReplaced
from domain.meetings.participants import ParticipantService
from domain.people import Person
from domain.ports import Bus
from domain.visibility import visible

MOST_PAPERS = 50
MOST_VERSIONS = 50


class Placed(NamedTuple):
    """A paper where it stands."""

    meeting: Meeting
    item: AgendaItem
    paper: Paper


class Files(Protocol):
    """Ties files to what they belong to."""

    async def attach(self, file_ids: Sequence[str], ref: str, *, owner: str) -> list[FileRecord]:
        """Tie the owner's own files to ``ref``.

        Raises:
            Invalid: One is not there, somebody else's, or tied to another thing.
        """


class PaperService:
    """Puts papers on agendas."""

    def __init__(
        self,
        store: AgendaStore,
        agenda: AgendaService,
        participants: ParticipantService,
        files: Files,
        *,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._participants = participants
        self._files = files
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def may_read(self, ref: str, file_id: str, *, by: Person) -> bool:
        """Tell whether a person may have the file of a paper, ``paper:<id>``."""
        try:
            placed = await self.find(ref.partition(":")[2], by=by)
        except NotFound:
            return False
        return placed.paper.file_id == file_id or serves(by, placed.meeting)

    async def find(self, paper_id: str, *, by: Person) -> Placed:
        """Answer a paper in its current version to its readers, and to the staff.

        Raises:
            NotFound: There is none, or they may not know of it.
        """
        item = await self._store.with_paper(paper_id)
        paper = next((it for it in item.papers if it.id == paper_id), None) if item else None
        if item is None or paper is None:
            raise NotFound
        meeting = await self._agenda.find(item.meeting_id)
        if not serves(by, meeting):
            also = await self._participants.scopes(by, meeting.id)
            told = meeting.agenda_published_at is not None and visible(by, meeting, also=also)
            if not told or not visible(by, paper, also=also):
                raise NotFound
        return Placed(meeting, item, paper)

    async def served(self, meeting_id: str, *, by: Person) -> tuple[Meeting, Sequence[Paper]]:
        """Answer every paper of a meeting to its staff, as they stand on the agenda.

        Raises:
            NotFound: There is no such meeting.
            Forbidden: They are not of its staff.
        """
        meeting = await self._agenda.served(meeting_id, by)
        items = await self._store.of(meeting_id)
        return meeting, [paper for item in items for paper in item.papers]

    async def attach(
        self, meeting_id: str, item_id: str, fields: Mapping[str, Any], *, by: Person
    ) -> AgendaItem:
        """Put a file that one has sent in its place on the agenda.

        Raises:
            Invalid: There is no such file of theirs, or there are too many papers.
            BadState: The meeting is archived.
        """
        meeting = await self._agenda.served(meeting_id, by)
        require_open(meeting, SEALED)
        item = await self._agenda.item(meeting_id, item_id)
        if len(item.papers) >= MOST_PAPERS:
            raise Invalid(f"每项议题最多 {MOST_PAPERS} 份文件", field="file_id")
        paper = Paper(
            id=self._new_id(), meeting_id=meeting_id, added_at=self._clock(), added_by=by.id,
            **fields,
        )  # fmt: skip
        await self._tie(paper, by)
        changed = await self._agenda.keep(item, {"papers": (*item.papers, paper)}, by)
        await self._agenda.note(
            "paper.add",
            changed,
            by,
            paper=paper.id,
            file=paper.file_id,
            readers=paper.readers.value,
        )
        if meeting.agenda_published_at is not None:
            event = PaperAdded(
                id=self._new_id(), v=changed.v, at=paper.added_at,
                meeting_id=meeting_id, item_id=item_id, paper_id=paper.id,
            )  # fmt: skip
            for channel in meeting.channels[:2]:
                await self._bus.publish(channel, event)
        return changed

    async def replace(self, paper_id: str, file_id: str, *, v: int, by: Person) -> Placed:
        """Put a new version in the place of a paper that is still at version ``v``.

        Its id stays, and with it the code that lies on the table.

        Raises:
            NotFound: There is no such paper, or they may not know of it.
            Forbidden: They are not of the staff of its meeting.
            Invalid: There is no such file of theirs, or there are too many versions.
            BadState: The meeting is archived.
            Conflict: Somebody else replaced it first.
        """
        placed = await self.find(paper_id, by=by)
        meeting = await self._agenda.served(placed.meeting.id, by)
        require_open(meeting, SEALED)
        item, was = placed.item, placed.paper
        if was.v != v:
            raise Conflict("该文件已被他人更新，请刷新后重试", detail={"v": was.v})
        if len(was.former) + 1 >= MOST_VERSIONS:
            raise Invalid(f"每份文件最多 {MOST_VERSIONS} 个版本", field="file_id")
        former = Former(v=v, file_id=was.file_id, added_at=was.added_at, added_by=was.added_by)
        now = {"v": v + 1, "file_id": file_id, "added_at": self._clock(), "added_by": by.id}
        paper = was.model_copy(update={**now, "former": (*was.former, former)})
        await self._tie(paper, by)
        papers = tuple(paper if it.id == paper_id else it for it in item.papers)
        changed = await self._agenda.keep(item, {"papers": papers}, by)
        await self._agenda.note(
            "paper.replace", changed, by, paper=paper_id, file=file_id, v=paper.v
        )
        if meeting.agenda_published_at is not None:
            event = PaperReplaced(
                id=self._new_id(), v=paper.v, at=paper.added_at,
                meeting_id=meeting.id, item_id=item.id, paper_id=paper_id,
            )  # fmt: skip
            for channel in meeting.channels[:2]:
                await self._bus.publish(channel, event)
        return Placed(meeting, changed, paper)

    async def detach(
        self, meeting_id: str, item_id: str, paper_id: str, *, by: Person
    ) -> AgendaItem:
        """Take a paper away again; nobody gets it any more.

        Raises:
            NotFound: There is no such paper.
        """
        meeting = await self._agenda.served(meeting_id, by)
        require_open(meeting, SEALED)
        item = await self._agenda.item(meeting_id, item_id)
        left = tuple(paper for paper in item.papers if paper.id != paper_id)
        if len(left) == len(item.papers):
            raise NotFound
        changed = await self._agenda.keep(item, {"papers": left}, by)
        await self._agenda.note("paper.remove", changed, by, paper=paper_id)
        await self._agenda.tell(meeting)
        return changed

    async def _tie(self, paper: Paper, by: Person) -> None:
        try:
            await self._files.attach([paper.file_id], f"paper:{paper.id}", owner=by.id)
        except Invalid:
            raise Invalid("文件不存在，或不是您上传的", field="file_id") from None
