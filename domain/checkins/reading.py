"""Reading what was shown at a door: whose it is, and whether it is good.

A code may come bare or inside an address of our own; an address of somebody else's is never
followed. What a code says is believed only as far as its signature, its time and, for a badge, the
list of badges go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.checkins.judging import Clocked
from domain.checkins.scan import Attempt, Result, Way
from domain.passes.badges import BadgeState, BadgeStore
from domain.passes.code import Flaw, Form, Hall, Personal, Ticket
from domain.passes.hall_codes import HallCodes
from domain.passes.keys import KeyBook
from domain.passes.links import Links
from domain.people import Person


class Shown(NamedTuple):
    """What was shown; ``flaw`` says why it is not good, ``claim_id`` which ticket it uses up."""

    way: Way
    meeting_id: str | None
    person_id: str | None
    gate: str
    at: datetime
    flaw: Result | None = None
    claim_id: str = ""


class Reader:
    """Reads codes."""

    def __init__(
        self, keys: KeyBook, halls: HallCodes, badges: BadgeStore, *, links: Links
    ) -> None:
        self._keys = keys
        self._halls = halls
        self._badges = badges
        self.links = links

    async def read(
        self,
        attempts: Sequence[tuple[Attempt, Clocked]],
        *,
        now: datetime,
        tolerance: timedelta,
        by: Person,
    ) -> list[Shown]:
        """Answer what each attempt shows, in their order."""
        verified = [await self._keys.verify(self.links.bare(it.code)) for it, _ in attempts]
        wanted = {
            it.subject for it in verified if isinstance(it, Personal) and it.form == Form.BADGE
        }
        badges = await self._badges.many(wanted)
        shown = []
        for (attempt, clocked), claims in zip(attempts, verified, strict=True):
            match claims:
                case Personal():
                    holds = badges.get(claims.subject)
                    one = _personal(claims, attempt, clocked.at, tolerance)
                    if claims.form == Form.BADGE:
                        one = one._replace(
                            person_id=holds.person_id if holds else None,
                            flaw=one.flaw
                            if holds and holds.state is BadgeState.ACTIVE
                            else Result.REVOKED,
                        )
                case Hall():
                    one = _hall(claims.meeting_id, claims.gate, attempt, now, by)
                    if one.flaw is None and not await self._halls.fresh(claims, now):
                        one = one._replace(flaw=Result.EXPIRED_WINDOW)
                case Ticket():
                    one = _hall(claims.meeting_id, claims.gate, attempt, claims.at, by)
                    one = one._replace(claim_id=claims.id)
                    if one.flaw is None and now >= claims.until:
                        one = one._replace(flaw=Result.EXPIRED_WINDOW)
                case _:
                    bad = claims is Flaw.BAD_SIGNATURE
                    flaw = Result.BAD_SIGNATURE if bad else Result.UNKNOWN
                    one = _nobody(attempt, clocked.at, flaw)
            shown.append(one)
        return shown


def _personal(claims: Personal, attempt: Attempt, at: datetime, tolerance: timedelta) -> Shown:
    phone = claims.form == Form.PHONE
    slack = tolerance if attempt.offline else timedelta(0)
    flaw = None
    if attempt.meeting_id not in {None, claims.meeting_id}:
        flaw = Result.WRONG_MEETING
    elif not claims.since - timedelta(seconds=1) - slack <= at < claims.until + slack:
        flaw = Result.EXPIRED_WINDOW
    return Shown(
        Way.PERSON if phone else Way.BADGE,
        attempt.meeting_id or claims.meeting_id,
        claims.subject if phone else None,
        attempt.gate,
        at,
        flaw,
    )


def _hall(meeting_id: str, gate: str, attempt: Attempt, at: datetime, by: Person) -> Shown:
    wrong = attempt.meeting_id not in {None, meeting_id}
    person_id = None if by.is_device else by.id
    flaw = Result.WRONG_MEETING if wrong else Result.UNKNOWN if by.is_device else None
    return Shown(Way.HALL, meeting_id, person_id, gate, at, flaw)


def _nobody(attempt: Attempt, at: datetime, flaw: Result) -> Shown:
    return Shown(Way.UNREAD, attempt.meeting_id, None, attempt.gate, at, flaw)
