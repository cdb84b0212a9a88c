"""The demo, started as a stranger starts it, and used as the README says."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pyotp
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.testing import bind_unused_port

from demo.load import PASSWORD, TOTP_SECRET
from tests.integration.test_identity import cookies

ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def demo(data, size="mini"):
    """A running demo: what it printed, and the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "main.py", "demo", "--port", str(free_port()), "--data", str(data),
        "--size", size, cwd=ROOT, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
    )  # fmt: skip
    told = ""
    try:
        async with asyncio.timeout(60):
            while "/phones" not in told:
                line = (await process.stderr.readline()).decode()
                assert line, told
                told += line
        yield told, process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await process.communicate()


def free_port():
    """A port that nobody has now: the demo must know its address before it listens."""
    socket, port = bind_unused_port()
    socket.close()
    return port


def address(told, what):
    return re.search(rf"{what}\s+(http://\S+)", told)[1]


async def fetch(url, body=None, **headers):
    request = HTTPRequest(
        url,
        method="GET" if body is None else "POST",
        body=None if body is None else orjson.dumps(body),
        headers=headers,
        follow_redirects=False,
    )
    return await AsyncHTTPClient().fetch(request, raise_error=False)


async def log_in(hub, username, **more):
    return await fetch(f"{hub}/api/v1/session", {"username": username, "password": PASSWORD} | more)


async def test_a_stranger_logs_in_finds_a_colleague_and_finds_everything_after_a_kill(tmp_path):
    async with demo(tmp_path) as (told, process):
        assert "演示数据 人物均为虚构" in told
        hub = address(told, "hub")
        deputy = orjson.loads((await log_in(hub, "wenyucheng")).body)
        assert (deputy["person"]["name"], deputy["person"]["roles"]) == ("闻予澄", ["deputy"])
        staff = orjson.loads((await log_in(hub, "zhuomuqing")).body)
        assert staff["person"]["roles"] == ["mtg_staff"]
        bearer = {"Authorization": f"Bearer {deputy['token']}"}
        for query in ("zhq", "%E7%AB%A0%E6%B8%85", "%E7%AB%A0"):
            found = await fetch(f"{hub}/api/v1/people?q={query}", **bearer)
            assert "章清和" in found.body.decode()
        sitting = await fetch(f"{hub}/api/v1/meetings?state=in_session", **bearer)
        (opening,) = orjson.loads(sitting.body)["items"]
        agenda = await fetch(f"{hub}/api/v1/meetings/{opening['id']}/agenda", **bearer)
        states = [it["state"] for it in orjson.loads(agenda.body)["items"]]
        assert states == ["current", "pending", "pending"]
        found = await fetch(f"{hub}/api/v1/meetings?state=registration&kind=npcsc", **bearer)
        (twelfth,) = orjson.loads(found.body)["items"]
        lines = await fetch(f"{hub}/api/v1/meetings/{twelfth['id']}/sign-ups", **bearer)
        (line,) = orjson.loads(lines.body)["lines"]
        assert (line["accepted"], line["waiting"]) == (20, 3)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async with demo(tmp_path) as (told, _):
        hub = address(told, "hub")
        assert "loading" not in told
        me = await fetch(f"{hub}/api/v1/me", **bearer)
        assert (me.code, orjson.loads(me.body)["name"]) == (200, "闻予澄")


async def test_the_ways_in_that_the_table_names_all_lead_in(tmp_path):
    async with demo(tmp_path) as (told, _):
        hub = address(told, "hub")
        rows = re.findall(r"│\s*(\S+)\s*│[^│]*│\s*([a-z]+)\s*│", told)
        assert len(rows) == 24
        # Every fourth of them: a password takes its time on purpose.
        for name, username in dict.fromkeys([*rows[::4], *rows[-4:]]):
            reply = orjson.loads((await log_in(hub, username)).body)
            if reply["next"] == "totp":
                code = pyotp.TOTP(TOTP_SECRET).now()
                reply = orjson.loads(
                    (
                        await fetch(
                            f"{hub}/api/v1/session/totp", {"ticket": reply["ticket"], "code": code}
                        )
                    ).body
                )
            assert reply["person"]["name"] == name

        # By WeChat: the hub sends the phone to WeChat, WeChat sends it back with a code.
        out = await fetch(address(told, "log in by WeChat"))
        state = cookies_of(out)
        there = out.headers["Location"].partition("#")[0]
        back = (await fetch(f"{there}&user=o-demo-wenyucheng")).headers["Location"]
        assert urlsplit(back).netloc == urlsplit(hub).netloc
        inside = await fetch(back, Cookie=state)
        session = cookies(inside)["daibiao_session"]
        me = await fetch(f"{hub}/api/v1/me", Authorization=f"Bearer {session}")
        assert orjson.loads(me.body)["name"] == "闻予澄"


def cookies_of(reply):
    return "; ".join(line.partition(";")[0] for line in reply.headers.get_list("Set-Cookie"))


@pytest.mark.slow
async def test_the_full_house_has_a_thousand_accounts(tmp_path):
    async with demo(tmp_path, size="full") as (told, _):
        hub = address(told, "hub")
        reply = orjson.loads((await log_in(hub, "wenyucheng")).body)
        tree = await fetch(f"{hub}/api/v1/organisation", Authorization=f"Bearer {reply['token']}")
        delegations = orjson.loads(tree.body)["delegations"]
        assert (len(delegations), sum(it["people"] for it in delegations)) == (17, 860)


async def test_a_second_demo_on_the_same_data_is_refused_with_one_sentence(tmp_path):
    async with demo(tmp_path):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "main.py", "demo", "--port", "0", "--data", str(tmp_path),
            cwd=ROOT, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(30):
            _, said = await process.communicate()
        assert process.returncode == 1
        assert len(said.decode().strip().splitlines()) == 1
        assert "Traceback" not in said.decode()
