"""The outbox: written once, handed to one at a time, gone out at least once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import UpstreamDown
from storage.outbox import Message, Outbox
from storage.outbox_relay import OutboxRelay


@pytest.fixture
def outbox(db, clock):
    return Outbox(db, clock)


class Post:
    """Receives what a relay sends; ``trouble`` says how often it fails first."""

    def __init__(self, trouble=0):
        self.keys = []
        self.trouble = trouble
        self.asked = 0
        self.away = set()
        self.poisoned = set()
        self.all = asyncio.Event()

    async def __call__(self, message):
        self.asked += 1
        if self.trouble:
            self.trouble -= 1
            raise ValueError("not like this")
        if message.kind in self.away:
            raise UpstreamDown("…", upstream=message.kind)
        if message.key in self.poisoned:
            raise ValueError("not like this")
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

    assert await pauses(relay, post, clock) == [0, 1, 2, 4]


async def pauses(relay, post, clock, *, most=600):
    """Let time pass until a message has gone; answers the seconds between the tries."""
    waits, waited = [], 0
    while not post.keys and len(waits) < most:
        if await relay.step():
            waits.append(waited)
            waited = 0
        else:
            waited += 0.5
            clock.advance(seconds=0.5)
    return waits


async def hours(relay, clock, *, hours):
    """Let time pass, the relay looking every five seconds."""
    end = clock.now + timedelta(hours=hours)
    while clock.now < end:
        while await relay.step():
            pass
        clock.advance(seconds=5)


async def test_an_hour_without_redis_costs_nothing_but_time_and_no_channel_its_order(
    outbox, clock, db
):
    post = Post()
    post.away = {"event"}
    relay = OutboxRelay(outbox, post, owner="r")
    for number in range(30):
        line = f"room:{number % 3}"
        await outbox.put([Message(key=f"{number:02}", kind="event", line=line)])
        await hours(relay, clock, hours=1 / 30)  # two minutes

    assert post.keys == []
    assert await outbox.dead() == 0
    assert await outbox.lag() == 3600
    assert {it["tries"] async for it in db["outbox"].stream({})} == {0}
    # One question every fifteen seconds and process is what an hour costs.
    assert 200 < post.asked < 300

    post.away = set()
    began = clock.now
    while len(post.keys) < 30:
        if not await relay.step():
            clock.advance(seconds=0.25)
    assert post.keys == [f"{number:02}" for number in range(30)]
    assert (clock.now - began).total_seconds() <= 15


async def test_a_neighbour_that_is_away_holds_up_nothing_but_its_own_kind(outbox, clock):
    post = Post()
    post.away = {"wechat"}
    relay = OutboxRelay(outbox, post, owner="r")
    await outbox.put([Message(key="w", kind="wechat")])
    await outbox.put(messages("a", "b"))

    await hours(relay, clock, hours=0.01)
    assert post.keys == ["a", "b"]
    post.away = set()
    await hours(relay, clock, hours=0.01)
    assert post.keys == ["a", "b", "w"]


async def test_a_poisoned_message_is_buried_within_half_a_minute_and_its_channel_goes_on_in_order(
    outbox, clock
):
    post = Post()
    post.poisoned = {"b"}
    relay = OutboxRelay(outbox, post, owner="r")
    for key in "abcd":
        await outbox.put([Message(key=key, kind="event", line="news")])
        clock.advance(seconds=0.001)
    await outbox.put([Message(key="other", kind="event", line="sys")])
    began = clock.now

    while await relay.step():
        pass
    assert post.keys == ["a", "other"]
    while len(post.keys) < 4:
        if not await relay.step():
            clock.advance(seconds=0.25)
    assert post.keys == ["a", "other", "c", "d"]
    assert (clock.now - began).total_seconds() < 30
    (grave,) = await outbox.buried()
    assert (grave.key, grave.line, grave.tries) == ("b", "news", 5)
    assert grave.error == "ValueError: not like this"
    assert relay.counted["buried"] == 1

    post.poisoned = set()
    assert await outbox.revive("b")
    assert await relay.step()
    assert post.keys[-1] == "b"
    assert await outbox.buried() == []


async def test_four_relays_keep_the_order_of_each_channel_among_them(outbox, clock):
    channels = {f"room:{number}": [] for number in range(5)}
    for number in range(100):
        line = f"room:{number % 5}"
        await outbox.put([Message(key=f"{number:03}", kind="event", line=line)])
        clock.advance(seconds=0.001)
    sent = 0

    async def publish(message):
        nonlocal sent
        await asyncio.sleep(0)
        channels[message.line].append(message.key)
        await asyncio.sleep(0)
        sent += 1

    async def work(relay):
        while sent < 100:
            if not await relay.step():
                clock.advance(seconds=0.1)

    relays = [OutboxRelay(outbox, publish, owner=f"r{number}") for number in range(4)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(work(relay) for relay in relays))
    for line, keys in channels.items():
        assert keys == [f"{number:03}" for number in range(int(line[-1]), 100, 5)]


async def test_what_is_written_at_the_same_moment_goes_out_in_the_order_of_writing(outbox):
    keys = ["z", "a", "m", "b", "y", "c"]
    await outbox.put([Message(key=key, kind="event", line="news") for key in keys[:4]])
    await outbox.put([Message(key=key, kind="event", line="news") for key in keys[4:]])
    post = Post()
    relay = OutboxRelay(outbox, post, owner="r")

    while await relay.step():
        pass
    assert post.keys == keys


async def test_a_relay_takes_fifty_of_a_kind_and_no_message_of_a_line_before_its_turn(
    outbox, clock
):
    for number in range(60):
        line = f"room:{number % 3}"
        await outbox.put([Message(key=f"{number:02}", kind="event", line=line)])
        clock.advance(seconds=0.001)
    await outbox.put([Message(key="sms", kind="sms")])
    # Somebody else is at the first of one room.
    assert (await outbox.claim("other", 30, key="01")).line == "room:1"
    post = Post()
    relay = OutboxRelay(outbox, post, owner="r")

    assert await relay.step()
    assert post.keys == [f"{number:02}" for number in range(51) if number % 3 != 1]
    while await relay.step():
        pass
    assert "sms" in post.keys
    assert not [key for key in post.keys if key.isdigit() and int(key) % 3 == 1]
    clock.advance(seconds=31)
    while await relay.step():
        pass
    assert post.keys[-20:] == [f"{number:02}" for number in range(1, 60, 3)]
    assert len(post.keys) == len(set(post.keys)) == 61


async def test_what_a_slow_relay_has_no_time_for_is_left_to_others_untried(outbox, clock):
    await outbox.put(messages(*(f"{number:02}" for number in range(10))))
    slow = Post()

    async def publish(message):
        await slow(message)
        # Longer than a relay keeps to itself what others could send.
        await asyncio.sleep(0.03)

    relay = OutboxRelay(outbox, publish, owner="slow", claim=0.1)
    assert await relay.step()
    assert 1 <= len(slow.keys) <= 3
    quick = Post()
    assert await OutboxRelay(outbox, quick, owner="quick").step()
    assert slow.keys + quick.keys == [f"{number:02}" for number in range(10)]


async def test_a_relay_that_is_ended_in_the_midst_leaves_the_rest_to_others_at_once(outbox):
    await outbox.put(messages(*"abcd"))
    post, held = Post(), asyncio.Event()

    async def publish(message):
        if message.key == "c":
            held.set()
            await asyncio.Event().wait()
        await post(message)

    step = asyncio.ensure_future(OutboxRelay(outbox, publish, owner="one").step())
    await held.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    other = Post()
    assert await OutboxRelay(outbox, other, owner="two").step()
    assert (post.keys, other.keys) == (["a", "b"], ["c", "d"])


async def test_a_message_that_never_goes_is_buried_and_can_be_revived(outbox, clock):
    await outbox.put(messages("a"))
    post = Post(trouble=3)
    relay = OutboxRelay(outbox, post, owner="r", tries=3)
    for _ in range(3):
        assert await relay.step()
        clock.advance(seconds=300)

    assert await outbox.dead() == 1
    assert [it.key for it in await outbox.buried()] == ["a"]
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
