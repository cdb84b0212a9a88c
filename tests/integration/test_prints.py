"""What is printed is read back, page by page, by programs that are none of ours."""

from __future__ import annotations

import asyncio
import io

import pytest
from pypdf import PdfReader

from demo.load import Loader
from domain.people import Flag
from domain.roster import Card, Kind
from server.upkeep import blob_store
from storage.people import PeopleStore
from tests.integration.hall import MEETING, URL, elsewhere, member, zhuo
from tests.integration.meetings import MEMBERS, let_in, plan, settle
from tests.integration.meetings import zhuo as clerk
from tests.integration.people import bai, ulid, wen, yin
from tests.integration.people import settle as settle_people
from tests.integration.printed import codes, drawn, ink
from tests.integration.test_meetings import upload
from tests.integration.test_pictures import decoded, dots, painted, sheet
from tests.integration.test_scans import doors, who
from tests.integration.test_seats import layout

__all__ = ["doors"]


async def printed(caller, path):
    reply = await caller.call("GET", path)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/pdf"), reply.body
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.body


def written(pdf):
    """What can be read on the pages, without spaces."""
    return ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]


def strokes(pdf):
    """The codes of each page, from the rectangles of which they are made."""
    return [sorted(decoded(sheet(page))) for page in PdfReader(io.BytesIO(pdf)).pages]


async def leaflet(hub, count):
    """A meeting with papers, and their codes in the order of the agenda."""
    await settle(hub.db)
    staff = await hub.sign_in(clerk)
    meeting = await plan(staff, title="第二次会议（全体会议）")
    item = await meeting.call("POST", "/agenda", {"title": "会议文件"}, status=201)
    for number in range(1, count + 1):
        title = f"关于本市第{number}项工作情况的报告（书面）及其说明材料"
        said = {"file_id": await upload(staff, str(number).encode()), "title": title}
        await meeting.call("POST", f"/agenda/{item['id']}/papers", said, status=201)
    listed = await meeting.call("GET", "/papers/codes")
    return staff, meeting, listed["papers"]


async def test_the_leaflet_of_thirty_four_papers_is_one_page_and_every_code_is_read(hub, tmp_path):
    staff, meeting, papers = await leaflet(hub, 34)
    assert len(papers) == 34
    pdf = await printed(staff, f"{meeting.url}/papers/sheet")
    links = [it["link"] for it in papers]
    assert strokes(pdf) == [sorted(links)]
    (page,) = drawn(pdf, tmp_path)
    assert codes(page) == links
    (text,) = written(pdf)
    assert "第二次会议（全体会议）" in text
    assert "1.关于本市第1项" in text
    assert "34.关于本市第34项" in text
    (row,) = await hub.db["audit"].find({"action": "print.papers"})
    assert (row["by"], row["detail"]["count"]) == (clerk.id, 34)


@pytest.mark.acceptance("M02-3")
async def test_the_sheet_that_was_printed_before_opens_what_replaced_its_papers(hub, tmp_path):
    """M02-3"""
    await let_in(hub, MEMBERS[0])
    staff, meeting, papers = await leaflet(hub, 3)
    await meeting.call("POST", "/participants", {"people": [MEMBERS[0].id]}, status=201)
    await meeting.move("announced")
    await meeting.call("POST", "/agenda/publish", {"v": meeting.view["v"]})
    (page,) = drawn(await printed(staff, f"{meeting.url}/papers/sheet"), tmp_path)
    lying = codes(page)
    body = {"v": 1, "file_id": await upload(staff, b"second edition")}
    await staff.call("PUT", f"/api/v1/papers/{papers[1]['paper_id']}", body)
    reader = await hub.sign_in(MEMBERS[0])
    found = []
    for text in lying:
        view = (await reader.call("POST", "/api/v1/codes/read", {"code": text})).json
        paper = (await reader.call("GET", f"/api/v1{view['page']}")).json
        content = await reader.call("GET", f"/api/v1/files/{paper['file_id']}/content")
        found.append((paper["v"], content.body))
    assert found == [(1, b"1"), (2, b"second edition"), (1, b"3")]


async def test_a_meeting_without_papers_and_staff_of_another_print_nothing(hub):
    staff, meeting, _ = await leaflet(hub, 0)
    assert (await staff.call("GET", f"{meeting.url}/papers/sheet")).status == 404
    reader = await hub.sign_in(MEMBERS[0])
    for path in ("/papers/sheet", "/papers/codes", "/doors/posters", "/seats/sheet"):
        assert (await reader.call("GET", f"{meeting.url}{path}")).status == 403, path


async def test_every_seat_card_is_read_and_leads_to_its_seat(doors, tmp_path):
    staff = await doors.sign_in(zhuo)
    await staff.call("PUT", f"{URL}/seats", {"seats": layout(4, 5)})
    wishes = [{"no": "1-2", "person_id": who(2)}]
    await staff.call("POST", f"{URL}/seats", {"assignments": wishes})
    pdf = await printed(staff, f"{URL}/seats/sheet")
    pages = drawn(pdf, tmp_path)
    assert [len(codes(page)) for page in pages] == [8, 8, 4]
    links = [text for page in pages for text in codes(page)]
    numbers = [f"{row}-{col}" for row in range(1, 5) for col in range(1, 6)]
    wanted = [(await staff.call("GET", f"{URL}/seats/{no}/code")).json["link"] for no in numbers]
    assert links == wanted
    assert "1-2" in written(pdf)[0]
    assert "代表2" in written(pdf)[0]
    owner = await doors.sign_in(member(2))
    view = (await owner.call("POST", "/api/v1/codes/read", {"code": links[1]})).json
    assert "这是您的座位" in view["text"]


@pytest.mark.parametrize(
    ("query", "count"), [("first=2&last=3", 10), ("block=中", 20), ("first=4", 5)]
)
async def test_some_rows_of_a_hall_are_printed_by_themselves(doors, query, count):
    staff = await doors.sign_in(zhuo)
    await staff.call("PUT", f"{URL}/seats", {"seats": layout(4, 5)})
    query = query.replace("中", "%E4%B8%AD")
    pdf = await printed(staff, f"{URL}/seats/sheet?{query}")
    assert sum(map(len, strokes(pdf))) == count


async def test_more_seats_than_one_file_takes_are_printed_in_parts(doors):
    staff = await doors.sign_in(zhuo)
    await staff.call("PUT", f"{URL}/seats", {"seats": layout(30, 40)})
    whole = await staff.call("GET", f"{URL}/seats/sheet")
    assert (whole.status, whole.json["field"]) == (422, "rows")
    assert (await staff.call("GET", f"{URL}/seats/sheet?block=X")).status == 404
    assert (await staff.call("GET", f"{URL}/seats/sheet?first=0")).status == 422
    other = await doors.sign_in(elsewhere)
    assert (await other.call("GET", f"{URL}/seats/sheet")).status == 403


async def test_the_loop_stays_free_while_a_hall_is_printed(doors):
    staff = await doors.sign_in(zhuo)
    await staff.call("PUT", f"{URL}/seats", {"seats": layout(10, 20)})
    loop = asyncio.get_running_loop()
    worst, beats, done = 0.0, 0, asyncio.Event()

    async def beat():
        nonlocal worst, beats
        while not done.is_set():
            before = loop.time()
            await asyncio.sleep(0.001)
            worst, beats = max(worst, loop.time() - before), beats + 1

    watching = asyncio.create_task(beat())
    pdf = await printed(staff, f"{URL}/seats/sheet")
    done.set()
    await watching
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 25
    # Two hundred codes are seconds of work: drawn on the loop, there would be a beat or two.
    assert beats > 50
    assert worst < 0.5


async def test_a_poster_for_each_gate_tells_three_equal_ways_and_carries_no_code_of_the_hall(
    doors, tmp_path
):
    staff = await doors.sign_in(zhuo)
    (alone,) = drawn(await printed(staff, f"{URL}/doors/posters"), tmp_path)
    here = f"{doors.hub.settings.origin}/h5/#/meetings/{MEETING}/check-in"
    assert codes(alone) == [here]
    gates = [{"id": "east-1", "name": "东一门"}, {"id": "vip", "name": "主席团入口"}]
    assert (await staff.call("PUT", f"{URL}/doors", {"v": 0, "gates": gates})).status == 200
    pdf = await printed(staff, f"{URL}/doors/posters")
    pages = drawn(pdf, tmp_path)
    assert [codes(page) for page in pages] == [[f"{here}?gate=east-1"], [f"{here}?gate=vip"]]
    for text, gate in zip(written(pdf), ("东一门", "主席团入口"), strict=True):
        assert gate in text
        assert "第一次全体会议" in text
        assert [word for word in ("刷脸", "扫码", "人工", "效力相同") if word not in text] == []
        assert "RD1" not in text
    # A week later it opens the same page: nothing on it runs out.
    doors.clock.advance(days=7)
    assert [
        codes(page) for page in drawn(await printed(staff, f"{URL}/doors/posters"), tmp_path)
    ] == [codes(page) for page in pages]
    deputy = await doors.sign_in(member(1))
    view = (await deputy.call("POST", "/api/v1/codes/read", {"code": codes(pages[0])[0]})).json
    assert view["page"] == f"/meetings/{MEETING}/check-in?gate=east-1"
    assert all(0.02 < ink(page) < 0.4 for page in pages)


async def test_a_long_title_stays_on_its_poster(doors, tmp_path):
    title = "上海市第二十届人民代表大会第二次会议第一次全体会议暨开幕会" * 4
    await doors.db["meeting"].update_one({"_id": MEETING}, {"$set": {"title": title}})
    staff = await doors.sign_in(zhuo)
    pdf = await printed(staff, f"{URL}/doors/posters")
    assert len(codes(drawn(pdf, tmp_path)[0])) == 1
    assert "…" in written(pdf)[0]
    assert "人工" in written(pdf)[0]


async def test_the_contact_cards_of_a_delegation_are_printed_by_its_liaison(hub, tmp_path):
    await settle_people(hub.db, hub.hub.ground.vault)
    await PeopleStore(hub.db).add_many(
        [
            Card(
                id=ulid(500 + n), name=f"代表{n:02}", kind=Kind.DEPUTY, deputy_no=f"X{n:03}",
                delegation_id="pudong", flags=frozenset({Flag.COMMITTEE_MEMBER}),
            )
            for n in range(1, 13)
        ]
    )  # fmt: skip
    liaison, admin, deputy = [await hub.sign_in(it) for it in (bai, yin, wen)]
    pdf = await printed(liaison, "/api/v1/delegations/pudong/contact-cards")
    links = [text for page in drawn(pdf, tmp_path) for text in codes(page)]
    assert len(links) == 16  # the twelve, and the four who were there
    text = "".join(written(pdf))
    assert "闻予澄" in text
    assert "浦东新区代表团" in text
    assert "柏令仪" not in text
    assert "乔望岳" not in text
    for secret in ("1990000", "021-", "D001", "X001"):
        assert secret not in text
    names = set()
    for link in links:
        view = (await deputy.call("POST", "/api/v1/codes/read", {"code": link})).json
        assert (view["kind"], view["result"]) == ("C", "ok")
        names.add(view["title"])
    assert "闻予澄" in names
    assert len(names) == 16
    assert (await liaison.call("GET", "/api/v1/delegations/chongming/contact-cards")).status == 404
    assert (await admin.call("GET", "/api/v1/delegations/chongming/contact-cards")).status == 200
    assert (await admin.call("GET", "/api/v1/delegations/nowhere/contact-cards")).status == 404
    assert (await deputy.call("GET", "/api/v1/delegations/pudong/contact-cards")).status == 403


@pytest.mark.parametrize("count", [1, 40])
async def test_printed_badges_are_read_off_the_page_as_somebody_else_draws_it(
    doors, tmp_path, count
):
    staff = await doors.sign_in(zhuo)
    people = [who(number) for number in range(1, count + 1)]
    made = (await staff.call("POST", f"{URL}/badges", {"people": people})).json["badges"]
    pages = drawn(await printed(staff, f"{URL}/badges/sheet"), tmp_path)
    assert [text for page in pages for text in codes(page)] == [it["code"] for it in made]


async def test_single_codes_are_read_as_drawing_and_as_picture(hub):
    staff, meeting, (paper,) = await leaflet(hub, 1)
    deputy = await hub.sign_in(MEMBERS[0])
    await meeting.call("PUT", "/seats", {"seats": layout(1, 1)}, status=204)
    contact = f"/api/v1/people/{MEMBERS[1].id}/contact-code"
    places = (
        (staff, f"/api/v1/papers/{paper['paper_id']}/code"),
        (staff, f"{meeting.url}/seats/1-1/code"),
        (deputy, contact),
        (deputy, "/api/v1/me/contact-code"),
    )
    for caller, path in places:
        shown = (await caller.call("GET", path)).json
        assert decoded(painted(shown["svg"])) == [shown["link"]]
        picture = await caller.call("GET", f"{path}/picture")
        assert picture.headers["Content-Type"] == "image/png"
        assert decoded(dots(picture.body)) == [shown["link"]]
    liaison = await hub.sign_in(bai)
    path = f"/api/v1/admin/accounts/{MEMBERS[1].id}/bind-code"
    made = (await liaison.call("POST", path)).json
    assert decoded(painted(made["svg"])) == [made["link"]]
    pc = (await hub.anybody.call("POST", "/api/v1/qr-logins")).json
    assert decoded(painted(pc["svg"])) == [pc["url"]]


async def test_the_opening_of_the_demo_has_its_leaflet_its_seat_cards_and_its_replaced_paper(
    hub, tmp_path
):
    ground = hub.hub.ground
    blobs = blob_store(ground.settings, ground.db, clock=ground.clock)
    loader = Loader(hub.db, ground.vault, ground.audit, clock=ground.clock, blobs=blobs)
    await loader.load(full=False)
    staff, reader = [await hub.sign_in(name) for name in ("卓慕青", "闻予澄")]
    sitting = (await staff.call("GET", "/api/v1/meetings?state=in_session")).json["items"]
    (opening,) = [it for it in sitting if it["kind"] == "npc"]
    path = f"/api/v1/meetings/{opening['id']}"
    (page,) = drawn(await printed(staff, f"{path}/papers/sheet"), tmp_path)
    lying = codes(page)
    assert len(lying) == len(set(lying)) == 34
    versions = []
    for text in lying:
        view = (await reader.call("POST", "/api/v1/codes/read", {"code": text})).json
        assert (view["kind"], view["result"]) == ("D", "ok")
        paper = (await reader.call("GET", f"/api/v1{view['page']}")).json
        content = await reader.call("GET", f"/api/v1/files/{paper['file_id']}/content")
        assert paper["title"] in written(content.body)[0]
        versions.append(paper["v"])
    assert sorted(versions) == [1] * 33 + [2]
    pdf = await printed(staff, f"{path}/seats/sheet?block=A&last=2")
    seats = [text for page in drawn(pdf, tmp_path) for text in codes(page)]
    owners = [
        (await reader.call("POST", "/api/v1/codes/read", {"code": text})).json["text"]
        for text in seats
    ]
    assert len(owners) == 28
    assert all("您的座位" in it for it in owners)
