"""The live console of a meeting: ``/api/v1/meetings/{meeting_id}/state`` and what moves it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from domain.hall.console import Tick
from domain.hall.events import told_on
from domain.hall.meeting import Meeting
from domain.hall.state import Hall, Part, SceneName, Ticking
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Id, Line

Version = Annotated[int, Field(ge=0)]
"""The version of the part that the caller has seen; 0 for one that was never touched."""

Ref = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.:-]{1,64}$")]


class PointerDraft(Draft):
    """Where the pointer goes, and in which version the caller saw it."""

    item_id: Id | None
    v: Version


class CountdownDraft(Draft):
    """What happens to the countdown; ``seconds`` to start it or to prolong it."""

    action: Tick
    v: Version
    seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    label: Line = ""


class SceneDraft(Draft):
    """What the screens show; a poll's result needs ``ref``."""

    scene: SceneName
    v: Version
    ref: Ref | None = None


class PartView(BaseModel):
    """A part of the live state, as its event carries it."""

    v: int
    at: datetime | None


class PointerView(PartView):
    """Which item of the agenda is being dealt with, and what it was called then."""

    item_id: str | None
    title: str


class CountdownView(PartView):
    """The countdown: ``ends_at`` while it runs, ``left_ms`` while it is paused."""

    status: Ticking
    label: str
    total_s: int
    ends_at: datetime | None
    left_ms: int | None


class SceneView(PartView):
    """What the screens show."""

    scene: SceneName
    ref: str | None


class QuorumView(PartView):
    """Whether enough are present."""

    present: int
    total: int
    needed: int
    reached: bool


class TurnView(BaseModel):
    """Somebody who waits to speak, or speaks; ``limit_s`` is how long they may."""

    id: str
    person_id: str
    name: str
    item_id: str | None
    turn: int
    limit_s: int
    asked_at: datetime


class SpeakersView(PartView):
    """Who waits to speak, in order."""

    waiting: list[TurnView]


class SpeakingView(PartView):
    """Who has the floor, and until when."""

    turn: TurnView | None
    started_at: datetime | None
    ends_at: datetime | None
    extended: bool


class HallView(BaseModel):
    """The live state of a meeting; each part has a version of its own.

    A part is null where the channel does not tell of it: the scene to participants, the queue and
    the meeting's own state to screens. ``meeting_v`` is the ``v`` of ``mtg.state`` and
    ``meeting.changed``; after the latter, fetch the title again.
    """

    meeting_id: str
    title: str
    state: str | None
    meeting_v: int | None
    pointer: PointerView | None
    countdown: CountdownView | None
    scene: SceneView | None
    quorum: QuorumView | None
    speakers: SpeakersView | None
    speaking: SpeakingView | None

    @classmethod
    def fields(cls, channel: str, meeting: Meeting, hall: Hall) -> dict[str, Any]:
        """Answer what a view for a channel shows: what its events tell of, and no more."""
        parts = {
            name: part.shown() if told_on(name, channel) else None
            for name, part in hall
            if isinstance(part, Part)
        }
        told = channel != "mtgscreen"
        return {
            "meeting_id": meeting.id,
            "title": meeting.title,
            "state": meeting.state if told else None,
            "meeting_v": meeting.v if told else None,
            **parts,
        }


class StateView(SnapshotView, HallView):
    """The live state, and the position of the channel from which to go on."""


class StateQuery(Draft):
    """``?channel=mtgstaff`` for the staff of the meeting."""

    channel: Literal["mtg", "mtgstaff"] = "mtg"


class StateHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/state``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id, query: StateQuery) -> StateView:
        """Show the live state; subscribe to ``channel`` from ``position`` to follow it.

        Keep the part with the newest ``v``. The same fields, without ``id`` and ``type``, are in
        the events ``agenda.pointer``, ``countdown``, ``screen.scene``, ``quorum``,
        ``speech.queue`` and ``speech.now``.
        """
        channel = f"{query.channel}:{meeting_id}"
        staff = query.channel == "mtgstaff"
        console = self.services.hall.console
        taken = await self.services.realtime.snapshot(
            channel, lambda: console.state(meeting_id, staff=staff, by=self.user)
        )
        fields = HallView.fields(query.channel, *taken.state)
        return StateView(channel=channel, position=PositionView.of(taken.position), **fields)


class PointerHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/pointer``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: PointerDraft) -> PointerView:
        """Move the pointer; 409 with the version now if somebody else was faster."""
        moved = await self.services.hall.console.point(
            meeting_id, body.item_id, v=body.v, by=self.user
        )
        return PointerView(**moved.shown())


class CountdownHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/countdown``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: CountdownDraft) -> CountdownView:
        """Start, pause, resume, prolong or stop the countdown; nothing ticks over the wire."""
        changed = await self.services.hall.console.tick(
            meeting_id,
            body.action,
            v=body.v,
            seconds=body.seconds,
            label=body.label,
            by=self.user,
        )
        return CountdownView(**changed.shown())


class SceneHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/scene``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: SceneDraft) -> SceneView:
        """Choose what the screens in the hall show."""
        changed = await self.services.hall.console.show(
            meeting_id, body.scene, ref=body.ref, v=body.v, by=self.user
        )
        return SceneView(**changed.shown())


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"

ROUTES = [
    route(rf"{_MEETING}/countdown", CountdownHandler),
    route(rf"{_MEETING}/pointer", PointerHandler),
    route(rf"{_MEETING}/scene", SceneHandler),
    route(rf"{_MEETING}/state", StateHandler),
]
