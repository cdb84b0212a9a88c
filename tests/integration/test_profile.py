"""“我的” (F13): settings, verified changes of the profile, and what waits."""

import random
from collections import Counter

import pytest

from domain.people import Grant, Person
from domain.permissions import Role
from domain.profile import ChangeState, ProfileField
from domain.roster import Card, Kind
from storage.people import PeopleStore
from tests.integration.people import (
    BAI,
    CEN,
    MOBILES,
    WEN,
    Ears,
    bai,
    cen,
    settle,
    suspended,
    ulid,
    wen,
    yin,
)


@pytest.fixture
async def house(hub, monkeypatch):
    """The hub with people in it, and somebody who hears what it announces."""
    await settle(hub.db, hub.hub.ground.vault)
    hub.ears = Ears()
    for name in ("publish", "recheck"):
        monkeypatch.setattr(hub.hub.ground.bus, name, getattr(hub.ears, name))
    return hub


async def ask(caller, field: str, value: str):
    return await caller.call("POST", "/api/v1/me/profile-changes", {"field": field, "value": value})


async def decide(caller, change: dict, *, accept: bool, reason: str = ""):
    return await caller.call(
        "POST",
        f"/api/v1/profile-changes/{change['id']}/decision",
        {"accept": accept, "reason": reason, "v": change["v"]},
    )


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.acceptance("F13-2")
async def test_large_text_follows_a_person_to_every_device(house):
    """F13-2, the part without pages: two sessions of one person see the same settings."""
    phone, tablet = await house.sign_in(wen), await house.sign_in(wen)
    before = (await tablet.call("GET", "/api/v1/me/preferences")).json
    assert not before["large_text"]
    assert (before["quiet_from"], before["quiet_until"]) == ("22:00", "07:00")
    changed = await phone.call(
        "PATCH", "/api/v1/me/preferences",
        {"v": before["v"], "large_text": True, "quiet_from": "21:30"},
    )  # fmt: skip
    assert changed.status == 200
    after = (await tablet.call("GET", "/api/v1/me/preferences")).json
    assert after == before | {"large_text": True, "quiet_from": "21:30", "v": 1}
    other = await house.sign_in(cen)
    assert not (await other.call("GET", "/api/v1/me/preferences")).json["large_text"]


async def test_two_devices_that_change_settings_at_once_do_not_overwrite_each_other(house):
    phone = await house.sign_in(wen)
    for version, status in ((0, 200), (0, 409), (1, 200)):
        reply = await phone.call(
            "PATCH", "/api/v1/me/preferences", {"v": version, "read_aloud": True}
        )
        assert reply.status == status


@pytest.mark.parametrize(
    "draft",
    [
        {"v": 0, "quiet_from": "25:00"},
        {"v": 0, "quiet_from": "21:30+08:00"},
        {"v": -1},
        {"large_text": True},
        {"v": 0, "volume": 3},
    ],
)
async def test_settings_that_make_no_sense_are_refused(house, draft):
    phone = await house.sign_in(wen)
    assert (await phone.call("PATCH", "/api/v1/me/preferences", draft)).status in {400, 422}


# -- changes of the profile ----------------------------------------------------------------------


@pytest.mark.acceptance("F13-5")
@pytest.mark.parametrize(
    ("field", "old", "new"),
    [("work_unit", "浦东某中学", "浦东某小学"), ("post", "教师", "校长")],
)
async def test_a_change_keeps_the_old_value_until_it_is_verified(house, field, old, new):
    deputy, liaison = await house.sign_in(wen), await house.sign_in(bai)

    async def on_card():
        return (await liaison.call("GET", f"/api/v1/people/{WEN}")).json[field]

    asked = await ask(deputy, field, new)
    assert (asked.status, asked.json["state"]) == (201, "submitted")
    assert await on_card() == old
    assert house.ears.types(f"user:#{WEN}") == []

    (waiting,) = (await liaison.call("GET", "/api/v1/profile-changes")).json
    assert (waiting["person_name"], waiting["value"]) == ("闻予澄", new)
    done = await decide(liaison, waiting, accept=True)
    assert (done.status, done.json["state"]) == (200, "applied")
    assert await on_card() == new
    assert house.ears.types(f"user:#{WEN}") == ["profile.applied"]
    actions = [row["action"] for row in await house.db["audit"].find({}, sort=[("_id", 1)])]
    assert actions == ["profile.ask", "profile.verify", "profile.apply"]


@pytest.mark.acceptance("F13-5")
async def test_a_new_phone_number_is_sealed_until_and_after_it_is_verified(house):
    deputy, liaison = await house.sign_in(wen), await house.sign_in(bai)
    asked = await ask(deputy, "phone", "13900008888")
    assert asked.json["value"] == "13900008888"
    assert (await deputy.call("GET", f"/api/v1/people/{WEN}")).json["mobile"] == MOBILES[WEN]
    await decide(liaison, asked.json, accept=True)
    assert (await deputy.call("GET", f"/api/v1/people/{WEN}")).json["mobile"] == "13900008888"
    for name in ("person", "profile_change", "audit"):
        assert "13900008888" not in repr(await house.db[name].find({}))


@pytest.mark.acceptance("F13-5")
async def test_a_refused_change_leaves_the_card_as_it_was_and_says_why(house):
    deputy, liaison = await house.sign_in(wen), await house.sign_in(bai)
    asked = (await ask(deputy, "post", "校长")).json
    assert (await decide(liaison, asked, accept=False)).status == 422  # no reason
    refused = await decide(liaison, asked, accept=False, reason="请补充任职文件")
    assert refused.json["state"] == "refused"
    (mine,) = (await deputy.call("GET", "/api/v1/me/profile-changes")).json
    assert mine["reason"] == "请补充任职文件"
    assert (await deputy.call("GET", f"/api/v1/people/{WEN}")).json["post"] == "教师"
    assert house.ears.types(f"user:#{WEN}") == ["profile.refused"]
    again = await decide(liaison, asked | {"v": 2}, accept=True)
    assert (again.status, again.code) == (409, "bad_state")
    assert (await ask(deputy, "post", "副校长")).status == 201


async def test_a_phone_number_that_is_used_is_refused(house):
    deputy = await house.sign_in(wen)
    reply = await ask(deputy, "phone", MOBILES[CEN])
    assert (reply.status, reply.code, reply.json["field"]) == (409, "conflict", "value")


async def test_a_number_taken_while_the_change_waited_is_refused_at_the_end(house):
    liaison = await house.sign_in(bai)
    first = (await ask(await house.sign_in(wen), "phone", "13900009999")).json
    zhang = wen.model_copy(update={"id": ulid(3), "name": "章清"})
    second = (await ask(await house.sign_in(zhang), "phone", "13900009999")).json
    assert (await decide(liaison, second, accept=True)).json["state"] == "applied"
    assert (await decide(liaison, first, accept=True)).json["state"] == "refused"
    people = PeopleStore(house.db)
    assert (await people.get(WEN)).v == 1


async def test_one_change_of_a_field_at_a_time(house):
    deputy = await house.sign_in(wen)
    assert (await ask(deputy, "post", "校长")).status == 201
    assert (await ask(deputy, "post", "主任")).status == 409
    assert (await ask(deputy, "work_unit", "浦东某小学")).status == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [("phone", "12345"), ("phone", "校长"), ("post", ""), ("name", "某某"), ("post", "长" * 101)],
)
async def test_changes_that_make_no_sense_are_refused(house, field, value):
    assert (await ask(await house.sign_in(wen), field, value)).status == 422


async def test_only_the_own_liaison_or_an_admin_verifies_and_nobody_their_own(house):
    asked = (await ask(await house.sign_in(cen), "post", "医生")).json
    for who, status in ((bai, 404), (wen, 403)):
        assert (await decide(await house.sign_in(who), asked, accept=True)).status == status
    assert (await (await house.sign_in(bai)).call("GET", "/api/v1/profile-changes")).json == []

    admin = await house.sign_in(yin)
    mine = (await ask(admin, "post", "处长")).json
    assert (await decide(admin, mine, accept=True)).status == 403
    assert (await decide(admin, asked, accept=True)).json["state"] == "applied"


async def test_a_suspended_deputy_looks_but_asks_for_nothing(house):
    caller = await house.sign_in(suspended)
    assert (await caller.call("GET", "/api/v1/me/preferences")).status == 200
    assert (await caller.call("GET", "/api/v1/me/profile-changes")).status == 200
    assert (await ask(caller, "post", "校长")).status == 403


async def test_what_was_verified_when_the_hub_went_down_is_applied_later(house):
    profile = house.services.house.profile
    change = await profile.ask(ProfileField.POST, "校长", by=wen)
    await house.db["profile_change"].update_one(
        {"_id": change.id}, {"$set": {"state": "verified", "decided_by": BAI}}
    )
    assert await profile.resume() == 1
    assert (await profile.mine(by=wen))[0].state is ChangeState.APPLIED
    assert (await PeopleStore(house.db).get(WEN)).post == "校长"
    assert await profile.resume() == 0


# -- what waits ----------------------------------------------------------------------------------


async def waiting(caller) -> dict[str, int]:
    reply = await caller.call("GET", "/api/v1/me/todo")
    body = reply.json
    assert body["counts"] == Counter(item["kind"] for item in body["items"])
    assert body["total"] == len(body["items"]) == sum(body["counts"].values())
    return body["counts"]


async def test_the_liaisons_hear_at_once_that_something_waits_or_is_done(house):
    since = house.clock()
    for number, (who, scope, until) in enumerate(
        [(BAI, "deleg:pudong", None), (CEN, "deleg:pudong", since), (ulid(8), "deleg:x", None)]
    ):
        await house.db["role_grant"].insert_one(
            {
                "_id": f"g{number}", "person_id": who, "role": "liaison", "scopes": [scope],
                "since": since, "until": until, "state": "granted",
            }
        )  # fmt: skip
    asked = (await ask(await house.sign_in(wen), "post", "校长")).json
    assert house.ears.types(f"user:#{BAI}") == ["todo"]
    await decide(await house.sign_in(bai), asked, accept=True)
    assert house.ears.types(f"user:#{BAI}") == ["todo", "todo"]
    assert house.ears.types(f"user:#{CEN}") == house.ears.types(f"user:#{ulid(8)}") == []


async def test_what_waits_is_for_those_who_can_do_it(house):
    await ask(await house.sign_in(wen), "post", "校长")
    await ask(await house.sign_in(cen), "post", "医生")
    assert await waiting(await house.sign_in(bai)) == {"profile.verify": 1}
    assert await waiting(await house.sign_in(yin)) == {"profile.verify": 2}
    assert await waiting(await house.sign_in(wen)) == {}


@pytest.mark.slow
@pytest.mark.acceptance("F13-1")
async def test_todo_counts_equal_the_lists_after_1000_random_operations(house):
    """F13-1, over the sources there are: changes to verify, requests for erasure."""
    rng = random.Random(13)
    deputies = await _deputies(house, 12)
    services = house.services
    desks = {bai.id: bai, yin.id: yin}
    changes: dict[str, tuple[Person, ProfileField]] = {}
    requests: dict[str, Person] = {}

    async def one_operation() -> None:
        deputy = rng.choice(deputies)
        match rng.choice(["ask", "ask", "decide", "erase", "refuse"]):
            case "ask":
                field = rng.choice([ProfileField.POST, ProfileField.WORK_UNIT])
                if (deputy, field) not in changes.values():
                    change = await services.house.profile.ask(field, f"值{rng.random()}", by=deputy)
                    changes[change.id] = (deputy, field)
            case "decide" if changes:
                key = rng.choice(sorted(changes))
                await services.house.profile.decide(
                    key, accept=rng.random() < 0.7, reason="不符", v=1, by=yin
                )
                del changes[key]
            case "erase" if deputy not in requests.values():
                request = await services.house.erasure.ask(by=deputy)
                requests[request.id] = deputy
            case "refuse" if requests:
                key = rng.choice(sorted(requests))
                await services.house.erasure.decide(key, erase=False, reason="在任", v=1, by=yin)
                del requests[key]
            case _:
                pass

    for step in range(1_000):
        await one_operation()
        if step % 20 and step != 999:
            continue
        of_pudong = [who for who, _ in changes.values() if who.delegation_id == "pudong"]
        expected = {
            bai.id: {"profile.verify": len(of_pudong)},
            yin.id: {"profile.verify": len(changes), "privacy.handle": len(requests)},
        }
        for person_id, desk in desks.items():
            todo = await services.todo.of(desk)
            counted = {kind: n for kind, n in expected[person_id].items() if n}
            assert dict(todo.counts) == counted
            assert todo.total == sum(counted.values())
        listed = await services.house.profile.waiting(by=yin)
        assert {change.id for change in listed} == set(changes)
    assert await waiting(await house.sign_in(bai)) == {
        kind: n for kind, n in expected[bai.id].items() if n
    }


async def _deputies(house, count: int) -> list[Person]:
    made = [
        Person(
            id=ulid(100 + n),
            name=f"代表{n}",
            grants=(Grant(role=Role.DEPUTY),),
            delegation_id="pudong" if n % 2 else "chongming",
        )
        for n in range(count)
    ]
    await PeopleStore(house.db).add_many(
        [
            Card(id=one.id, name=one.name, kind=Kind.DEPUTY, delegation_id=one.delegation_id)
            for one in made
        ]
    )
    return made
