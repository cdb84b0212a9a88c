"""The ladder: how long a thousand WeChat messages take, beside a stand-in that refuses misfits.

``python -m tests.bench.bench_ladder [--people 1000]``

The hub, its embedded engine (a child process, file on disk) and the stand-in share this machine.
Each message is claimed, begun and settled in writes of its own, and its consent taken before it
leaves; then WeChat posts what became of it, which the hub keeps as well.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from domain.clock import new_ulid
from domain.identity.account import OPENID_DOMAIN, openid_context
from domain.ladder.consents import Source
from domain.notices.notice import Priority
from domain.notices.receipt import Receipt
from storage.ladder.consents import ConsentStock
from storage.notices.receipts import ReceiptStore
from tests.bench.rig import machine, table
from tests.conftest import FakeClock
from tests.engines import embedded
from tests.integration.ladder import TEMPLATE, Town, opened
from tests.integration.people import WEN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000)
    given = parser.parse_args()
    machine()
    with embedded() as engine, tempfile.TemporaryDirectory() as home:
        rows = asyncio.run(measure(engine.uri, Path(home), given.people))
    table(
        f"{given.people:,} people due at once", ["what", "seconds", "each s", "WeChat calls"], rows
    )


async def measure(uri: str, home: Path, people: int) -> list[list[str]]:
    clock = FakeClock()
    async with opened(uri, home, clock, new_ulid) as town:
        notice = await town.urgent(WEN)
        await due_for(town, notice["id"], people)
        clock.now += timedelta(seconds=10)
        rows = [await timed("WeChat, to the last report", town, people)]
        clock.now += timedelta(minutes=5)
        rows.append(await timed("text message", town, people))
        clock.now += timedelta(minutes=10)
        rows.append(await timed("call list", town, people))
        assert len(town.street.messages.inbox) == people
        assert len(town.street.sms.inbox) == people + 1
        assert await town.hub.db["receipt"].count({"rung": "call"}) == people + 1
        return rows


async def timed(what: str, town: Town, people: int) -> list[str]:
    before, start = town.street.messages.calls, time.perf_counter()
    await town.climbs()
    took = time.perf_counter() - start
    calls = town.street.messages.calls - before
    return [what, f"{took:.2f}", f"{people / took:.0f}", f"{calls:,}"]


async def due_for(town: Town, notice_id: str, people: int) -> None:
    """Let a notice be due for people who have agreed to one message each."""
    ground, stock, at = town.hub.hub.ground, ConsentStock(town.hub.db), town.hub.clock()
    receipts, accounts = [], []
    like = await town.hub.db["account"].find_one({"_id": WEN}) or {}
    for number in range(people):
        person_id, openid = new_ulid(), town.street.wechat.add_user("代表").openid
        phone = f"13{number:09}"
        accounts.append(
            like
            | {
                "_id": person_id,
                "openid_h": ground.vault.blind(openid, domain=OPENID_DOMAIN),
                "openid_enc": ground.vault.seal(openid, context=openid_context(person_id)),
                "phone_h": phone,
                "phone_enc": ground.vault.seal(phone, context=f"account.phone:{person_id}"),
            }
        )
        await town.street.messages.agree(openid, TEMPLATE, tell=False)
        await stock.add(person_id, TEMPLATE, source=Source.PAGE, key="bench", at=at, long=False)
        due = at + timedelta(seconds=10)
        receipts.append(
            Receipt(n=notice_id, p=person_id, pri=Priority.URGENT, pub=at, pushed_at=at, due_at=due)
        )
    await town.hub.db["account"].insert_many(accounts)
    await ReceiptStore(town.hub.db).add(receipts)


if __name__ == "__main__":
    main()
