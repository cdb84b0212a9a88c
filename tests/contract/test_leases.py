"""Leases, counters and limits: what several processes share through the database."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import RateLimited
from storage.counters import Counters
from storage.leases import Leases, LeaseTaken
from storage.limiter import MemoryLimiter, MongoLimiter


async def test_only_one_of_many_gets_a_lease(db, clock):
    tokens = await asyncio.gather(*(Leases(db, clock, f"p{i}").hold("job", 30) for i in range(20)))

    assert sorted(tokens) == [0] * 19 + [1]


async def test_its_holder_keeps_a_lease_and_the_token_stays(db, clock):
    leases = Leases(db, clock, "a")
    assert await leases.hold("job", 30) == 1
    clock.advance(seconds=29)
    assert await leases.hold("job", 30) == 1
    clock.advance(seconds=29)

    assert await Leases(db, clock, "b").hold("job", 30) == 0


async def test_an_expired_lease_goes_to_another_with_a_greater_token(db, clock):
    a, b = Leases(db, clock, "a"), Leases(db, clock, "b")
    await a.hold("job", 30)
    clock.advance(seconds=30)

    assert await b.hold("job", 30) == 2
    assert await a.hold("job", 30) == 0


async def test_one_who_comes_back_too_late_gets_a_new_token(db, clock):
    leases = Leases(db, clock, "a")
    await leases.hold("job", 30)
    clock.advance(seconds=31)

    assert await leases.hold("job", 30) == 2


async def test_a_released_lease_is_free_at_once(db, clock):
    a, b = Leases(db, clock, "a"), Leases(db, clock, "b")
    await a.hold("job", 30)
    await b.release("job")
    assert await b.hold("job", 30) == 0
    await a.release("job")

    assert await b.hold("job", 30) == 2


async def test_a_lease_held_over_a_block_is_free_after_it(db, clock):
    a, b = Leases(db, clock, "a"), Leases(db, clock, "b")
    async with a.holding("job", 30) as token:
        assert token == 1
        with pytest.raises(LeaseTaken):
            async with b.holding("job", 30):
                pass

    assert await b.hold("job", 30) == 2


async def test_a_block_ends_when_its_lease_is_lost(db, clock):
    a, b = Leases(db, clock, "a"), Leases(db, clock, "b")

    async def too_slow():
        async with a.holding("job", 0.05):
            clock.advance(seconds=1)
            assert await b.hold("job", 30) == 2
            await asyncio.Event().wait()

    with pytest.raises(LeaseTaken):
        await too_slow()
    assert await b.hold("job", 30) == 2


async def test_who_waits_with_patience_gets_the_lease_when_it_is_released(db, clock):
    a, b = Leases(db, clock, "a"), Leases(db, clock, "b")
    await a.hold("job", 30)

    async def patient():
        async with b.holding("job", 0.2, patience=5) as token:
            return token

    waiting = asyncio.create_task(patient())
    await asyncio.sleep(0)
    await a.release("job")

    assert await waiting == 2


async def test_every_number_is_drawn_once(db):
    counters = Counters(db)

    drawn = await asyncio.gather(*(counters.next("motion:s1") for _ in range(100)))

    assert sorted(drawn) == list(range(1, 101))
    assert await counters.current("motion:s1") == 100
    assert await counters.current("motion:s2") == 0


async def test_numbers_that_were_imported_are_not_drawn_again(db):
    counters = Counters(db)
    await counters.reach("motion:s1", 12)
    await counters.reach("motion:s1", 5)

    assert await counters.next("motion:s1") == 13


@pytest.fixture(params=["memory", "mongo"])
def limiter(request, db, clock):
    return MemoryLimiter(clock) if request.param == "memory" else MongoLimiter(db, clock)


async def test_the_window_slides_and_the_refusal_says_how_long_to_wait(limiter, clock):
    for _ in range(3):
        await limiter.hit("sms:p1", limit=3, seconds=60)
        clock.advance(seconds=10)
    with pytest.raises(RateLimited) as refusal:
        await limiter.hit("sms:p1", limit=3, seconds=60)
    assert refusal.value.retry_after == 30

    clock.advance(seconds=30)
    await limiter.hit("sms:p1", limit=3, seconds=60)
    with pytest.raises(RateLimited):
        await limiter.hit("sms:p1", limit=3, seconds=60)


async def test_a_refused_attempt_does_not_count(limiter, clock):
    await limiter.hit("k", limit=1, seconds=60)
    for _ in range(5):
        clock.advance(seconds=11)
        with pytest.raises(RateLimited):
            await limiter.hit("k", limit=1, seconds=60)
    clock.advance(seconds=5)

    await limiter.hit("k", limit=1, seconds=60)


async def test_keys_and_windows_are_counted_apart(limiter):
    await limiter.hit("k", limit=1, seconds=60)
    await limiter.hit("other", limit=1, seconds=60)
    await limiter.hit("k", limit=10, seconds=86_400)

    with pytest.raises(RateLimited):
        await limiter.hit("k", limit=1, seconds=60)


async def test_of_many_attempts_at_once_only_as_many_as_allowed_pass(limiter):
    results = await asyncio.gather(
        *(limiter.hit("k", limit=5, seconds=60) for _ in range(30)), return_exceptions=True
    )

    assert sum(result is None for result in results) == 5
    assert sum(isinstance(result, RateLimited) for result in results) == 25


async def test_a_memory_limiter_forgets_the_keys_not_hit_for_longest(clock):
    limiter = MemoryLimiter(clock, keys=2)
    for key in ("a", "b", "a", "c"):
        await limiter.hit(key, limit=5, seconds=60)

    assert [key for key, *_ in limiter._hits] == ["a", "c"]
