"""The front end's own tests, from a clean install: alone, at the real hub, and in Chromium."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest
import segno
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from domain.codes.reader import PERSON
from domain.faces.liveness import Step
from domain.passes.code import Contact
from domain.permissions import Role
from handlers.api import ServerApiHandler
from realtime.api import Api
from tests.integration.faces import paint, switch_on
from tests.integration.front import (
    FilmedEngine,
    device_token,
    film,
    gather,
    hall_code,
    motion,
    on_the_table,
    stale_code,
)
from tests.integration.hall import MEETING, URL, zhuo
from tests.integration.people import person, ulid
from tests.integration.test_identity import PASSWORD, staff
from tests.needs import need

# Longer than npm is given: what it had to say must be seen.
pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parent.parent.parent
API_KEY = "front-test-key"

# Names of namespaces, and of pages for programmers in messages: nobody asks these for anything.
NO_REQUEST = {"www.w3.org", "vuejs.org", "element-plus.org"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A copy of ``static``, installed by its lock file."""
    need("node")
    npm = need("npm")
    home = tmp_path_factory.mktemp("front")
    skip = shutil.ignore_patterns("node_modules", "dist", "api.d.ts")
    shutil.copytree(ROOT / "static", home / "static", ignore=skip)
    # The types of the API are made from it.
    reference = home / "docs" / "reference"
    reference.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "reference" / "openapi.json", reference)
    done = subprocess.run(
        [npm, "ci", "--silent", "--ignore-scripts", "--prefer-offline"],
        cwd=home / "static",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm ci failed: {done.stderr[-300:]}")
    return home / "static"


@pytest.fixture(scope="module")
def built(workspace):
    """The pages, built as for a release; answers where they are."""
    done = subprocess.run(
        [need("npm"), "run", "build"], cwd=workspace, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return workspace / "dist"


@pytest.fixture
def hub_more(built):
    return {"front": built}


async def npm(workspace, *arguments, **environment):
    """Run npm in the workspace, and answer what it printed; it must succeed."""
    # Without UTF-8, Chromium keeps no file under a Chinese name.
    plain = {"NO_COLOR": "1", "LANG": "C.UTF-8"}
    plain |= {"PATH": os.environ["PATH"], "HOME": str(workspace.parent)}
    process = await asyncio.create_subprocess_exec(
        need("npm"),
        *arguments,
        cwd=workspace,
        env=plain | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(240):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            # npm, its shell, Node and perhaps a browser: the whole group that we started.
            os.killpg(process.pid, 9)
            await process.wait()
        # The transport is closed by hand: the loop may end before it notices.
        process._transport.close()
    text = said.decode()
    assert process.returncode == 0, text
    return text


def passed(text):
    """Answer how many tests passed; none may have been skipped."""
    found = re.search(r"Tests +(\d+) passed \((\d+)\)", text)
    assert found, text
    assert found[1] == found[2], text
    return int(found[1])


@pytest.fixture
async def house(hub):
    """Somebody who may log in, and the server API at a door of its own; answers the environment."""
    await staff(hub)
    api = {"api": Api(hub.hub.realtime.hub), "keys": lambda: (API_KEY,)}
    socket, port = bind_unused_port()
    door = HTTPServer(Application([(r"/api/([a-z_]+)", ServerApiHandler, api)]))
    door.add_socket(socket)
    yield {
        "HUB_URL": hub.url,
        "HUB_API_URL": f"http://127.0.0.1:{port}/api",
        "HUB_API_KEY": API_KEY,
        "HUB_USERNAME": "zhuomq",
        "HUB_PASSWORD": PASSWORD,
    }
    door.stop()
    await door.close_all_connections()


@pytest.fixture
async def hall(hub, tmp_path):
    """A meeting with six deputies, and what their phones' cameras see; answers the environment."""
    people = await gather(hub)
    code, stale = await hall_code(hub), await stale_code(hub)
    for name, text in (("hall", code["code"]), ("stale", stale)):
        segno.make(text, error="m").save(str(tmp_path / f"{name}.png"), scale=4)
    hub.people = people
    runs = await hub.sign_in(zhuo)
    paper = await on_the_table(hub, runs)
    seat = await runs.call("GET", f"{URL}/seats/A-3-8/code")
    return {
        "CHROMIUM": need("chromium"),
        "HUB_URL": hub.url,
        "HUB_PASSWORD": PASSWORD,
        "MEETING": MEETING,
        "SCANNER_TOKEN": await device_token(hub, "scanner"),
        # The test settings know another address than the one the hub was given.
        "HALL_LINK": f"{hub.url}/h5/#{code['link'].partition('#')[2]}",
        "STALE_CODE": stale,
        "CAMERA": str(film(code["code"], tmp_path / "hall.y4m")),
        "CAMERA_BLANK": str(film("WELCOME", tmp_path / "blank.y4m")),
        "HALL_PICTURE": str(tmp_path / "hall.png"),
        "STALE_PICTURE": str(tmp_path / "stale.png"),
        "STAFF_TOKEN": runs.token,
        "SEAT_CODE": seat.json["code"],
        "CONTACT_CODE": await hub.services.passes.keys.sign(Contact(PERSON, people["deputy1"])),
        "DEPUTY2": people["deputy2"],
        "SHOTS": os.environ.get("SHOTS", ""),
        **paper,
    }


async def test_types_are_strict_and_those_of_the_api_are_the_hubs(workspace):
    await npm(workspace, "run", "check")


async def test_a_page_knows_when_it_slept_what_it_saw_and_what_to_say(workspace):
    names = ("acks", "clock", "errors", "events", "feed", "rest", "wake")
    files = [f"test/{name}.test.ts" for name in names]
    assert passed(await npm(workspace, "test", "-w", "shared", "--", *files)) > 50


async def test_a_page_that_lost_its_network_comes_back_and_has_lost_nothing(workspace, house):
    said = await npm(workspace, "test", "-w", "shared", "--", "test/hub.test.ts", **house)
    assert passed(said) == 21


async def test_chromium_comes_back_too_and_shows_its_banner_after_five_seconds(workspace, house):
    chromium = {"CHROMIUM": need("chromium")}
    files = ("test/browser.test.ts",)
    said = await npm(workspace, "test", "-w", "shared", "--", *files, **house, **chromium)
    assert passed(said) == 4


async def test_the_pages_know_what_they_show_and_say(workspace):
    files = [
        f"test/{name}.test.ts" for name in ("app", "faces", "keeper", "outcome", "pages", "reading")
    ]
    assert passed(await npm(workspace, "test", "-w", "h5", "--", *files)) > 70


def test_what_a_phone_loads_first_is_small(built):
    manifest = orjson.loads((built / "h5" / ".vite" / "manifest.json").read_bytes())
    first, found = ["index.html"], set()
    while first:
        name = first.pop()
        if name not in found:
            found.add(name)
            first += manifest[name].get("imports", [])
    sizes = [len(gzip.compress((built / "h5" / manifest[it]["file"]).read_bytes())) for it in found]
    assert sum(sizes) <= 250 * 1024
    everything = sum(len(gzip.compress(it.read_bytes())) for it in built.glob("h5/assets/*.js"))
    assert everything <= 250 * 1024, "not even with every page behind it"


def test_the_pages_name_no_foreign_host(built):
    named = {
        host
        for path in built.rglob("assets/*")
        if path.suffix in {".js", ".css"}
        for host in re.findall(r"""["'`(](?:https?:)?//([a-z0-9.-]+)""", path.read_text("utf-8"))
    }
    assert named - NO_REQUEST == {"res.wx.qq.com"}


@pytest.mark.acceptance("F12-5")
@pytest.mark.chromium
async def test_deputies_come_in_by_every_door_of_their_phone(workspace, hub, hall):
    file = "test/browser/doors.test.ts"
    assert passed(await npm(workspace, "test", "-w", "h5", "--", file, **hall)) == 16
    rows = await hub.db["attendance"].find({"m": MEETING})
    ways = {row["p"]: row["how"] for row in rows}
    hall_ways = {hub.people[f"deputy{n}"]: "hall" for n in (2, 3, 4, 5)}
    assert ways == hall_ways | {hub.people["deputy6"]: "person"}


@pytest.mark.acceptance("F13-2")
@pytest.mark.chromium
async def test_every_page_is_fit_for_everybody_in_both_sizes(workspace, hall):
    file = "test/browser/access.test.ts"
    assert passed(await npm(workspace, "test", "-w", "h5", "--", file, **hall)) == 4


@pytest.fixture
def engine(monkeypatch):
    # What is asked is drawn at random; the person on the film does the same every time.
    steps = (Step.FRONT, Step.LEFT, Step.RIGHT)
    monkeypatch.setattr("domain.faces.challenges.draw", lambda *_: steps)
    return paint(monkeypatch, engine=FilmedEngine())


@pytest.mark.acceptance("A1-2")
@pytest.mark.chromium
async def test_a_face_is_enrolled_recognised_refused_and_deleted_and_never_the_only_way(
    workspace, engine, hall, hub, tmp_path
):
    yin, yan = (person(ulid(40 + n), f"管理员{n}", Role.ADMIN) for n in range(2))
    await switch_on(hub, await hub.sign_in(yin), await hub.sign_in(yan))
    hub.clock.advance(seconds=2)
    hall |= {"CAMERA": str(motion(tmp_path / "face.y4m"))}
    file = "test/browser/faces.test.ts"
    assert passed(await npm(workspace, "test", "-w", "h5", "--", file, **hall)) == 6
    assert [n for n in engine.bursts if n > 5] == [14] * 5
    assert await hub.db["face"].find({}) == []
