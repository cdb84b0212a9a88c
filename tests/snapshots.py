"""Snapshot + events = later snapshot: the promise of every live view, as a harness.

``Follower`` is a client as the front end is. It fetches a view, subscribes with the official SDK
from the view's position (``getState``), and puts every event on top with a reducer. Whatever was
done in the meantime, and whoever was faster: once everything has been announced, what the follower
has is what a later snapshot says.

To use it for a view of yours, write the reducer (``(state, event) -> state``, pure) and

    async with following(hub, caller, "/api/v1/…", reduce) as follower:
        …act…
        await follower.agrees()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import centrifuge

State = dict[str, Any]
Reduce = Callable[[State, Mapping[str, Any]], State]


class Follower(centrifuge.SubscriptionEventHandler):
    """What a client knows of a view."""

    def __init__(self, hub, caller, path: str, reduce: Reduce) -> None:
        self._hub = hub
        self._caller = caller
        self._path = path
        self._reduce = reduce
        self._moved = asyncio.Event()
        self.joined = asyncio.Event()
        self.refused = None
        self.state: State | None = None
        self.offset = 0
        self.events: list[Mapping[str, Any]] = []
        self.fetched = 0

    async def snapshot(self) -> tuple[State, Mapping[str, Any]]:
        """Fetch the view; answer its state and its position."""
        reply = await self._caller.call("GET", self._path)
        assert reply.status == 200, reply.body
        state = reply.json
        return state, state.pop("position")

    async def get_state(self, channel: str) -> centrifuge.StreamPosition:
        """Begin with a fresh view, as the SDK asks for it."""
        self.fetched += 1
        self.state, position = await self.snapshot()
        assert self.state["channel"] == channel
        self.offset = position["offset"]
        return centrifuge.StreamPosition(position["offset"], position["epoch"])

    async def on_subscribed(self, ctx) -> None:
        if self.state is None:
            # A channel that answers with the state itself.
            self.state, self.offset = ctx.data, ctx.stream_position.offset if ctx.data else 0
        self.joined.set()

    async def on_unsubscribed(self, ctx) -> None:
        self.refused = ctx
        self.joined.set()

    async def on_publication(self, ctx) -> None:
        event = ctx.pub.data
        self.events.append(event)
        self.state = self._reduce(self.state, event)
        self.offset = max(self.offset, ctx.pub.offset)
        self._moved.set()

    async def reaches(self, offset: int) -> None:
        """Wait until everything up to an offset has been heard."""
        async with asyncio.timeout(10):
            while self.offset < offset:
                self._moved.clear()
                await self._moved.wait()

    async def hears(self, kind: str, *, count: int = 1) -> Mapping[str, Any]:
        """Wait for an event of a type, the ``count``-th of it, and answer it."""
        async with asyncio.timeout(10):
            while len(found := [it for it in self.events if it["type"] == kind]) < count:
                self._moved.clear()
                await self._moved.wait()
        return found[count - 1]

    async def becomes(self, state: State) -> None:
        """Wait until what is known is a state, and show the difference if it never is."""
        try:
            async with asyncio.timeout(5):
                while self.state != state:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            assert self.state == state

    async def agrees(self) -> State:
        """Fetch a later snapshot, when all is announced, and compare."""
        await announced(self._hub)
        later, position = await self.snapshot()
        await self.reaches(position["offset"])
        assert self.state == later
        return later


async def announced(hub) -> None:
    """Wait until everything that was kept has been announced; ``hub`` is whatever has ``db``."""
    outbox = hub.db["outbox"]
    async with asyncio.timeout(20):
        while await outbox.count({"state": "waiting"}, limit=1):
            await asyncio.sleep(0.005)


@asynccontextmanager
async def following(hub, caller, path: str, reduce: Reduce) -> AsyncIterator[Follower]:
    """Follow a view that says which ``channel`` it belongs to."""
    issued = (await caller.call("POST", "/api/v1/realtime/token")).json
    follower = Follower(hub, caller, path, reduce)
    channel = (await follower.snapshot())[0]["channel"]
    client = centrifuge.Client(issued["websocket"], token=issued["token"], proxy=None)
    await client.connect()
    try:
        subscription = client.new_subscription(
            channel, events=follower, get_state=follower.get_state
        )
        await subscription.subscribe()
        async with asyncio.timeout(10):
            await follower.joined.wait()
        assert follower.refused is None, follower.refused
        yield follower
    finally:
        await client.disconnect()


@asynccontextmanager
async def screening(hub, token: str, channel: str, reduce: Reduce) -> AsyncIterator[Follower]:
    """Follow a channel that answers a subscription with its state, as screens do."""
    follower = Follower(hub, None, "", reduce)
    address = hub.url.replace("http", "ws") + "/connection/websocket"
    client = centrifuge.Client(address, token=token, proxy=None)
    await client.connect()
    try:
        subscription = client.new_subscription(channel, events=follower)
        await subscription.subscribe()
        async with asyncio.timeout(10):
            await follower.joined.wait()
        yield follower
    finally:
        await client.disconnect()


def parts(names: Mapping[str, str]) -> Reduce:
    """Answer the reducer of a view made of versioned parts: type of the event → name of the part.

    Every event carries its part whole; the newest version wins.
    """

    def reduce(state: State, event: Mapping[str, Any]) -> State:
        name = names.get(event["type"])
        if name is None or state[name] is None or event["v"] <= state[name]["v"]:
            return state
        part = {key: value for key, value in event.items() if key not in {"id", "type"}}
        return {**state, name: part}

    return reduce
