"""What the doors decide, as cases that the gate page replays: ``static/gate/test/cases.json``.

The gate without a network judges by the same rules as the hub, in another language. So the hub's
own services are asked here, and the answers are kept; ``tests/unit/domain/test_gate_cases.py``
compares them with what the services answer now, vitest with what the page answers. After a change
of the rules: ``python -m tests.gate_cases``.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from domain.attendance import AttendanceService
from domain.checkins.doors import DoorPorts, DoorService
from domain.checkins.judging import Passing, Standing, judge, outcome, presence
from domain.checkins.pass_list import ListPorts, PassListService
from domain.checkins.reading import Reader
from domain.checkins.scan import SAYS, Attempt, Direction
from domain.passes.code import Contact, Form, Hall, Personal, Ticket, sign
from domain.passes.code import verify as verify_code
from domain.passes.links import Links
from domain.people import Grant, Person
from domain.permissions import Role
from handlers.pass_list import PassListView
from tests.gate_world import (
    DEVICE,
    KEYS,
    MEETING,
    MEETINGS,
    NOW,
    ORIGIN,
    OTHER,
    PLANS,
    PUBLIC,
    SECRET,
    TIMES,
    Badges,
    Records,
    World,
    minutes,
    ulid,
    who,
)

FILE = Path(__file__).parent.parent / "static" / "gate" / "test" / "cases.json"


def judged() -> Iterator[dict[str, Any]]:
    """Yield what the judge says of people at doors: a sample of everything that can be."""
    chance = random.Random(12)
    edges = [minutes(at) for at in (-120, -60, -30, 0, 1, 5, 60, 90)]
    instants = [at + timedelta(seconds=by) for at in edges for by in (-1, 0, 1)]
    for _ in range(600):
        meeting, plan = chance.choice(MEETINGS), chance.choice(PLANS)
        standing = Standing(
            chance.choice((None, *["member"] * 6, "observe")),
            on_leave=chance.random() < 0.15,
            suspended=chance.random() < 0.1,
            blocked=chance.random() < 0.1,
            attention=chance.choice(("", "请到二号门")),
        )
        passing = Passing(
            chance.choice(tuple(Direction)),
            chance.choice((*(it.id for it in plan.gates),) * 3 + ("", "elsewhere")),
            DEVICE,
            chance.choice(instants),
            offline=chance.random() < 0.7,
        )
        flaw = judge(meeting, plan, standing, passing, TIMES)
        yield {
            "meeting": MEETINGS.index(meeting),
            "plan": PLANS.index(plan),
            "standing": standing._asdict(),
            "passing": passing._asdict(),
            "result": flaw or outcome(standing),
            "presence": presence(meeting, plan, passing, TIMES),
        }


def codes() -> Iterator[dict[str, Any]]:
    """Yield codes of all sorts, and what the hub takes them for."""
    made = [
        Personal(who(1), MEETING, minutes(0), minutes(0.25), Form.PHONE),
        Personal(ulid(51), MEETING, minutes(-600), minutes(1440), Form.BADGE),
        Hall(MEETING, minutes(0), "g1"),
        Ticket(ulid(9), MEETING, minutes(0), minutes(5), ""),
        Contact("person", who(1)),
    ]
    texts = [
        sign(it, key_no=no, key=KEYS[no]) for it, no in zip(made, (1, 2, 1, 2, 1), strict=True)
    ]
    badge = texts[1]
    texts += [
        sign(made[1], key_no=3, key=KEYS[3]),
        sign(made[1], key_no=1, key=KEYS[3]),
        badge + "=",
        badge[:-1] + ("B" if badge[-1] == "A" else "A"),
        badge.replace(".P.", ".H."),
        badge.lower(),
        badge.rpartition(".")[0],
        badge + ".x",
        "RD1.P..",
        "RD1",
        "随便什么",
        "https://elsewhere.example/h5/#/scan?code=" + badge,
        "x" * 600,
        _signed("RD1.P", b"\0\1" + b"\xff" * 20),
        _signed("RD1.X", b"\0\1" + b"\0" * 16),
        _signed("RD1.P", b"\0\1" + b"\0" * 40 + b"\2\xff\xff"),
        _signed("RD1.C", b"\0\1" + b"\6person" + b"\0" * 16 + b"more"),
        _signed("RD1.P", b"\0\1"),
    ]
    chance = random.Random(1)
    for _ in range(40):
        place = chance.randrange(len(badge))
        texts.append(badge[:place] + chance.choice("ABCabc019-_.") + badge[place + 1 :])
    for text in texts:
        read = verify_code(text, PUBLIC)
        if isinstance(read, str):
            yield {"code": text, "flaw": read}
        else:
            fields = {name: getattr(read, name) for name in read.__slots__}
            yield {"code": text, "kind": read.kind, "claims": fields}


def _signed(said: str, payload: bytes) -> str:
    from domain.passes.code import _armour

    text = f"{said}.{_armour(payload)}"
    return f"{text}.{_armour(KEYS[1].sign(text.encode()))}"


def _shown(world: World) -> Iterator[tuple[str, datetime, str, str]]:
    """Yield what is shown at the gate one after the other: code, instant, gate, direction."""
    key = {"key_no": 1, "key": KEYS[1]}

    def badge(n: int) -> str:
        held = world.badges_.get(ulid(50 + n))
        claims = held.claims if held else None
        return sign(claims or Personal(ulid(50 + n), MEETING, minutes(-5), NOW, Form.BADGE), **key)

    def phone(n: int, at: datetime, meeting_id: str = MEETING) -> str:
        life = timedelta(seconds=15)
        return sign(Personal(who(n), meeting_id, at, at + life, Form.PHONE), **key)

    at = minutes(-10)
    rows = [
        *((badge(n), "in") for n in range(1, 10)),
        (badge(1), "in"), (badge(1), "out"), (badge(1), "out"), (badge(1), "in"),
        (badge(8), "out"), (badge(5), "out"), (badge(7), "out"), (badge(7), "in"),
        ("随便什么", "in"), (badge(7)[:-3] + "AAA", "in"),
    ]  # fmt: skip
    for code, to in rows:
        at += timedelta(seconds=7)
        yield code, at, "g1", to
    for late in (-1.5, 0, 14, 16, 19, 21):
        at += timedelta(seconds=30)
        yield phone(9, at), at + timedelta(seconds=late), "g1", "in"
    for early in (4, 6, 7):
        at += timedelta(seconds=30)
        yield phone(10, at + timedelta(seconds=early)), at, "g1", "in"
    yield phone(11, at, OTHER), at, "g1", "in"
    yield sign(Hall(MEETING, at, "g1"), **key), at, "g1", "in"
    yield sign(Hall(OTHER, at, "g1"), **key), at, "g1", "in"
    yield sign(Ticket(ulid(9), MEETING, at, at + timedelta(minutes=5), ""), **key), at, "g1", "in"
    yield sign(Contact("person", who(1)), **key), at, "g1", "in"
    yield f"{ORIGIN}/h5/#/scan?code={phone(11, at)}", at, "g1", "in"
    yield f"{ORIGIN}.evil/h5/#/scan?code={phone(12, at)}", at, "g1", "in"
    yield f"  {phone(11, at)}\n", at, "g1", "in"
    yield phone(12, at), at, "g9", "in"
    yield phone(12, minutes(3)), minutes(3), "g1", "in"
    yield phone(99, minutes(3)), minutes(3), "g1", "in"


async def _sequence(world: World, records: Records, device: Person) -> list[dict[str, Any]]:
    roll = AttendanceService(
        records, world, world, world,
        bus=world, audit=world, clock=lambda: NOW, new_id=lambda: ulid(next(world.numbers)),
    )  # fmt: skip
    reader = Reader(world, world, world, links=Links(ORIGIN))
    ports = DoorPorts(
        scans=world, facts=world, meetings=world, roll=roll, rules=world, reader=reader
    )
    doors = DoorService(
        ports, bus=world, clock=lambda: NOW, new_id=lambda: ulid(next(world.numbers))
    )
    told = []
    for place, (code, at, gate, to) in enumerate(_shown(world)):
        attempt = Attempt(
            nonce=f"n{place}", code=code, meeting_id=MEETING, gate=gate, dir=to, at=at, offline=True
        )
        (seen,) = await doors.scan([attempt], by=device)
        told.append(
            {
                "code": code, "at": at, "gate": gate, "dir": to, "result": seen.scan.result,
                "person_id": seen.scan.person_id, "name": seen.name, "note": seen.scan.note,
            }
        )  # fmt: skip
    return told


async def cases() -> dict[str, Any]:
    """Answer everything that the page replays."""
    world, records = World(), Records()
    grant = Grant(role=Role.SCANNER, scopes=frozenset({f"mtg:{MEETING}"}))
    device = Person(
        id=DEVICE, name="一号门", grants=(grant,), session_id="device:x", device_id=DEVICE
    )
    ports = ListPorts(
        facts=world, roll=records, badges=Badges(world), meetings=world, keys=world, rules=world
    )
    lists = PassListService(ports, audit=world, clock=lambda: minutes(-30))
    with patch("domain.checkins.pass_list.secrets.token_bytes", lambda count: bytes(range(count))):
        made = await lists.make(MEETING, secret=SECRET, by=device)
    keys = [{"no": no, "public": key.public_bytes_raw()} for no, key in PUBLIC.items()]
    return {
        "about": "Written by tests/gate_cases.py. Do not edit.",
        "token": SECRET,
        "origin": ORIGIN,
        "says": dict(SAYS),
        "keys": keys,
        "list": PassListView.of(MEETING, made).model_dump(),
        "codes": list(codes()),
        "times": {"opens": TIMES.opens, "late": TIMES.late},
        "meetings": [{"state": it.state, "starts_at": it.starts_at} for it in MEETINGS],
        "plans": [it.model_dump() for it in PLANS],
        "judged": list(judged()),
        "sequence": await _sequence(world, records, device),
    }


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return int(value.total_seconds())
        case bytes():
            return value.hex()
        case frozenset():
            return sorted(value)
    raise TypeError(type(value))


def text() -> str:
    """Answer the file: one line for each case, so that a change is seen."""
    made = asyncio.run(cases())
    parts = []
    for name, value in made.items():
        rows = value if isinstance(value, list) else None
        line = json.dumps(value, default=_plain, ensure_ascii=False) if rows is None else (
            "[\n" + ",\n".join(json.dumps(it, default=_plain, ensure_ascii=False) for it in rows)
            + "\n]"
        )  # fmt: skip
        parts.append(f'"{name}": {line}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
