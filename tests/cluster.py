"""The real program with several workers around one Redis, and what stands between it and a client.

``Cluster`` is ``python main.py serve --processes N`` as an operator starts it. ``Network`` is a TCP
proxy that can be cut. ``Ear`` is the official Python SDK, remembering what it was told. ``Peer`` is
the cheapest client there can be, for tests that need a thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import centrifuge
import psutil
from centrifuge.contexts import (
    ServerPublicationContext,
    ServerSubscribedContext,
    ServerUnsubscribedContext,
)

from server.config import Settings
from tests.redis_server import RedisServer

ROOT = Path(__file__).parent.parent
API_KEY = "k" * 24


async def until(condition: Callable[[], object], seconds: float = 60) -> float:
    """Wait for a condition; answers how many seconds that took."""
    since = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
    return time.monotonic() - since


class Stopwatch:
    """Seconds since it was started, without those in which this machine let nobody run.

    A ticker measures how late it is woken: on a machine that has other work to do the hub's
    processes are late by as much. What is left is the hub's own time.
    """

    _STEP = 0.01

    async def __aenter__(self):
        self._began, self._late = time.monotonic(), 0.0
        self._ticking = asyncio.ensure_future(self._tick())
        return self

    async def __aexit__(self, *_):
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began - self._late

    async def _tick(self) -> None:
        while True:
            slept = time.monotonic()
            await asyncio.sleep(self._STEP)
            self._late += time.monotonic() - slept - self._STEP


class Cluster:
    """A parent, its workers, the embedded engine, and a Redis.

    Attributes:
        felled: Workers that a test has ended; the parent reports each, with a stack.
        people: Ids of a crowd that tests share.
    """

    def __init__(self, home: Path, *, processes: int = 4, alone: bool = False) -> None:
        self.alone = alone  # one process with everything in itself, and no Redis
        self.home = home
        self.processes = processes
        self.redis = RedisServer(home)
        self.process: subprocess.Popen[bytes] | None = None
        self.felled = 0
        self.people: list[str] = []
        # Kept until the end, so that nobody else is given the port while no worker has it. It
        # does not listen, so the kernel gives it no connection.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._kept.bind(("127.0.0.1", 0))
        self.port = self._kept.getsockname()[1]
        if alone:
            # A process that serves alone does not share its port.
            self._kept.close()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = Settings(_env_file=None, data_dir=home / "data", log={"access": False})

    def start(self) -> None:
        """Start, and wait until every worker is ready."""
        if self.alone:
            self._kept.close()  # a single process does not share its port
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        said = {
            "HUB_DATA_DIR": str(self.settings.data_dir),
            "HUB_PORT": str(self.port),
            "HUB_REDIS__URL": "" if self.alone else self.redis.url,
            "HUB_REALTIME__API_KEY": API_KEY,
            "HUB_DRAIN": "1",
            "HUB_GRACE": "3",
            "HUB_LOG__ACCESS": "false",
        }
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "main.py", "serve", "--processes", str(self.processes)],
                env=inherited | said,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 120
        while not self.complete:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the hub did not start: {self.log[-2000:]}")
            time.sleep(0.1)

    def ensure(self) -> None:
        """Be up, whatever the test before has done."""
        if not self.redis.running:
            self.redis.start()
        if self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """End everything that was started."""
        family = self.family
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.redis.stop()
        self._kept.close()

    def fell(self, worker: psutil.Process, number: signal.Signals) -> None:
        """End one worker, as the kernel or an operator would."""
        self.felled += 1
        worker.send_signal(number)

    @property
    def log(self) -> str:
        return (self.home / "log").read_text("utf-8")

    @property
    def family(self) -> list[psutil.Process]:
        """The parent and all that it has started."""
        if self.process is None or self.process.poll() is not None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that serve."""
        if self.process is None or self.process.poll() is not None:
            return []
        parent = self.process.pid
        found = []
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                if b"--worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(psutil.Process(int(pid)))
        return found

    @property
    def complete(self) -> bool:
        """Whether every worker is there, listens, and is known to the others."""
        if self.alone:
            return self.ready == 200
        listening = [it for it in self.workers if self._listens(it)]
        return len(listening) == self.processes and self.ready == 200

    def _listens(self, worker: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return any(
                it.status == psutil.CONN_LISTEN and it.laddr.port == self.port
                for it in worker.net_connections("tcp")
            )
        return False

    @property
    def ready(self) -> int:
        """What ``/readyz`` answers, at whichever process; 0 if nobody does."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return refusal.code
        except OSError:
            return 0

    def owner(self, port: int) -> psutil.Process | None:
        """Answer the worker at the other end of a connection from a local port."""
        mine, theirs = f":{self.port:04X}", f":{port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inodes = [row[9] for row in rows if row[1].endswith(mine) and row[2].endswith(theirs)]
        for worker in self.workers if inodes else ():
            # A descriptor may be gone before it is looked at.
            with contextlib.suppress(OSError):
                for descriptor in Path(f"/proc/{worker.pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        if descriptor.readlink() == Path(f"socket:[{inodes[0]}]"):
                            return worker
        return None


@contextlib.contextmanager
def cluster(processes: int = 4):
    """Run a cluster in a short-named directory: a unix socket's path is at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="hub-") as home:
        made = Cluster(Path(home), processes=processes)
        try:
            made.redis.start()
            made.start()
            yield made
        finally:
            made.stop()
            if keep := os.environ.get("HUB_TEST_KEEP_LOG"):
                Path(keep).write_text(made.log, "utf-8")


class Network:
    """Between one client and the cluster: may be cut, and chooses which process it leads to.

    Attributes:
        avoid: Ids of processes that the client shall not come to.
        worker: The process it is at.
    """

    def __init__(self, to: Cluster) -> None:
        self._to = to
        self._up = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.avoid: set[int] = set()
        self.worker: psutil.Process | None = None

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.cut()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def websocket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def cut(self) -> None:
        """Tear every connection, and let no new one through."""
        self._up = False
        self.worker = None
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._up = True

    async def _serve(self, reader, writer) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            if self._up:
                await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # nobody listens there at the moment; the client sees its connection end
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pass_on(self, reader, writer) -> None:
        # The kernel gives a connection to a worker when its first bytes are there. A wish for the
        # wrong one is taken back before it has a body.
        head = await reader.readuntil(b"\r\n\r\n")
        there, away = await self._reach(head)
        self._writers.add(away)
        try:
            if self._up:
                done = [
                    asyncio.ensure_future(pump(reader, away)),
                    asyncio.ensure_future(pump(there, writer)),
                ]
                await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.cancel()
                await asyncio.gather(*done, return_exceptions=True)
        finally:
            self._writers.discard(away)
            away.transport.abort()

    async def _reach(self, head: bytes):
        while self._up:
            there, away = await asyncio.open_connection("127.0.0.1", self._to.port)
            away.write(head)
            port = away.get_extra_info("sockname")[1]
            owner, patience = None, time.monotonic() + 2
            while owner is None and time.monotonic() < patience:
                await asyncio.sleep(0.01)
                owner = self._to.owner(port)
            if owner is not None and owner.pid not in self.avoid:
                self.worker = owner
                return there, away
            away.transport.abort()
        raise ConnectionAbortedError("cut")


async def pump(reader, writer) -> None:
    """Carry bytes from one side to the other."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


class Ear(centrifuge.ClientEventHandler, centrifuge.SubscriptionEventHandler):
    """What an SDK client and its one subscription are told, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, object]] = []
        self.own: list[object] = []
        self.joined: list[object] = []
        self.left: list[object] = []
        self.ended: list[object] = []
        self.interrupted: list[object] = []

    @property
    def offsets(self) -> list[int]:
        return [offset for offset, _ in self.heard]

    async def on_publication(self, ctx) -> None:
        if isinstance(ctx, ServerPublicationContext):  # the private channel
            self.own.append(ctx.pub.data)
        else:
            self.heard.append((ctx.pub.offset, ctx.pub.data))

    async def on_subscribed(self, ctx) -> None:
        if not isinstance(ctx, ServerSubscribedContext):
            self.joined.append(ctx)

    async def on_unsubscribed(self, ctx) -> None:
        if not isinstance(ctx, ServerUnsubscribedContext):
            self.left.append(ctx)

    async def on_connecting(self, ctx) -> None:
        self.interrupted.append(ctx)

    async def on_disconnected(self, ctx) -> None:
        self.ended.append(ctx)


@contextlib.asynccontextmanager
async def listening(network: Network, token: str, channel: str = "news"):
    """An SDK client behind a network, subscribed to a channel."""
    ear = Ear()
    client = centrifuge.Client(
        network.websocket,
        token=token,
        events=ear,
        # Longer than the default, or a busy machine looks like a lost connection.
        timeout=30,
        max_server_ping_delay=60,
        min_reconnect_delay=0.05,
        max_reconnect_delay=0.3,
        proxy=None,
    )
    await client.connect()
    try:
        subscription = client.new_subscription(
            channel, events=ear, min_resubscribe_delay=0.05, max_resubscribe_delay=0.5
        )
        await subscription.subscribe()
        await until(lambda: ear.joined)
        yield ear
    finally:
        await client.disconnect()


class Peer:
    """A WebSocket client of forty lines: one command a frame, nothing in the background."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token
        self.position: tuple[int, str] | None = None
        self.offsets: list[int] = []
        self.recovered = False
        self._writer: asyncio.StreamWriter | None = None

    async def join(self, channel: str) -> None:
        """Connect, subscribe, and recover if there is something to recover."""
        while not await self._upgrade():
            # Sent away at the door, as every client is while too many come: again in a moment.
            await asyncio.sleep(0.2 + secrets.randbelow(200) / 1000)
        wish: dict[str, object] = {"channel": channel}
        if self.position is not None:
            wish |= {"recover": True, "offset": self.position[0], "epoch": self.position[1]}
        self._send({"id": 1, "connect": {"token": self.token}}, {"id": 2, "subscribe": wish})
        while True:
            answer = await self._hear()
            if answer.get("id") == 2:
                break
            assert "error" not in answer, answer
        result = answer["subscribe"]
        self.recovered = result.get("recovered", False)
        for each in result.get("publications", ()):
            self.offsets.append(each["offset"])
        self.position = (result.get("offset", 0), result["epoch"])

    async def hear_until(self, offset: int) -> None:
        """Read live publications up to an offset."""
        while not self.offsets or self.offsets[-1] < offset:
            answer = await self._hear()
            push = answer.get("push", {})
            if push.get("channel") == "news" and "pub" in push:
                self.offsets.append(push["pub"]["offset"])

    def vanish(self) -> None:
        """Be gone without a word."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _upgrade(self) -> bool:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._pending: list[dict] = []
        self._writer.write(
            b"GET /connection/websocket HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            head = b""
        if b" 101 " in head.partition(b"\r\n")[0]:
            return True
        self.vanish()
        return False

    def _send(self, *commands: object) -> None:
        payload = "\n".join(json.dumps(one) for one in commands).encode()
        assert 125 < len(payload) < 65_536
        # A mask of zeros is a mask.
        self._writer.write(b"\x81\xfe" + len(payload).to_bytes(2) + bytes(4) + payload)

    async def _hear(self) -> dict:
        while not self._pending:
            first, size = await self._reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            payload = await self._reader.readexactly(size)
            assert first & 15 == 1, f"closed: {payload!r}"
            self._pending = [json.loads(line) for line in payload.splitlines()]
        return self._pending.pop(0)
