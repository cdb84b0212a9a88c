"""The world behind ``tests/gate_cases.py``: a meeting, its doors, its people, in memory."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ulid import ULID

from domain.checkins.judging import LATE, OPENS, TOLERANCE, DoorPlan, Gate, Standing, Times
from domain.hall.meeting import Meeting
from domain.passes.badges import Badge, BadgeState
from domain.passes.code import verify as verify_code
from domain.passes.keys import PublicKey

BEGIN = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
NOW = BEGIN + timedelta(hours=6)
TIMES = Times(timedelta(hours=2), timedelta(minutes=1))
CLOCK = timedelta(seconds=5)
SECRET = "dev-" + "k" * 43
ORIGIN = "https://hub.example"


def ulid(number: int) -> str:
    return str(ULID.from_int((1 << 120) + number))


MEETING, OTHER, DEVICE = ulid(1), ulid(2), ulid(3)
KEYS = {no: Ed25519PrivateKey.from_private_bytes(bytes([no]) * 32) for no in (1, 2, 3)}
BELIEVED = (1, 2)
PUBLIC = {no: KEYS[no].public_key() for no in BELIEVED}


def who(number: int) -> str:
    return ulid(100 + number)


def minutes(count: float) -> datetime:
    return BEGIN + timedelta(minutes=count)


PLANS = (
    DoorPlan(meeting_id=MEETING),
    DoorPlan(
        meeting_id=MEETING,
        opens_at=minutes(-30),
        late_at=minutes(5),
        closes_at=minutes(60),
        gates=(
            Gate(id="g1", name="一号门", devices=frozenset({DEVICE})),
            Gate(id="g2", name="二号门", capacities=frozenset({"member"}), closes_at=minutes(90)),
            Gate(id="g3", name="三号门", devices=frozenset({ulid(4)}), opens_at=minutes(-60)),
        ),
    ),
    DoorPlan(meeting_id=MEETING, gates=(Gate(id="g1", name="一号门"),)),
)
MEETINGS = tuple(
    Meeting(id=MEETING, kind="npc", state=state, title="第一次全体会议", starts_at=starts)
    for state, starts in itertools.product(
        ("announced", "in_session", "closed", "cancelled"), (BEGIN, None)
    )
)


class World:
    """Everything the services ask for, in memory."""

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self.scans: dict[str, Any] = {}
        self.numbers = itertools.count(1000)
        self.meeting = MEETINGS[2].model_copy(
            update={"state": "in_session", "ends_at": minutes(240)}
        )
        self.doors = PLANS[2]
        self.people = {who(n): Standing("member") for n in range(1, 13)}
        self.people |= {
            who(2): Standing("member", attention="请到二号门领取材料"),
            who(3): Standing("member", blocked=True),
            who(4): Standing("member", suspended=True),
            who(5): Standing("member", on_leave=True),
        }
        self.badges_ = {
            it.id: it
            for it in (
                Badge(
                    id=ulid(50 + n), meeting_id=MEETING, person_id=who(n), serial=n,
                    issued_at=minutes(-600), issued_by="staff", until=minutes(1440),
                )
                for n in range(1, 9)
            )
        }  # fmt: skip
        void = {"state": BadgeState.REVOKED, "revoked_at": minutes(-60)}
        self.badges_[ulid(56)] = self.badges_[ulid(56)].model_copy(update=void)

    # keys
    async def verify(self, text: str) -> Any:
        return verify_code(text, PUBLIC)

    async def public(self) -> list[PublicKey]:
        return [PublicKey(no, key.public_bytes_raw(), BEGIN, None) for no, key in PUBLIC.items()]

    async def signature(self, data: bytes) -> tuple[int, bytes]:
        return 2, KEYS[2].sign(data)

    # facts
    async def standings(self, _meeting: str, ids: Any, _at: datetime) -> dict[str, Standing]:
        return {it: self.people.get(it, Standing(None)) for it in ids}

    async def plan(self, _meeting: str) -> DoorPlan:
        return self.doors

    async def invited(self, _meeting: str) -> list[str]:
        return list(self.people)

    async def names(self, ids: Any) -> dict[str, str]:
        return {it: f"代表{list(self.people).index(it) + 1}" for it in ids if it in self.people}

    # meetings and rules
    async def get(self, meeting_id: str) -> Meeting | None:
        return self.meeting if meeting_id == MEETING else None

    async def capacities(self, _meeting: str, ids: Any) -> dict[str, str]:
        return {it: "member" for it in ids if it in self.people}

    async def duration(self, key: str) -> timedelta:
        return {OPENS: TIMES.opens, LATE: TIMES.late, TOLERANCE: CLOCK}[key]

    async def fresh(self, _claims: object, _now: datetime) -> bool:
        return True

    # badges, scans, records
    async def many(self, ids: Any) -> dict[str, Any]:
        kept = self.badges_ | self.scans
        return {it: kept[it] for it in ids if it in kept}

    async def add(self, scans: Any) -> set[str]:
        new = {it.id: it for it in scans if it.id not in self.scans}
        self.scans |= new
        return set(new)

    async def told(self, *_: object, **__: object) -> None:
        """Nobody listens."""

    publish_all = record = open = told

    def soon(self, _meeting: str) -> None:
        """Nobody counts."""


class Records:
    """The attendance records, and the badges in order."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def get(self, _meeting: str, person_id: str) -> Any:
        return self.kept.get(person_id)

    async def many(self, _meeting: str, people: Any) -> dict[str, Any]:
        return {it: self.kept[it] for it in people if it in self.kept}

    async def keep(self, records: Any) -> set[str]:
        self.kept |= {record.person_id: record for record, _ in records}
        return {record.person_id for record, _ in records}

    async def of(self, _meeting: str) -> list[Any]:
        return list(self.kept.values())

    async def told(self, _records: object) -> None:
        """Nobody listens."""


class Badges:
    def __init__(self, world: World) -> None:
        self.many = world.many
        self._world = world

    async def of(self, _meeting: str) -> list[Badge]:
        return list(self._world.badges_.values())
