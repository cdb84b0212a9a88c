"""The workers that look at faces: a short line, processes that die and come again, no traces."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from domain.errors import NotConfigured, UpstreamDown
from domain.faces.engine import Look, Want
from gateways import face
from gateways.face import FaceWorkers
from gateways.face_worker import MOST_MEMORY
from server.config import Env, Face, Mongo, Settings
from server.ground import lay
from server.neighbours import Neighbours, reach
from server.supervise import Supervisor
from tests import faces

PERSON = "C001080"


@asynccontextmanager
async def working(**options: float) -> AsyncIterator[FaceWorkers]:
    supervisor = Supervisor()
    pool = FaceWorkers(supervisor.supervise, **{"timeout": 60, **options})  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.close()
        await supervisor.stop()


async def until(holds: Callable[[], object], *, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def job(pictures: int = 1) -> list[str]:
    return [faces.text(faces.photo(PERSON))] * pictures


def known(looks: list[Look], pictures: int = 1) -> bool:
    return [len(it.vector) for it in looks] == [512] * pictures


async def test_workers_start_with_the_first_question_and_end_with_the_hub() -> None:
    async with working(workers=2) as pool:
        assert pool.pids == []
        assert known(await pool.look(job(), want=Want.ALL))
        await until(lambda: len(pool.pids) == 2)
        pids = pool.pids
        began = time.perf_counter()
        await pool.close()
        assert time.perf_counter() - began < 2
        assert pool.pids == []
        assert not any(map(psutil.pid_exists, pids))
        with pytest.raises(UpstreamDown):
            await pool.look(job(), want=Want.ALL)


async def test_starting_waits_until_somebody_can_look() -> None:
    async with working(workers=1) as pool:
        await pool.start()
        (pid,) = pool.pids
        await pool.start()
        assert known(await pool.look(job(), want=Want.ALL))
        assert pool.pids == [pid]


async def test_a_worker_has_no_secrets_little_room_and_a_low_priority(monkeypatch) -> None:
    monkeypatch.setenv("HUB_SECRET", "not-for-those-who-unpack-pictures")
    async with working(workers=1) as pool:
        await pool.start()
        worker = psutil.Process(pool.pids[0])
        assert not [name for name in worker.environ() if name.startswith("HUB_")]
        assert worker.nice() >= 10
        assert worker.rlimit(resource.RLIMIT_AS) == (MOST_MEMORY, MOST_MEMORY)
        assert worker.rlimit(resource.RLIMIT_CORE) == (0, 0)


async def test_a_worker_that_crashes_over_a_job_is_replaced_and_the_job_is_done() -> None:
    async with working(workers=1) as pool:
        await pool.start()
        asked = asyncio.create_task(pool.look(job(12), want=Want.ALL))
        await until(lambda: pool.busy)
        (crashed,) = pool.busy
        os.kill(crashed, signal.SIGSEGV)
        assert known(await asked, 12)
        assert pool.pids != [crashed]


async def test_a_job_that_costs_two_workers_is_given_up_and_the_next_one_is_done() -> None:
    async with working(workers=2) as pool:
        await pool.start()
        asked = asyncio.create_task(pool.look(job(40), want=Want.ALL))
        await until(lambda: pool.busy)
        (first,) = pool.busy
        os.kill(first, signal.SIGSEGV)
        await until(lambda: pool.busy and pool.busy != [first])
        os.kill(pool.busy[0], signal.SIGKILL)
        with pytest.raises(UpstreamDown) as refused:
            await asked
        assert refused.value.retry_after >= 1
        assert known(await pool.look(job(), want=Want.ALL))


async def test_a_worker_that_dies_while_it_has_nothing_to_do_is_replaced() -> None:
    async with working(workers=1) as pool:
        await pool.start()
        (old,) = pool.pids
        os.kill(old, signal.SIGKILL)
        await until(lambda: pool.pids and pool.pids != [old])
        assert known(await pool.look(job(), want=Want.ALL))


async def test_beyond_its_line_everybody_is_sent_away_at_once() -> None:
    async with working(workers=1, queue=2) as pool:
        await pool.start()
        worker = psutil.Process(pool.pids[0])
        worker.suspend()
        asked = [asyncio.create_task(pool.look(job(), want=Want.ALL)) for _ in range(5)]
        await until(lambda: sum(it.done() for it in asked) == 2)
        assert (pool.waiting, len(pool.busy)) == (2, 1)
        worker.resume()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [known(it) for it in answers[:3]] == [True] * 3
    for refused in answers[3:]:
        assert isinstance(refused, UpstreamDown)
        assert refused.retry_after >= 1


async def test_a_worker_that_takes_too_long_is_killed_and_its_job_not_tried_again() -> None:
    async with working(workers=1, timeout=5) as pool:
        await pool.start()
        (stuck,) = pool.pids
        psutil.Process(stuck).suspend()
        with pytest.raises(UpstreamDown):
            await pool.look(job(), want=Want.ALL)
        await until(lambda: not psutil.pid_exists(stuck) and pool._idle)
        assert known(await pool.look(job(), want=Want.ALL))


async def test_who_goes_away_while_waiting_leaves_nothing_behind() -> None:
    async with working(workers=1) as pool:
        await pool.start()
        looked_at = asyncio.create_task(pool.look(job(6), want=Want.ALL))
        await until(lambda: pool.busy)
        waiting = asyncio.create_task(pool.look(job(), want=Want.ALL))
        await until(lambda: pool.waiting)
        for task in (waiting, looked_at):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert pool.waiting == 0
        pids = pool.pids
        # The answer to the job that nobody waits for is not taken for that to the next one.
        assert known(await pool.look(job(), want=Want.ALL))
        assert pool.pids == pids


async def test_who_waits_when_the_hub_stops_is_told() -> None:
    async with working(workers=1) as pool:
        await pool.start()
        asked = [asyncio.create_task(pool.look(job(20), want=Want.ALL)) for _ in range(2)]
        await until(lambda: pool.busy and pool.waiting)
        await pool.close()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(it) for it in answers] == [UpstreamDown, UpstreamDown]


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


async def test_where_no_worker_can_start_nobody_waits(monkeypatch, tmp_path) -> None:
    broken = program(tmp_path / "broken", "exit 1")
    async with working(workers=2, timeout=60) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", broken)
            asked = asyncio.create_task(pool.look(job(), want=Want.ALL))
            await until(lambda: asked.done() or pool.unable)
            began = time.perf_counter()
            with pytest.raises(UpstreamDown):
                await pool.look(job(), want=Want.ALL)
            assert time.perf_counter() - began < 1
        # What was asked before is answered once the workers can start again.
        assert known(await asked)


@pytest.mark.parametrize(
    "said",
    [r"\0\0\0\2hi", r"\377\377\377\377", r"\0\0\0\1\220"],
    ids=["nonsense", "endless", "few"],
)
async def test_an_answer_that_makes_no_sense_is_never_believed(
    monkeypatch, tmp_path, said: str
) -> None:
    liar = program(
        tmp_path / "liar", rf"printf '\0\0\0\0'; head -c 4 >&2; printf '{said}'; cat >&2"
    )
    monkeypatch.setattr(sys, "executable", liar)
    async with working(workers=1) as pool:
        with pytest.raises(UpstreamDown):
            await pool.look(["eA=="], want=Want.ALL)


async def test_a_hub_that_is_killed_leaves_no_worker_behind() -> None:
    code = """
import asyncio, sys
from gateways.face import FaceWorkers
from server.supervise import Supervisor
async def main():
    pool = FaceWorkers(Supervisor().supervise, workers=2)
    await pool.start()
    while len(pool.pids) < 2:
        await asyncio.sleep(0.01)
    print(*pool.pids, file=sys.stderr, flush=True)
    await asyncio.gather(*(pool.look(["eA=="] * 100_000, want="none") for _ in range(4)))
    await asyncio.Event().wait()
asyncio.run(main())
"""
    hub = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        cwd=faces.CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert hub.stderr is not None
    async with asyncio.timeout(60):
        pids = [int(it) for it in (await hub.stderr.readline()).split()]
    assert len(pids) == 2
    assert all(map(psutil.pid_exists, pids))
    hub.kill()
    await hub.wait()
    await until(lambda: not any(map(psutil.pid_exists, pids)), seconds=30)


async def test_the_event_loop_turns_while_faces_are_looked_at() -> None:
    async with working(workers=2) as pool:
        await pool.start()
        await until(lambda: len(pool.pids) == 2)
        spent, gaps = time.process_time(), []
        jobs = [asyncio.create_task(pool.look(job(4), want=Want.ALL)) for _ in range(4)]
        while not all(it.done() for it in jobs):
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            gaps.append(time.perf_counter() - before)
        spent = time.process_time() - spent
        assert all([known(await it, 4) for it in jobs])
    gaps.sort()
    # One face in this process would take 0.1 s of it, and 16 of them 1.6 s.
    assert gaps[len(gaps) * 99 // 100] < 0.05
    assert spent < 0.5


@asynccontextmanager
async def neighbours(mongo_uri: str, home: Path, said: Face) -> AsyncIterator[Neighbours]:
    settings = Settings(
        _env_file=None,
        env=Env.TEST,
        data_dir=home,
        mongo=Mongo(uri=SecretStr(mongo_uri), name=f"t{secrets.token_hex(6)}"),
        face=said,
    )
    async with AsyncExitStack() as stack:
        ground = await lay(settings, stack)
        stack.push_async_callback(ground.db.drop)
        yield reach(ground, stack)


async def test_the_settings_decide_how_many_workers_there_are(mongo_uri, tmp_path) -> None:
    async with neighbours(mongo_uri, tmp_path, Face(workers=1, timeout=60)) as there:
        assert isinstance(there.face, FaceWorkers)
        assert there.face.model == "dlib-resnet-1/face_recognition-1.3.0"
        assert known(await there.face.look(job(), want=Want.ALL))
        pids = there.face.pids
    assert len(pids) == 1
    assert not any(map(psutil.pid_exists, pids))


async def test_a_hub_without_workers_says_so_in_words(mongo_uri, tmp_path) -> None:
    async with neighbours(mongo_uri, tmp_path, Face(workers=0)) as there:
        assert there.face.model == ""
        with pytest.raises(NotConfigured) as refused:
            await there.face.look(job(), want=Want.ALL)
    assert "未启用人脸识别" in refused.value.msg
    assert refused.value.detail == {"upstream": "face"}


async def test_a_hub_without_the_packages_says_so_in_words(
    mongo_uri, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(face, "_PACKAGES", ("face_recognition", "no_such_package"))
    async with neighbours(mongo_uri, tmp_path, Face()) as there:
        with pytest.raises(NotConfigured) as refused:
            await there.face.look(job(), want=Want.ALL)
    assert "no_such_package" in refused.value.msg


async def test_looking_for_what_is_missing_imports_nothing() -> None:
    code = """
import sys
from gateways.face import missing
import server.neighbours
assert missing() == []
heavy = {"dlib", "face_recognition", "face_recognition_models", "numpy", "PIL"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], check=True, cwd=faces.CHECKOUT
    )
