"""The live console: pointer, countdown and scenes at the real hub, followed by real clients."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.people import AccountState
from tests.integration.hall import (
    ITEMS,
    MEETING,
    OTHER,
    REDUCE,
    URL,
    convene,
    elsewhere,
    lu,
    member,
    stranger,
    zhuo,
)
from tests.integration.people import ulid
from tests.integration.test_realtime import connected, listen
from tests.snapshots import announced, following, screening

STATE = f"{URL}/state"


@pytest.fixture
async def hall(hub):
    await convene(hub.db)
    await convene(hub.db, meeting_id=OTHER)
    return hub


async def test_a_pointer_that_moves_is_seen_by_everybody_with_its_version(hall):
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    async with following(hall, deputy, STATE, REDUCE) as phone:
        assert phone.state["pointer"] == {"v": 0, "at": None, "item_id": None, "title": ""}
        reply = await staff.call("POST", f"{URL}/pointer", {"item_id": ITEMS[0], "v": 0})
        assert (reply.status, reply.json["v"]) == (200, 1)
        event = await phone.hears("agenda.pointer")
        assert (event["item_id"], event["title"], event["v"]) == (ITEMS[0], "第1项", 1)
        state = await phone.agrees()
        assert state["pointer"]["item_id"] == ITEMS[0]
    assert await hall.db["audit"].count({"action": "hall.pointer"}) == 1


@pytest.mark.acceptance("F05-3")
async def test_of_two_staff_who_move_the_pointer_at_once_one_is_told_409(hall):
    """F05-3"""
    first, second = await hall.sign_in(zhuo), await hall.sign_in(lu)
    for v in range(5):
        replies = await asyncio.gather(
            first.call("POST", f"{URL}/pointer", {"item_id": ITEMS[v % 3], "v": v}),
            second.call("POST", f"{URL}/pointer", {"item_id": ITEMS[(v + 1) % 3], "v": v}),
        )
        assert sorted(reply.status for reply in replies) == [200, 409]
        loser = next(reply for reply in replies if reply.status == 409)
        assert (loser.code, loser.json["detail"]["v"]) == ("conflict", v + 1)


@pytest.mark.acceptance("F05-3")
async def test_a_hundred_phones_hear_every_move_of_the_pointer_in_order(hall):
    """F05-3: the time is printed; ``tests/bench/bench_hall.py`` measures it."""
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    token = (await deputy.call("POST", "/api/v1/realtime/token")).json
    hall.hub.realtime.hub.limits = _many(hall)
    async with AsyncExitStack() as stack:
        phones = [await stack.enter_async_context(connected(deputy)) for _ in range(100)]
        ears = [(await listen(client, f"mtg:{MEETING}"))[1] for client, _ in phones]
        assert all(ear.subscribed.done() for ear in ears)
        took = []
        for v in range(5):
            said_at = time.monotonic()

            async def heard(ear, v=v, said_at=said_at):
                async with asyncio.timeout(10):
                    data = await ear.news.get()
                assert (data["type"], data["v"]) == ("agenda.pointer", v + 1)
                return time.monotonic() - said_at

            waiting = asyncio.gather(*(heard(ear) for ear in ears))
            moved = await staff.call("POST", f"{URL}/pointer", {"item_id": ITEMS[v % 3], "v": v})
            assert moved.status == 200
            took += await waiting
    assert token
    print(f"\npointer to 100 phones: p95 {statistics.quantiles(took, n=20)[-1] * 1000:.0f} ms")


def _many(hall):
    from dataclasses import replace

    # A hundred phones of one person: the limit of five is tested where it belongs.
    return replace(hall.hub.realtime.hub.limits, connections=0, connects=0)


async def test_an_item_that_is_not_on_the_agenda_and_a_meeting_that_is_not_there_are_refused(hall):
    staff = await hall.sign_in(zhuo)
    wrong = await staff.call("POST", f"{URL}/pointer", {"item_id": ulid(999), "v": 0})
    assert (wrong.status, wrong.json["field"]) == (422, "item_id")
    nowhere = f"/api/v1/meetings/{ulid(998)}"
    assert (await staff.call("GET", f"{nowhere}/state")).status == 404
    assert (await staff.call("POST", f"{nowhere}/pointer", {"item_id": None, "v": 0})).status == 404
    assert (await staff.call("POST", f"{URL}/pointer", {"item_id": None, "v": -1})).status == 422
    assert (await staff.call("POST", f"{URL}/pointer", {"v": 0})).status == 422


@pytest.mark.parametrize("state", ["archived", "cancelled"])
async def test_nothing_moves_in_a_meeting_that_is_sealed(hall, state):
    staff = await hall.sign_in(zhuo)
    await hall.db["meeting"].update_one({"_id": MEETING}, {"$set": {"state": state}})
    for path, body in (
        ("pointer", {"item_id": ITEMS[0], "v": 0}),
        ("countdown", {"action": "start", "seconds": 60, "v": 0}),
        ("scene", {"scene": "agenda", "v": 0}),
    ):
        refused = await staff.call("POST", f"{URL}/{path}", body)
        assert (path, refused.status, refused.code) == (path, 409, "bad_state")


async def test_only_the_staff_of_this_meeting_drive_it_and_only_who_takes_part_follows(hall):
    others = [await hall.sign_in(who) for who in (elsewhere, member(1), stranger)]
    moves = [
        ("pointer", {"item_id": None, "v": 0}),
        ("countdown", {"action": "start", "seconds": 5, "v": 0}),
        ("scene", {"scene": "welcome", "v": 0}),
    ]
    for caller in others:
        for what, body in moves:
            assert (await caller.call("POST", f"{URL}/{what}", body)).status == 403
    assert (await others[1].call("GET", STATE)).status == 200
    assert (await others[1].call("GET", f"{STATE}?channel=mtgstaff")).status == 403
    assert (await others[2].call("GET", STATE)).status == 404
    suspended = member(1).model_copy(update={"state": AccountState.SUSPENDED})
    assert (await (await hall.sign_in(suspended)).call("GET", STATE)).status == 404


async def test_a_countdown_keeps_what_was_left_while_it_is_paused(hall):
    staff = await hall.sign_in(zhuo)

    async def tick(action, v, **more):
        reply = await staff.call("POST", f"{URL}/countdown", {"action": action, "v": v, **more})
        assert reply.status == 200, reply.body
        return reply.json

    started = await tick("start", 0, seconds=600, label="开幕倒计时")
    assert (started["status"], started["ends_at"]) == ("running", "2026-02-01T01:10:00Z")
    hall.clock.advance(seconds=100)
    paused = await tick("pause", 1)
    assert (paused["status"], paused["left_ms"], paused["ends_at"]) == ("paused", 500_000, None)
    hall.clock.advance(seconds=1000)
    assert (await tick("extend", 2, seconds=60))["left_ms"] == 560_000
    resumed = await tick("resume", 3)
    assert (resumed["ends_at"], resumed["label"]) == ("2026-02-01T01:27:40Z", "开幕倒计时")
    refused = await staff.call("POST", f"{URL}/countdown", {"action": "resume", "v": 4})
    assert (refused.status, refused.code) == (409, "bad_state")
    assert refused.json["detail"]["allowed"] == ["extend", "pause", "start", "stop"]
    missing = await staff.call("POST", f"{URL}/countdown", {"action": "start", "v": 4})
    assert (missing.status, missing.json["field"]) == (422, "seconds")


async def test_the_state_of_the_meeting_itself_is_followed_too(hall):
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    async with (
        following(hall, deputy, STATE, REDUCE) as phone,
        following(hall, staff, f"{STATE}?channel=mtgstaff", REDUCE) as console,
    ):
        moved = await staff.call("POST", f"{URL}/transitions", {"to": "paused", "v": 1})
        assert moved.status == 200, moved.body
        await phone.hears("mtg.state")
        assert (await phone.agrees())["state"] == "paused"
        assert (await console.agrees())["meeting_v"] == 2


@pytest.mark.acceptance("M04-3")
async def test_a_console_that_crashes_finds_everything_again(hall):
    """M04-3"""
    staff = await hall.sign_in(zhuo)
    async with following(hall, staff, f"{STATE}?channel=mtgstaff", REDUCE) as console:
        await staff.call("POST", f"{URL}/pointer", {"item_id": ITEMS[1], "v": 0})
        await staff.call("POST", f"{URL}/scene", {"scene": "agenda", "v": 0})
        before = await console.agrees()
    async with following(hall, staff, f"{STATE}?channel=mtgstaff", REDUCE) as again:
        assert again.state == before
        assert again.state["scene"]["scene"] == "agenda"


async def test_what_a_process_kept_and_did_not_live_to_tell_is_told_by_another(hall, monkeypatch):
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    board = hall.services.hall.board

    async def dies(*_):
        raise ConnectionError("killed between write and announce")

    async with following(hall, deputy, STATE, REDUCE) as phone:
        with monkeypatch.context() as patch:
            patch.setattr(board, "announce", dies)
            with pytest.raises(ConnectionError):
                await hall.services.hall.console.point(MEETING, ITEMS[2], v=0, by=zhuo)
        assert await board.catch_up() == 0  # it may still be at it
        hall.clock.advance(seconds=5)
        assert await board.catch_up() == 1
        assert (await phone.hears("agenda.pointer"))["item_id"] == ITEMS[2]
        assert await board.catch_up() == 0
        await phone.agrees()
        assert (await staff.call("GET", STATE)).json["pointer"]["v"] == 1


versions = st.integers(0, 4)
actions = st.one_of(
    st.tuples(
        st.just("pointer"),
        st.fixed_dictionaries({"item_id": st.sampled_from([*ITEMS, None]), "v": versions}),
    ),
    st.tuples(
        st.just("countdown"),
        st.fixed_dictionaries(
            {
                "action": st.sampled_from(["start", "pause", "resume", "extend", "stop"]),
                "seconds": st.integers(1, 600),
                "v": versions,
            }
        ),
    ),
    st.tuples(
        st.just("scene"),
        st.fixed_dictionaries(
            {"scene": st.sampled_from(["welcome", "agenda", "quorum"]), "v": versions}
        ),
    ),
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # a hub that answers is no place for thousands of shrinking tries
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=st.lists(actions, max_size=3), after=st.lists(actions, min_size=1, max_size=8))
async def test_snapshot_and_events_are_the_later_snapshot_whatever_staff_do(hall, before, after):
    await hall.db["hall"].delete_many({})
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    issued = await staff.call("POST", f"{URL}/devices", {"name": "主屏", "role": "screen"})

    async def act(what, body):
        reply = await staff.call("POST", f"{URL}/{what}", body)
        assert reply.status in {200, 409}, reply.body

    # What is on its way while the snapshot is taken is the dangerous part.
    early = [asyncio.ensure_future(act(*action)) for action in before]
    async with (
        following(hall, deputy, STATE, REDUCE) as phone,
        following(hall, staff, f"{STATE}?channel=mtgstaff", REDUCE) as console,
        screening(hall, issued.json["token"], f"mtgscreen:{MEETING}", REDUCE) as screen,
    ):
        await asyncio.gather(*early, *(act(*action) for action in after))
        await announced(hall)
        seen, driven = await phone.agrees(), await console.agrees()
        assert {**driven, "scene": None} == {**seen, "channel": driven["channel"], "scene": None}
        told = {"title", "meeting_id", "pointer", "countdown", "scene", "quorum", "speaking"}
        known = {key: driven[key] if key in told else None for key in driven}
        del known["channel"]
        await screen.becomes(known)
