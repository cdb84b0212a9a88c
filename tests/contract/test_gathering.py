"""Look-ups that are gathered: fresh, complete, and nobody's cancellation or failure is lost."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import UpstreamDown
from storage.gathering import AT_ONCE, Gathering


class Shelf:
    """What is there, and which calls were made for it."""

    def __init__(self, **rows):
        self.rows = dict(rows)
        self.calls = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure = None

    async def fetch(self, keys):
        self.calls.append(list(keys))
        found = {key: self.rows[key] for key in keys if key in self.rows}
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return found


async def test_whoever_comes_alone_waits_for_nobody_and_a_crowd_goes_together():
    shelf = Shelf(**{f"k{n}": n for n in range(1_000)})
    gathering = Gathering(shelf.fetch)
    assert await gathering.get("k7") == 7
    assert await gathering.get("nobody") is None
    found = await asyncio.gather(*[gathering.get(f"k{n % 500}") for n in range(1_000)])
    assert found == [n % 500 for n in range(1_000)]
    assert all(len(keys) <= AT_ONCE for keys in shelf.calls)
    assert len(shelf.calls) <= 3 + 1_000 // AT_ONCE


async def test_what_is_answered_was_read_after_it_was_asked():
    shelf = Shelf(k="old")
    gathering = Gathering(shelf.fetch)
    shelf.gate.clear()
    first = asyncio.ensure_future(gathering.get("k"))
    await asyncio.sleep(0)
    shelf.rows["k"] = "new"
    second = asyncio.ensure_future(gathering.get("k"))
    await asyncio.sleep(0)
    shelf.gate.set()
    assert (await first, await second) == ("old", "new")


async def test_who_goes_away_takes_nobody_along():
    shelf = Shelf(**{f"k{n}": n for n in range(10)})
    gathering = Gathering(shelf.fetch)
    shelf.gate.clear()
    waiting = [asyncio.ensure_future(gathering.get(f"k{n}")) for n in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[5].cancel()
    await asyncio.sleep(0)
    shelf.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [n for n, one in enumerate(found) if isinstance(one, asyncio.CancelledError)] == [0, 5]
    assert [one for one in found if isinstance(one, int)] == [1, 2, 3, 4, 6, 7, 8, 9]


async def test_a_failure_is_told_to_those_who_waited_for_it_and_to_nobody_after():
    shelf = Shelf(k=1)
    gathering = Gathering(shelf.fetch)
    shelf.failure = UpstreamDown("数据库暂时不可用", upstream="mongodb")
    answers = await asyncio.gather(*[gathering.get("k") for _ in range(5)], return_exceptions=True)
    assert [type(one) for one in answers] == [UpstreamDown] * 5
    shelf.failure = ValueError("a mistake of ours")
    with pytest.raises(ValueError, match="mistake"):
        await gathering.get("k")
    shelf.failure = None
    assert await gathering.get("k") == 1
