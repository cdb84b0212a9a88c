"""The real program, as an operator runs it: started, killed, started again, and never left over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import psutil
import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port

from domain.identity.account import Account
from domain.identity.devices import DeviceSeen
from domain.people import AccountState
from domain.roster import Card, Kind
from server.assembly import assemble
from server.config import Settings
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.integration.conftest import Caller, RunningHub

ROOT = Path(__file__).parents[2]


class Program:
    """``python main.py …`` with settings of its own, and what it says on standard error."""

    def __init__(self, data: Path, **settings: str) -> None:
        socket, self.port = bind_unused_port()
        socket.close()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        self.environment = {
            **inherited,
            "HUB_ENV": "test",
            "HUB_DATA_DIR": str(data),
            "HUB_PORT": str(self.port),
            "HUB_DRAIN": "0",
            "HUB_GRACE": "5",
            "HUB_LIMIT__UPLOAD": "1000000",
            **settings,
        }
        self.client = AsyncHTTPClient(force_instance=True, max_clients=50)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str, ready: bool = True) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "main.py"),
            "serve",
            *arguments,
            env=self.environment,
            cwd="/",
            stderr=asyncio.subprocess.PIPE,
        )
        if ready:
            await self.until_ready()

    async def until_ready(self) -> None:
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(OSError):
                    if (await self.caller().call("GET", "/readyz")).status == 200:
                        return
                assert self.process.returncode is None, (await self.process.stderr.read()).decode()
                await asyncio.sleep(0.05)

    def caller(self, token: str = "") -> Caller:
        return Caller(self.url, self.client, token)

    @property
    def family(self) -> list[psutil.Process]:
        """The process and all that it has started."""
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    async def end(self, how: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(how)
        _, said = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, said.decode()

    async def close(self) -> None:
        self.client.close()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()


@asynccontextmanager
async def program(data: Path, **settings: str) -> AsyncIterator[Program]:
    made = Program(data, **settings)
    try:
        yield made
    finally:
        await made.close()


async def gone(processes: list[psutil.Process]) -> None:
    """Wait until none of some processes is left."""
    async with asyncio.timeout(20):
        while any(it.is_running() and it.status() != psutil.STATUS_ZOMBIE for it in processes):
            await asyncio.sleep(0.05)


async def test_it_starts_answers_and_stops_on_sigterm_without_a_word_of_complaint(
    tmp_path: Path,
) -> None:
    async with program(tmp_path) as hub:
        await hub.start()
        assert (await hub.caller().call("GET", "/livez")).json == {"status": "alive"}
        family = hub.family
        assert len(family) == 2  # the hub and its engine
        status, said = await hub.end(signal.SIGTERM)
        assert status == 0
        await gone(family)
    events = [orjson.loads(line) for line in said.splitlines()]
    assert [it for it in events if it.get("level") in {"warning", "error"}] == []
    assert {"ready", "stopping"} <= {it["event"] for it in events}


async def test_a_second_hub_on_the_same_data_is_refused_with_one_sentence(tmp_path: Path) -> None:
    async with program(tmp_path) as first, program(tmp_path) as second:
        await first.start()
        await second.start(ready=False)
        _, said = await asyncio.wait_for(second.process.communicate(), 30)
        assert second.process.returncode == 1
        assert said.decode().count("\n") == 1
        assert str(tmp_path) in said.decode()
        assert (await first.caller().call("GET", "/readyz")).status == 200


async def test_a_taken_port_is_refused_with_one_sentence(tmp_path: Path) -> None:
    async with program(tmp_path / "a") as first, program(tmp_path / "b") as second:
        await first.start()
        second.environment["HUB_PORT"] = str(first.port)
        await second.start(ready=False)
        _, said = await asyncio.wait_for(second.process.communicate(), 30)
        assert second.process.returncode == 1
        assert said.decode().splitlines()[-1].startswith("cannot listen on ")
        assert "Traceback" not in said.decode()


async def test_settings_that_do_not_fit_are_refused_with_a_sentence(tmp_path: Path) -> None:
    for settings, sentence in (
        ({"HUB_PROCESSES": "2"}, "HUB_REDIS__URL"),
        ({"HUB_ENV": "production"}, "HUB_VAULT__KEY is missing"),
        ({"HUB_PORT": "many"}, "HUB_PORT"),
    ):
        async with program(tmp_path, **settings) as hub:
            await hub.start(ready=False)
            _, said = await asyncio.wait_for(hub.process.communicate(), 30)
            assert hub.process.returncode == 2
            assert sentence in said.decode()
            assert "Traceback" not in said.decode()


async def test_what_was_acknowledged_survives_kill_9_and_nobody_is_left_behind(
    tmp_path: Path, sign_in_by_hand: Callable
) -> None:
    async with program(tmp_path) as hub:
        token = await sign_in_by_hand(tmp_path)
        await hub.start()
        deputy = hub.caller(token)
        acknowledged: list[str] = []

        async def send_for_ever(number: int) -> None:
            for count in range(10_000):
                reply = await deputy.call(
                    "POST",
                    "/api/v1/files",
                    body=f"{number}-{count}".encode(),
                    headers={"X-File-Name": f"{number}-{count}.txt"},
                )
                assert reply.status == 201, reply.body
                acknowledged.append(reply.json["id"])

        writers = [asyncio.ensure_future(send_for_ever(number)) for number in range(4)]
        async with asyncio.timeout(30):
            while len(acknowledged) < 40:
                await asyncio.sleep(0.01)
        family = hub.family
        await hub.end(signal.SIGKILL)
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        await gone(family)

        await hub.start()
        for file_id in acknowledged:
            assert (await deputy.call("GET", f"/api/v1/files/{file_id}/content")).status == 200
        family = hub.family
        await hub.end(signal.SIGTERM)
        await gone(family)


@pytest.fixture
def sign_in_by_hand() -> Callable:
    """Make an account with a session in a data directory that no hub is using; answers a token."""

    async def sign_in(data: Path) -> str:
        async with contextlib.AsyncExitStack() as stack:
            hub = await assemble(Settings(_env_file=None, data_dir=data), stack)
            ground = hub.ground
            person_id, now = ground.new_id(), ground.clock()
            card = Card(id=person_id, name="周明华", kind=Kind.DEPUTY)
            await PeopleStore(ground.db).put(card)
            account = Account(
                id=person_id,
                state=AccountState.ACTIVE,
                created_at=now,
                created_by="system",
                updated_at=now,
                updated_by="system",
            )
            assert await AccountStore(ground.db).add(account)
            opened = await hub.services.identity.sessions.open(
                person_id, method="password", device=DeviceSeen(key="test")
            )
            return opened.token

    return sign_in


@pytest.mark.redis
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
class TestSeveralProcesses:
    """``--processes 2``."""

    @pytest.fixture
    async def redis(self, tmp_path: Path) -> AsyncIterator[str]:
        socket = tmp_path / "redis.sock"
        server = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", "0", "--unixsocket", str(socket)),
            *("--save", "", "--dir", str(tmp_path)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while not socket.exists():
                await asyncio.sleep(0.02)
        yield f"unix://{socket}"
        server.terminate()
        await server.wait()

    async def test_a_worker_that_dies_is_replaced_and_all_stop_together(
        self, tmp_path: Path, redis: str
    ) -> None:
        async with program(tmp_path / "data", HUB_REDIS__URL=redis) as hub:
            await hub.start("--processes", "2")
            workers = await self.workers(hub)
            assert len(workers) == 2
            workers[0].kill()
            async with asyncio.timeout(20):
                while len(now := await self.workers(hub)) < 2 or workers[0] in now:
                    await asyncio.sleep(0.05)
            family = hub.family
            status, _ = await hub.end(signal.SIGTERM)
            assert status == 0
            await gone(family)

    async def test_nobody_outlives_a_parent_that_was_killed(
        self, tmp_path: Path, redis: str
    ) -> None:
        async with program(tmp_path / "data", HUB_REDIS__URL=redis) as hub:
            await hub.start("--processes", "2")
            await self.workers(hub)
            family = hub.family
            assert len(family) == 4  # parent, engine, two workers
            await hub.end(signal.SIGKILL)
            await gone(family)

    async def workers(self, hub: Program) -> list[psutil.Process]:
        """The workers, once there are two."""
        async with asyncio.timeout(20):
            while True:
                found = [it for it in hub.family if _serves(it)]
                if len(found) == 2:
                    return found
                await asyncio.sleep(0.05)


async def test_ready_is_red_while_stopping_and_requests_under_way_are_answered(
    hub: RunningHub,
) -> None:
    hub.hub.health.phase = "stopping"
    reply = await hub.anybody.call("GET", "/readyz")
    assert (reply.status, reply.json["status"]) == (503, "stopping")
    assert (await hub.anybody.call("GET", "/livez")).status == 200
    hub.hub.health.phase = "ready"


def _serves(process: psutil.Process) -> bool:
    """Tell whether a process is a worker; one that has just died is none."""
    with contextlib.suppress(psutil.Error):
        return "--worker" in process.cmdline()
    return False
