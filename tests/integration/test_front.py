"""The front end's own tests, from a clean install: alone, at the real hub, and in Chromium."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from handlers.api import ServerApiHandler
from realtime.api import Api
from tests.integration.test_identity import PASSWORD, staff
from tests.needs import need

# Longer than npm is given: what it had to say must be seen.
pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parent.parent.parent
API_KEY = "front-test-key"


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


async def npm(workspace, *arguments, **environment):
    """Run npm in the workspace, and answer what it printed; it must succeed."""
    plain = {"NO_COLOR": "1", "PATH": os.environ["PATH"], "HOME": str(workspace.parent)}
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
