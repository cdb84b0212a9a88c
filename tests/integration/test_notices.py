"""Notices over the API and over sockets: audience, review, publication, receipts, recall."""

from __future__ import annotations

import pytest

from tests.integration.notices import (
    NOTICES,
    PUDONG,
    draft,
    furnish,
    issued,
    receipts,
)  # fmt: skip
from tests.integration.people import WEN, bai, cen, wen
from tests.integration.test_realtime import connected


@pytest.fixture
async def house(hub):
    return await furnish(hub)


async def test_a_liaison_writes_to_the_delegation_and_everybody_in_it_has_it(house):
    liaison, deputy, other = [await house.sign_in(who) for who in (bai, wen, cen)]
    notice = await issued(house, liaison)
    assert (notice["state"], notice["recipients"], notice["no"]) == (
        "published",
        4,
        "通知〔2026〕1号",
    )
    assert set(await receipts(house, notice["id"])) == set(PUDONG)
    page = (await deputy.call("GET", NOTICES)).json["items"]
    assert [(one["id"], one["receipt"]["state"]) for one in page] == [(notice["id"], "pushed")]
    assert (await deputy.call("GET", f"{NOTICES}/{notice['id']}")).json["body"] == draft()["body"]
    assert (await other.call("GET", f"{NOTICES}/{notice['id']}")).status == 404
    assert (await other.call("GET", NOTICES)).json["items"] == []


async def test_whoever_is_online_hears_of_it_once_without_its_text(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in("闻予澄")
    async with connected(deputy) as (_, ear):
        notice = await issued(house, liaison)
        channel, data = await ear.hears()
        assert (channel, data["type"], data["id"]) == (f"user:#{WEN}", "notice.new", notice["id"])
        assert "body" not in data
        assert draft()["body"] not in str(data)
        assert ear.news.empty()


TEMPLATES = "/api/v1/notice-templates"
assert NOTICES == "/api/v1/notices"

TEMPLATE = {
    "name": "会议通知",
    "kind": "会议通知",
    "priority": "重要",
    "title": "关于召开{会议名称}的通知",
    "body": "<p>{会议名称}定于{时间}举行。</p>",
    "audience": {"delegations": ["pudong"]},
}


@pytest.mark.acceptance("M01-3")
async def test_a_missing_variable_is_named_and_a_filled_one_is_plain_text(house):
    """M01-3"""
    liaison = await house.sign_in(bai)
    made = (await liaison.call("POST", TEMPLATES, TEMPLATE)).json
    assert (made["state"], made["variables"]) == ("draft", ["会议名称", "时间"])
    text = {"template_id": made["id"], "variables": {"时间": "9:00"}}
    assert (await liaison.call("POST", NOTICES, text)).json["code"] == "bad_state"
    moved = await liaison.call(
        "POST", f"{TEMPLATES}/{made['id']}/state", {"state": "active", "v": made["v"]}
    )
    assert moved.json["state"] == "active"
    refused = await liaison.call("POST", NOTICES, text)
    assert (refused.status, refused.json["field"]) == (422, "variables.会议名称")
    assert "{会议名称}" in refused.json["msg"]
    text["variables"] = {"时间": "9:00", "会议名称": "<b>第二次</b>会议"}
    notice = (await liaison.call("POST", NOTICES, text)).json
    assert notice["title"] == "关于召开<b>第二次</b>会议的通知"
    assert notice["body"] == "<p>&lt;b&gt;第二次&lt;/b&gt;会议定于9:00举行。</p>"
    assert (notice["priority"], notice["recipients"]) == ("重要", 4)
    edited = await liaison.call("PUT", f"{TEMPLATES}/{made['id']}", {**TEMPLATE, "v": 2})
    assert edited.code == "bad_state"
