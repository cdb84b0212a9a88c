"""A face at a gate, where a member of the staff stands by.

With a personal code or a badge it is one to one: the code says who, the face says whether. Without,
and only where the rule ``face.identify`` allows it, a face proposes up to three names among those
who have enrolled and take part; whoever stands there, or the staff, says which; nothing is marked
before. What comes of it goes through the same doors as every other way in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from domain.checkins.case import Case
from domain.checkins.doors import DoorService
from domain.checkins.judging import Clocked
from domain.checkins.reading import Shown
from domain.checkins.scan import Attempt as Scanned
from domain.checkins.scan import Direction, Result, Seen, Way
from domain.clock import Clock, NewId
from domain.errors import Forbidden, Invalid, NotFound, Unauthenticated
from domain.faces.engine import FaceEngine, Look, Want
from domain.faces.galleries import Galleries
from domain.faces.limits import FaceRules, Limits
from domain.faces.matching import vector
from domain.faces.module import FaceModule
from domain.faces.recogniser import Band, Recogniser, Verdict
from domain.faces.refusals import flawed, require_usable
from domain.faces.templates import FaceStore
from domain.hall.meeting import Meeting, Meetings, driven
from domain.identity.attempts import Attempt, AttemptStore
from domain.identity.tokens import NewToken, fingerprint, new_token
from domain.people import Person
from domain.permissions import Permission

MOST_PICTURES = 5
_PROPOSED = 3
_KIND = "face_gate"
_LIFE = timedelta(seconds=60)


class Named(NamedTuple):
    """Somebody it may be."""

    person_id: str
    name: str


class Proposal(NamedTuple):
    """Who it may be, the likeliest first; nobody where nobody was near enough.

    ``secret`` goes back with the one who was confirmed, until ``until``.
    """

    people: tuple[Named, ...]
    secret: str
    until: datetime


class Here(NamedTuple):
    """What a gate may offer; ``reason`` is the code of the refusal where it may offer nothing."""

    available: bool
    reason: str = ""
    identify: bool = False


class AtGate(NamedTuple):
    """Where somebody stands, and the device's own number of this scan."""

    gate: str
    meeting_id: str
    nonce: str
    dir: Direction = Direction.IN


class People(Protocol):
    """Knows who takes part."""

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""

    async def names(self, person_ids: Sequence[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""


class GatePorts(NamedTuple):
    """What a gate needs."""

    engine: FaceEngine
    recogniser: Recogniser
    store: FaceStore
    galleries: Galleries
    module: FaceModule
    rules: FaceRules
    doors: DoorService
    meetings: Meetings
    people: People
    attempts: AttemptStore


class FaceGate:
    """Recognises people at gates."""

    def __init__(
        self, ports: GatePorts, *, clock: Clock, new_id: NewId, make_token: NewToken = new_token
    ) -> None:
        self._ports = ports
        self._clock = clock
        self._new_id = new_id
        self._make_token = make_token

    async def here(self, meeting_id: str, *, by: Person) -> Here:
        """Answer what a gate of this meeting may offer now.

        Raises:
            Forbidden: Not of the staff of the meeting.
        """
        ports = self._ports
        await driven(ports.meetings, meeting_id, by=by, permission=Permission.PASS_SCAN)
        standing = await ports.module.standing()
        if not standing.on:
            return Here(available=False, reason=standing.reason)
        return Here(available=True, identify=(await ports.rules.now()).identify)

    async def show(
        self, at: AtGate, pictures: Sequence[str], *, code: str = "", by: Person
    ) -> Seen | Proposal:
        """Judge the face of whose ``code`` was shown, or propose who it may be.

        Raises:
            Forbidden: Not of the staff of the meeting; the module is off; the person has not
                agreed; or names may not be proposed (``identify_off``).
            Conflict: Whose code it is has nothing to be compared with (``require_usable``).
            Invalid: No picture is fit for it; ``field`` says which was the last.
            UpstreamDown: The engine is busy.
        """
        ports = self._ports
        meeting = await driven(
            ports.meetings, at.meeting_id, by=by, permission=Permission.PASS_SCAN
        )
        await ports.module.require()
        limits = await ports.rules.now()
        if code:
            return await self._with_code(at, pictures, code, meeting, limits, by)
        if not limits.identify:
            raise Forbidden(
                "本会议未启用人脸提名，请同时出示个人码或证件",
                code="identify_off",
                detail={"rule_param": "face.identify"},
            )
        return await self._propose(at, pictures, limits, by)

    async def confirm(
        self,
        at: AtGate,
        secret: str,
        person_id: str,
        *,
        confirmed_by: Literal["person", "staff"],
        by: Person,
    ) -> Seen:
        """Let in whom somebody has confirmed among those who were proposed.

        Raises:
            Forbidden: Not of the staff of the meeting, or the module is off.
            Unauthenticated: The proposal is over, used, or another device's (``proposal_dead``).
            NotFound: That person was not proposed.
        """
        ports = self._ports
        meeting = await driven(
            ports.meetings, at.meeting_id, by=by, permission=Permission.PASS_SCAN
        )
        await ports.module.require_for(person_id)
        case = self._case(at, person_id, by)
        if not await ports.doors.scans.many([case.id]):
            await self._take(at, secret, person_id, by)
        reason = "人脸提名，本人确认" if confirmed_by == "person" else "人脸提名，工作人员确认"
        return await ports.doors.by_face(case, meeting=meeting, reason=reason)

    async def _with_code(
        self,
        at: AtGate,
        pictures: Sequence[str],
        code: str,
        meeting: Meeting,
        limits: Limits,
        by: Person,
    ) -> Seen:
        ports, now = self._ports, self._clock()
        scanned = Scanned(
            nonce=at.nonce, code=code, meeting_id=at.meeting_id, gate=at.gate, dir=at.dir
        )
        clock = Clocked(now, None, sure=True)
        (shown,) = await ports.doors.reader.read(
            [(scanned, clock)], now=now, tolerance=timedelta(0), by=by
        )
        case = Case(f"{by.id}:{at.nonce}", scanned, clock, shown, by)
        good = shown.flaw is None and shown.way in {Way.PERSON, Way.BADGE}
        if not good or shown.person_id is None:
            flaw = shown.flaw or Result.UNKNOWN
            case = case._replace(shown=shown._replace(flaw=flaw))
        elif not await ports.doors.scans.many([case.id]):
            await ports.module.require_for(shown.person_id)
            require_usable(await ports.store.get(shown.person_id), ports.engine.model)
            probe = await self._best(pictures, limits)
            verdict = await self._judge(shown.person_id, probe, limits, by)
            wrong = None if verdict.passed else Result.FACE_MISMATCH
            case = case._replace(shown=shown._replace(way=Way.FACE, flaw=wrong))
        return await ports.doors.by_face(case, meeting=meeting)

    async def _judge(self, person_id: str, probe: Look, limits: Limits, by: Person) -> Verdict:
        recogniser = self._ports.recogniser
        if await recogniser.unseen([probe]):
            verdict = await recogniser.compare(person_id, probe, limits)
        else:
            verdict = Verdict(passed=False, reason="replayed")
        await recogniser.record(
            verdict, purpose="gate", person_id=person_id, limits=limits, device=by.id
        )
        return verdict

    async def _propose(
        self, at: AtGate, pictures: Sequence[str], limits: Limits, by: Person
    ) -> Proposal:
        ports = self._ports
        probe = await self._best(pictures, limits)
        among = frozenset(await ports.people.invited(at.meeting_id))
        gallery = await ports.galleries.current()
        near = []
        if await ports.recogniser.unseen([probe]):
            near = gallery.nearest(
                vector(probe.vector), within=limits.identify_distance, most=_PROPOSED, among=among
            )
        reason = "proposed" if near else "nobody_near"
        await ports.recogniser.record(
            Verdict(passed=False, reason=reason, band=Band.NONE),
            purpose="gate", person_id="", limits=limits, device=by.id,
        )  # fmt: skip
        people = [it.person_id for it in near]
        names = await ports.people.names(people)
        secret, now = self._make_token(), self._clock()
        await ports.attempts.add(
            Attempt(
                id=fingerprint(secret),
                kind=_KIND,
                data={"by": by.id, "at": _place(at), "people": people},
                created_at=now,
                until=now + _LIFE,
            )
        )
        named = tuple(Named(it, names.get(it, "")) for it in people)
        return Proposal(named, secret, now + _LIFE)

    async def _take(self, at: AtGate, secret: str, person_id: str, by: Person) -> None:
        attempts, now = self._ports.attempts, self._clock()
        found = await attempts.get(_KIND, fingerprint(secret), at=now)
        here = found is not None and found.data["by"] == by.id and found.data["at"] == _place(at)
        if found is None or not here or found.state != "open":
            raise Unauthenticated("提名已失效，请重新识别", code="proposal_dead")
        if person_id not in found.data["people"]:
            raise NotFound
        if await attempts.move(_KIND, found.id, at=now, was="open", to="used") is None:
            raise Unauthenticated("提名已失效，请重新识别", code="proposal_dead")

    async def _best(self, pictures: Sequence[str], limits: Limits) -> Look:
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise Invalid(f"请提供 1 至 {MOST_PICTURES} 帧画面", field="frames")
        looks = await self._ports.engine.look(
            pictures, want=Want.ALL, gates=limits.gates, chips=True
        )
        fit = [look for look in looks if look.flaw is None and look.vector]
        if not fit:
            last = looks[-1].flaw
            if last is None:
                raise RuntimeError("an engine answered a picture without flaw and vector")
            raise flawed(last, f"frames.{len(looks) - 1}")
        return max(fit, key=lambda look: look.sharpness)

    def _case(self, at: AtGate, person_id: str, by: Person) -> Case:
        now = self._clock()
        scanned = Scanned(
            nonce=at.nonce, code="", meeting_id=at.meeting_id, gate=at.gate, dir=at.dir
        )
        shown = Shown(Way.FACE, at.meeting_id, person_id, at.gate, now)
        return Case(f"{by.id}:{at.nonce}", scanned, Clocked(now, None, sure=True), shown, by)


def _place(at: AtGate) -> str:
    return f"{at.meeting_id}|{at.gate}|{at.dir.value}"
