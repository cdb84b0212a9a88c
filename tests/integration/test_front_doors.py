"""An opening in Chromium at the real hub: gate, screen and desk, and a network that is cut.

The camera of the browser looks at a badge as the hub has printed it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port

from domain.organisation import Delegation
from domain.permissions import Role
from domain.roster import Card, Kind
from server.assembly import assemble
from server.lifecycle import serve
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from tests.integration.conftest import MintedSessions, RunningHub, hub_settings
from tests.integration.hall import ITEMS, MEETING, URL, convene, zhuo
from tests.integration.notices import grant
from tests.integration.people import ulid
from tests.integration.test_front import npm, passed, workspace
from tests.integration.test_identity import PASSWORD, staff
from tests.needs import need

__all__ = ["workspace"]

pytestmark = pytest.mark.timeout(400)

MEMBERS = 60
APPS = ("gate", "screen", "console")
SURNAMES = "卓苗闻柏岑颜陆方"


class RealClock:
    """The clock on the wall: a browser has no other."""

    def __call__(self):
        return self.now

    @property
    def now(self):
        return datetime.now(UTC)


@pytest.fixture
def clock():
    return RealClock()


@pytest.fixture(scope="module")
def built(workspace):
    """The pages, built from a clean install."""
    for app in APPS:
        done = subprocess.run(
            [need("npm"), "run", "build", "-w", app],
            cwd=workspace,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return workspace / "dist"


@pytest.fixture
async def hub(mongo_uri, tmp_path, clock, new_id, built):
    """The hub of ``conftest``, with the pages."""
    async with AsyncExitStack() as stack:
        settings = hub_settings(tmp_path, mongo_uri, f"t{secrets.token_hex(6)}", front=built)
        made = await assemble(settings, stack, clock=clock, new_id=new_id)
        stack.push_async_callback(made.db.drop)
        sessions = MintedSessions(made.services.sessions)
        object.__setattr__(made.services, "sessions", sessions)
        socket, port = bind_unused_port()
        await serve(made, stack, [socket])
        client = AsyncHTTPClient(force_instance=True, max_clients=50)
        stack.callback(client.close)
        yield RunningHub(made, f"http://127.0.0.1:{port}", clock, client, sessions.minted)


def who(number):
    return ulid(800 + number)


def filmed(sheet, home):
    """A film of what stands at the top left of the first page: a camera that is held at a badge."""
    (home / "sheet.pdf").write_bytes(sheet)
    subprocess.run(
        [need("pdftoppm"), "-r", "200", "-f", "1", "-l", "1", "-png", "sheet.pdf", "sheet"],
        cwd=home,
        check=True,
    )
    (page,) = home.glob("sheet*.png")
    with Image.open(page) as opened:
        badge = opened.convert("L").crop((0, 0, opened.width // 2, opened.height // 4))
    badge.thumbnail((600, 440))
    picture = Image.new("L", (640, 480), 128)
    picture.paste(badge, ((640 - badge.width) // 2, (480 - badge.height) // 2))
    frame = b"FRAME\n" + picture.tobytes() + bytes([128]) * (2 * 320 * 240)
    film = home / "badge.y4m"
    film.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 5)
    return film


@pytest.fixture
async def opening(hub, tmp_path):
    """A meeting that begins in half an hour: thirty of sixty are there, thirty-one must be."""
    need("chromium")
    at = hub.clock.now
    await OrganisationStore(hub.db).put(
        Delegation(id="pudong", name="浦东新区代表团", congress_id="sh20")
    )
    await OrganisationStore(hub.db).put(
        Delegation(id="xuhui", name="徐汇区代表团", congress_id="sh20")
    )
    times = {"starts_at": at + timedelta(minutes=30), "ends_at": at + timedelta(hours=4)}
    await convene(hub.db, members=MEMBERS, **times)
    await PeopleStore(hub.db).add_many(
        [
            Card(
                id=who(n), name=f"{SURNAMES[n % 8]}代表{n}", kind=Kind.DEPUTY, deputy_no=f"N{n:03}",
                delegation_id="pudong" if n % 3 else "xuhui",
            )
            for n in range(1, MEMBERS + 1)
        ]
    )  # fmt: skip
    person_id = await staff(hub)
    await grant(hub, person_id, Role.MTG_STAFF, f"mtg:{MEETING}")
    desk = await hub.sign_in(zhuo)
    made = await desk.call("POST", f"{URL}/badges", {})
    badges = {it["person_id"]: it for it in made.json["badges"]}
    sheet = await desk.call("GET", f"{URL}/badges/sheet")
    first = min(made.json["badges"], key=lambda it: it["serial"])["person_id"]
    early = [who(n) for n in range(31, 61)]
    there = {"nonce": "early", "people": early, "reason": "提前到会"}
    assert (await desk.call("POST", f"{URL}/check-ins", there)).status == 200
    await desk.call("POST", f"{URL}/pointer", {"item_id": ITEMS[0], "v": 0})
    about = {
        "meeting": MEETING,
        "filmed": first,
        "names": {it: badge["name"] for it, badge in badges.items()},
        "codes": {it: badge["code"] for it, badge in badges.items()},
        "badges": {it: badge["id"] for it, badge in badges.items()},
        "film": str(filmed(sheet.body, tmp_path)),
        "people": [who(n) for n in range(1, 31)],
    }
    (tmp_path / "opening.json").write_text(json.dumps(about))
    return {
        "HUB_URL": hub.url,
        "HUB_API_URL": "unused",
        "HUB_API_KEY": "unused",
        "HUB_USERNAME": "zhuomq",
        "HUB_PASSWORD": PASSWORD,
        "CHROMIUM": need("chromium"),
        "OPENING": str(tmp_path / "opening.json"),
        "PICTURES": os.environ.get("HUB_TEST_PICTURES", ""),
    }


async def test_gate_screen_and_desk_tell_what_a_page_alone_can_know(workspace):
    for app in APPS:
        assert passed(await npm(workspace, "test", "-w", app)) > 3


@pytest.mark.acceptance("F12-3")
@pytest.mark.acceptance("F05-2")
async def test_a_badge_before_the_camera_opens_the_meeting_and_no_scan_is_lost_offline(
    hub, opening, workspace
):
    """F12-3, F05-2: what the browser did is what is on record."""
    said = await npm(workspace, "test", "-w", "shared", "--", "test/doors.test.ts", **opening)
    assert passed(said) == 2
    kept = await hub.db["attendance"].find({"m": MEETING})
    records = {row["p"]: row for row in kept if row["state"] != "void"}
    (void,) = (row for row in kept if row["state"] == "void")
    assert [turn["state"] for turn in void["hist"]] == ["present"]
    (note,) = await hub.db["door_note"].find({})
    assert note["attention"] == "请到 2 号门"
    # Thirty by hand, one before the camera, eighteen without a network; one by hand meanwhile.
    assert len(records) == 30 + 1 + 18 + 1
    assert {row["v"] for row in records.values()} == {1}
    scans = await hub.db["checkin"].find({"m": MEETING, "offline": True})
    results = [row["result"] for row in scans]
    assert {it: results.count(it) for it in set(results)} == {
        "ok": 18, "already_in": 2, "revoked": 1,
    }  # fmt: skip
    assert sum(row.get("conflict", False) for row in scans) == 2
    assert len({row["_id"] for row in scans}) == 21
