"""Work that is done together: each gets an answer of their own, and no failure of another's."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import Forbidden, UpstreamDown
from domain.together import Together


class Mill:
    """Doubles numbers; may be held, may be away, and breaks on what is in ``poison``."""

    def __init__(self, *, most=5):
        self.ground = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False
        self.poison = set()
        self.together = Together(self.work, most=most)

    async def work(self, numbers):
        self.ground.append(list(numbers))
        await self.gate.wait()
        if self.away:
            raise UpstreamDown("…", upstream="mongodb")
        if self.poison & set(numbers):
            raise ValueError("not like this")
        return [Forbidden() if number < 0 else 2 * number for number in numbers]

    async def crowd(self, *numbers):
        return await asyncio.gather(
            *(self.together.ask(number) for number in numbers), return_exceptions=True
        )


async def test_who_comes_alone_waits_for_nobody_and_a_crowd_goes_together():
    mill = Mill()
    assert await mill.together.ask(7) == 14
    assert await mill.crowd(*range(12)) == [2 * number for number in range(12)]
    assert mill.ground == [[7], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


async def test_a_refusal_belongs_to_the_one_who_made_it():
    mill = Mill()
    answers = await mill.crowd(1, -1, 2)
    assert (answers[0], type(answers[1]), answers[2]) == (2, Forbidden, 4)
    assert mill.ground == [[1, -1, 2]]


async def test_what_breaks_the_work_is_found_out_and_the_others_get_their_answer():
    mill = Mill()
    mill.poison = {3}
    answers = await mill.crowd(1, 2, 3, 4)
    assert (answers[:2], answers[3:]) == ([2, 4], [8])
    assert isinstance(answers[2], ValueError)
    assert mill.ground == [[1, 2, 3, 4], [1], [2], [3], [4]]


async def test_an_outage_is_told_to_all_at_once_and_is_not_tried_again_for_each():
    mill = Mill()
    mill.away = True
    assert [type(it) for it in await mill.crowd(1, 2, 3)] == [UpstreamDown] * 3
    assert mill.ground == [[1, 2, 3]]
    mill.away = False
    assert await mill.together.ask(1) == 2


async def begun(mill, *numbers):
    """People who wait for a mill that is held; those of the first batch are at it."""
    mill.gate.clear()
    waiting = [asyncio.ensure_future(mill.together.ask(number)) for number in numbers]
    while not mill.ground:
        await asyncio.sleep(0)
    return waiting


async def test_who_goes_away_takes_nobody_along_and_is_not_served_later():
    mill = Mill(most=3)
    waiting = await begun(mill, *range(8))
    for number in (0, 4):
        waiting[number].cancel()
    await asyncio.sleep(0)
    mill.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [it for it in answers if isinstance(it, int)] == [2, 4, 6, 10, 12, 14]
    assert mill.ground == [[0, 1, 2], [1, 2, 3], [5, 6, 7]]
    assert await mill.together.ask(9) == 18
    assert mill.ground[-1] == [9]


async def test_a_crowd_that_is_all_cancelled_leaves_nothing_behind():
    mill = Mill()
    waiting = await begun(mill, *range(4))
    for each in waiting:
        each.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.gather(*waiting)
    mill.gate.set()
    assert await mill.together.ask(5) == 10
    assert mill.ground[-1] == [5]
