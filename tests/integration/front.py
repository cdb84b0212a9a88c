"""A meeting for phones in a browser: deputies with passwords, a hall code, what a camera sees."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import segno

from domain.faces.engine import Gates, Look, Want
from domain.passes.code import Hall
from domain.permissions import Role
from domain.roster import Kind
from domain.seats import Spot
from storage.organisation import OrganisationStore
from tests.integration.conftest import Caller, RunningHub
from tests.integration.hall import ITEMS, MEETING, URL, convene, zhuo
from tests.integration.meetings import PARTS
from tests.integration.test_identity import grant, staff
from tests.painted import PaintedEngine, vector

WIDE, HIGH = 640, 480
NAMES = ("闻予澄", "蔺书航", "颜知遥", "骆叙白", "苗听澜", "岑以宁")


async def gather(hub: RunningHub) -> dict[str, str]:
    """Let six deputies, ``deputy1`` and so on, take part in a meeting that begins soon."""
    await convene(
        hub.db,
        members=0,
        starts_at=hub.clock() + timedelta(minutes=30),
        place="世博中心",
        cls="C2",
        audience=[f"mtg:{MEETING}"],
        agenda_published_at=hub.clock(),
    )
    for part in PARTS:
        await OrganisationStore(hub.db).put(part)
    people = {}
    for number, name in enumerate(NAMES, 1):
        login_name = f"deputy{number}"
        person_id = await staff(
            hub, name, login_name, card={"kind": Kind.DEPUTY, "delegation_id": "pudong"}
        )
        await grant(hub, person_id, Role.DEPUTY)
        people[login_name] = person_id
        await hub.db["participant"].insert_one(
            {
                "_id": f"{MEETING}:{person_id}",
                "m": MEETING,
                "p": person_id,
                "capacity": "member",
                "state": "confirmed",
            }
        )
    seats = hub.services.seats
    spots = [
        Spot(no=f"{block}-{row}-{col}", row=row, col=first + col, block=block)
        for block, first, last in (("A", 0, 10), ("B", 11, 8))
        for row in range(1, 9)
        for col in range(1, last + 1)
    ]
    await seats.lay_out(MEETING, spots, by=zhuo)
    await seats.assign(MEETING, [("A-3-8", people["deputy1"])], by=zhuo)
    return people


def pdf(text: str) -> bytes:
    """Make a file as it lies on the tables."""
    made = io.BytesIO()
    segno.make(text).save(made, kind="pdf", scale=8)
    return made.getvalue()


async def send(caller: Caller, name: str, text: str) -> str:
    """Send a file and answer its id."""
    named = {"X-File-Name": quote(name)}
    sent = await caller.call("POST", "/api/v1/files", body=pdf(text), headers=named)
    assert sent.status == 201, sent.body
    return sent.json["id"]


async def on_the_table(hub: RunningHub, caller: Caller) -> dict[str, str]:
    """Put a paper on the agenda; answers its id, and the file that is to replace its own."""
    file_id = await send(caller, "条例草案（一稿）.pdf", "FIRST")
    said = {"file_id": file_id, "title": "关于修改议事规则的决定（草案）"}
    added = await caller.call("POST", f"{URL}/agenda/{ITEMS[0]}/papers", said)
    assert added.status == 201, added.body
    second = await send(caller, "条例草案（二稿）.pdf", "SECOND")
    return {"PAPER": added.json["papers"][0]["id"], "NEXT_FILE": second}


async def device_token(hub: RunningHub, role: str) -> str:
    """Let a screen or a scanner in."""
    caller = await hub.sign_in(zhuo)
    made = await caller.call("POST", f"{URL}/devices", {"name": "一号门", "role": role})
    assert made.status == 201, made.body
    return made.json["token"]


async def hall_code(hub: RunningHub) -> dict[str, Any]:
    """What the screen in the hall shows now."""
    screen = Caller(hub.url, hub.client, await device_token(hub, "screen"))
    reply = await screen.call("GET", f"{URL}/hall-code")
    assert reply.status == 200, reply.body
    return reply.json


async def stale_code(hub: RunningHub) -> str:
    """A hall code of ours from an hour ago."""
    return await hub.services.passes.keys.sign(Hall(MEETING, hub.clock() - timedelta(hours=1)))


def film(text: str, path: Path, *, seconds: int = 2) -> Path:
    """Make what a camera sees that is held before a code: grey, uncompressed (YUV4MPEG2)."""
    rows = [bytes(row) for row in segno.make(text, error="m").matrix]
    scale = (HIGH - 80) // len(rows)
    left, top = (WIDE - scale * len(rows)) // 2, (HIGH - scale * len(rows)) // 2
    light, dark = 225, 30
    picture = [bytes([light]) * WIDE for _ in range(HIGH)]
    for number, row in enumerate(rows):
        middle = b"".join(bytes([dark if module else light]) * scale for module in row)
        line = bytes([light]) * left + middle + bytes([light]) * (WIDE - left - len(middle))
        for offset in range(scale):
            picture[top + number * scale + offset] = line
    frame = b"FRAME\n" + b"".join(picture) + bytes([128]) * (WIDE * HIGH // 2)
    head = f"YUV4MPEG2 W{WIDE} H{HIGH} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(head + frame * (10 * seconds))
    return path


def motion(path: Path, *, seconds: int = 4) -> Path:
    """Make what a camera sees in which a grey block moves, so that no two pictures are the same."""
    frames = []
    for number in range(10 * seconds):
        band = bytes([60]) * WIDE
        rows = [bytes([180 + number % 40]) * WIDE] * HIGH
        rows[number * 4 : number * 4 + 40] = [band] * 40
        frames.append(b"FRAME\n" + b"".join(rows[:HIGH]) + bytes([128]) * (WIDE * HIGH // 2))
    head = f"YUV4MPEG2 W{WIDE} H{HIGH} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(head + b"".join(frames))
    return path


class FilmedEngine(PaintedEngine):
    """Sees the same person in every JPEG; in a burst they turn to the left, and then to the right.

    What the page has to do is real: its pictures, their number, their form and their order in time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bursts: list[int] = []
        self.still = False

    async def look(
        self, pictures: Sequence[str], *, want: Want, gates: Gates, chips: bool = False
    ) -> list[Look]:
        """Look at pictures as a browser takes them."""
        sizes = {size(base64.b64decode(it.partition(",")[2])) for it in pictures}
        assert sizes == {(WIDE, HIGH)}, sizes
        self.bursts.append(len(pictures))
        third = len(pictures) / 3
        seen = []
        for place in range(len(pictures)):
            self.looked += 1
            turned = len(pictures) > 5 and not self.still
            yaw = (0.0, 0.3, -0.3)[min(2, int(place / third))] if turned else 0.0
            own = vector("闻予澄", at=str(self.looked), off=0.1)
            seen.append(Look(None, 2.0, 200, 400.0, 0.0, yaw, own, b"chip" if chips else b""))
        return seen


def size(jpeg: bytes) -> tuple[int, int]:
    """Answer how wide and high a JPEG is, by its frame header."""
    assert jpeg.startswith(b"\xff\xd8\xff"), "no JPEG"
    at = 2
    while jpeg[at + 1] not in {0xC0, 0xC2}:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    high, wide = (int.from_bytes(jpeg[at + 5 + n : at + 7 + n]) for n in (0, 2))
    return wide, high
