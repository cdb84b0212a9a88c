"""Dictionaries over HTTP: everybody reads them, administrators keep them, cards use them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.integration.people import WEN, feng, settle, wen, yin

LIST = "/api/v1/admin/dictionaries/profession"
DRAFT = {"code": "航运", "label": "航运", "reason": "代表建议"}


@pytest.fixture
async def house(hub):
    await settle(hub.db, hub.hub.ground.vault)
    return hub


async def offered(caller, **query):
    reply = await caller.call("GET", f"/api/v1/dictionaries?day={query.get('day', '2026-02-01')}")
    return {
        row["key"]: [entry["code"] for entry in row["entries"]]
        for row in reply.json["dictionaries"]
    }


async def test_a_word_is_added_used_on_a_card_and_then_only_retired(house):
    admin, deputy = await house.sign_in(yin), await house.sign_in(wen)
    added = await admin.call("POST", f"{LIST}/entries", DRAFT)
    assert (added.status, added.json["used"], added.json["offered"]) == (201, 0, True)
    assert "航运" in (await offered(deputy))["profession"]

    card = f"/api/v1/admin/people/{WEN}/professions"
    wrong = await admin.call("PUT", card, {"v": 1, "professions": ["航天"]})
    assert (wrong.status, wrong.json["field"]) == (422, "professions")
    put = await admin.call("PUT", card, {"v": 1, "professions": ["航运", "教育"]})
    assert (put.status, put.json["professions"]) == (200, ["航运", "教育"])
    assert (await deputy.call("GET", f"/api/v1/people/{WEN}")).json["professions"][0] == "航运"

    one = f"{LIST}/entries/{quote('航运')}"
    refused = await admin.call("DELETE", f"{one}?v=1&reason=x")
    assert (refused.status, refused.code, refused.json["detail"]) == (409, "in_use", {"used": 1})
    change = {"label": "航运", "sort": 1, "valid_to": "2026-02-01", "v": 1, "reason": "并入"}
    retired = (await admin.call("PUT", one, change)).json
    assert (retired["offered"], retired["used"], retired["v"]) == (False, 1, 2)
    assert "航运" not in (await offered(deputy))["profession"]
    whole = (await deputy.call("GET", "/api/v1/dictionaries/profession")).json
    assert [it["offered"] for it in whole["entries"] if it["code"] == "航运"] == [False]
    # What stands on the card stays there, and other words can be added beside it.
    put = await admin.call("PUT", card, {"v": 2, "professions": ["航运", "法律"]})
    assert put.status == 200


async def test_reading_and_keeping_are_different_rights(house):
    admin, auditor, deputy = [await house.sign_in(who) for who in (yin, feng, wen)]
    assert (await house.anybody.call("GET", "/api/v1/dictionaries")).status == 401
    assert (await deputy.call("GET", LIST)).status == 403
    assert (await auditor.call("GET", LIST)).status == 200
    assert (await auditor.call("POST", f"{LIST}/entries", DRAFT)).status == 403
    assert (await deputy.call("GET", "/api/v1/dictionaries/no.such")).status == 404
    rule = "/api/v1/admin/dictionaries/satisfaction"
    refused = await admin.call("POST", f"{rule}/entries", DRAFT)
    assert (refused.status, refused.json["detail"]["rule_param"]) == (403, "sugg.feedback.scale")
    for body in ({**DRAFT, "code": "a/b"}, {**DRAFT, "reason": ""}, {**DRAFT, "sort": -1}):
        assert (await admin.call("POST", f"{LIST}/entries", body)).status == 422
    missing = f"{LIST}/entries/{quote('没有')}?v=1&reason=x"
    assert (await admin.call("DELETE", missing)).status == 404
