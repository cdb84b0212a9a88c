"""A notice to a thousand people who are online (F02-1): from POST to the last socket, and back.

``python -m tests.bench.bench_notices [--people 1000] [--rounds 3] [--only alone|four]``

The real program serves, alone on the embedded engine, then with four workers and a Redis; the
people are raw sockets in this process, each with a login of its own. In each round one 紧急 notice
to all is published, every socket says at once that it was read, and somebody takes it back.
*CPU* is what the hub and its engine used for a round of it, which a busy machine does not change.
F02-1 asks for p95 ≤ 500 ms, PRODUCT.md §2.9 for p99 ≤ 1 s. Clients and server share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from domain.clock import new_ulid, system_clock
from domain.identity.account import Account
from domain.identity.devices import DeviceSeen
from domain.identity.step_up import Method
from domain.people import AccountState
from domain.permissions import Role
from domain.role_grants import GrantState, RoleGrant
from domain.roster import Card, Kind
from server.assembly import build
from server.ground import lay
from server.neighbours import reach
from storage.grants import GrantStore
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.bench.rig import machine, table
from tests.cluster import Cluster

NOTICES = "/api/v1/notices"
HEAD = ["how it runs", "what", "p50 ms", "p95 ms", "p99 ms", "last ms", "CPU ms", "bar"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["alone", "four"])
    given = parser.parse_args()
    machine()
    rows = []
    for name, processes in (("alone", 1), ("four", 4)):
        if given.only in {None, name}:
            rows += run(name, processes, given)
    table(f"One 紧急 notice, {given.people:,} people online, {given.rounds} rounds", HEAD, rows)


def run(name: str, processes: int, given: argparse.Namespace) -> list[list[str]]:
    alone = processes == 1
    with tempfile.TemporaryDirectory(prefix="hub-") as home:
        hub = Cluster(Path(home), processes=processes, alone=alone)
        if not alone:
            hub.redis.start()
        try:
            hub.start()
            label = "one process, embedded" if alone else "four processes, Redis, embedded"
            return asyncio.run(measure(hub, label, given))
        finally:
            hub.stop()


class Phone:
    """One raw socket of one person; remembers when it heard what."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self.heard: dict[str, list[float]] = {}
        self.ids: list[str] = []
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self.answered = 0.0
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Come in as a phone does, and wait for the welcome."""
        for _ in range(50):
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(
                b"GET /connection/websocket HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                + f"Authorization: Bearer {self._token}\r\n\r\n".encode()
            )
            head = await self._reader.readuntil(b"\r\n\r\n")
            if b" 101 " in head.partition(b"\r\n")[0]:
                break
            self._writer.close()
            await asyncio.sleep(0.1)
        self.send({"id": 1, "connect": {}})
        await self._frame()
        self._task = asyncio.create_task(self._listen())

    def send(self, command: object) -> None:
        """Say something; a mask of zeros is a mask."""
        payload = json.dumps(command).encode()
        size = len(payload)
        head = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        self._writer.write(b"\x81" + head + bytes(4) + payload)

    def expect(self, what: str) -> asyncio.Future[None]:
        """Answer what is done when the next event of a type, or an ``answer``, is there."""
        future = asyncio.get_running_loop().create_future()
        self.waiting[what] = future
        return future

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._writer.transport.abort()

    async def _frame(self) -> bytes:
        first, size = await self._reader.readexactly(2)
        if size > 125:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
        payload = await self._reader.readexactly(size)
        assert first & 15 == 1, f"closed: {payload!r}"
        return payload

    async def _listen(self) -> None:
        while True:
            payload = await self._frame()
            at = time.perf_counter()
            for line in payload.splitlines():
                self._take(orjson.loads(line), at)

    def _take(self, said: dict[str, Any], at: float) -> None:
        if not said:
            self._writer.write(b"\x81\x82" + bytes(4) + b"{}")
            return
        what = "answer"
        if "push" in said:
            data = said["push"]["pub"]["data"]
            what = data["type"]
            if what == "notice.new":
                self.ids.append(data["id"])
        elif "result" not in said.get("rpc", {}).get("data", {}):
            raise RuntimeError(f"refused: {said}")
        self.heard.setdefault(what, []).append(at)
        if (future := self.waiting.pop(what, None)) is not None:
            future.set_result(None)


class Staff:
    """Somebody who calls the API."""

    def __init__(self, url: str, client: AsyncHTTPClient, token: str) -> None:
        self._url = url
        self._client = client
        self._head = {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, json: object) -> Any:
        reply = await self._client.fetch(
            HTTPRequest(
                self._url + path, method="POST", body=orjson.dumps(json), headers=self._head
            )
        )
        return orjson.loads(reply.body)


async def measure(hub: Cluster, label: str, given: argparse.Namespace) -> list[list[str]]:
    async with AsyncExitStack() as stack:
        people, staff = await populate(hub, given.people)
        client = AsyncHTTPClient(force_instance=True)
        stack.callback(client.close)
        author, second = [Staff(hub.url, client, token) for token in staff]
        phones = [Phone(hub.port, token) for token in people]
        for start in range(0, len(phones), 50):
            await asyncio.gather(*[phone.connect() for phone in phones[start : start + 50]])
        for phone in phones:
            stack.push_async_callback(phone.close)
        taken: dict[str, list[float]] = {}
        spent: dict[str, list[float]] = {}
        for number in range(given.rounds + 1):
            meter = Meter(hub)
            times = await one_round(phones, author, second, number, meter)
            if number:  # the first one warms up
                for what, found in times.items():
                    taken.setdefault(what, []).extend(found)
                for what, cpu in meter.spent.items():
                    spent.setdefault(what, []).append(cpu)
        ids = [phone.ids for phone in phones]
        assert all(len(set(one)) == len(one) == given.rounds + 1 for one in ids), "not once each"
    bars = {"POST → socket": (0.95, 500.0), "recall → socket": (0.95, 500.0)}
    return [
        row(label, what, sorted(found), spent.get(what, []), bars.get(what))
        for what, found in taken.items()
    ]


class Meter:
    """CPU time of the hub, its workers and its engine, phase by phase."""

    def __init__(self, hub: Cluster) -> None:
        self._family = hub.family
        self._last = self._now()
        self.spent: dict[str, float] = {}

    def lap(self, what: str) -> None:
        """What was used since the last lap belongs to ``what``."""
        now = self._now()
        self.spent[what], self._last = 1_000 * (now - self._last), now

    def _now(self) -> float:
        times = [each.cpu_times() for each in self._family if each.is_running()]
        return sum(it.user + it.system for it in times)


async def one_round(
    phones: Sequence[Phone], author: Staff, second: Staff, number: int, meter: Meter
) -> dict[str, list[float]]:
    """Publish, read, recall; answer the milliseconds of everybody for each."""
    draft = {
        "kind": "紧急通知", "title": f"紧急通知 {number}", "body": "<p>请立即返回会场。</p>",
        "priority": "紧急", "audience": {"all": True},
    }  # fmt: skip
    asked = await author.post(NOTICES, draft)
    one = f"{NOTICES}/{asked['id']}"
    approved = await second.post(f"{one}/approve", {"v": asked["v"]})
    marks = f"{len(phones)} mark-reads at once → answer"
    meter.lap("before")
    heard, posted = await everybody(
        phones, "notice.new", lambda: author.post(f"{one}/publish", {"v": approved["v"]})
    )
    meter.lap("POST → socket")
    start = time.perf_counter()
    answers = [phone.expect("answer") for phone in phones]
    for phone in phones:
        phone.send({"id": 2, "rpc": {"method": "notice.read", "data": {"ids": [asked["id"]]}}})
    await asyncio.wait_for(asyncio.gather(*answers), 60)
    read = [1_000 * (phone.heard["answer"][-1] - start) for phone in phones]
    meter.lap(marks)
    gone, _ = await everybody(
        phones, "notice.recalled", lambda: author.post(f"{one}/recall", {"reason": "测量结束"})
    )
    meter.lap("recall → socket")
    return {
        "POST → socket": heard,
        "POST → answer": [posted],
        marks: read,
        "recall → socket": gone,
    }


async def everybody(
    phones: Sequence[Phone], what: str, act: Callable[[], Any]
) -> tuple[list[float], float]:
    """Act, and answer the milliseconds until each phone heard, and until the answer."""
    waits = [phone.expect(what) for phone in phones]
    began = time.perf_counter()
    await act()
    answered = 1_000 * (time.perf_counter() - began)
    await asyncio.wait_for(asyncio.gather(*waits), 60)
    return [1_000 * (phone.heard[what][-1] - began) for phone in phones], answered


async def populate(hub: Cluster, count: int) -> tuple[list[str], list[str]]:
    """Enrol deputies and two administrators, and answer the login tokens of both."""
    async with AsyncExitStack() as stack:
        ground = await lay(hub.settings, stack, join=True)
        services = build(ground, reach(ground, stack))
        stack.callback(services.identity.hasher.close)
        now = system_clock()
        people = [new_ulid() for _ in range(count)]
        staff = [new_ulid() for _ in range(2)]
        cards = [
            Card(
                id=it, kind=Kind.DEPUTY, name=f"代表{n}", deputy_no=f"B{n:05}",
                delegation_id=f"d{n % 17}",
            )
            for n, it in enumerate(people)
        ]  # fmt: skip
        await PeopleStore(ground.db).add_many(
            [*cards, *[Card(id=it, kind=Kind.STAFF, name="管理员") for it in staff]]
        )
        await AccountStore(ground.db).add_many(
            [
                Account(
                    id=it, state=AccountState.ACTIVE, created_at=now, created_by="system",
                    updated_at=now, updated_by="system",
                )
                for it in (*people, *staff)
            ]
        )  # fmt: skip
        roles = [*[(it, Role.DEPUTY) for it in people], *[(it, Role.ADMIN) for it in staff]]
        await GrantStore(ground.db).add_many(
            [
                RoleGrant(
                    id=new_ulid(), person_id=it, role=role, since=now - timedelta(minutes=1),
                    state=GrantState.GRANTED, reason="测量", asked_by="system", asked_at=now,
                )
                for it, role in roles
            ]
        )  # fmt: skip
        tokens = []
        for it in (*people, *staff):
            opened = await services.identity.sessions.open(
                it, method="password", device=DeviceSeen(key="bench")
            )
            tokens.append(opened.token)
        for token in tokens[count:]:
            person = await services.sessions.whois(token)
            await services.identity.sessions.prove(by=person, method=Method.PASSWORD.value)
        return tokens[:count], tokens[count:]


def row(
    label: str, what: str, taken: list[float], cpu: list[float], bar: tuple[float, float] | None
) -> list[str]:
    at = {share: taken[int(share * (len(taken) - 1))] for share in (0.5, 0.95, 0.99)}
    verdict = "" if bar is None else f"p95 ≤ {bar[1]:.0f}: {'ok' if at[bar[0]] <= bar[1] else 'no'}"
    used = f"{statistics.median(cpu):.0f}" if cpu else ""
    return [label, what, *(f"{ms:.0f}" for ms in (*at.values(), taken[-1])), used, verdict]


if __name__ == "__main__":
    main()
