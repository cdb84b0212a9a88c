"""The programs in the guides, run as a stranger would run them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.events import Event
from tests.integration.test_identity import PASSWORD, staff
from tests.needs import need

GUIDES = Path(__file__).parent.parent.parent / "docs" / "guides"


class Told(Event):
    type: str = "news.new"
    title: str


@asynccontextmanager
async def running(*command, cwd=None):
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # The transport is closed by hand: the loop may end before it notices.
        process._transport.close()


async def line(process):
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


async def hears_news(hub, process):
    assert {await line(process), await line(process)} == {"subscribed news", "subscribed sys"}
    event = Told(id=hub.hub.web.new_id(), at=hub.clock.now, title="大会开幕")
    await hub.hub.ground.bus.publish("news", event)
    channel, offset, data = (await line(process)).split(" ", 2)
    assert (channel, offset) == ("news", "1")
    assert json.loads(data)["title"] == "大会开幕"


async def test_the_python_program_hears_what_is_published(hub):
    await staff(hub)
    arguments = (hub.url, "zhuomq", PASSWORD, "news", "sys")
    async with running(sys.executable, GUIDES / "listen.py", *arguments) as process:
        await hears_news(hub, process)


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory):
    """A folder with the program and the SDK from the registry."""
    node, npm = need("node"), need("npm")
    home = tmp_path_factory.mktemp("node")
    (home / "listen.mjs").write_text((GUIDES / "listen.mjs").read_text("utf-8"), "utf-8")
    (home / "package.json").write_text('{"type": "module", "private": true}')
    done = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "centrifuge@5.7.1", "ws@8"],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm install failed: {done.stderr[-300:]}")
    return node, home


async def test_the_javascript_program_hears_what_is_published(hub, node_modules):
    node, home = node_modules
    await staff(hub)
    arguments = (hub.url, "zhuomq", PASSWORD, "news", "sys")
    async with running(node, "listen.mjs", *arguments, cwd=home) as process:
        await hears_news(hub, process)
