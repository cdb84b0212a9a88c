"""The rig of the real-time benchmarks: servers on one core, the load client on the other.

Everything is measured as a ratio between contestants that take turns within one run, because the
machine may be busy. The load client is ``load/wsload.c``; it reports deliveries per CPU-second of
the server (all its threads), latencies by one clock, and what is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BENCH_BUILD", ROOT / "build" / "bench"))
PEERS = BUILD / "peers"
SERVER_CPU, CLIENT_CPU = 0, (1 if (os.cpu_count() or 1) > 1 else 0)

Phase = dict[str, Any]


def tool(name: str) -> Path:
    """Answer the path of a C tool, compiled if it is older than its source."""
    source, target = HERE / "load" / f"{name}.c", BUILD / name
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        command = ["cc", "-O2", "-o", str(target), str(source), "-lz", "-lpthread"]
        subprocess.run(command, check=True)
    return target


def unused_port() -> int:
    """Answer a port that is free together with the next one, outside the range of clients."""
    while True:
        port = random.randrange(18_000, 30_000)
        with contextlib.suppress(OSError):
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
            return port


class Missing(Exception):
    """A contestant is not installed here."""


@dataclass(frozen=True)
class Contestant:
    """A server to be measured.

    ``command`` answers the argument list for a port, or ``None`` where it is not installed;
    ``client`` is what the load client needs to subscribe and publish there.
    """

    name: str
    command: Callable[[int], Sequence[str] | None]
    client: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)


class Server:
    """A contestant that runs, pinned to its core."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.port = unused_port()
        command = contestant.command(self.port)
        if command is None:
            raise Missing(contestant.name)
        env = os.environ | {"PYTHONPATH": str(ROOT)} | contestant.env
        self._log = (BUILD / f"{contestant.name.replace(' ', '-').replace('/', '-')}.log").open(
            "wb"
        )
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CPU), *command],
            env=env,
            stdout=self._log,
            stderr=self._log,
            cwd=BUILD,
        )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.contestant.name} did not start, see {self._log.name}")

    @property
    def pids(self) -> list[int]:
        mine = psutil.Process(self.process.pid)
        return [mine.pid, *(child.pid for child in mine.children(recursive=True))]

    def stop(self) -> None:
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()


class Crowd:
    """Subscribers of one server, held by the load client; each phase publishes and counts."""

    def __init__(
        self, server: Server, count: int, *options: str, client: Sequence[str] | None = None
    ) -> None:
        self.server = server
        self.count = count
        pids = ",".join(map(str, server.pids))
        self._client = subprocess.Popen(
            [
                *("taskset", "-c", str(CLIENT_CPU), str(tool("wsload")), "--repl"),
                *("--port", str(server.port), "-n", str(count), "--pid", pids),
                *(self._filled(part) for part in (*(client or server.contestant.client), *options)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        began = time.monotonic()
        ready = self._read()
        # The client itself waits these 0.3 s after everybody is ready.
        self.ready_after = time.monotonic() - began - 0.3
        if ready.get("ready") != count:
            self.stop()
            raise RuntimeError(f"{server.contestant.name}: {ready.get('ready')} of {count} came")

    def _filled(self, part: str) -> str:
        port = self.server.port
        return part.replace("{port}", str(port)).replace("{port+1}", str(port + 1))

    def phase(self, messages: int, rate: float = 0, burst: int = 1, pad: int = 100) -> Phase:
        assert self._client.stdin is not None
        self._client.stdin.write(f"{messages} {rate} {burst} {pad}\n")
        self._client.stdin.flush()
        return self._read()

    def _read(self) -> Phase:
        assert self._client.stdout is not None
        line = self._client.stdout.readline()
        if not line:
            raise RuntimeError(f"the load client of {self.server.contestant.name} is gone")
        answer: Phase = json.loads(line)
        return answer

    def stop(self) -> None:
        self._client.kill()
        self._client.wait()


@contextlib.contextmanager
def arena(
    contestants: Sequence[Contestant], count: int, *options: str
) -> Iterator[dict[str, Crowd]]:
    """Start every contestant that is installed and connect its crowd; say who is missing."""
    with contextlib.ExitStack() as stack:
        crowds: dict[str, Crowd] = {}
        for contestant in contestants:
            try:
                server = Server(contestant)
                stack.callback(server.stop)
                crowds[contestant.name] = Crowd(server, count, *options)
                stack.callback(crowds[contestant.name].stop)
            except Missing:
                print(f"  {contestant.name}: not installed here, left out", file=sys.stderr)
            except RuntimeError as error:
                print(f"  {error}", file=sys.stderr)
        yield crowds


def take_turns(
    crowds: dict[str, Crowd], rounds: int, messages: int, **phase: Any
) -> dict[str, list[Phase]]:
    """Let each crowd hear the same, A B C A B C, and collect what was measured."""
    results: dict[str, list[Phase]] = {name: [] for name in crowds}
    for _ in range(rounds):
        for name, crowd in crowds.items():
            results[name].append(crowd.phase(messages, **phase))
    return results


def median(phases: Sequence[Phase], *path: str) -> float:
    """Answer the median of one figure over the rounds."""
    values = []
    for phase in phases:
        value: Any = phase
        for key in path:
            value = value[key]
        values.append(float(value))
    return statistics.median(values)


def lost(phases: Sequence[Phase]) -> int:
    return sum(phase["expected"] - phase["delivered"] for phase in phases)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n**{title}**\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def machine() -> None:
    """Print on what, and how busy, all this was measured."""
    info = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    model = next((line.split(":")[1].strip() for line in info if "model name" in line), "?")
    load = os.getloadavg()
    print(
        f"{time.strftime('%Y-%m-%d %H:%M')} · {os.cpu_count()} CPU {model} · "
        f"Linux {platform.release()} · Python {platform.python_version()} · "
        f"load {load[0]:.1f} {load[1]:.1f} · server on CPU {SERVER_CPU}, client on CPU {CLIENT_CPU}"
    )


def installed(path: Path) -> Path | None:
    """Answer the path if it is there, or what ``PATH`` has under that name."""
    if path.exists():
        return path
    found = shutil.which(path.name)
    return Path(found) if found else None
