"""Faces: how well and how fast they are recognised, and what else the hub does meanwhile.

``python -m tests.bench.bench_face [--seconds 20] [--only accuracy|speed|hub|search]``

The pictures are the 68 of the test set beside the checkout, an easy one: what it shows is that the
engine behaves, not how often it errs. A sign-in is a burst of twelve frames of 640 × 480 in which
a head turns to both sides (``Want.KEYS``: three vectors).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from domain.faces.engine import Gates, Want
from gateways.face import FaceWorkers
from server.supervise import Supervisor
from tests import faces
from tests.bench.bench_http import get, log_in, rss
from tests.bench.bench_notices import Phone
from tests.bench.rig import HERE, ROOT, machine, table, unused_port

THRESHOLDS = (0.40, 0.45, 0.50, 0.60)
API_KEY = "bench-face-key"
ALL_PASS = Gates(size=0, sharpness=0, clipped=1, dark=0, bright=256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", choices=["accuracy", "speed", "hub", "search"])
    given = parser.parse_args()
    machine()
    parts: dict[str, Callable[[], None]] = {
        "accuracy": lambda: asyncio.run(accuracy()),
        "speed": lambda: asyncio.run(speed(given.seconds)),
        "hub": lambda: asyncio.run(beside(given.seconds)),
        "search": search,
    }
    for name, part in parts.items():
        if given.only in {None, name}:
            part()


@contextlib.asynccontextmanager
async def workers(count: int = 2) -> AsyncIterator[FaceWorkers]:
    supervisor = Supervisor()
    pool = FaceWorkers(supervisor.supervise, workers=count, queue=1_000, timeout=60)
    try:
        await pool.start()
        while len(pool.pids) < count:
            await asyncio.sleep(0.05)
        yield pool
    finally:
        await pool.close()
        await supervisor.stop()


# How well.


async def accuracy() -> None:
    """Rank, false accepts and rates of verification, with the intervals that so few allow."""
    people, strangers = faces.people(), faces.strangers()
    groups = {
        "a": [faces.photo(it, "a") for it in people],
        "b": [faces.photo(it, "b") for it in people],
        "gray": [faces.photo(it, "a-gray") for it in people],
        "strangers": strangers,
    }
    async with workers() as pool:
        seen = {name: await vectors(pool, paths) for name, paths in groups.items()}
    count = len(people)
    rows = [
        [what, f"{right}/{count}", interval(right, count)]
        for what, right in (
            ("a later photo (b) among the first ones (a)", rank_one(seen["a"], seen["b"])),
            ("a grey copy of a (not independent)", rank_one(seen["a"], seen["gray"])),
        )
    ]
    table(f"Whose face is nearest, of {count}: an easy set", ["probe", "right", "95 %"], rows)
    same = np.diagonal(between(seen["a"], seen["b"]))
    crossed = between(seen["a"], seen["b"])[~np.eye(count, dtype=bool)]
    others = np.concatenate([crossed, between(seen["a"], seen["strangers"]).ravel()])
    nearest = between(seen["strangers"], seen["a"]).min(axis=1)
    rows = []
    for limit in THRESHOLDS:
        cells = []
        for distances in (same, others, nearest):
            hits = int((distances <= limit).sum())
            cells.append(f"{hits}/{len(distances)} ({interval(hits, len(distances))})")
        rows.append([f"{limit:.2f}", *cells])
    head = ["distance ≤", "same person accepted", "another one accepted", "stranger taken for any"]
    table("Verified by distance alone: an easy set, for behaviour only", head, rows)
    print(f"\nsame ≤ {same.max():.2f}, others ≥ {others.min():.2f}, median {np.median(others):.2f}")


async def vectors(pool: FaceWorkers, paths: Sequence[Path]) -> np.ndarray:
    looks = await pool.look([faces.text(it) for it in paths], want=Want.ALL, gates=ALL_PASS)
    assert all(it.vector for it in looks)
    return np.stack([np.frombuffer(it.vector, "<f4") for it in looks])


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    distances: np.ndarray = np.linalg.norm(one[:, None] - other[None], axis=2)
    return distances


def rank_one(enrolled: np.ndarray, probes: np.ndarray) -> int:
    return int((between(probes, enrolled).argmin(axis=1) == np.arange(len(probes))).sum())


def interval(hits: int, count: int, z: float = 1.96) -> str:
    """Answer Wilson's interval of 95 %, in words."""
    share = hits / count
    middle = (share + z * z / 2 / count) / (1 + z * z / count)
    reach = (
        z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / 4 / count / count)
    )
    return f"{100 * max(0, middle - reach):.1f}–{100 * min(1, middle + reach):.1f} %"


# How fast.


async def speed(seconds: float) -> None:
    """Pictures and sign-ins of two workers that nobody disturbs, and what they weigh."""
    one, burst = frames()[:1], frames()
    rows = []
    async with workers() as pool:
        weights = {"ready": weigh(pool)}
        for what, pictures, want in (
            ("one picture, its vector", one, Want.ALL),
            ("one picture, no vector", one, Want.NONE),
            ("sign-in, 12 frames, 3 vectors", burst, Want.KEYS),
        ):
            rows.append([what, *await rate(pool, pictures, want, seconds / 2)])
        weights["after all that"] = weigh(pool)
        with Image.open(faces.photo("C001080")) as image:
            sharp = Image.new("RGB", (1920, 1080), "grey")
            sharp.paste(image.resize((880, 1080)), (500, 0))
        await rate(pool, [faces.text(faces.jpeg(sharp))], Want.ALL, 2)
        weights["after 1920 × 1080"] = weigh(pool)
    table("Two workers", ["what", "a second", "p50 ms", "p95 ms", "CPU ms each"], rows)
    table("Memory of a worker, MB", list(weights), [list(weights.values())])


def frames() -> list[str]:
    """A burst as a phone sends it: a head that turns to the left, back, and to the right."""
    angles = (0, 0, 12, 24, 35, 24, 0, -12, -24, -35, -24, 0)
    burst = []
    for angle in angles:
        with Image.open(io.BytesIO(faces.turned(faces.photo("C001080"), angle))) as image:
            frame = Image.new("RGB", (640, 480), "grey")
            frame.paste(image.resize((392, 480)), (124, 0))
        burst.append(faces.text(faces.jpeg(frame, quality=85)))
    return burst


async def rate(
    pool: FaceWorkers, pictures: list[str], want: Want, seconds: float
) -> tuple[str, str, str, str]:
    """Answer how often a second, how long each took, and what it cost, with three at once."""
    taken: list[float] = []
    family = [psutil.Process(pid) for pid in pool.pids]
    spent, began = cpu(family), time.perf_counter()

    async def somebody() -> None:
        while (start := time.perf_counter()) < began + seconds:
            looks = await pool.look(pictures, want=want)
            assert not any(it.flaw for it in looks), looks
            taken.append(1_000 * (time.perf_counter() - start))

    await asyncio.gather(*(somebody() for _ in range(3)))
    wall = time.perf_counter() - began
    each = 1_000 * (cpu(family) - spent) / len(taken)
    return f"{len(taken) / wall:.1f}", of(taken, 0.5), of(taken, 0.95), f"{each:.0f}"


def cpu(family: Sequence[psutil.Process]) -> float:
    return sum(it.user + it.system for it in (each.cpu_times() for each in family))


def weigh(pool: FaceWorkers) -> str:
    return " ".join(f"{rss(psutil.Process(pid)):.0f}" for pid in pool.pids)


def of(values: Sequence[float], share: float) -> str:
    return f"{sorted(values)[min(len(values) - 1, int(len(values) * share))]:.1f}"


# What else the hub does meanwhile.


async def beside(seconds: float) -> None:
    """An unrelated request and a delivery on the real hub, without faces and with."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, running(Path(home)) as (hub, port):
        token = log_in(port)
        person = json.loads(get(port, "/api/v1/me", token))["id"]
        phone = Phone(port, token)
        await phone.connect()
        rows = []
        for what in ("nobody", "3 people, two workers"):
            if what != "nobody":
                hub.send_signal(signal.SIGUSR1)
            asked, heard = await asyncio.gather(
                ask(port, token, seconds), deliver(phone, port, person, seconds)
            )
            signed_in = "–"
            if what != "nobody":
                hub.send_signal(signal.SIGUSR2)
                done = await asyncio.to_thread(heard_of, hub, b"done ")
                signed_in = f"{int(done) / seconds:.1f}"
            times = [of(it, share) for it in (asked, heard) for share in (0.5, 0.99, 1)]
            rows.append([what, signed_in, *times, f"{os.getloadavg()[0]:.1f}"])
        await phone.close()
    head = ["signing in", "sign-ins/s"]
    head += [f"{it} {at} ms" for it in ("GET", "socket") for at in ("p50", "p99", "max")]
    table(f"GET /api/v1/me and publish → socket, {seconds:g} s each", [*head, "load"], rows)


@contextlib.contextmanager
def running(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port, burst = unused_port(), home / "burst.json"
    burst.write_text(json.dumps(frames()), "utf-8")
    script, data = HERE / "servers" / "face_hub.py", home / "data"
    hub = subprocess.Popen(
        [sys.executable, *map(str, (script, port, data, API_KEY, burst))],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=home,
        stdout=subprocess.PIPE,
    )
    try:
        heard_of(hub, b"ready")
        yield hub, port
    finally:
        hub.terminate()
        hub.communicate(timeout=30)


def heard_of(hub: subprocess.Popen[bytes], what: bytes) -> bytes:
    """Wait for a line of the hub that begins with ``what``; answers the rest of it."""
    assert hub.stdout is not None
    for line in hub.stdout:
        if line.startswith(what):
            return line.removeprefix(what).strip()
    raise RuntimeError("the hub has ended")


async def ask(port: int, token: str, seconds: float) -> list[float]:
    """Ask for ``/api/v1/me`` every ten milliseconds on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /api/v1/me HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    taken, until = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < until:
        writer.write(head)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer.partition(b"\r\n")[0]
        length = answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        taken.append(1_000 * (time.perf_counter() - start))
        await asyncio.sleep(0.01)
    writer.close()
    return taken


async def deliver(phone: Phone, port: int, person: str, seconds: float) -> list[float]:
    """Publish to somebody twenty times a second, and see when it is there."""
    taken, until = [], time.perf_counter() + seconds
    said = json.dumps({"channel": f"user:#{person}", "data": {"type": "bench"}}).encode()
    while (start := time.perf_counter()) < until:
        heard = phone.expect("bench")
        await asyncio.to_thread(publish, port, said)
        await asyncio.wait_for(heard, 30)
        taken.append(1_000 * (phone.heard["bench"][-1] - start))
        await asyncio.sleep(0.05)
    return taken


def publish(port: int, said: bytes) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/publish", said, {"X-API-Key": API_KEY}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


# One face among all.


def search(rounds: int = 200) -> None:
    """Find the nearest of many templates; they are random, which costs as much as real ones."""
    rows = []
    for count in (1_000, 10_000):
        chance = np.random.default_rng(1)
        templates = chance.normal(size=(count, 128)).astype("<f4")
        probes = chance.normal(size=(rounds, 128)).astype("<f4")
        taken = []
        for probe in probes:
            start = time.perf_counter()
            np.argpartition(np.linalg.norm(templates - probe, axis=1), 3)
            taken.append(1_000 * (time.perf_counter() - start))
        rows.append([f"{count:,}", of(taken, 0.5), of(taken, 0.99)])
    table("The three nearest templates, numpy, one core", ["templates", "p50 ms", "p99 ms"], rows)


if __name__ == "__main__":
    main()
