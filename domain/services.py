"""The use cases of the house in one frozen bag: what handlers may ask, one line per service.

``server.assembly`` builds it once per process; handlers receive it through ``initialize``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.administration import Administration
from domain.attendance import AttendanceService
from domain.checkins.services import CheckIns
from domain.codes.services import Codes
from domain.device_tokens import DeviceTokenService
from domain.duty.services import Duty
from domain.faces.services import Faces
from domain.hall.services import HallServices
from domain.house import House
from domain.identity.services import Identity
from domain.ladder.services import Ladder
from domain.leave.service import LeaveService
from domain.meetings.services import MeetingServices
from domain.notices.services import Notices
from domain.passes.services import Passes
from domain.people import Person
from domain.realtime import RealtimeService
from domain.seats import SeatService
from domain.speech import SpeechService
from domain.todo import TodoService
from domain.uploads import FileService


class Sessions(Protocol):
    """Tells who is asking."""

    async def whois(self, token: str) -> Person:
        """Answer the person a login token belongs to, as the house sees them now.

        The answer may be at most one second old.

        Raises:
            Unauthenticated: The token is unknown, expired or revoked.
        """

    async def recognise(self, session_id: str, *, anew: bool = False) -> Person:
        """Answer the person a login session belongs to, as ``whois`` does for its token.

        ``anew`` asks the store even if the answer is remembered: rights have just changed.

        Raises:
            Unauthenticated: The session is unknown, expired or revoked.
        """


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything a handler may ask for; sorted by name."""

    administration: Administration
    attendance: AttendanceService
    checkins: CheckIns
    codes: Codes
    device_tokens: DeviceTokenService
    duty: Duty
    faces: Faces
    files: FileService
    hall: HallServices
    house: House
    identity: Identity
    leave: LeaveService
    meetings: MeetingServices
    ladder: Ladder
    notices: Notices
    passes: Passes
    realtime: RealtimeService
    seats: SeatService
    sessions: Sessions
    speech: SpeechService
    todo: TodoService
