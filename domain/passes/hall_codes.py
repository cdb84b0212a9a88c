"""The code on the screen in the hall: it changes every few seconds and is good a little longer.

Rules ``checkin.hall.window`` (how often it changes) and ``checkin.hall.windows`` (how many earlier
ones are still good). Whoever scans it gets a ticket, signed by us, that says when: with it they may
log in at leisure (``checkin.claim``) and check in once. A ticket costs nothing until it is used, so
nobody can fill anything by scanning.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from domain.clock import Clock, NewId
from domain.errors import Forbidden, Invalid, NotFound
from domain.hall.meeting import Meeting, Meetings, find
from domain.passes.code import Flaw, Hall, Ticket
from domain.passes.keys import KeyBook
from domain.people import Person
from domain.permissions import Permission

WINDOW = "checkin.hall.window"
WINDOWS = "checkin.hall.windows"
CLAIM = "checkin.claim"

_SECOND = timedelta(seconds=1)


class Rules(Protocol):
    """Knows the numbers and times that rules name."""

    async def duration(self, key: str) -> timedelta:
        """Answer the time in force now."""

    async def count(self, key: str) -> int:
        """Answer the number in force now."""


class HallCode(NamedTuple):
    """A code for the screen; the next one is due at ``next_at``, and it is good until ``until``.

    ``now`` is our time, which a screen cannot ask for otherwise.
    """

    meeting: Meeting
    gate: str
    code: str
    next_at: datetime
    until: datetime
    window: timedelta
    now: datetime


class Claimed(NamedTuple):
    """A ticket: ``claim`` is good once, until ``until``."""

    meeting: Meeting
    claim: str
    until: datetime


class HallCodes:
    """Makes hall codes, judges their age, and turns them into tickets."""

    def __init__(
        self,
        keys: KeyBook,
        meetings: Meetings,
        rules: Rules,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._keys = keys
        self._meetings = meetings
        self._rules = rules
        self._clock = clock
        self._new_id = new_id

    async def show(self, meeting_id: str, *, gate: str, by: Person) -> HallCode:
        """Answer the code that the screen is to show now; the same one throughout its window.

        Raises:
            Forbidden: The caller is neither of the staff nor a screen of this meeting.
            NotFound: There is no such meeting.
        """
        by.require(Permission.HALL_CODE)
        meeting = await find(self._meetings, meeting_id)
        if not any(by.may(Permission.HALL_CODE, scope=scope) for scope in meeting.scopes):
            raise Forbidden(detail={"permission": Permission.HALL_CODE.value})
        window = await self._rules.duration(WINDOW)
        now = self._clock()
        begun = _begun(now, window)
        code = await self._keys.sign(Hall(meeting_id, begun, gate))
        until = begun + window * (1 + await self._rules.count(WINDOWS))
        return HallCode(meeting, gate, code, begun + window, until, window, now)

    async def fresh(self, code: Hall, at: datetime) -> bool:
        """Tell whether a hall code was good at an instant."""
        window = await self._rules.duration(WINDOW)
        windows = await self._rules.count(WINDOWS)
        age = _begun(at, window) - code.at
        # Another process may be a moment ahead.
        return -window <= age <= window * windows

    async def claim(self, text: str) -> Claimed:
        """Answer a ticket for a hall code that was just scanned, by whomever.

        Raises:
            Invalid: It is no hall code, or too old; ``detail.result`` says which.
            NotFound: The meeting is gone.
        """
        claims, now = await self._keys.verify(text), self._clock()
        if not isinstance(claims, Hall):
            result = claims.value if isinstance(claims, Flaw) else Flaw.UNKNOWN.value
            raise Invalid("不是会场签到码", field="code", detail={"result": result})
        if not await self.fresh(claims, now):
            raise Invalid(
                "二维码已过期，请重新扫码", field="code", detail={"result": "expired_window"}
            )
        meeting = await self._meetings.get(claims.meeting_id)
        if meeting is None:
            raise NotFound
        until = now + await self._rules.duration(CLAIM)
        ticket = Ticket(self._new_id(), claims.meeting_id, now, until, claims.gate)
        return Claimed(meeting, await self._keys.sign(ticket), until)


def _begun(at: datetime, window: timedelta) -> datetime:
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(window / _SECOND), UTC)
