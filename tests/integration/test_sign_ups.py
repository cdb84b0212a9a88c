"""Signing up to attend a meeting: a quota, a line, and passes that end with the meeting."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta

import pytest

from domain.meetings.meeting import Capacity
from storage.meetings.personal import ParticipantData
from tests.integration.meetings import (
    BASE,
    MEMBERS,
    Planned,
    deputies,
    let_in,
    plan,
    settle,
    zhuo,
)
from tests.integration.people import ulid
from tests.integration.test_realtime import connected, listen

ATTEND = {"capacity": "attend"}


class Ticking:
    """A clock that moves a millisecond each time it is read, as time does."""

    def __init__(self, clock) -> None:
        self._clock = clock

    def __call__(self) -> datetime:
        return self._clock.advance(seconds=0.001)


async def registration(hub, *, quota: int, capacity: str = "attend", more: int = 0) -> Planned:
    await settle(hub.db, more=more)
    meeting = await plan(await hub.sign_in(zhuo))
    await meeting.move("announced")
    said = {"v": meeting.view["v"], "quota": quota}
    await meeting.call("PUT", f"/sign-ups/{capacity}", said)
    await meeting.refresh()
    await meeting.move("registration")
    return meeting


async def sign_up(caller, meeting, **said):
    return await caller.call("POST", f"{meeting.url}/sign-ups", said or ATTEND)


async def attending(hub, meeting) -> set[str]:
    rows = await hub.db["participant"].find({"m": meeting.id, "capacity": "attend"})
    return {row["p"] for row in rows}


async def passes(hub, meeting) -> set[str]:
    scope = f"mtg:{meeting.id}"
    rows = await hub.db["role_grant"].find({"role": "guest", "state": "granted", "scopes": scope})
    return {row["person_id"] for row in rows}


@pytest.mark.acceptance("F05-4")
@pytest.mark.timeout(120)
async def test_of_two_hundred_who_sign_up_at_once_twenty_are_accepted_and_the_rest_wait(hub):
    """F05-4"""
    meeting = await registration(hub, quota=20, more=200)
    hub.services.meetings.sign_ups._clock = Ticking(hub.clock)
    crowd = deputies(200)
    random.Random(5).shuffle(crowd)
    callers = [await hub.sign_in(it) for it in crowd]
    replies = await asyncio.gather(*(sign_up(it, meeting) for it in callers))
    assert {it.status for it in replies} == {201}
    accepted = [it for it in replies if it.json["state"] == "accepted"]
    places = sorted(it.json["place"] for it in replies if it.json["state"] == "waiting")
    assert (len(accepted), places) == (20, list(range(1, 181)))

    line = await meeting.call("GET", "/sign-ups/attend")
    arrivals = [(it["at"], it["no"]) for it in line["entries"]]
    assert arrivals == sorted(arrivals)
    assert [no for _, no in arrivals] == list(range(1, 201))
    assert [it["state"] for it in line["entries"]] == ["accepted"] * 20 + ["waiting"] * 180
    first = {it["person_id"] for it in line["entries"][:20]}
    who = {crowd[n].id for n, it in enumerate(replies) if it.json["state"] == "accepted"}
    assert who == first == await attending(hub, meeting) == await passes(hub, meeting)

    # One who was accepted cancels: the first who waits is in, and the others move up.
    gone, next_in = line["entries"][7]["person_id"], line["entries"][20]["person_id"]
    by_id = {it.id: caller for it, caller in zip(crowd, callers, strict=True)}
    async with asyncio.timeout(2):
        cancelled = await by_id[gone].call("DELETE", f"{meeting.url}/sign-ups/attend")
        assert cancelled.status == 204
        mine = (await by_id[next_in].call("GET", f"{meeting.url}/sign-ups")).json
    assert [(it["state"], it["place"]) for it in mine["mine"]] == [("accepted", 0)]
    assert mine["lines"] == [{"capacity": "attend", "quota": 20, "accepted": 20, "waiting": 179}]
    now = first - {gone} | {next_in}
    assert now == await attending(hub, meeting) == await passes(hub, meeting)


async def test_the_one_who_moves_up_is_told_and_may_listen_within_two_seconds(hub):
    meeting = await registration(hub, quota=1, more=1)
    await let_in(hub, MEMBERS[0])
    first, second = await hub.sign_in(deputies(1)[0]), await hub.sign_in("委员1")
    assert (await sign_up(first, meeting)).json["state"] == "accepted"
    waits = (await sign_up(second, meeting)).json
    assert (waits["state"], waits["place"]) == ("waiting", 1)
    async with connected(second) as (client, ear):
        assert (await listen(client, f"mtg:{meeting.id}"))[1].unsubscribed.done()
        async with asyncio.timeout(2):
            await first.call("DELETE", f"{meeting.url}/sign-ups/attend")
            while (told := (await ear.hears())[1])["type"] != "signup.state":
                pass
        assert (told["meeting_id"], told["state"]) == (meeting.id, "accepted")
    async with connected(second) as (client, _):
        _, heard = await listen(client, f"mtg:{meeting.id}")
        assert heard.subscribed.done()
        # As staff take him out again, the channel ends.
        gone = await hub.sign_in(zhuo)
        path = f"{meeting.url}/sign-ups/attend/{MEMBERS[0].id}"
        assert (await gone.call("DELETE", path)).status == 204
        async with asyncio.timeout(2):
            assert (await heard.unsubscribed).code == 2000
    assert await passes(hub, meeting) == set()


async def test_signing_up_twice_keeps_the_place_and_a_second_capacity_is_a_conflict(hub):
    meeting = await registration(hub, quota=1, more=2)
    first, second = [await hub.sign_in(it) for it in deputies(2)]
    await sign_up(first, meeting)
    replies = await asyncio.gather(*(sign_up(second, meeting) for _ in range(20)))
    assert {(it.status, it.json["place"]) for it in replies} == {(201, 1)}
    v = (await meeting.refresh())["v"]
    await meeting.call("PUT", "/sign-ups/observe", {"v": v, "quota": 5})
    assert (await sign_up(second, meeting, capacity="observe")).status == 409
    assert (await sign_up(second, meeting, capacity="staff")).status == 422


async def test_only_deputies_attend_and_only_while_registration_is_open(hub):
    meeting = await registration(hub, quota=2, more=1)
    staff, one = await hub.sign_in(zhuo), await hub.sign_in(deputies(1)[0])
    assert (await sign_up(staff, meeting)).status == 403
    assert (await sign_up(one, meeting, capacity="observe")).status == 404
    await meeting.refresh()
    await meeting.move("ready")
    late = await sign_up(one, meeting)
    assert (late.status, late.code) == (409, "bad_state")


async def test_members_cannot_sign_up_for_what_they_are_members_of(hub):
    meeting = await registration(hub, quota=2)
    await meeting.call("POST", "/participants", {"npcsc": True}, status=201)
    member = await sign_up(await hub.sign_in(MEMBERS[0]), meeting)
    assert (member.status, member.json["detail"]["capacity"]) == (409, "member")


async def test_a_member_who_waited_in_a_line_stays_a_member_when_there_is_room(hub):
    meeting = await registration(hub, quota=1, more=2)
    first, second = deputies(2)
    for it in (first, second):
        await sign_up(await hub.sign_in(it), meeting)
    said = {"people": [second.id], "capacity": "member"}
    await meeting.call("POST", "/participants", said, status=201)
    v = (await meeting.refresh())["v"]
    await meeting.call("PUT", "/sign-ups/attend", {"v": v, "quota": 2})
    row = await hub.db["participant"].find_one({"_id": f"{meeting.id}:{second.id}"})
    assert (row["capacity"], row["source"]) == ("member", "staff")
    assert await attending(hub, meeting) == {first.id}


async def test_a_larger_quota_lets_in_who_waits_and_a_smaller_one_takes_no_place_away(hub):
    meeting = await registration(hub, quota=1, more=3)
    for it in deputies(3):
        await sign_up(await hub.sign_in(it), meeting)
    v = (await meeting.refresh())["v"]
    staff = await hub.sign_in(zhuo)
    fewer = await staff.call("PUT", f"{meeting.url}/sign-ups/attend", {"v": v, "quota": 0})
    assert (fewer.status, fewer.json["field"]) == (422, "quota")
    stale = await staff.call("PUT", f"{meeting.url}/sign-ups/attend", {"v": v - 1, "quota": 2})
    assert (stale.status, stale.json["detail"]["v"]) == (409, v)
    line = await meeting.call("PUT", "/sign-ups/attend", {"v": v, "quota": 2})
    assert (line["accepted"], line["waiting"]) == (2, 1)
    assert await attending(hub, meeting) == {it.id for it in deputies(2)}
    assert (await meeting.refresh())["quotas"] == {"attend": 2}


async def test_a_pass_ends_with_the_meeting_and_is_dated_in_case_nobody_ends_it(hub):
    meeting = await registration(hub, quota=2, more=1)
    (one,) = deputies(1)
    await let_in(hub, one)
    caller = await hub.sign_in(one.name)
    await sign_up(caller, meeting)
    row = await hub.db["role_grant"].find_one({"role": "guest", "person_id": one.id})
    # The meeting ends on 21 February at 13:00 in Shanghai.
    assert row["until"] == BASE + timedelta(days=20, hours=15)
    later = {"ends_at": (BASE + timedelta(days=21)).isoformat()}
    await meeting.call("PATCH", "", {"v": (await meeting.refresh())["v"], **later})
    row = await hub.db["role_grant"].find_one({"_id": row["_id"]})
    assert row["until"] == BASE + timedelta(days=21, hours=15)

    hub.clock.advance(seconds=2)
    held = {it["role"] for it in (await caller.call("GET", "/api/v1/me")).json["grants"]}
    assert held == {"deputy", "guest"}
    await meeting.refresh()
    await meeting.move("ready", "in_session", "closed")
    assert await passes(hub, meeting) == set()
    hub.clock.advance(seconds=2)
    held = {it["role"] for it in (await caller.call("GET", "/api/v1/me")).json["grants"]}
    assert held == {"deputy"}


async def test_who_has_begun_to_sit_can_no_longer_cancel(hub):
    meeting = await registration(hub, quota=2, more=1)
    caller = await hub.sign_in(deputies(1)[0])
    await sign_up(caller, meeting)
    await meeting.refresh()
    await meeting.move("ready", "in_session")
    refused = await caller.call("DELETE", f"{meeting.url}/sign-ups/attend")
    assert (refused.status, refused.code) == (409, "bad_state")
    assert len(await attending(hub, meeting)) == 1


async def test_what_a_dead_process_left_undone_is_done_by_the_job(hub):
    meeting = await registration(hub, quota=2, more=3)
    store = hub.services.meetings.sign_ups._store
    people = [it.id for it in deputies(3)]
    # Killed right after the one write that decides, three times.
    for n, person_id in enumerate(people):
        line = await store.join(
            meeting.id, Capacity.ATTEND, person_id, entry_id=ulid(600 + n), at=hub.clock.now
        )
        assert line is not None
    await store.leave(meeting.id, Capacity.ATTEND, people[0])
    assert await attending(hub, meeting) == set()
    sign_ups = hub.services.meetings.sign_ups
    assert await sign_ups.catch_up() == 1
    assert set(people[1:]) == await attending(hub, meeting) == await passes(hub, meeting)
    assert await sign_ups.catch_up() == 0


@pytest.mark.timeout(120)
async def test_however_people_come_and_go_at_once_participants_are_the_front_of_the_line(hub):
    meeting = await registration(hub, quota=5, more=30)
    chance = random.Random(7)
    callers = {it.id: await hub.sign_in(it) for it in deputies(30)}

    async def restless(caller):
        for _ in range(4):
            if chance.random() < 0.6:
                assert (await sign_up(caller, meeting)).status in {201, 409}
            else:
                reply = await caller.call("DELETE", f"{meeting.url}/sign-ups/attend")
                assert reply.status in {204, 404}

    await asyncio.gather(*(restless(it) for it in callers.values()))
    await hub.services.meetings.sign_ups.catch_up()
    line = await meeting.call("GET", "/sign-ups/attend")
    front = {it["person_id"] for it in line["entries"] if it["state"] == "accepted"}
    assert len(front) == min(5, len(line["entries"]))
    assert front == await attending(hub, meeting) == await passes(hub, meeting)
    numbers = [it["no"] for it in line["entries"]]
    assert numbers == sorted(set(numbers))


async def test_erasing_somebody_gives_their_place_to_the_next_and_a_copy_names_it(hub):
    meeting = await registration(hub, quota=1, more=2)
    first, second = deputies(2)
    for it in (first, second):
        await sign_up(await hub.sign_in(it), meeting)
    keeper = ParticipantData(hub.db)
    (taken, line) = await keeper.export(first.id)
    assert (taken["capacity"], line["meeting_id"]) == ("attend", meeting.id)
    assert (await keeper.erase(first.id)).removed == 1
    assert (await keeper.erase(first.id)).removed == 0
    await hub.services.meetings.sign_ups.catch_up()
    assert {second.id} == await attending(hub, meeting) == await passes(hub, meeting)
