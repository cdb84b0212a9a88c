"""REST: ``GET /api/v1/me`` beside a bare handler, from start to ready, idle memory, demo data.

``python -m tests.bench.bench_http [--requests 4000] [--rounds 3] [--starts 3]``

The hub is the real program with its embedded engine and the demo's people; the bare handler is
Tornado alone and answers the bytes that the hub answered. They take turns; what counts is requests
per CPU-second of the server, its engine counted apart. Callers keep their connections.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from demo.load import PASSWORD
from server.config import Limit
from tests.bench.rig import CLIENT_CPU, HERE, ROOT, SERVER_CPU, machine, table, unused_port

CALLERS = 8


@dataclass
class Running:
    """A server that listens."""

    process: subprocess.Popen[bytes]
    port: int
    ready_after: float

    @property
    def server(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    @property
    def engines(self) -> list[psutil.Process]:
        return self.server.children(recursive=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=3)
    given = parser.parse_args()
    machine()
    os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        me(Path(home), given.requests, given.rounds)
        starts(Path(home), given.starts)


def me(home: Path, requests: int, rounds: int) -> None:
    """Let the hub and the bare handler answer in turns."""
    with program(home / "me", "demo") as hub:
        token = log_in(hub.port)
        body = home / "me.json"
        body.write_bytes(get(hub.port, "/api/v1/me", token))
        with bare(body) as other:
            figures: dict[str, list[tuple[float, float, float]]] = {}
            for _ in range(rounds + 1):
                for name, it in (("bare Tornado handler", other), ("hub", hub)):
                    figures.setdefault(name, []).append(load(it, token, requests))
    best = statistics.median(each[0] for each in figures["bare Tornado handler"][1:])
    rows = []
    for name, measured in figures.items():
        # The first round only warms up.
        cpu, wall, engine = (
            statistics.median(column) for column in zip(*measured[1:], strict=True)
        )
        rows.append([name, f"{cpu:,.0f}", f"{cpu / best:.2f}", f"{wall:,.0f}", f"{engine:.0f}"])
    head = ["server", "requests/CPU-s", "ratio", "requests/s", "engine, CPU µs each"]
    table(f"GET /api/v1/me ({requests} × {rounds}, {CALLERS} callers)", head, rows)


def starts(home: Path, times: int) -> None:
    """Measure how long a start takes, and what the process weighs when nobody comes."""
    rows = []
    for what, command in (
        ("nothing yet", ("serve",)),
        ("nothing yet, demo mini", ("demo", "--size", "mini")),
        ("nothing yet, demo full", ("demo", "--size", "full")),
    ):
        first, again, weights = [], [], []
        for number in range(times):
            data = home / f"{'-'.join(command)}-{number}"
            with program(data, *command) as hub:
                first.append(hub.ready_after)
            with program(data, *command) as hub:
                again.append(hub.ready_after)
                time.sleep(2)
                weights.append([rss(hub.server), sum(map(rss, hub.engines))])
        server, engine = (statistics.median(column) for column in zip(*weights, strict=True))
        rows.append(
            [
                what,
                f"{statistics.median(first):.2f}",
                f"{statistics.median(again):.2f}",
                f"{server:.0f}",
                f"{engine:.0f}",
            ]
        )
    head = ["data before", "to ready s", "again s", "idle process MB", "its engine MB"]
    table(f"From start to ready (median of {times})", head, rows)


@contextlib.contextmanager
def program(data: Path, *command: str) -> Iterator[Running]:
    """Run the hub as an operator does, pinned to the server's core, until it is ready."""
    port = unused_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    env |= {f"HUB_LIMIT__{name.upper()}": "1000000" for name in Limit.model_fields}
    env |= {"HUB_LOG__ACCESS": "false", "HUB_DRAIN": "0", "HUB_DATA_DIR": str(data)}
    where = ("--data", str(data)) if command[0] == "demo" else ()
    arguments = [sys.executable, str(ROOT / "main.py"), *command, "--port", str(port), *where]
    with running(arguments, port, env) as it:
        yield it


@contextlib.contextmanager
def bare(body: Path) -> Iterator[Running]:
    port = unused_port()
    script = HERE / "servers" / "tornado_same_bytes.py"
    with running([sys.executable, str(script), str(port), str(body)], port, dict(os.environ)) as it:
        yield it


@contextlib.contextmanager
def running(arguments: list[str], port: int, env: dict[str, str]) -> Iterator[Running]:
    began = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CPU), *arguments],
        env=env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError(f"{' '.join(arguments)} did not start")
            time.sleep(0.01)
        yield Running(process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code == 404  # the bare handler
    except OSError:
        return False


def log_in(port: int) -> str:
    said = json.dumps({"username": "wenyucheng", "password": PASSWORD}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/session", said, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"])


def get(port: int, path: str, token: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def load(server: Running, token: str, requests: int) -> tuple[float, float, float]:
    """Answer requests per CPU-second, requests per second, engine microseconds for each."""
    before, engine = cpu(server.server), sum(map(cpu, server.engines))
    began = time.perf_counter()
    asyncio.run(call(server.port, token, requests))
    wall = time.perf_counter() - began
    used = cpu(server.server) - before
    share = (sum(map(cpu, server.engines)) - engine) / requests * 1e6
    return requests / used, requests / wall, share


async def call(port: int, token: str, requests: int) -> None:
    head = (
        f"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests // CALLERS):
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            length = answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


def cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def rss(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


if __name__ == "__main__":
    main()
