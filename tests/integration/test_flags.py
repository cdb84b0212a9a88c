"""Feature flags over HTTP: a switch is obeyed by the next request and heard on ``sys``."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.people import feng, settle, wen, yin
from tests.integration.test_identity import staff
from tests.integration.test_realtime import connected, listen

SWITCH = "/api/v1/admin/flags/login.qr"
OFF = {"on": False, "reason": "出现仿冒二维码", "v": 0}


@pytest.fixture
async def house(hub):
    await settle(hub.db, hub.hub.ground.vault)
    return hub


async def test_a_feature_that_is_switched_off_is_refused_and_not_offered(house):
    admin, deputy = await house.sign_in(yin), await house.sign_in(wen)
    assert (await house.anybody.call("POST", "/api/v1/qr-logins")).status == 201
    shown = (await admin.call("PUT", SWITCH, OFF)).json
    assert (shown["on"], shown["default"], shown["v"], shown["changed_by"]) == (
        False,
        True,
        1,
        yin.id,
    )
    flags = (await house.anybody.call("GET", "/api/v1/flags")).json["flags"]
    assert (flags["login.qr"], flags["poll.binding"]) == (False, False)
    refused = await house.anybody.call("POST", "/api/v1/qr-logins")
    assert (refused.status, refused.code) == (403, "feature_off")
    assert refused.json["detail"] == {"flag": "login.qr"}

    profile = "/api/v1/me/profile-changes"
    change = {"field": "post", "value": "顾问"}
    paused = {"on": False, "reason": "换届核对", "v": 0}
    assert (await admin.call("PUT", "/api/v1/admin/flags/profile.change", paused)).status == 200
    assert (await deputy.call("POST", profile, change)).code == "feature_off"
    on = {"on": True, "reason": "核对完毕", "v": 1}
    assert (await admin.call("PUT", "/api/v1/admin/flags/profile.change", on)).status == 200
    assert (await deputy.call("POST", profile, change)).status == 201
    entries = await house.db["audit"].find({"action": "flag.switch"}, sort=[("_id", 1)])
    assert [row["obj"] for row in entries] == [
        "flag:login.qr",
        "flag:profile.change",
        "flag:profile.change",
    ]


async def test_bad_switches_are_refused_in_words(house):
    admin, auditor, deputy = [await house.sign_in(who) for who in (yin, feng, wen)]
    stale = await house.sign_in(yin.model_copy(update={"step_up_until": None}))
    assert (await stale.call("PUT", SWITCH, OFF)).code == "step_up_required"
    fixed = await admin.call("PUT", "/api/v1/admin/flags/poll.binding", {**OFF, "on": True})
    assert (fixed.status, "不可更改" in fixed.json["msg"]) == (403, True)
    for body, status in (
        ({**OFF, "reason": ""}, 422),
        ({**OFF, "v": -1}, 422),
        ({**OFF, "on": "no"}, 400),
        ({**OFF, "v": 7}, 409),
    ):
        assert (await admin.call("PUT", SWITCH, body)).status == status, body
    assert (await admin.call("PUT", "/api/v1/admin/flags/no.such", OFF)).status == 404
    assert (await auditor.call("PUT", SWITCH, OFF)).status == 403
    assert (await deputy.call("GET", "/api/v1/admin/flags")).status == 403
    shown = (await auditor.call("GET", "/api/v1/admin/flags")).json["flags"]
    binding = next(flag for flag in shown if flag["key"] == "poll.binding")
    assert (binding["fixed"], binding["on"]) == (True, False)
    assert all(flag["why"] for flag in shown)


async def test_everybody_who_listens_to_sys_hears_of_a_switch(house):
    admin, listener = await house.sign_in(yin), await house.sign_in(await staff(house))
    async with connected(listener) as (client, _):
        _, ear = await listen(client, "sys")
        await admin.call("PUT", SWITCH, OFF)
        async with asyncio.timeout(5):
            heard = await ear.news.get()
    assert (heard["type"], heard["key"], heard["on"], heard["v"]) == ("flag", "login.qr", False, 1)
