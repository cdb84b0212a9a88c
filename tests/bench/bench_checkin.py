"""Scans at the doors (F12-6): 860 people, six gates, each with a device of its own.

``python -m tests.bench.bench_checkin [--people 860] [--rate 20] [--seconds 20]``

Scans come at an even rate whatever the answers take, so a slow hub is not spared; every tenth is a
duplicate. Times are those of whole HTTP calls; hub, embedded engine (a file on disk) and callers
share this machine. F12-6 asks for p95 ≤ 300 ms at 20 scans/s over five minutes
(``--seconds 300 --people 6000``), and a count on the screen that is the number of people.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import orjson
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
from tests.engines import embedded

GATES = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=860)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    machine()
    table("Signed codes, one core", ["what", "per CPU-second"], cryptography())
    with embedded() as engine, tempfile.TemporaryDirectory() as home:
        rows = asyncio.run(measure(engine.uri, Path(home), given))
    head = ["scans", "people", "scans/s", "p50 ms", "p95 ms", "p99 ms", "count right", "F12-6"]
    table(f"{given.rate:g} scans/s at {GATES} gates for {given.seconds} s", head, rows)


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


async def measure(uri: str, home: Path, given: argparse.Namespace) -> list[list[str]]:
    settings = Settings(
        _env_file=None,
        env=Env.TEST,
        data_dir=home,
        mongo=Mongo(uri=SecretStr(uri), name=f"b{secrets.token_hex(4)}"),
        limit=Limit(**dict.fromkeys(Limit.model_fields, 1_000_000)),
        log=Log(access=False),
    )
    chance = random.Random(12)
    total = round(given.rate * given.seconds)
    async with AsyncExitStack() as stack:
        hub = await assemble(settings, stack)
        meeting, people = await convene(hub.db, given.people)
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
        fresh = chance.sample(people, min(len(people), round(total * 0.9)))
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

        start = time.perf_counter() + 0.5
        done = await asyncio.gather(
            *(arrive(at, it, start + at / given.rate) for at, it in enumerate(queue))
        )
        spent = time.perf_counter() - start
        await hub.services.hall.quorum.count(meeting)
        kept = (await hub.db["hall"].find_one({"_id": meeting}))["quorum"]["present"]
    right = kept == len(set(queue)) == sum(result == "ok" for _, result in done)
    taken = sorted(1000 * seconds for seconds, _ in done)
    at = [taken[int(len(taken) * share)] for share in (0.5, 0.95, 0.99)]
    verdict = "holds" if at[1] <= 300 and right else "fails"
    return [
        [
            f"{total:,}", f"{kept:,}", f"{total / spent:.1f}", *(f"{it:.0f}" for it in at),
            "yes" if right else "NO", verdict,
        ]
    ]  # fmt: skip


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
