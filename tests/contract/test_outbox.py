"""The outbox: written once, handed to one at a time, gone out at least once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import UpstreamDown
from storage.outbox import Message, Outbox, OutboxRelay


@pytest.fixture
def outbox(db, clock):
    return Outbox(db, clock)


class Post:
    """Receives what a relay sends; ``trouble`` says how often it fails first."""

    def __init__(self, trouble=0):
        self.keys = []
        self.trouble = trouble
        self.all = asyncio.Event()

    async def __call__(self, message):
        if self.trouble:
            self.trouble -= 1
            raise UpstreamDown("…", upstream="wechat")
        self.keys.append(message.key)
        self.all.set()


def messages(*keys):
    return [Message(key=key, kind="notice.new", body={"n": key}) for key in keys]


async def test_a_message_written_twice_is_one_message(outbox, db):
    await asyncio.gather(*(outbox.put(messages("a", "b")) for _ in range(10)))
    await outbox.put(messages("b", "c"))

    assert sorted(await db["outbox"].distinct("_id", {})) == ["a", "b", "c"]


async def test_a_message_goes_to_one_claimant_only(outbox):
    await outbox.put(messages(*"abcde"))

    claimed = await asyncio.gather(*(outbox.claim(f"p{i}", 30) for i in range(8)))

    assert sorted(message.key for message in claimed if message) == list("abcde")


async def test_what_a_dead_claimant_held_is_due_again_and_its_late_mark_counts_nothing(
    outbox, clock, db
):
    await outbox.put(messages("a"))
    first = await outbox.claim("one", 30)
    assert await outbox.claim("two", 30) is None
    clock.advance(seconds=30)
    second = await outbox.claim("two", 30)

    assert (first.tries, second.tries) == (1, 2)
    await outbox.done(first)
    assert (await db["outbox"].find_one({}))["state"] == "waiting"
    await outbox.done(second)
    assert (await db["outbox"].find_one({}))["state"] == "done"


async def test_messages_go_out_in_the_order_in_which_they_are_due(outbox, clock):
    for key, seconds in (("late", 9), ("early", -9), ("later", 20)):
        due = clock.now + timedelta(seconds=seconds)
        await outbox.put([Message(key=key, kind="x", due=due)])
    clock.advance(seconds=10)
    post = Post()
    relay = OutboxRelay(outbox, post, owner="r")

    while await relay.step():
        pass

    assert post.keys == ["early", "late"]


async def test_a_message_that_did_not_go_is_tried_again_later_and_later(outbox, clock):
    await outbox.put(messages("a"))
    post = Post(trouble=3)
    relay = OutboxRelay(outbox, post, owner="r")

    waits, waited = [], 0
    while not post.keys:
        if await relay.step():
            waits.append(waited)
            waited = 0
        else:
            waited += 1
            clock.advance(seconds=1)

    assert waits == [0, 1, 2, 4]


async def test_a_message_that_never_goes_is_buried_and_can_be_revived(outbox, clock):
    await outbox.put(messages("a"))
    post = Post(trouble=3)
    relay = OutboxRelay(outbox, post, owner="r", tries=3)
    for _ in range(3):
        assert await relay.step()
        clock.advance(seconds=300)

    assert await outbox.dead() == 1
    assert not await relay.step()
    assert await outbox.revive("a")
    assert not await outbox.revive("a")
    assert await relay.step()
    assert post.keys == ["a"]


async def test_a_running_relay_sends_what_is_written_without_waiting_for_its_next_look(outbox):
    post = Post()
    relay = asyncio.create_task(OutboxRelay(outbox, post, owner="r", idle=100).run())
    try:
        await outbox.put(messages("a"))
        async with asyncio.timeout(5):
            await post.all.wait()
    finally:
        relay.cancel()
        with pytest.raises(asyncio.CancelledError):
            await relay


async def test_a_publication_that_hangs_gives_its_message_back(outbox, clock):
    async def hangs(_):
        await asyncio.Event().wait()

    await outbox.put(messages("a"))

    assert await OutboxRelay(outbox, hangs, owner="r", claim=0.05).step()
    clock.advance(seconds=1)
    assert (await outbox.claim("other", 30)).tries == 2


async def test_the_lag_is_the_age_of_the_oldest_due_message(outbox, clock):
    assert await outbox.lag() == 0
    await outbox.put(messages("a"))
    clock.advance(seconds=42)

    assert await outbox.lag() == 42
