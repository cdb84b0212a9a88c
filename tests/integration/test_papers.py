"""A paper over its versions: one id, one code, and the right file behind it."""

from __future__ import annotations

import asyncio

import pytest

from domain.passes.code import Document
from tests.integration.meetings import MEMBERS, deputy, fang, let_in, lu, plan, settle, zhuo
from tests.integration.people import ulid
from tests.integration.test_meetings import upload
from tests.integration.test_realtime import connected, listen

READ = "/api/v1/codes/read"


@pytest.fixture
async def house(hub):
    await settle(hub.db)
    await let_in(hub, MEMBERS[0])
    return hub


async def table(house, *, published: bool = True, readers: str = "members"):
    """A meeting with a paper for its members on the table."""
    staff = await house.sign_in(zhuo)
    meeting = await plan(staff)
    await meeting.call("POST", "/participants", {"people": [MEMBERS[0].id]}, status=201)
    item = await meeting.call("POST", "/agenda", {"title": "条例草案"}, status=201)
    said = {"file_id": await upload(staff, b"one"), "title": "条例草案（一稿）", "readers": readers}
    changed = await meeting.call("POST", f"/agenda/{item['id']}/papers", said, status=201)
    await meeting.move("announced")
    if published:
        await meeting.call("POST", "/agenda/publish", {"v": meeting.view["v"]})
    return staff, meeting, changed["papers"][0]


async def content(caller, file_id):
    reply = await caller.call("GET", f"/api/v1/files/{file_id}/content")
    return reply.status, reply.body if reply.status == 200 else b""


async def replace(staff, paper, words: bytes, *, v: int = 1):
    body = {"v": v, "file_id": await upload(staff, words)}
    return await staff.call("PUT", f"/api/v1/papers/{paper['id']}", body)


async def opened(caller, code):
    """What a scan of the code on the table leads to: the paper, as its page shows it."""
    view = (await caller.call("POST", READ, {"code": code})).json
    assert (view["kind"], view["action"]) == ("D", "open")
    assert view["page"].startswith("/papers/")
    return view, (await caller.call("GET", f"/api/v1{view['page']}")).json


@pytest.mark.acceptance("M02-3")
async def test_after_a_replacement_the_code_on_the_table_opens_the_new_version(house):
    """M02-3"""
    staff, meeting, paper = await table(house)
    reader = await house.sign_in("委员1")
    code = (await staff.call("GET", f"/api/v1/papers/{paper['id']}/code")).json["code"]
    view, shown = await opened(reader, code)
    assert {it["label"]: it["value"] for it in view["facts"]}["版本"] == "第 1 版"
    assert await content(reader, shown["file_id"]) == (200, b"one")
    first = shown["file_id"]

    async with connected(reader) as (client, _):
        _, ear = await listen(client, f"mtg:{meeting.id}")
        changed = await replace(staff, paper, b"two")
        assert (changed.status, changed.json["v"]) == (200, 2)
        async with asyncio.timeout(5):
            while (event := await ear.news.get())["type"] != "doc.replaced":
                continue
        assert (event["paper_id"], event["v"]) == (paper["id"], 2)

    again = (await staff.call("GET", f"/api/v1/papers/{paper['id']}/code")).json["code"]
    assert again == code
    view, shown = await opened(reader, code)
    assert {it["label"]: it["value"] for it in view["facts"]}["版本"] == "第 2 版"
    assert await content(reader, shown["file_id"]) == (200, b"two")
    # The former version is not handed out any more, but the staff have it.
    assert await content(reader, first) == (404, b"")
    assert await content(staff, first) == (200, b"one")
    (row,) = await house.db["audit"].find({"action": "paper.replace"})
    assert (row["by"], row["detail"]["v"]) == (zhuo.id, 2)


async def test_a_code_opens_a_paper_to_its_readers_and_to_others_it_is_not_there(house):
    staff, _, paper = await table(house)
    member, other, anybody = [await house.sign_in(it) for it in (MEMBERS[0], MEMBERS[1], deputy)]
    code = (await staff.call("GET", f"/api/v1/papers/{paper['id']}/code")).json["code"]
    nowhere = await house.services.passes.keys.sign(Document(ulid(77)))
    await opened(member, code)
    for caller in (other, anybody):
        refused = await caller.call("POST", READ, {"code": code})
        missing = await caller.call("POST", READ, {"code": nowhere})
        assert refused.status == missing.status == 404
        assert refused.json["msg"] == missing.json["msg"]
        assert refused.json.keys() == missing.json.keys()
        assert (await caller.call("GET", f"/api/v1/papers/{paper['id']}")).status == 404
    preview = await house.anybody.call("POST", "/api/v1/codes/preview", {"code": code})
    assert preview.json["action"] == "log_in"
    assert "草案" not in preview.body.decode()


async def test_before_the_agenda_is_published_and_after_the_paper_is_gone_nobody_gets_it(house):
    staff, meeting, paper = await table(house, published=False)
    member = await house.sign_in(MEMBERS[0])
    code = (await staff.call("GET", f"/api/v1/papers/{paper['id']}/code")).json["code"]
    assert (await member.call("POST", READ, {"code": code})).status == 404
    await opened(staff, code)
    await meeting.call("POST", "/agenda/publish", {"v": meeting.view["v"]})
    _, shown = await opened(member, code)
    await meeting.call("DELETE", f"/agenda/{shown['item_id']}/papers/{paper['id']}")
    for caller in (member, staff):
        assert (await caller.call("POST", READ, {"code": code})).status == 404


async def test_of_eight_replacements_at_once_one_stands_and_the_others_are_told(house):
    staff, _, paper = await table(house)
    files = [await upload(staff, f"v{n}".encode()) for n in range(8)]
    replies = await asyncio.gather(
        *(
            staff.call("PUT", f"/api/v1/papers/{paper['id']}", {"v": 1, "file_id": it})
            for it in files
        )
    )
    assert sorted(it.status for it in replies) == [200] + [409] * 7
    (won,) = [it.json for it in replies if it.status == 200]
    now = (await staff.call("GET", f"/api/v1/papers/{paper['id']}")).json
    assert (now["v"], now["file_id"]) == (2, won["file_id"])
    stale = await replace(staff, paper, b"late")
    assert (stale.status, stale.code, stale.json["detail"]) == (409, "conflict", {"v": 2})
    item = await house.db["agenda_item"].find_one({"papers.id": paper["id"]})
    assert [it["v"] for it in item["papers"][0]["former"]] == [1]


async def test_a_paper_is_replaced_by_its_staff_with_a_file_of_their_own(house):
    staff, meeting, paper = await table(house)
    elsewhere, member, colleague = [await house.sign_in(it) for it in (fang, MEMBERS[0], lu)]
    theirs = await upload(colleague, b"theirs")
    path = f"/api/v1/papers/{paper['id']}"
    for caller, status in ((elsewhere, 404), (member, 403)):
        body = {"v": 1, "file_id": await upload(caller, b"mine")}
        assert (await caller.call("PUT", path, body)).status == status
    refused = await staff.call("PUT", path, {"v": 1, "file_id": theirs})
    assert (refused.status, refused.json["field"]) == (422, "file_id")
    missing = await staff.call("PUT", path, {"v": 1, "file_id": ulid(5)})
    assert missing.status == 422
    assert (
        await staff.call("PUT", f"/api/v1/papers/{ulid(5)}", {"v": 1, "file_id": theirs})
    ).status == 404
    # A former version may come back: its file belongs to the paper already.
    first = (await staff.call("GET", path)).json["file_id"]
    await replace(staff, paper, b"two")
    back = await staff.call("PUT", path, {"v": 2, "file_id": first})
    assert (back.status, back.json["v"], back.json["file_id"]) == (200, 3, first)
    await meeting.refresh()
    await meeting.move("cancelled")
    assert (await replace(staff, paper, b"late", v=3)).code == "bad_state"
