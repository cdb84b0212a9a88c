"""``main.py realtime …``: what an operator sees of a running hub, and what they are told if not."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr
from tornado.testing import bind_unused_port

from realtime.broker import ClientInfo
from server.assembly import assemble
from server.config import Realtime
from server.lifecycle import serve
from tests.integration.conftest import RunningHub, hub_settings
from tests.integration.test_identity import staff
from tests.integration.test_realtime import connected, listen

MAIN = Path(__file__).parents[2] / "main.py"
KEY = "k" * 24


async def run(url, *arguments, key=KEY):
    """Run the command as an operator does; answers status and both outputs."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(MAIN), "realtime", *arguments, "--url", url,
        env=inherited | {"HUB_REALTIME__API_KEY": key}, cwd="/",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 100)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def open_hub(mongo_uri, tmp_path, clock, new_id):
    """A hub whose server API is open to those who hold the key."""
    from tornado.httpclient import AsyncHTTPClient

    async with AsyncExitStack() as stack:
        settings = hub_settings(
            tmp_path,
            mongo_uri,
            f"t{os.urandom(6).hex()}",
            realtime=Realtime(api_key=SecretStr(KEY)),
        )
        made = await assemble(settings, stack, clock=clock, new_id=new_id)
        stack.push_async_callback(made.db.drop)
        socket, port = bind_unused_port()
        await serve(made, stack, [socket])
        client = AsyncHTTPClient(force_instance=True)
        stack.callback(client.close)
        yield RunningHub(made, f"http://127.0.0.1:{port}", clock, client)


async def test_processes_channels_and_who_can_be_seen_and_a_person_sent_away(open_hub):
    person_id = await staff(open_hub)
    caller = await open_hub.sign_in(person_id)
    async with connected(caller) as (client, ear):
        await listen(client, "news")
        status, out, err = await run(open_hub.url, "info")
        assert status == 0, err
        assert open_hub.hub.realtime.hub.broker.node_id in out
        status, out, err = await run(open_hub.url, "channels", "n*")
        assert status == 0, err
        rows = [line for line in out.splitlines() if "news" in line]
        assert len(rows) == 1
        assert " 1 " in rows[0]
        assert "user:" not in out

        status, out, _ = await run(open_hub.url, "kick", "--user", person_id)
        assert (status, person_id in out) == (0, True)
        async with asyncio.timeout(30):
            assert (await ear.disconnected).code == 4504


async def test_who_is_on_a_channel_that_knows_it_can_be_listed(open_hub):
    broker = open_hub.hub.realtime.hub.broker
    for number, user in enumerate(("p2", "p1", "p1")):
        # As any process of the hub says it of its own connections.
        await broker.add_presence("room:r1", ClientInfo(user, f"client-{number}"), ttl=600)
    status, out, err = await run(open_hub.url, "channels", "room:r1", "--who")
    assert status == 0, err
    rows = [line.split()[1::2] for line in out.splitlines() if "client-" in line]
    assert rows == [["client-1", "p1"], ["client-2", "p1"], ["client-0", "p2"]]


async def test_who_is_on_a_channel_that_does_not_know_it_or_is_not_there_is_a_sentence(open_hub):
    status, out, err = await run(open_hub.url, "channels", "news", "--who")
    assert (status, out, err) == (1, "", "the hub refuses: not available\n")
    status, out, err = await run(open_hub.url, "channels", "nowhere:1", "--who")
    assert (status, out, err) == (1, "", "the hub refuses: unknown channel\n")


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("", "HUB_REALTIME__API_KEY is not set"), ("x" * 24, "does not accept the key")],
)
async def test_without_the_right_key_one_sentence_says_so(open_hub, key, sentence):
    status, out, err = await run(open_hub.url, "info", key=key)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert sentence in err


async def test_a_hub_without_server_api_or_no_hub_at_all_is_one_sentence(hub):
    status, _, err = await run(hub.url, "info")
    assert status == 1
    assert "has no server API (status 404)" in err
    socket, port = bind_unused_port()
    socket.close()
    status, _, err = await run(f"http://127.0.0.1:{port}", "channels")
    assert (status, err.count("\n")) == (1, 1)
    assert "does not answer" in err


async def test_what_the_hub_refuses_is_said(open_hub):
    status, _, err = await run(open_hub.url, "kick", "--user", "u1", "--code", "77")
    assert status == 1
    assert "bad request" in err
