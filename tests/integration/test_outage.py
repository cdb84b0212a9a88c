"""The database goes away and comes back, and the hub is neither hung, nor silent, nor confused."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from domain.identity.account import Account
from domain.identity.devices import DeviceSeen
from domain.people import AccountState
from domain.roster import Card, Kind
from server.assembly import assemble
from server.config import Mongo, Settings
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.engines import Engine, embedded
from tests.integration.test_lifecycle import Program, program, sign_in_by_hand

pytestmark = pytest.mark.slow

__all__ = ["sign_in_by_hand"]  # a fixture of this module, too

NAME = "outage"
MANY = 200


@pytest.fixture
def engine():
    """A server of its own, which the hub has not started and cannot start again."""
    with embedded(on_disk=True) as running:
        yield running


async def deputy_of(data: Path, engine: Engine) -> str:
    """Put a deputy on the roster and answer a token of theirs."""
    mongo = Mongo(uri=SecretStr(engine.uri), name=NAME)
    async with AsyncExitStack() as stack:
        hub = await assemble(Settings(_env_file=None, data_dir=data, mongo=mongo), stack)
        ground = hub.ground
        person_id, now = ground.new_id(), ground.clock()
        await PeopleStore(ground.db).put(Card(id=person_id, name="周明华", kind=Kind.DEPUTY))
        account = Account(
            id=person_id, state=AccountState.ACTIVE, created_at=now, created_by="system",
            updated_at=now, updated_by="system",
        )  # fmt: skip
        assert await AccountStore(ground.db).add(account)
        device = DeviceSeen(key=secrets.token_hex(4))
        opened = await hub.services.identity.sessions.open(
            person_id, method="password", device=device
        )
        return opened.token


@asynccontextmanager
async def hub_on(engine: Engine, data: Path) -> AsyncIterator[tuple[Program, str]]:
    token = await deputy_of(data, engine)
    async with program(data, HUB_MONGO__URI=engine.uri, HUB_MONGO__NAME=NAME) as hub:
        await hub.start()
        yield hub, token


async def until_status(hub: Program, path: str, status: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while (await hub.caller().call("GET", path)).status != status:
            await asyncio.sleep(0.05)


async def upload(caller, name: str):
    headers = {"X-File-Name": f"{name}.txt"}
    return await caller.call("POST", "/api/v1/files", body=name.encode(), headers=headers)


def vanish(engine: Engine) -> None:
    engine.kill()


def freeze(engine: Engine) -> None:
    os.kill(engine.pid, signal.SIGSTOP)


def come_back(engine: Engine) -> None:
    if engine.pid is None:
        engine.start()
    else:
        os.kill(engine.pid, signal.SIGCONT)


@pytest.mark.parametrize("go_away", [vanish, freeze])
async def test_while_mongodb_is_away_everybody_is_told_and_afterwards_all_goes_on_by_itself(
    tmp_path: Path, engine: Engine, go_away
) -> None:
    async with hub_on(engine, tmp_path) as (hub, token):
        deputy = hub.caller(token)
        kept = [(await upload(deputy, f"before-{number}")).json["id"] for number in range(5)]
        go_away(engine)
        try:
            # The first ones may still be waiting for a server that has stopped answering.
            async with asyncio.timeout(25):
                content = f"/api/v1/files/{kept[0]}/content"
                secret = {"username": "x", "password": "y"}
                answers = await asyncio.gather(
                    *(deputy.call("GET", content) for _ in range(MANY)),
                    *(upload(deputy, f"during-{number}") for number in range(20)),
                    *(hub.caller().call("POST", "/api/v1/session", secret) for _ in range(5)),
                )
            assert {(it.status, it.code) for it in answers} == {(503, "upstream_down")}
            for refusal in answers:
                assert refusal.json["detail"]["upstream"] == "mongodb"
                assert refusal.json["request_id"]
                assert int(refusal.headers["Retry-After"]) > 0
            assert (await hub.caller().call("GET", "/livez")).status == 200
            ready = await hub.caller().call("GET", "/readyz")
            assert ready.status == 503
            assert ready.json["dependencies"]["mongodb"] != "ok"
            assert (await hub.caller().call("GET", "/metrics")).status == 200
            assert (await hub.caller().call("GET", "/api/v1/nowhere")).code == "not_found"
        finally:
            come_back(engine)
        await until_status(hub, "/readyz", 200, 40)
        assert (await deputy.call("GET", "/api/v1/me")).json["name"] == "周明华"
        assert (await upload(deputy, "after")).status == 201
        for file_id in kept:
            assert (await deputy.call("GET", f"/api/v1/files/{file_id}/content")).status == 200
        code, said = await hub.end(signal.SIGTERM)
        assert code == 0
        lines = [orjson.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert sum("exception" in line for line in lines) == 0, said[-3000:]


async def test_the_embedded_engine_that_dies_is_started_again_and_nothing_acknowledged_is_lost(
    tmp_path: Path, sign_in_by_hand
) -> None:
    token = await sign_in_by_hand(tmp_path)
    async with program(tmp_path) as hub:
        await hub.start()
        deputy = hub.caller(token)
        for _ in range(3):
            kept = (await upload(deputy, secrets.token_hex(8))).json["id"]
            engines = [it for it in hub.family if "storage.embedded" in " ".join(it.cmdline())]
            assert len(engines) == 1
            engines[0].kill()
            replies = []
            async with asyncio.timeout(30):
                while not replies or replies[-1].status != 200:
                    replies.append(await deputy.call("GET", f"/api/v1/files/{kept}/content"))
            assert {it.status for it in replies} <= {200, 503}
        await until_status(hub, "/readyz", 200, 20)
