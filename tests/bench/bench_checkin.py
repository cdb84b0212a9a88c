"""Scans at the doors (F12-6): six gates, each with a device of its own.

``python -m tests.bench.bench_checkin [--rate 20] [--seconds 20] [--busy 0] [--burst] [--stress]``

Scans come at an even rate whatever the answers take, so a slow hub is not spared; every tenth is a
duplicate. Times are those of whole HTTP calls; hub, embedded engine (a file on disk) and callers
share this machine, and the CPU of the hub includes that of the callers. F12-6 asks for p95 ≤ 300 ms
at 20 scans/s over five minutes (``--seconds 300``), and a count on the screen that is the number of
people. ``--busy`` lets so many endless loops run beside. ``--burst`` is the peak of the scripted
opening, 14 a minute at each gate, all six at the same instant. ``--stress`` looks for the highest
rate that holds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import orjson
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.testing import bind_unused_port

from domain.clock import new_ulid, system_clock
from domain.passes.code import Form, Personal, sign, verify
from domain.people import Grant, Person
from domain.permissions import Role
from server.assembly import assemble
from server.config import Env, Limit, Log, Mongo, Settings
from server.lifecycle import serve
from tests.bench.rig import machine, table
from tests.engines import Engine, embedded

GATES = 6
PEAK = 14


HEAD = [
    "scans", "people", "scans/s", "p50 ms", "p95 ms", "p99 ms", "hub ms", "engine ms",
    "count right", "F12-6",
]  # fmt: skip


class Measured(NamedTuple):
    """What one run has come to."""

    row: list[str]
    holds: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--stress", action="store_true")
    given = parser.parse_args()
    machine()
    table("Signed codes, one core", ["what", "per CPU-second"], cryptography())
    beside = f", {given.busy} endless loops beside" if given.busy else ""
    with loops(given.busy):
        done = run(even(given.rate, given.seconds))
        title = f"{given.rate:g} scans/s at {GATES} gates for {given.seconds} s{beside}"
        table(title, HEAD, [done.row])
        if given.burst:
            done = run(volleys(60))
            table(f"All {GATES} gates at once, {PEAK} times a minute{beside}", HEAD, [done.row])
        if given.stress:
            table(f"The highest rate that holds{beside}", ["rate", *HEAD], stress())


def even(rate: float, seconds: float) -> list[float]:
    """Answer the instants of arrivals, in seconds from the beginning."""
    return [at / rate for at in range(round(rate * seconds))]


def volleys(seconds: float) -> list[float]:
    """Answer the instants at which somebody steps up at every gate."""
    return [at * 60 / PEAK for at in range(round(PEAK * seconds / 60)) for _ in range(GATES)]


def stress() -> list[list[str]]:
    """Answer the last rate at which it holds, and the first at which it does not."""
    rows: list[list[str]] = []
    rate = 20.0
    while True:
        done = run(even(rate, 8))
        rows = [*rows[-1:], [f"{rate:.0f}", *done.row]]
        if not done.holds:
            return rows
        rate *= 1.25


@contextmanager
def loops(count: int) -> Iterator[None]:
    """Keep the machine busy."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def run(arrivals: Sequence[float]) -> Measured:
    """Let people arrive at a hub of their own."""
    with embedded(on_disk=True) as engine, tempfile.TemporaryDirectory() as home:
        return asyncio.run(measure(engine, Path(home), arrivals))


def cryptography(count: int = 5_000) -> list[list[str]]:
    key, now = Ed25519PrivateKey.generate(), system_clock()
    claims = Personal(new_ulid(), new_ulid(), now, now + timedelta(seconds=15), Form.PHONE)
    keys = {1: key.public_key()}
    began = time.process_time()
    codes = [sign(claims, key_no=1, key=key) for _ in range(count)]
    signed = time.process_time()
    good = sum(isinstance(verify(code, keys), Personal) for code in codes)
    verified = time.process_time()
    assert good == count
    return [
        ["sign", f"{count / (signed - began):,.0f}"],
        ["decode and verify", f"{count / (verified - signed):,.0f}"],
    ]


async def measure(engine: Engine, home: Path, arrivals: Sequence[float]) -> Measured:
    settings = Settings(
        _env_file=None,
        env=Env.TEST,
        data_dir=home,
        mongo=Mongo(uri=SecretStr(engine.uri), name=f"b{secrets.token_hex(4)}"),
        limit=Limit(**dict.fromkeys(Limit.model_fields, 1_000_000)),
        log=Log(access=False),
    )
    chance = random.Random(12)
    total = len(arrivals)
    async with AsyncExitStack() as stack:
        hub = await assemble(settings, stack)
        meeting, people = await convene(hub.db, max(860, total))
        staff = Person(
            id=new_ulid(),
            name="会务",
            grants=(Grant(role=Role.MTG_STAFF, scopes=frozenset({f"mtg:{meeting}"})),),
        )
        tokens = [
            (
                await hub.services.device_tokens.issue(
                    meeting, name=f"{gate}号门", role=Role.SCANNER, until=None, by=staff
                )
            ).secret
            for gate in range(1, GATES + 1)
        ]
        socket, port = bind_unused_port()
        await serve(hub, stack, [socket])
        client = AsyncHTTPClient(force_instance=True, max_clients=500)
        stack.callback(client.close)
        fresh = chance.sample(people, round(total * 0.9))
        queue = [*fresh, *chance.choices(fresh, k=total - len(fresh))]
        chance.shuffle(queue)
        keys = hub.services.passes.keys

        async def arrive(place: int, person_id: str, due: float) -> tuple[float, str]:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = system_clock()
            claims = Personal(person_id, meeting, now, now + timedelta(seconds=15), Form.PHONE)
            body = {"nonce": f"n{place}", "code": await keys.sign(claims), "meeting_id": meeting}
            request = HTTPRequest(
                f"http://127.0.0.1:{port}/api/v1/scans",
                method="POST",
                body=orjson.dumps(body),
                headers={"Authorization": f"Bearer {tokens[place % GATES]}"},
            )
            reply = await client.fetch(request)
            return time.perf_counter() - due, orjson.loads(reply.body)["result"]

        worked = [time.process_time(), cpu(engine)]
        start = time.perf_counter() + 0.5
        done = await asyncio.gather(
            *(arrive(at, it, start + arrivals[at]) for at, it in enumerate(queue))
        )
        spent = time.perf_counter() - start
        worked = [time.process_time() - worked[0], cpu(engine) - worked[1]]
        await hub.services.hall.quorum.count(meeting)
        kept = (await hub.db["hall"].find_one({"_id": meeting}))["quorum"]["present"]
    right = kept == len(set(queue)) == sum(result == "ok" for _, result in done)
    taken = sorted(1000 * seconds for seconds, _ in done)
    at = [taken[int(len(taken) * share)] for share in (0.5, 0.95, 0.99)]
    holds = at[1] <= 300 and right
    row = [
        f"{total:,}", f"{kept:,}", f"{total / spent:.1f}", *(f"{it:.0f}" for it in at),
        *(f"{1000 * seconds / total:.1f}" for seconds in worked),
        "yes" if right else "NO", "holds" if holds else "fails",
    ]  # fmt: skip
    return Measured(row, holds)


def cpu(engine: Engine) -> float:
    """Answer the CPU-seconds that an engine has worked."""
    times = psutil.Process(engine.pid).cpu_times()
    return times.user + times.system


async def convene(db, count: int) -> tuple[str, list[str]]:
    """Answer a sitting meeting with members."""
    meeting, now = new_ulid(), system_clock()
    await db["meeting"].insert_one(
        {
            "_id": meeting, "kind": "npc", "state": "in_session", "title": "全体会议", "v": 1,
            "starts_at": now + timedelta(minutes=30), "ends_at": now + timedelta(hours=4),
        }
    )  # fmt: skip
    people = [new_ulid() for _ in range(count)]
    await db["participant"].insert_many(
        [{"_id": f"{meeting}:{it}", "m": meeting, "p": it, "capacity": "member"} for it in people]
    )
    return meeting, people


if __name__ == "__main__":
    main()
