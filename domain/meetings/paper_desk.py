"""The desk at which papers are put on agendas, and the question who may have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from domain.clock import Clock, NewId
from domain.errors import Invalid, NotFound
from domain.files import FileRecord
from domain.meetings.agenda import AgendaItem, AgendaService, AgendaStore, require_open
from domain.meetings.meeting import SEALED, serves
from domain.meetings.papers import Paper, PaperAdded
from domain.meetings.participants import ParticipantService
from domain.people import Person
from domain.ports import Bus
from domain.visibility import visible

MOST_PAPERS = 50


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
        paper_id = ref.partition(":")[2]
        item = await self._store.with_paper(paper_id)
        if item is None:
            return False
        meeting = await self._agenda.find(item.meeting_id)
        if serves(by, meeting):
            return True
        also = await self._participants.scopes(by, meeting.id)
        if meeting.agenda_published_at is None or not visible(by, meeting, also=also):
            return False
        return any(visible(by, it, also=also) for it in item.papers if it.id == paper_id)

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
        try:
            await self._files.attach([paper.file_id], f"paper:{paper.id}", owner=by.id)
        except Invalid:
            raise Invalid("文件不存在，或不是您上传的", field="file_id") from None
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
