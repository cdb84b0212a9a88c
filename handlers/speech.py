"""Speaking at a meeting: ``/api/v1/meetings/{meeting_id}/speech``."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.hall import SpeakersView, SpeakingView, TurnView
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Id

Version = Annotated[int, Field(ge=0)]


class FloorAction(StrEnum):
    """What happens to the floor."""

    GIVE = "give"
    EXTEND = "extend"
    FINISH = "finish"


class AskDraft(Draft):
    """On which item somebody wants to speak, or on the meeting as a whole."""

    item_id: Id | None = None


class OrderDraft(Draft):
    """Everybody who waits, in another order, and the version that the caller saw."""

    turns: Annotated[tuple[Id, ...], Field(max_length=100)]
    v: Version


class FloorDraft(Draft):
    """What happens to the floor, and in which version the caller saw it.

    ``turn_id`` names who is given it; without one, the first who waits.
    """

    action: FloorAction
    v: Version
    turn_id: Id | None = None


class SpeechView(BaseModel):
    """A speech that was given; ``over_s``, how much longer it took than it was to."""

    id: str
    item_id: str | None
    person_id: str
    name: str
    turn: int
    started_at: datetime
    ended_at: datetime
    seconds: int
    over_s: int
    extended: bool


class TotalView(BaseModel):
    """How often and how long somebody has spoken."""

    person_id: str
    name: str
    turns: int
    seconds: int


class RecordView(BaseModel):
    """Every speech in order, and the totals, longest first."""

    speeches: list[SpeechView]
    totals: list[TotalView]


class SpeechHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/speech``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> RecordView:
        """Show who has spoken, and for how long; who waits is in the live state."""
        speeches, totals = await self.services.speech.record(meeting_id, by=self.user)
        return RecordView(
            speeches=[SpeechView(**it.model_dump(exclude={"meeting_id"})) for it in speeches],
            totals=[TotalView(**it._asdict()) for it in totals],
        )

    @operation(SIGNED_IN, status=201)
    async def post(self, meeting_id: Id, body: AskDraft) -> TurnView:
        """Ask to speak; observers do not."""
        turn = await self.services.speech.ask(meeting_id, body.item_id, by=self.user)
        return TurnView(**turn.model_dump())

    @operation(Permission.CONSOLE_RUN)
    async def put(self, meeting_id: Id, body: OrderDraft) -> SpeakersView:
        """Put those who wait into another order."""
        found = await self.services.speech.arrange(meeting_id, body.turns, v=body.v, by=self.user)
        return SpeakersView(**found.shown())


class TurnHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/speech/{turn_id}``."""

    @operation(SIGNED_IN)
    async def delete(self, meeting_id: Id, turn_id: Id) -> None:
        """Leave the queue, or take somebody out of it as the staff."""
        await self.services.speech.leave(meeting_id, turn_id, by=self.user)


class FloorHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/floor``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: FloorDraft) -> SpeakingView:
        """Give the floor, give more time once, or end the speech."""
        speech = self.services.speech
        match body.action:
            case FloorAction.GIVE:
                now = await speech.give(meeting_id, body.turn_id, v=body.v, by=self.user)
            case FloorAction.EXTEND:
                now = await speech.extend(meeting_id, v=body.v, by=self.user)
            case FloorAction.FINISH:
                now = await speech.finish(meeting_id, v=body.v, by=self.user)
        return SpeakingView(**now.shown())


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"

ROUTES = [
    route(rf"{_MEETING}/floor", FloorHandler),
    route(rf"{_MEETING}/speech", SpeechHandler),
    route(rf"{_MEETING}/speech/(?P<turn_id>[0-9A-Z]{{26}})", TurnHandler),
]
