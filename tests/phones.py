"""Phones by the hundred: the cheapest client that still speaks the whole protocol.

One raw socket each, JSON, its own login; it remembers what it heard on which channel, and when.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from typing import Any

import orjson


class Phone:
    """One person's socket."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._numbers = itertools.count(2)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._waiting: list[tuple[str, int, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self.heard: list[tuple[float, str, dict[str, Any]]] = []

    async def connect(self) -> None:
        """Come in as a phone does; sent away at the door, try again in a moment."""
        while not await self._upgrade():
            await asyncio.sleep(0.1)
        self._task = asyncio.create_task(self._listen())
        await self._ask(1, {"connect": {}})

    async def subscribe(self, channel: str) -> Any:
        """Listen to a channel, and answer the result."""
        return (await self._ask(next(self._numbers), {"subscribe": {"channel": channel}}))[
            "subscribe"
        ]

    async def rpc(self, method: str, data: object) -> Any:
        """Ask for something, and answer the result."""
        asked = {"rpc": {"method": method, "data": data}}
        return (await self._ask(next(self._numbers), asked))["rpc"]["data"]["result"]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Answer what was heard of a type, in order."""
        return [event for _, what, event in self.heard if what == kind]

    async def hears(self, kind: str, count: int = 1) -> float:
        """Wait for the ``count``-th event of a type, and answer when it came."""
        found = [at for at, what, _ in self.heard if what == kind]
        if len(found) >= count:
            return found[count - 1]
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, count, future))
        at: float = await future
        return at

    def close(self) -> None:
        """Be gone."""
        if self._task is not None:
            self._task.cancel()
        self._writer.transport.abort()

    async def _upgrade(self) -> bool:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(
            b"GET /connection/websocket HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + f"Authorization: Bearer {self._token}\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 101 " in head.partition(b"\r\n")[0]:
            return True
        self._writer.transport.abort()
        return False

    async def _ask(self, number: int, command: dict[str, object]) -> Any:
        future = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        self._send(json.dumps({"id": number, **command}).encode())
        answer = await future
        assert "error" not in answer, answer
        return answer

    def _send(self, payload: bytes) -> None:
        size = len(payload)
        head = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        # A mask of zeros is a mask.
        self._writer.write(b"\x81" + head + bytes(4) + payload)

    async def _listen(self) -> None:
        while True:
            first, size = await self._reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            payload = await self._reader.readexactly(size)
            assert first & 15 == 1, f"closed: {payload!r}"
            at = time.perf_counter()
            for line in payload.splitlines():
                self._take(orjson.loads(line), at)

    def _take(self, said: dict[str, Any], at: float) -> None:
        if not said:
            self._send(b"{}")
        elif "id" in said:
            self._answers.pop(said["id"]).set_result(said)
        elif "pub" in said.get("push", {}):
            event = said["push"]["pub"]["data"]
            self.heard.append((at, event["type"], event))
            self._settle(event["type"], at)

    def _settle(self, kind: str, at: float) -> None:
        for entry in [it for it in self._waiting if it[0] == kind]:
            _, count, future = entry
            if len(self.events(kind)) >= count:
                self._waiting.remove(entry)
                if not future.done():
                    future.set_result(at)


async def everybody_connects(phones: Sequence[Phone], *channels: str) -> None:
    """Let phones come in, fifty at a time, and listen to channels."""

    async def come(phone: Phone) -> None:
        await phone.connect()
        for channel in channels:
            await phone.subscribe(channel)

    for start in range(0, len(phones), 50):
        await asyncio.gather(*(come(phone) for phone in phones[start : start + 50]))


async def everybody_hears(phones: Sequence[Phone], kind: str, count: int = 1) -> list[float]:
    """Wait until each phone has heard of something; answer when, in the order of the phones."""
    async with asyncio.timeout(60):
        return list(await asyncio.gather(*(phone.hears(kind, count) for phone in phones)))
