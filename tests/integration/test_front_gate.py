"""Faces at the gate page, in Chromium at the real hub: a badge before the camera, then a face."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from collections.abc import Sequence
from datetime import timedelta

import pytest
from PIL import Image, ImageDraw, ImageStat

from domain.faces.engine import Flaw, Gates, Look, Want
from domain.permissions import Role
from domain.roster import Card, Kind
from storage.people import PeopleStore
from tests.integration.faces import enrol, identify, paint, switch_on
from tests.integration.front import HIGH, WIDE, device_token
from tests.integration.hall import MEETING, URL, convene, member, zhuo
from tests.integration.people import person, ulid
from tests.integration.test_front import npm, passed, workspace
from tests.integration.test_front_doors import filmed
from tests.needs import need
from tests.painted import PaintedEngine, vector

__all__ = ["workspace"]

pytestmark = pytest.mark.timeout(400)


class DoorEngine(PaintedEngine):
    """Sees in each JPEG whether the film shows the face then, and says whose it is.

    A picture that is mirrored, or of another size, is none that the page may send.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.coming = ["", "face-1", "face-2"]

    async def look(
        self, pictures: Sequence[str], *, want: Want, gates: Gates, chips: bool = False
    ) -> list[Look]:
        """Look at what a browser has taken, or at what is painted."""
        if not pictures[0].startswith("data:image/jpeg"):
            return await super().look(pictures, want=want, gates=gates, chips=chips)
        who = self.coming.pop(0) if self.coming else "face-1"
        self.seen.append(who)
        return [self._see(it, who, chips=chips) for it in pictures]

    def _see(self, text: str, who: str, *, chips: bool) -> Look:
        with Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))) as opened:
            grey = opened.convert("L")
        assert grey.size == (WIDE, HIGH), grey.size
        left, right = (
            ImageStat.Stat(grey.crop((x, 40, x + WIDE // 2, HIGH - 40))).mean[0]
            for x in (0, WIDE // 2)
        )
        assert left > right + 40, "not the face on the film, or mirrored"
        if not who:
            return Look(Flaw.NO_FACE)
        self.looked += 1
        own = vector(who, at=f"door-{self.looked}", off=0.1)
        return Look(None, 2.0, 200, 400.0, 0.0, 0.0, own, b"chip" if chips else b"")


def badge_then_face(sheet, home):
    """A film: the printed badge for a second and a half, then half a minute of a face, at left."""
    _, badge, *_ = filmed(sheet, home).read_bytes().split(b"FRAME\n", 2)
    colours = bytes([128]) * (2 * 320 * 240)
    frames = [badge] * 6
    for number in range(120):
        picture = Image.new("L", (WIDE, HIGH), 60)
        ImageDraw.Draw(picture).ellipse((60, 60, 300, 420), fill=200 + number % 30)
        frames.append(picture.tobytes() + colours)
    film = home / "face.y4m"
    with film.open("wb") as out:
        out.write(b"YUV4MPEG2 W640 H480 F4:1 Ip A1:1 C420jpeg\n")
        out.writelines(b"FRAME\n" + it for it in frames)
    return film


@pytest.fixture(scope="module")
def built(workspace):
    """The page of the gate, built from a clean install."""
    done = subprocess.run(
        [need("npm"), "run", "build", "-w", "gate"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace / "dist"


@pytest.fixture
def hub_more(built):
    return {"front": built}


@pytest.fixture
async def engine(monkeypatch):
    return paint(monkeypatch, engine=DoorEngine())


@pytest.fixture
async def door(engine, hub, tmp_path):
    """Two members who have enrolled, and a rule that allows names; answers the environment."""
    need("chromium")
    at = hub.clock()
    await convene(hub.db, members=2, starts_at=at + timedelta(minutes=30))
    people = [ulid(801), ulid(802)]
    await PeopleStore(hub.db).add_many(
        [
            Card(id=it, name=f"代表{n}", kind=Kind.DEPUTY, deputy_no=f"N{n:03}")
            for n, it in enumerate(people, 1)
        ]
    )
    admins = [person(ulid(40 + n), f"管理员{n}", Role.ADMIN) for n in range(2)]
    await switch_on(hub, *[await hub.sign_in(it) for it in admins])
    hub.clock.advance(seconds=2)
    for number in (1, 2):
        await enrol(await hub.sign_in(member(number)), f"face-{number}")
    await identify(hub)
    desk = await hub.sign_in(zhuo)
    made = await desk.call("POST", f"{URL}/badges", {"people": people[:1]})
    assert made.status == 201, made.body
    sheet = await desk.call("GET", f"{URL}/badges/sheet")
    about = {
        "meeting": MEETING,
        "token": await device_token(hub, "scanner"),
        "film": str(badge_then_face(sheet.body, tmp_path)),
    }
    (tmp_path / "gate.json").write_text(json.dumps(about))
    return {
        "HUB_URL": hub.url,
        "CHROMIUM": need("chromium"),
        "AT_GATE": str(tmp_path / "gate.json"),
        "PICTURES": os.environ.get("HUB_TEST_PICTURES", ""),
    }


@pytest.mark.chromium
async def test_a_face_at_the_gate_comes_after_the_code_or_proposes_names(
    workspace, engine, hub, door
):
    said = await npm(workspace, "test", "-w", "shared", "--", "test/gate_face.test.ts", **door)
    assert passed(said) == 3
    assert engine.seen[:3] == ["", "face-1", "face-2"]
    rows = await hub.db["attendance"].find({"m": MEETING})
    assert {row["p"]: (row["state"], row["how"]) for row in rows} == {
        ulid(801): ("present", "face"),
        ulid(802): ("present", "face"),
    }
    reasons = await hub.db["checkin"].find({"m": MEETING, "p": ulid(802)})
    assert {row["reason"] for row in reasons} == {"人脸提名，本人确认"}
