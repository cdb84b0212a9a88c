"""A hub on a stage: clocks moved by hand, transports that remember, an authority that says yes."""

from __future__ import annotations

import asyncio
import json

from realtime import codes
from realtime.authority import Grant, Identity
from realtime.codec import JSON
from realtime.hub import Clocks, Hub
from realtime.limits import Limits, Timing
from realtime.memory import MemoryBroker
from realtime.policy import Policies, Policy
from realtime.transport import Framing

STREAM = Policy(history_size=10, history_ttl=300, force_recovery=True, presence=True)
POLICIES = {
    "room": STREAM,
    "talk": Policy(presence=True, join_leave=True, force_join_leave=True),
    "plain": Policy(),
}


class Clock:
    def __init__(self):
        self.steady = 1000.0
        self.calendar = 1_750_000_000.0

    def pass_(self, seconds):
        self.steady += seconds
        self.calendar += seconds


class Line:
    """A transport that keeps what it is given; ``stuck`` ones never get rid of it."""

    name = "websocket"
    framing = Framing.BARE

    def __init__(self, *, stuck=False, name="websocket"):
        self.name = name
        self.stuck = stuck
        self.sent = []
        self.pending = 0
        self.end = None

    def write(self, frame):
        self.sent.append(frame)
        if self.stuck:
            self.pending += len(frame)

    def hang_up(self, code, reason):
        self.end = (code, reason)


class Yes:
    """Grants everything; tests overwrite what they want refused."""

    def __init__(self, policies=POLICIES):
        self.policies = Policies(policies)
        self.identity = Identity(user="u1")
        self.grant = Grant()
        self.allowed = True
        self.gate = None

    def policy(self, channel):
        return self.policies.find(channel)

    async def connect(self, ask):
        if self.gate is not None:
            await self.gate.wait()
        return Identity(user=ask.token) if ask.token else self.identity

    async def refresh(self, identity, token):
        return self.identity

    async def subscribe(self, identity, channel, token, data):
        if not self.allowed:
            raise codes.Refused(codes.PERMISSION_DENIED)
        return self.grant

    async def sub_refresh(self, identity, channel, token):
        return self.grant

    async def recheck(self, identity, channel):
        return self.allowed

    async def publish(self, identity, channel, data, *, subscribed):
        return data

    async def presence(self, identity, channel, *, subscribed):
        return None

    async def history(self, identity, channel, *, subscribed):
        return None

    async def rpc(self, identity, method, data):
        if method == "crash":
            raise ZeroDivisionError
        if method == "wait":
            await self.gate.wait()
        return data or b"{}"

    async def send(self, identity, data):
        raise codes.HangUp(codes.NO_HANDLER)


class Stage:
    def __init__(self, *, broker=None, limits=None, timing=None, policies=POLICIES):
        self.clock = Clock()
        self.authority = Yes(policies)
        self.broker = broker or MemoryBroker(now=lambda: self.clock.steady)
        self.hub = Hub(
            self.broker,
            self.authority,
            limits=limits or Limits(commands=0),
            timing=timing or Timing(linger=0),
            clocks=Clocks(lambda: self.clock.steady, lambda: self.clock.calendar),
        )
        self.hub.chance = lambda low, high: high

    async def __aenter__(self):
        await self.broker.start(self.hub)
        return self

    async def __aexit__(self, *_):
        await self.hub.close()

    def client(self, codec=JSON, **line):
        return Client(self, Line(**line), codec)

    async def open(self, *, token="", **line):
        client = self.client(**line)
        await client.ask(connect={"token": token} if token else {})
        return client

    async def pass_(self, seconds):
        self.clock.pass_(seconds)
        self.hub.tick()
        await settle()


class Client:
    """What a JSON client says and hears."""

    def __init__(self, stage, line, codec=JSON):
        self.stage = stage
        self.line = line
        self.connection = stage.hub.connect(line, codec, headers={})
        self._id = 0
        self._read = 0

    async def ask(self, **request):
        """Send one command and answer its reply."""
        self._id += 1
        await self.says({"id": self._id, **request})
        for reply in self.news():
            if reply.get("id") == self._id:
                return reply
        return None

    async def says(self, *commands):
        self.connection.receive("\n".join(json.dumps(one) for one in commands).encode())
        await settle()

    def news(self):
        """Answer what came since the last look, pings left out."""
        fresh = self.line.sent[self._read :]
        self._read = len(self.line.sent)
        return [
            message
            for frame in fresh
            for line in frame.decode().split("\n")
            if (message := json.loads(line))
        ]

    def heard(self):
        """Answer the publications that came since the last look."""
        return [
            (one["push"]["channel"], one["push"]["pub"].get("offset", 0))
            for one in self.news()
            if "pub" in one.get("push", {})
        ]


async def settle():
    """Let everything that can run, run."""
    for _ in range(30):
        await asyncio.sleep(0)
