"""What nobody could send: seen at ``/readyz`` and ``/metrics``, listed, and sent after all."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.events import Event
from storage.outbox import Message
from tests.integration.test_identity import staff
from tests.integration.test_realtime import connected, listen
from tests.integration.test_realtime_metrics import numbers

pytestmark = pytest.mark.timeout(400)

MAIN = Path(__file__).parents[2] / "main.py"


class Told(Event):
    type: str = "test.told"
    text: str


async def run(hub, *arguments):
    """Run the command as an operator does; answers status and both outputs."""
    settings = hub.hub.settings
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(MAIN), "outbox", *arguments,
        env=inherited | {
            "HUB_MONGO__URI": settings.mongo.uri.get_secret_value(),
            "HUB_MONGO__NAME": settings.mongo.name,
            "HUB_DATA_DIR": str(settings.data_dir),
        },
        cwd="/", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 100)
    return process.returncode, out.decode(), err.decode()


async def poisoned(hub, *texts):
    """Announce on a channel that there is not, and let the relay give up on it."""
    keys = []
    for text in texts:
        event = Told(id=hub.hub.web.new_id(), at=hub.clock.now, text=text)
        await hub.hub.ground.bus.publish("nowhere:1", event)
        keys.append(f"{event.id}:nowhere:1")
    async with asyncio.timeout(60):
        while await hub.hub.ground.outbox.dead() < len(texts):
            hub.clock.advance(seconds=10)
            hub.hub.ground.outbox.written.set()
            await asyncio.sleep(0.01)
    return keys


async def test_what_nobody_could_send_is_named_and_goes_out_when_it_is_revived(hub):
    first, second = await poisoned(hub, "一", "二")
    gauges = hub.hub.realtime.warning.__self__
    await gauges.look()
    ready = await hub.anybody.call("GET", "/readyz")
    # Requests may be sent here all the same: one poisoned message must not take a hub away.
    assert ready.status == 200
    assert "2 announcements could not be sent" in ready.json["warnings"]["outbox"]
    counted = await numbers(hub)
    assert counted["outbox_dead",] == 2
    assert counted["outbox_messages_total", "buried"] == 2
    assert counted["outbox_messages_total", "failed"] == 8

    status, out, err = await run(hub, "list")
    assert status == 0, err
    rows = [line for line in out.splitlines() if "nowhere:1" in line]
    assert [first in rows[0], second in rows[1]] == [True, True]
    assert all("NotTaken: nowhere:1: unknown channel" in row for row in rows)

    status, out, err = await run(hub, "revive", first, "nothing")
    assert (status, "1 messages are due again" in out) == (1, True)
    assert err == "not buried: nothing\n"
    # The channel is there now, as after an upgrade that brings it.
    await hub.db["outbox"].update_many({}, {"$set": {"body.channel": "news", "line": "news"}})
    status, out, err = await run(hub, "revive", "--all")
    assert status == 0, err
    assert "1 messages are due again" in out
    caller = await hub.sign_in(await staff(hub))
    async with connected(caller) as (client, _):
        _, ear = await listen(client, "news")
        hub.clock.now = datetime.now(UTC) + timedelta(minutes=1)
        hub.hub.ground.outbox.written.set()
        async with asyncio.timeout(30):
            assert [(await ear.news.get())["text"] for _ in range(2)] == ["一", "二"]
    await gauges.look()
    assert (await hub.anybody.call("GET", "/readyz")).json["warnings"] == {}
    entries = await hub.db["audit"].find({"action": "outbox.revive"})
    assert {it["obj"] for it in entries} == {f"outbox:{first}", f"outbox:{second}"}


async def test_announcements_that_are_late_are_a_warning_too(hub):
    began, later = hub.clock.now - timedelta(seconds=61), hub.clock.now + timedelta(hours=1)
    await hub.hub.ground.outbox.put([Message(key="late", kind="event", due=later)])
    await hub.db["outbox"].update_one({"_id": "late"}, {"$set": {"at": began}})
    await hub.hub.realtime.warning.__self__.look()
    ready = await hub.anybody.call("GET", "/readyz")
    assert ready.json["warnings"] == {"outbox": "announcements are 61 seconds late"}


async def test_reviving_wants_a_name_or_all(hub):
    assert (await run(hub, "revive"))[0] == 1
    status, out, _ = await run(hub, "revive", "--all")
    assert (status, out) == (0, "0 messages are due again\n")
    status, out, _ = await run(hub, "list")
    assert (status, "message" in out) == (0, True)
