"""Logging in with a password, sessions, fresh proofs and account states, at the real hub."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from domain.errors import BadState, Conflict, Forbidden
from domain.identity.account import Account
from domain.identity.passwords import Hasher
from domain.people import AccountState, Grant, Person
from domain.permissions import Permission, Role
from domain.roster import Card, Kind
from handlers.operation import Operation, operation_of
from handlers.routing import Route
from server.application import ROUTES, VERBS
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.integration.addresses import address
from tests.integration.conftest import Caller, Reply, RunningHub

PASSWORD = "Chunjiang-2026"


async def enrol(hub: RunningHub, name: str, **more: Any) -> str:
    """Put somebody on the roster, with an account, and answer their id."""
    person_id = hub.hub.web.new_id()
    card: dict[str, Any] = {"kind": Kind.DEPUTY, **more.pop("card", {})}
    await PeopleStore(hub.db).put(Card(id=person_id, name=name, **card))
    at = hub.clock.now
    account = Account(
        id=person_id,
        created_at=at,
        created_by="system",
        updated_at=at,
        updated_by="system",
        **{"state": AccountState.ACTIVE, **more},
    )
    assert await AccountStore(hub.db).add(account)
    return person_id


async def staff(
    hub: RunningHub, name: str = "卓慕青", login_name: str = "zhuomq", **more: Any
) -> str:
    hasher = Hasher()
    try:
        password = await hasher.hash(PASSWORD)
    finally:
        hasher.close()
    more = {"card": {"kind": Kind.STAFF}, "password_at": hub.clock.now, **more}
    return await enrol(hub, name, login_name=login_name, password=password, **more)


def cookies(reply: Reply) -> dict[str, str]:
    """The cookies a reply sets, by name."""
    set_ = reply.headers.get_list("Set-Cookie")
    return {m[1]: m[2] for line in set_ if (m := re.match(r"([^=]+)=\"?([^;\"]*)", line))}


def with_token(hub: RunningHub, reply: Reply) -> Caller:
    return Caller(hub.url, hub.client, cookies(reply)["daibiao_session"])


async def audited(hub: RunningHub, action: str) -> list[dict[str, Any]]:
    """The audit's entries of one action, oldest first."""
    return await hub.db["audit"].find({"action": action}, sort=[("_id", 1)])


async def test_staff_log_in_with_a_password_see_who_they_are_and_log_out(hub):
    person_id = await staff(hub)
    reply = await hub.anybody.call(
        "POST", "/api/v1/session", {"username": "ZhuoMQ", "password": PASSWORD}
    )
    assert reply.status == 201
    assert reply.json["next"] == "done"
    caller = with_token(hub, reply)
    me = await caller.call("GET", "/api/v1/me")
    assert (me.status, me.json["id"], me.json["name"]) == (200, person_id, "卓慕青")
    assert (await caller.call("DELETE", "/api/v1/session")).status == 204
    assert (await caller.call("GET", "/api/v1/me")).status == 401


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(hub):
    await staff(hub)
    wrong = await hub.anybody.call(
        "POST", "/api/v1/session", {"username": "zhuomq", "password": "x"}
    )
    unknown = await hub.anybody.call(
        "POST", "/api/v1/session", {"username": "nobody", "password": "x"}
    )
    assert wrong.status == unknown.status == 401
    strip = {"request_id"}
    assert {k: v for k, v in wrong.json.items() if k not in strip} == {
        k: v for k, v in unknown.json.items() if k not in strip
    }


LOGIN = {"username": "zhuomq", "password": PASSWORD}


async def grant(hub: RunningHub, person_id: str, role: Role) -> None:
    await hub.services.administration.grants.install(person_id, role, by="system", reason="测试")


async def log_in(hub: RunningHub, **more: Any) -> Reply:
    return await hub.anybody.call("POST", "/api/v1/session", LOGIN | more)


def code_now(hub: RunningHub, secret: str) -> str:
    return pyotp.TOTP(secret).at(hub.clock.now)


async def open_window(caller: Caller) -> None:
    reply = await caller.call(
        "POST", "/api/v1/step-up", {"method": "password", "password": PASSWORD}
    )
    assert reply.status == 200, reply.body


# -- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize("login_name", ["zhuomq", "nobody"])
async def test_five_wrong_passwords_lock_a_name_whether_it_exists_or_not(hub, login_name):
    await staff(hub)
    for _ in range(5):
        reply = await log_in(hub, username=login_name, password="wrong")
        assert (reply.status, reply.code) == (401, "bad_credentials")
    locked = await log_in(hub, username=login_name)
    assert (locked.status, locked.code) == (429, "locked")
    assert locked.headers["Retry-After"] == "900"
    assert len(await audited(hub, "account.lock")) == 1


async def test_a_lock_ends_by_itself_and_throws_nobody_out(hub):
    person_id = await staff(hub)
    inside = with_token(hub, await log_in(hub))
    for _ in range(5):
        await log_in(hub, password="wrong")
    assert (await AccountStore(hub.db).get(person_id)).state is AccountState.LOCKED
    assert (await inside.call("GET", "/api/v1/me")).json["state"] == "active"
    hub.clock.advance(minutes=15)
    assert (await log_in(hub)).status == 201
    account = await AccountStore(hub.db).get(person_id)
    assert (account.state, account.locked_until) == (AccountState.ACTIVE, None)


async def test_the_audit_of_a_login_tells_how_many_failures_came_before(hub):
    await staff(hub)
    for password in ("wrong", "wrong", PASSWORD, PASSWORD):
        await log_in(hub, password=password)
    entries = await audited(hub, "session.open")
    assert [entry["detail"]["failures_before"] for entry in entries] == [2, 0]


async def test_many_tries_at_the_same_moment_do_not_slip_past_the_lock(hub):
    await staff(hub)
    replies = await asyncio.gather(*(log_in(hub, password="wrong") for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [401] * 5 + [429] * 15


async def test_those_on_watch_hear_of_a_burst_of_failures(hub):
    told: list[tuple[str, Any]] = []
    publish = hub.services.identity.sessions._bus.publish

    async def listening(channel: str, event: Any) -> None:
        told.append((channel, event))
        await publish(channel, event)

    hub.hub.ground.bus.publish = listening
    for number in range(20):
        await log_in(hub, username=f"name{number}", password="wrong")
    [(channel, event)] = [it for it in told if it[1].type == "auth.burst"]
    assert (channel, event.kind, event.count) == ("ops", "password", 20)


async def test_an_administrator_is_led_to_enrol_an_authenticator_and_nowhere_else(hub):
    person_id = await staff(hub)
    await grant(hub, person_id, Role.ADMIN)
    first = await log_in(hub)
    assert (first.status, first.json["next"]) == (201, "enrol_totp")
    assert "daibiao_session" not in cookies(first)
    ticket = {"ticket": first.json["ticket"]}

    enrolment = await hub.anybody.call("POST", "/api/v1/session/totp-enrolment", ticket)
    secret = enrolment.json["secret"]
    assert secret in enrolment.json["uri"]
    assert enrolment.json["svg"].startswith("<svg")
    confirm = "/api/v1/session/totp-enrolment/confirm"
    wrong = await hub.anybody.call("POST", confirm, ticket | {"code": "000000"})
    assert (wrong.status, wrong.code) == (401, "bad_credentials")
    done = await hub.anybody.call("POST", confirm, ticket | {"code": code_now(hub, secret)})
    assert (done.status, done.json["next"]) == (201, "done")
    assert (await with_token(hub, done).call("GET", "/api/v1/me")).status == 200
    again = await hub.anybody.call("POST", confirm, ticket | {"code": code_now(hub, secret)})
    assert (again.status, again.code) == (401, "ticket_dead")


async def test_a_code_of_the_authenticator_is_good_once(hub):
    secret = pyotp.random_base32()
    totp = hub.services.identity.admission._proofs.totp
    person_id = await staff(hub)
    await AccountStore(hub.db)._accounts.update_one(
        {"_id": person_id},
        {"$set": {"totp_on": True, "totp_enc": totp.seal(person_id, secret)}},
    )
    asked = await log_in(hub)
    assert asked.json["next"] == "totp"
    code = code_now(hub, secret)
    body = {"ticket": asked.json["ticket"], "code": code}
    assert (await hub.anybody.call("POST", "/api/v1/session/totp", body)).status == 201
    replayed = await log_in(hub, code=code)
    assert (replayed.status, replayed.code) == (401, "bad_credentials")
    hub.clock.advance(seconds=30)
    assert (await log_in(hub, code=code_now(hub, secret))).json["next"] == "done"
    hub.clock.advance(seconds=90)
    late = code_now(hub, secret)
    hub.clock.advance(seconds=90)
    assert (await log_in(hub, code=late)).code == "bad_credentials"


async def test_a_temporary_password_must_be_changed_before_anything_else(hub):
    await staff(hub, password_temporary=True)
    first = await log_in(hub)
    assert first.json["next"] == "change_password"
    body = {"ticket": first.json["ticket"], "new_password": PASSWORD}
    same = await hub.anybody.call("POST", "/api/v1/session/password", body)
    assert (same.status, same.json["field"]) == (422, "new_password")
    weak = await hub.anybody.call(
        "POST", "/api/v1/session/password", body | {"new_password": "weak"}
    )
    assert (weak.status, weak.json["field"]) == (422, "new_password")
    done = await hub.anybody.call(
        "POST", "/api/v1/session/password", body | {"new_password": "Xiahe-2026-x"}
    )
    assert (done.status, done.json["next"]) == (201, "done")
    assert (await log_in(hub)).status == 401
    assert (await log_in(hub, password="Xiahe-2026-x")).json["next"] == "done"


async def test_administrators_change_their_password_every_ninety_days_and_others_need_not(hub):
    secret = pyotp.random_base32()
    totp = hub.services.identity.admission._proofs.totp
    person_id = await staff(hub)
    hub.clock.advance(days=90)
    assert (await log_in(hub)).json["next"] == "done"
    await grant(hub, person_id, Role.ADMIN)
    await AccountStore(hub.db)._accounts.update_one(
        {"_id": person_id},
        {"$set": {"totp_on": True, "totp_enc": totp.seal(person_id, secret)}},
    )
    reply = await log_in(hub, code=code_now(hub, secret))
    assert reply.json["next"] == "change_password"


async def test_changing_the_password_ends_every_other_login(hub):
    await staff(hub)
    here, there = with_token(hub, await log_in(hub)), with_token(hub, await log_in(hub))
    body = {"old_password": "wrong", "new_password": "Xiahe-2026-x"}
    wrong = await here.call("PUT", "/api/v1/me/password", body)
    assert (wrong.status, wrong.code) == (401, "proof_wrong")
    body["old_password"] = PASSWORD
    assert (await here.call("PUT", "/api/v1/me/password", body)).status == 204
    assert (await here.call("GET", "/api/v1/me")).status == 200
    assert (await there.call("GET", "/api/v1/me")).status == 401


async def test_the_first_administrator_is_made_once_and_can_log_in(hub):
    first = hub.services.identity.first_admin
    made = await first.create("尹川辞", "Admin")
    assert made.password not in repr(made)
    with pytest.raises(Conflict) as refusal:
        await first.create("另一人", "admin2")
    assert refusal.value.code == "admin_exists"
    with pytest.raises(Conflict):
        await first.create("另一人", "admin", force=True)
    await first.create("另一人", "admin2", force=True)

    secret = pyotp.parse_uri(made.totp_uri).secret
    reply = await log_in(hub, username="admin", password=made.password, code=code_now(hub, secret))
    assert reply.json["next"] == "change_password"
    body = {"ticket": reply.json["ticket"], "new_password": "Xiahe-2026-x"}
    done = await hub.anybody.call("POST", "/api/v1/session/password", body)
    me = await with_token(hub, done).call("GET", "/api/v1/me")
    assert [it["role"] for it in me.json["grants"]] == ["admin"]


# -- sessions and devices ------------------------------------------------------------------------


async def test_a_login_ends_after_twelve_idle_hours_and_after_thirty_days_in_any_case(hub):
    person_id = await staff(hub)
    idle, busy = await hub.sign_in(person_id), await hub.sign_in(person_id)
    hub.clock.advance(hours=11, minutes=59)
    assert (await busy.call("GET", "/api/v1/me")).status == 200
    hub.clock.advance(minutes=1)
    assert (await idle.call("GET", "/api/v1/me")).status == 401
    for _ in range(30 * 24 // 11):
        assert (await busy.call("GET", "/api/v1/me")).status == 200
        hub.clock.advance(hours=11)
    hub.clock.advance(hours=5)
    assert (await busy.call("GET", "/api/v1/me")).status == 401


async def test_the_cookie_of_a_login_is_out_of_reach_for_scripts_and_other_sites(hub):
    await staff(hub)
    reply = await log_in(hub)
    [line] = [it for it in reply.headers.get_list("Set-Cookie") if it.startswith("daibiao_session")]
    assert "HttpOnly" in line
    assert "SameSite=Lax" in line
    assert len(cookies(reply)["daibiao_session"]) == 43


async def test_one_sees_ones_logins_and_devices_and_ends_them_one_by_one(hub):
    await staff(hub)
    here = with_token(hub, await log_in(hub))
    reply = await hub.anybody.call(
        "POST", "/api/v1/session", LOGIN, headers={"User-Agent": "iPhone MicroMessenger"}
    )
    there = with_token(hub, reply)
    devices = (await here.call("GET", "/api/v1/me/devices")).json["items"]
    assert {it["name"] for it in devices} == {"iPhone · 微信", "未知设备"}
    [other] = [it for it in devices if not it["current"]]
    [own] = [it for it in devices if it["current"]]
    assert (await here.call("DELETE", f"/api/v1/me/devices/{own['id']}")).status == 409
    assert (await here.call("DELETE", f"/api/v1/me/devices/{other['id']}")).status == 204
    assert (await there.call("GET", "/api/v1/me")).status == 401

    third = with_token(hub, await log_in(hub))
    sessions = (await here.call("GET", "/api/v1/me/sessions")).json["items"]
    [other] = [it for it in sessions if not it["current"]]
    assert (await here.call("DELETE", f"/api/v1/me/sessions/{other['id']}")).status == 204
    assert (await third.call("GET", "/api/v1/me")).status == 401
    assert (await here.call("DELETE", f"/api/v1/me/sessions/{other['id']}")).status == 404


async def test_nobody_ends_the_login_or_device_of_somebody_else(hub):
    await staff(hub)
    mine = with_token(hub, await log_in(hub))
    session = (await mine.call("GET", "/api/v1/me")).json
    stranger = await hub.sign_in(await enrol(hub, "闻予澄"))
    for path in ("sessions/" + session["session_id"], "devices/" + session["device_id"]):
        assert (await stranger.call("DELETE", f"/api/v1/me/{path}")).status == 404
    assert (await mine.call("GET", "/api/v1/me")).status == 200


async def test_a_device_is_new_once(hub):
    await staff(hub)
    jar = {"Cookie": f"daibiao_device={'k' * 43}"}
    for _ in range(3):
        await hub.anybody.call("POST", "/api/v1/session", LOGIN, headers=jar)
    assert await hub.db["device"].count({}) == 1


async def test_an_eleventh_login_replaces_the_one_used_least_recently(hub):
    person_id = await staff(hub)
    callers = []
    for _ in range(11):
        hub.clock.advance(seconds=1)
        callers.append(await hub.sign_in(person_id))
    states = [(await caller.call("GET", "/api/v1/me")).status for caller in callers]
    assert states == [401] + [200] * 10


async def test_f01_3_logging_out_everywhere_closes_every_socket_for_good(hub):
    """F01-3."""
    from tests.integration.test_realtime import connected

    person_id = await staff(hub)
    phone, pc = await hub.sign_in(person_id), await hub.sign_in(person_id)
    bystander = await hub.sign_in(await enrol(hub, "闻予澄"))
    async with (
        connected(phone) as (_, one),
        connected(pc) as (_, two),
        connected(bystander) as (_, other),
    ):
        async with asyncio.timeout(2):
            assert (await phone.call("DELETE", "/api/v1/me/sessions")).status == 204
            for ear in (one, two):
                gone = await ear.disconnected
                assert (gone.code, gone.reason) == (4504, "session revoked")
            for caller in (phone, pc):
                assert (await caller.call("GET", "/api/v1/me")).status == 401
        assert not other.disconnected.done()
    assert (await bystander.call("GET", "/api/v1/me")).status == 200


async def test_a_login_that_another_process_ended_is_not_believed_for_longer_than_a_second(hub):
    person_id = await staff(hub)
    caller = await hub.sign_in(person_id)
    assert (await caller.call("GET", "/api/v1/me")).status == 200
    await hub.db["login_session"].update_many(
        {}, {"$set": {"revoked_at": hub.clock.now, "revoked_for": "elsewhere"}}
    )
    hub.clock.advance(seconds=1)
    assert (await caller.call("GET", "/api/v1/me")).status == 401


async def test_what_is_over_is_swept_and_what_lives_is_not(hub):
    person_id = await staff(hub)
    await hub.sign_in(person_id)
    hub.clock.advance(days=29)
    alive = await hub.sign_in(person_id)
    hub.clock.advance(days=1)
    await hub.services.identity.sweep.run()
    assert await hub.db["login_session"].count({}) == 1
    hub.clock.advance(seconds=-3600 * 20)
    assert (await alive.call("GET", "/api/v1/me")).status == 200


# -- fresh proofs --------------------------------------------------------------------------------


async def test_a_fresh_proof_opens_a_window_of_five_minutes(hub):
    await staff(hub)
    caller = with_token(hub, await log_in(hub))
    closed = await caller.call("PUT", "/api/v1/me/pin", {"pin": "271828"})
    assert closed.code == "step_up_required"
    wrong = await caller.call(
        "POST", "/api/v1/step-up", {"method": "password", "password": "wrong"}
    )
    assert (wrong.status, wrong.code) == (401, "proof_wrong")
    await open_window(caller)
    assert (await caller.call("PUT", "/api/v1/me/pin", {"pin": "271828"})).status == 204
    hub.clock.advance(minutes=5)
    again = await caller.call("PUT", "/api/v1/me/pin", {"pin": "271829"})
    assert again.code == "step_up_required"
    pin = {"method": "pin", "code": "271828"}
    assert (await caller.call("POST", "/api/v1/step-up", pin)).status == 200
    assert (await caller.call("PUT", "/api/v1/me/pin", {"pin": "271829"})).status == 204


async def test_the_window_belongs_to_one_login(hub):
    await staff(hub)
    here, there = with_token(hub, await log_in(hub)), with_token(hub, await log_in(hub))
    await open_window(here)
    assert (await there.call("PUT", "/api/v1/me/pin", {"pin": "271828"})).code == "step_up_required"


async def test_five_wrong_pins_lock_the_pin(hub):
    await staff(hub)
    caller = with_token(hub, await log_in(hub))
    await open_window(caller)
    await caller.call("PUT", "/api/v1/me/pin", {"pin": "271828"})
    for _ in range(5):
        reply = await caller.call("POST", "/api/v1/step-up", {"method": "pin", "code": "271829"})
        assert (reply.status, reply.code) == (401, "proof_wrong")
    locked = await caller.call("POST", "/api/v1/step-up", {"method": "pin", "code": "271828"})
    assert (locked.status, locked.code) == (429, "locked")


@pytest.mark.parametrize("pin", ["000000", "123456", "654321", "121212", "890123"])
async def test_a_pin_that_is_guessed_first_is_refused(hub, pin):
    await staff(hub)
    caller = with_token(hub, await log_in(hub))
    await open_window(caller)
    reply = await caller.call("PUT", "/api/v1/me/pin", {"pin": pin})
    assert (reply.status, reply.json["field"]) == (422, "pin")


async def test_a_way_that_is_not_set_up_proves_nothing(hub):
    await staff(hub)
    caller = with_token(hub, await log_in(hub))
    assert (await caller.call("GET", "/api/v1/step-up")).json["methods"] == ["password"]
    for body in ({"method": "pin", "code": "271828"}, {"method": "totp", "code": "271828"}):
        assert (await caller.call("POST", "/api/v1/step-up", body)).code == "not_set_up"
    assert (await caller.call("POST", "/api/v1/step-up/sms")).code == "not_set_up"
    assert (await caller.call("POST", "/api/v1/step-up", {"method": "pin"})).status == 422
    assert (await caller.call("POST", "/api/v1/step-up", {"method": "face"})).status == 422


# -- account states ------------------------------------------------------------------------------


async def suspend(hub: RunningHub, person_id: str, **more: Any) -> Any:
    return await hub.services.identity.accounts.change_state(
        person_id,
        AccountState.SUSPENDED,
        reason="涉嫌犯罪被立案",
        document="沪人常发〔2026〕1号",
        by=ADMIN,
        **more,
    )


ADMIN = Person(id="0" * 26, name="尹川辞", grants=(Grant(role=Role.ADMIN),))


async def test_f01_4_a_suspended_deputy_reads_and_writes_nothing(hub):
    """F01-4."""
    person_id = await enrol(hub, "屠可昕")
    await grant(hub, person_id, Role.DEPUTY)
    caller = await hub.sign_in(person_id)
    assert "motion.author" in (await caller.call("GET", "/api/v1/me")).json["permissions"]
    async with asyncio.timeout(2):
        await suspend(hub, person_id)
        me = await caller.call("GET", "/api/v1/me")
        assert (me.status, me.json["state"]) == (200, "suspended")
        assert me.json["permissions"] == ["directory.read"]
        assert (await caller.call("GET", "/api/v1/me/todo")).status == 200
        write = await caller.call("POST", f"/api/v1/qr-logins/{'0' * 26}/scan")
        assert (write.status, write.code) == (403, "forbidden")
    fresh = await hub.sign_in(person_id)
    assert (await fresh.call("GET", "/api/v1/me")).status == 200


@pytest.mark.parametrize(
    "needed", [Permission.MOTION_AUTHOR, Permission.LEAVE_ASK, Permission.DUTY_CONFIRM]
)
async def test_f01_4_every_operation_of_a_deputy_is_closed_to_a_suspended_one(hub, needed):
    """F01-4: ``POST /suggestions`` → 403."""
    operations = [
        (verb.upper(), address(route))
        for route, verb, promise in declared()
        if promise.access is needed
    ]
    if not operations:
        pytest.skip("建议 come with their feature")
    person_id = await enrol(hub, "屠可昕")
    await grant(hub, person_id, Role.DEPUTY)
    await suspend(hub, person_id)
    caller = await hub.sign_in(person_id)
    for verb, path in operations:
        reply = await caller.call(verb, path, {} if verb != "GET" else None)
        assert (reply.status, reply.code) == (403, "forbidden"), path


async def test_suspension_closes_sockets_with_a_terminal_code_within_two_seconds(hub):
    from tests.integration.test_realtime import connected

    person_id = await enrol(hub, "屠可昕")
    caller = await hub.sign_in(person_id)
    async with connected(caller) as (_, ear), asyncio.timeout(2):
        await suspend(hub, person_id)
        gone = await ear.disconnected
        assert (gone.code, gone.reason) == (4501, "suspended")


async def test_a_change_of_state_keeps_reason_document_operator_and_time(hub):
    person_id = await enrol(hub, "屠可昕")
    account = await suspend(hub, person_id)
    [change] = account.history
    assert (change.reason, change.document, change.by) == (
        "涉嫌犯罪被立案",
        "沪人常发〔2026〕1号",
        ADMIN.id,
    )
    [entry] = await audited(hub, "account.suspended")
    assert entry["detail"]["from"] == "active"
    with pytest.raises(BadState) as refusal:
        await suspend(hub, person_id)
    assert refusal.value.detail["allowed"] == ["active", "ended"]


async def test_a_change_from_a_later_instant_happens_then_and_can_be_taken_back(hub):
    first, second = await enrol(hub, "屠可昕"), await enrol(hub, "骆叙白")
    later = hub.clock.now + timedelta(days=1)
    accounts = hub.services.identity.accounts
    for person_id in (first, second):
        planned = await suspend(hub, person_id, effective_at=later)
        assert planned.state is AccountState.ACTIVE
    await accounts.withdraw(second, planned.planned[0].id, by=ADMIN)
    assert await accounts.apply_due() == 0
    hub.clock.advance(days=1)
    assert await accounts.apply_due() == 1
    assert await accounts.apply_due() == 0
    assert (await accounts.get(first)).state is AccountState.SUSPENDED
    assert (await accounts.get(second)).state is AccountState.ACTIVE
    [change] = (await accounts.get(first)).history
    assert change.effective_at == later


async def test_a_planned_change_that_no_longer_fits_is_dropped_and_recorded(hub):
    person_id = await enrol(hub, "屠可昕")
    await suspend(hub, person_id, effective_at=hub.clock.now + timedelta(days=1))
    await suspend(hub, person_id)
    hub.clock.advance(days=1)
    accounts = hub.services.identity.accounts
    assert await accounts.apply_due() == 0
    assert (await accounts.get(person_id)).planned == ()
    [entry] = await audited(hub, "account.plan_refused")
    assert entry["detail"]["refused"] == "bad_state"


async def test_an_ended_account_reads_its_archive_for_ninety_days_and_then_nothing(hub):
    person_id = await staff(hub)
    caller = await hub.sign_in(person_id)
    await hub.services.identity.accounts.change_state(
        person_id, AccountState.ENDED, reason="任期届满", document="公告1号", by=ADMIN
    )
    assert (await caller.call("GET", "/api/v1/me")).status == 401
    again = with_token(hub, await log_in(hub))
    assert (await again.call("GET", "/api/v1/me")).json["state"] == "ended"
    hub.clock.advance(days=90)
    reply = await log_in(hub)
    assert (reply.status, reply.code) == (401, "account_ended")
    assert (await log_in(hub, password="wrong")).code == "bad_credentials"


async def test_an_account_is_erased_only_after_its_archive_has_closed_and_holds_nothing_then(hub):
    person_id = await staff(hub)
    accounts = hub.services.identity.accounts

    async def to(state: AccountState) -> Account:
        return await accounts.change_state(
            person_id, state, reason="任期届满", document="公告1号", by=ADMIN
        )

    with pytest.raises(BadState):
        await to(AccountState.ERASED)
    await to(AccountState.ENDED)
    with pytest.raises(BadState):
        await to(AccountState.ERASED)
    hub.clock.advance(days=90)
    erased = await to(AccountState.ERASED)
    assert (erased.login_name, erased.password) == (None, None)
    assert (await log_in(hub)).code == "bad_credentials"


async def test_only_administrators_change_states_and_never_their_own_or_the_last_ones(hub):
    person_id = await staff(hub)
    accounts = hub.services.identity.accounts
    how = {"reason": "x", "document": "y"}
    auditor = Person(id="1" * 26, name="冯砚秋", grants=(Grant(role=Role.AUDITOR),))
    with pytest.raises(Forbidden):
        await accounts.change_state(person_id, AccountState.SUSPENDED, by=auditor, **how)
    with pytest.raises(Forbidden):
        await accounts.change_state(ADMIN.id, AccountState.SUSPENDED, by=ADMIN, **how)
    await grant(hub, person_id, Role.ADMIN)
    with pytest.raises(Conflict) as refusal:
        await accounts.change_state(person_id, AccountState.ENDED, by=ADMIN, **how)
    assert refusal.value.code == "last_admin"


async def test_two_administrators_at_the_same_moment_change_a_state_once(hub):
    person_id = await enrol(hub, "屠可昕")
    results = await asyncio.gather(
        *(suspend(hub, person_id) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(it, Account) for it in results) == 1
    assert all(isinstance(it, Account | Conflict) for it in results)
    assert len((await hub.services.identity.accounts.get(person_id)).history) == 1


# -- what administrators give --------------------------------------------------------------------


async def test_an_administrator_gives_a_password_that_must_be_changed(hub):
    person_id = await enrol(hub, "卓慕青", state=AccountState.IMPORTED)
    admin = await hub.sign_in(
        ADMIN.model_copy(update={"step_up_until": hub.clock.now + timedelta(minutes=5)})
    )
    reply = await admin.call(
        "POST", f"/api/v1/admin/accounts/{person_id}/password", {"login_name": "ZhuoMQ"}
    )
    assert (reply.status, reply.json["login_name"]) == (201, "zhuomq")
    first = await log_in(hub, password=reply.json["password"])
    assert first.json["next"] == "change_password"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_no_administrator_can_take_over_the_account_of_one_who_watches(hub, role):
    person_id = await staff(hub)
    await grant(hub, person_id, role)
    admin = await hub.sign_in(
        ADMIN.model_copy(update={"step_up_until": hub.clock.now + timedelta(minutes=5)})
    )
    account = f"/api/v1/admin/accounts/{person_id}"
    password = await admin.call("POST", f"{account}/password", {})
    totp = await admin.call("POST", f"{account}/totp/reset", {"reason": "手机遗失"})
    for reply in (password, totp):
        assert (reply.status, reply.json["detail"]) == (403, {"reason": "two_person"})
    assert (await log_in(hub, password=PASSWORD)).status == 201


async def test_a_liaison_invites_the_deputies_of_one_delegation_only(hub):
    card = {"kind": Kind.DEPUTY, "delegation_id": "pudong"}
    own = await enrol(hub, "闻予澄", card=card, state=AccountState.IMPORTED)
    other = await enrol(hub, "颜知遥", card=card | {"delegation_id": "xuhui"})
    grants = (Grant(role=Role.LIAISON, scopes=frozenset({"deleg:pudong"})),)
    liaison = await hub.sign_in(Person(id="2" * 26, name="柏令仪", grants=grants))
    invited = await liaison.call("POST", f"/api/v1/admin/accounts/{own}/invitation")
    assert (invited.status, invited.json["state"]) == (201, "invited")
    assert (await liaison.call("POST", f"/api/v1/admin/accounts/{other}/invitation")).status == 404


# -- no face needed ------------------------------------------------------------------------------


def declared() -> Iterator[tuple[Route, str, Operation]]:
    for route in ROUTES:
        for verb in VERBS:
            promise = operation_of(getattr(route.handler, verb, None))
            if promise is not None:
                yield route, verb, promise


@pytest.mark.parametrize("role", [Role.DEPUTY, Role.ADMIN])
async def test_f01_6_no_route_is_open_to_faces_only(hub, role):
    """F01-6: but for what is about faces themselves, nothing asks for one."""
    person = Person(id="3" * 26, name="岑以宁", grants=(Grant(role=role),))
    before = await hub.sign_in(person)
    gated = 0
    for route, verb, promise in declared():
        body = None if verb in {"get", "head", "delete"} else {}
        # The proof is one by PIN: this person has never consented to face recognition.
        proven = await hub.sign_in(
            person.model_copy(update={"step_up_until": hub.clock.now + timedelta(minutes=5)})
        )
        reply = await proven.call(verb.upper(), address(route), body)
        assert b"step_up_required" not in reply.body, route.template
        if "/face" not in route.template:
            assert reply.status < 400 or b"face" not in reply.body, route.template
        if promise.step_up:
            asked = await before.call(verb.upper(), address(route), body)
            if asked.code != "forbidden":
                gated += 1
                assert asked.code == "step_up_required", (verb, route.template, asked.body)
                assert {"sms", "pin"} <= set(asked.json["detail"]["methods"])
    assert gated


async def test_a_login_above_the_limit_ends_the_one_used_least_and_never_itself(hub):
    """All at the same instant: the clock of a test stands still."""
    person_id = await staff(hub)
    limit = hub.services.identity.policy.per_account
    callers = [await hub.sign_in(person_id) for _ in range(limit + 2)]
    assert (await callers[-1].call("GET", "/api/v1/me")).status == 200
    alive = [(await caller.call("GET", "/api/v1/me")).status for caller in callers]
    assert alive.count(200) == limit
