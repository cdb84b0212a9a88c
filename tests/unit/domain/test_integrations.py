"""Integration keys: two persons, an overlap, and nobody ever sees one again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.integrations import IntegrationService
from domain.key_ring import CONSUMERS, Kept, KeyRing
from domain.people import Grant, Person
from domain.permissions import Role
from storage.integrations import KeyStore
from storage.vault import KeyVault


def person(name, role):
    return Person(id=name, name=name, grants=(Grant(role=role),))


YIN, QI = person("yin", Role.ADMIN), person("qi", Role.ADMIN)
DAY = timedelta(hours=24)
VAULT = KeyVault([b"v" * 32])


class Audit:
    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, by, obj, detail))


class Desk:
    """The service with its ring, as one process has them."""

    def __init__(self, db, clock, new_id, *, said=(), configured=tuple(CONSUMERS)):
        self.ring = KeyRing(dict(said), configured, clock=clock)
        self.audit = Audit()
        self.keys = IntegrationService(
            KeyStore(db), self.ring, vault=VAULT, audit=self.audit, clock=clock, new_id=new_id
        )

    async def ask(self, secret, *, overlap=DAY, by=YIN, consumer="wechat"):
        return await self.keys.ask(
            consumer, {"secret": secret}, overlap=overlap, reason="轮换", by=by
        )

    async def set(self, secret, *, overlap=DAY):
        return await self.keys.approve((await self.ask(secret, overlap=overlap)).id, by=QI)

    @property
    def secrets(self):
        return [parts["secret"] for parts in self.ring.accepted("wechat")]


@pytest.fixture
def desk(db, clock, new_id):
    return Desk(db, clock, new_id)


async def test_a_key_is_in_force_when_a_second_administrator_has_approved_it(desk):
    asked = await desk.ask("first-secret")
    assert (desk.secrets, desk.ring.source("wechat")) == ([], "none")
    with pytest.raises(Forbidden):
        await desk.keys.approve(asked.id, by=YIN)
    await desk.keys.approve(asked.id, by=QI)
    assert (desk.secrets, desk.ring.source("wechat")) == (["first-secret"], "kept")
    with pytest.raises(BadState):
        await desk.keys.approve(asked.id, by=QI)
    assert [entry[0] for entry in desk.audit.entries] == [
        "integration.ask",
        "integration.approve",
    ]


async def test_the_key_before_stays_accepted_for_its_overlap_and_no_longer(desk, clock):
    await desk.set("first-secret")
    clock.advance(days=30)
    await desk.set("second-secret", overlap=timedelta(hours=2))
    assert desk.secrets == ["second-secret", "first-secret"]
    clock.advance(hours=2)
    assert desk.secrets == ["second-secret"]
    await desk.set("third-secret", overlap=timedelta(0))
    assert desk.secrets == ["third-secret"]


async def test_a_key_that_is_ended_is_gone_at_once_and_an_old_one_does_not_come_back(desk, clock):
    await desk.set("first-secret")
    second = await desk.set("second-secret", overlap=timedelta(hours=1))
    await desk.keys.end(second.id, reason="泄露", by=YIN)
    assert desk.secrets == ["first-secret"]
    clock.advance(hours=1)
    assert (desk.secrets, desk.ring.source("wechat")) == ([], "none")


async def test_another_process_has_it_after_its_next_look(desk, db, clock, new_id):
    other = Desk(db, clock, new_id)
    await other.keys.refresh()
    await desk.set("first-secret")
    assert other.secrets == []
    await other.keys.refresh()
    assert other.secrets == ["first-secret"]


async def test_a_key_is_nowhere_in_clear_and_forgotten_when_it_is_refused_or_ended(desk, db):
    approved = await desk.set("a-secret-nobody-sees")
    refused = await desk.ask("another-secret-unseen")
    text = repr([await db["integration_key"].find({}), desk.audit.entries, approved, refused])
    assert "nobody-sees" not in text
    assert "unseen" not in text
    await desk.keys.refuse(refused.id, reason="不对", by=YIN)
    await desk.keys.end(approved.id, reason="不用了", by=YIN)
    assert [row["sealed"] for row in await db["integration_key"].find({})] == [b"", b""]
    shown = [it for it in await desk.keys.standing(by=YIN) if it.consumer == "wechat"]
    assert (shown[0].source, shown[0].keys, shown[0].fingerprint) == ("none", [], "")


async def test_equal_keys_have_equal_fingerprints_and_the_present_one_is_not_taken_again(desk):
    first = await desk.set("first-secret")
    with pytest.raises(Conflict) as same:
        await desk.ask("first-secret")
    assert same.value.detail == {"fingerprint": first.fingerprint}
    second = await desk.ask("second-secret")
    assert second.fingerprint != first.fingerprint
    with pytest.raises(Conflict):
        await desk.ask("third-secret")


async def test_what_an_operator_says_wins_and_is_not_offered(desk, db, clock, new_id):
    waiting = await desk.ask("first-secret")
    said = Desk(db, clock, new_id, said={"wechat": {"secret": "operators"}})
    with pytest.raises(Conflict) as refused:
        await said.ask("second-secret")
    assert refused.value.detail == {"setting": "HUB_WECHAT__APP_SECRET"}
    with pytest.raises(Conflict):
        await said.keys.approve(waiting.id, by=QI)
    await desk.keys.approve(waiting.id, by=QI)
    await said.keys.refresh()
    assert (said.secrets, said.ring.source("wechat")) == (["operators"], "setting")


async def test_what_nobody_would_use_is_not_taken(desk, db, clock, new_id):
    alone = Desk(db, clock, new_id, configured=("sms",))
    with pytest.raises(BadState):
        await alone.ask("first-secret")
    with pytest.raises(NotFound):
        await desk.ask("first-secret", consumer="news")


async def test_bad_keys_and_the_wrong_people_are_refused(desk):
    for parts in (
        {},
        {"secret": "short"},
        {"secret": "x" * 20, "more": "y"},
        {"secret": "有汉字的密钥"},
    ):
        with pytest.raises(Invalid):
            await desk.keys.ask("wechat", parts, overlap=DAY, reason="轮换", by=YIN)
    for overlap in (timedelta(days=8), timedelta(hours=-1)):
        with pytest.raises(Invalid):
            await desk.ask("first-secret", overlap=overlap)
    auditor, clerk = person("feng", Role.AUDITOR), person("fan", Role.MOTION_CLERK)
    assert len(await desk.keys.standing(by=auditor)) == len(CONSUMERS)
    for who in (auditor, clerk):
        with pytest.raises(Forbidden):
            await desk.ask("first-secret", by=who)


async def test_a_key_sealed_with_another_vault_is_left_out_and_stops_nothing(
    desk, db, clock, new_id, caplog
):
    await desk.set("first-secret")
    await db["integration_key"].update_one({}, {"$set": {"sealed": b"altered"}})
    other = Desk(db, clock, new_id)
    await other.keys.refresh()
    assert (other.secrets, other.ring.source("wechat")) == ([], "none")


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(0, 30), st.booleans()), min_size=1, max_size=6
    ),
    st.integers(0, 400),
)
def test_a_key_is_accepted_until_the_overlap_of_its_successor_is_over(steps, hour):
    """Against the rule said plainly, for every history of keys and every hour."""
    kept, at = [], BEGIN
    for n, (gap, overlap, ended) in enumerate(steps):
        at += timedelta(hours=gap)
        parts = None if ended else {"secret": str(n)}
        kept.append(Kept(f"{n:03}", "wechat", at, timedelta(hours=overlap), parts))
    now = at + timedelta(hours=hour)
    ring = KeyRing({}, ["wechat"], clock=lambda: now)
    ring.load(kept)
    expected = [
        {"secret": str(n)}
        for n, one in enumerate(kept)
        if one.parts is not None
        and (n == len(kept) - 1 or now < kept[n + 1].since + kept[n + 1].overlap)
    ]
    assert list(ring.accepted("wechat")) == expected[::-1]
