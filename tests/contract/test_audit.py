"""The audit: appended once, in one chain, and every later change of it found."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain.audit_chain import Head, chain_hash
from domain.errors import Invalid, UpstreamDown
from storage.audit import AuditStore, read_head, sign_head
from storage.client import Database
from storage.vault import KeyVault
from tests.engines import embedded


@pytest.fixture
def audit(db, clock):
    return AuditStore(db, clock)


async def filled(audit, n=10):
    for i in range(n):
        await audit.record("account.suspend", by="p1", obj=f"account:{i}", detail={"n": i})


async def test_entries_are_numbered_without_gaps_and_verify(audit, db):
    await asyncio.gather(
        *(audit.record("notice.issue", by=f"p{i}", obj=f"notice:{i}") for i in range(250))
    )

    verdict = await audit.verify()

    assert verdict.sound
    assert verdict.checked == 250
    assert await db["audit"].distinct("_id", {}) == list(range(1, 251))


@pytest.mark.acceptance("M10-3")
@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"by": "somebody else"}},
        {"$set": {"at": datetime(2026, 1, 1, tzinfo=UTC)}},
        {"$set": {"detail.n": 99}},
        {"$set": {"detail.n": 3.0}},
        {"$set": {"detail.more": None}},
        {"$unset": {"detail": 1}},
        {"$set": {"unheard": "of"}},
        {"$set": {"hash": "0" * 64}},
        {"$set": {"prev": "0" * 64}},
    ],
    ids=str,
)
@pytest.mark.parametrize("seq", [1, 4, 10])
async def test_m10_3_altering_any_row_fails_verification_at_that_row(audit, db, change, seq):
    if seq == 1 and "prev" in change.get("$set", {}):
        change = {"$set": {"prev": "1" * 64}}
    await filled(audit)
    await db["audit"].update_one({"_id": seq}, change)

    verdict = await audit.verify()

    assert (verdict.bad_seq, verdict.reason, verdict.checked) == (seq, "altered", seq - 1)


@pytest.mark.acceptance("M10-3")
async def test_m10_3_a_row_rewritten_with_a_fitting_hash_is_found_by_the_next_one(audit, db):
    await filled(audit)
    row = await db["audit"].find_one({"_id": 4})
    row["by"] = "somebody else"
    row["hash"] = chain_hash(row["prev"], {k: v for k, v in row.items() if k != "hash"})
    await db["audit"].replace_one({"_id": 4}, row)

    verdict = await audit.verify()

    assert (verdict.bad_seq, verdict.reason) == (4, "altered")


@pytest.mark.acceptance("M10-3")
@pytest.mark.parametrize("seq", [1, 5])
async def test_m10_3_a_removed_row_is_missed(audit, db, seq):
    await filled(audit)
    await db["audit"].delete_one({"_id": seq})

    verdict = await audit.verify()

    assert (verdict.bad_seq, verdict.reason) == (seq, "missing")


async def test_a_tail_that_was_cut_off_shows_against_a_head_kept_elsewhere(audit, db):
    vault = KeyVault([b"k" * 32])
    await filled(audit)
    kept = sign_head(await audit.head(), vault)
    await db["audit"].delete_many({"_id": {"$gt": 7}})

    assert (await audit.verify()).sound
    verdict = await audit.verify(read_head(kept, vault))

    assert (verdict.bad_seq, verdict.reason, verdict.checked) == (8, "truncated", 7)


async def test_a_chain_that_was_rewritten_whole_shows_against_a_head_kept_elsewhere(audit, db):
    await filled(audit)
    kept = await audit.head()
    await db["audit"].delete_many({"_id": {"$gte": 9}})
    other = AuditStore(db, lambda: datetime(2026, 3, 1, tzinfo=UTC))
    await filled(other, 2)

    assert (await other.verify()).sound
    verdict = await other.verify(kept)

    assert (verdict.bad_seq, verdict.reason) == (10, "altered")


async def test_a_head_signed_by_somebody_else_is_refused():
    signed = sign_head(Head(7, "a" * 64), KeyVault([b"k" * 32]))

    with pytest.raises(Invalid):
        read_head(signed, KeyVault([b"x" * 32]))
    with pytest.raises(Invalid):
        read_head(signed.replace("7:", "6:"), KeyVault([b"k" * 32]))
    assert read_head(signed, KeyVault([b"k" * 32])) == Head(7, "a" * 64)


async def test_several_processes_append_to_one_chain(db, clock):
    stores = [AuditStore(db, clock) for _ in range(4)]

    await asyncio.gather(
        *(
            store.record("x.y", by=f"s{s}", obj=f"o:{i}")
            for i in range(50)
            for s, store in enumerate(stores)
        )
    )

    verdict = await stores[0].verify()
    assert verdict.sound
    assert verdict.checked == 200
    rows = await db["audit"].find({})
    assert len({(row["by"], row["obj"]) for row in rows}) == 200


async def test_instants_in_the_detail_survive_the_way_to_the_store_and_back(audit, db):
    shanghai = timezone(timedelta(hours=8))
    detail = {
        "at": datetime(2026, 2, 1, 9, 0, 0, 123999, tzinfo=shanghai),
        "day": date(2026, 2, 1),
        "deep": [{"n": 2**62, "none": None, "yes": True, "name": "章清"}],
    }
    await audit.record("x.y", by="p", obj="o:1", detail=detail)

    assert (await audit.verify()).sound
    entry = (await audit.search()).entries[0]
    assert entry.detail == {
        "at": datetime(2026, 2, 1, 1, 0, 0, 123000, tzinfo=UTC),
        "day": "2026-02-01",
        "deep": [{"n": 2**62, "none": None, "yes": True, "name": "章清"}],
    }


@pytest.mark.parametrize(
    "detail",
    [
        {"x": 1.5},
        {"x": b"bytes"},
        {"x": {1, 2}},
        {"x": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)},
        {"x": 2**63},
        {"$x": 1},
        {"a.b": 1},
        {"x": "\ud800"},
    ],
    ids=repr,
)
async def test_what_would_not_survive_is_refused_before_it_is_stored(audit, db, detail):
    with pytest.raises(ValueError):
        await audit.record("x.y", by="p", obj="o:1", detail=detail)
    assert await db["audit"].count({}) == 0


async def test_an_entry_whose_answer_was_lost_is_not_stored_twice(audit, db, monkeypatch):
    stored = asyncio.Event()
    insert = audit._audit.insert_many

    async def stores_and_never_answers(rows):
        await insert(rows)
        stored.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(audit._audit, "insert_many", stores_and_never_answers)
    first = asyncio.create_task(audit.record("x.y", by="first", obj="o:1"))
    second = asyncio.create_task(audit.record("x.y", by="second", obj="o:1"))
    await stored.wait()
    monkeypatch.setattr(audit._audit, "insert_many", insert)
    first.cancel()

    await second

    with pytest.raises(asyncio.CancelledError):
        await first
    rows = await db["audit"].find({}, sort=[("_id", 1)])
    assert [row["by"] for row in rows] == ["first", "second"]
    assert (await audit.verify()).sound


async def test_a_failed_append_fails_its_act_and_the_next_one_goes_on(audit, monkeypatch):
    insert = audit._audit.insert_many

    async def down(rows):
        raise UpstreamDown("…", upstream="mongodb")

    await filled(audit, 2)
    monkeypatch.setattr(audit._audit, "insert_many", down)
    with pytest.raises(UpstreamDown):
        await audit.record("x.y", by="p", obj="o:1")
    monkeypatch.setattr(audit._audit, "insert_many", insert)

    await audit.record("x.y", by="p", obj="o:2")

    assert (await audit.verify()).checked == 3


async def test_too_many_waiting_entries_are_refused_at_once(audit, monkeypatch):
    monkeypatch.setattr("storage.audit.WAITING", 3)
    results = await asyncio.gather(
        *(audit.record("x.y", by="p", obj=f"o:{i}") for i in range(5)), return_exceptions=True
    )

    refused = [result for result in results if isinstance(result, UpstreamDown)]
    # One is on its way, three wait behind it.
    assert len(refused) == 1
    assert (await audit.verify()).checked == 4


async def test_a_search_finds_by_who_what_and_when_page_by_page(audit, clock):
    for i in range(7):
        await audit.record("account.suspend", by="p1", obj=f"account:{i}")
        clock.advance(minutes=1)
    await audit.record("account.restore", by="p2", obj="account:3")
    await audit.record("notice.issue", by="p2", obj="notice:1")

    first = await audit.search(action="account.", limit=5)
    rest = await audit.search(action="account.", limit=5, cursor=first.next)

    assert [entry.seq for entry in first.entries] == [8, 7, 6, 5, 4]
    assert [entry.seq for entry in rest.entries] == [3, 2, 1]
    assert rest.next is None
    assert [e.seq for e in (await audit.search(who="p2")).entries] == [9, 8]
    assert [e.seq for e in (await audit.search(obj="account:3")).entries] == [8, 4]
    assert [e.seq for e in (await audit.search(obj="notice:")).entries] == [9]
    early = clock.now - timedelta(minutes=6)
    assert [e.seq for e in (await audit.search(until=early)).entries] == [1]
    assert [e.seq for e in (await audit.search(since=clock.now)).entries] == [9, 8]
    with pytest.raises(Invalid):
        await audit.search(cursor="x")


async def test_an_engine_killed_while_entries_come_loses_none_that_was_answered_for(clock):
    with embedded(on_disk=True) as engine:
        db = await Database.connect(engine.uri, selection=0.5)
        try:
            audit = AuditStore(db, clock)
            stored = []

            async def act(who):
                for n in range(10_000):
                    try:
                        await audit.record("x.y", by=who, obj=f"o:{n}")
                    except UpstreamDown:
                        return
                    stored.append((who, f"o:{n}"))
                    if len(stored) == 300:
                        engine.kill()

            await asyncio.gather(*(act(f"p{i}") for i in range(20)))
            engine.start()
            await audit.record("x.y", by="after", obj="o:1")

            assert (await audit.verify()).sound
            rows = await db["audit"].find({})
            kept = [(row["by"], row["obj"]) for row in rows]
            assert len(kept) == len(set(kept))
            assert len(stored) >= 300
            assert set(stored) <= set(kept)
        finally:
            await db.close()
