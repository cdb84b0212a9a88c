"""The parts of a login that need no database."""

from __future__ import annotations

import asyncio
import string
import threading
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.client import WeChatClient

from domain.errors import Invalid, Malformed, RateLimited, UpstreamDown
from domain.identity.account import TRANSITIONS, Account
from domain.identity.accounts import BY_HAND
from domain.identity.courier import Courier
from domain.identity.devices import device_name
from domain.identity.jssdk import signature
from domain.identity.passwords import Hasher, generate, require_strong
from domain.identity.tokens import fingerprint, new_token
from domain.identity.wechat_login import require_own_path
from domain.people import AccountState, Grant, Person
from domain.permissions import Permission, Role

S = AccountState
LIGHT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def hasher():
    made = Hasher(hasher=LIGHT)
    yield made
    made.close()


# -- account states ------------------------------------------------------------------------------


def test_every_state_has_a_row_and_only_the_erased_have_no_way_on():
    assert set(TRANSITIONS) == set(AccountState)
    assert [state for state, after in TRANSITIONS.items() if not after] == [S.ERASED]


def test_nobody_is_erased_who_was_not_ended_before():
    assert [state for state, after in TRANSITIONS.items() if S.ERASED in after] == [S.ENDED]


def test_administrators_cannot_order_what_only_the_owner_can_do():
    assert BY_HAND.isdisjoint({S.IMPORTED, S.INVITED, S.BOUND, S.LOCKED})


@given(st.sampled_from(AccountState), st.booleans())
def test_a_lock_counts_only_as_long_as_it_lasts(state, over):
    now = datetime(2026, 2, 1, tzinfo=UTC)
    account = Account(
        id="p",
        state=state,
        locked_until=now if over else now + timedelta(seconds=1),
        created_at=now,
        created_by="system",
        updated_at=now,
        updated_by="system",
    )
    expected = S.ACTIVE if state is S.LOCKED and over else state
    assert account.state_at(now) is expected


@pytest.mark.parametrize("state", AccountState)
def test_f01_4_only_active_accounts_may_author_motions(state):
    """F01-4."""
    person = Person(id="p", name="屠可昕", state=state, grants=(Grant(role=Role.DEPUTY),))
    assert person.may(Permission.MOTION_AUTHOR) is (state is S.ACTIVE)
    assert person.may(Permission.DIRECTORY_READ) is (state in {S.ACTIVE, S.SUSPENDED})


# -- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weak", ["", "Short-1", "alllowercase", "lower12345", "ZhuoMQ-2026-x", "１２３４５６７８９０"]
)
def test_a_weak_password_is_refused(weak):
    with pytest.raises(Invalid):
        require_strong(weak, login_name="zhuomq")


@pytest.mark.parametrize("strong", ["Chunjiang-2026", "correct horse 1", "春江花月夜Ab12345"])
def test_a_password_of_three_kinds_is_accepted(strong):
    require_strong(strong, login_name="zhuomq")


def test_generated_passwords_are_strong_and_never_the_same():
    made = {generate() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        require_strong(password, login_name="admin")
        assert not set(password) & set("0O1lI")
        assert set(password) <= set(string.ascii_letters + string.digits + "-")


async def test_a_secret_is_known_again_in_another_unicode_form_and_no_other_is(hasher):
    kept = await hasher.hash("Ångström-2026")
    assert await hasher.verify(kept, "A\u030angstro\u0308m-2026")
    assert not await hasher.verify(kept, "Angstrom-2026")
    assert not await hasher.verify(None, "Ångström-2026")
    assert not await hasher.verify("not a hash", "Ångström-2026")


async def test_a_flood_of_logins_is_refused_instead_of_piling_up():
    release = threading.Event()

    class Slow(PasswordHasher):
        def verify(self, *_):
            release.wait(5)
            return True

    hasher = Hasher(workers=1, waiting=1, hasher=Slow(time_cost=1, memory_cost=8, parallelism=1))
    kept = LIGHT.hash("x")
    try:
        first, second = (asyncio.create_task(hasher.verify(kept, "x")) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await hasher.verify(kept, "x")
        release.set()
        assert await first
        assert await second
        assert await hasher.verify(kept, "x")
    finally:
        release.set()
        hasher.close()


def test_what_is_stored_in_the_place_of_a_secret_does_not_show_it():
    token = new_token()
    assert len(token) == 43
    assert fingerprint(token) != fingerprint(new_token())
    assert token not in fingerprint(token)


# -- pages ---------------------------------------------------------------------------------------


def test_the_js_sdk_signature_is_wechats_published_example():
    signed = signature(
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg",
        nonce="Wm3WZYTPz0wzccnW",
        timestamp=1414587457,
        url="http://mp.weixin.qq.com?params=value",
    )
    assert signed == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"])), st.integers(0, 2**31))
def test_the_js_sdk_signature_is_the_one_wechatpy_makes(url, timestamp):
    theirs = WeChatClient("wx1", "secret").jsapi
    expected = theirs.get_jsapi_signature("nonce", "ticket", timestamp, url)
    assert signature("ticket", nonce="nonce", timestamp=timestamp, url=url) == expected


@pytest.mark.parametrize("path", ["/", "/h5/", "/h5/?a=1&b=2#/meetings/1", "/登录"])
def test_a_path_of_ours_may_be_returned_to(path):
    require_own_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "h5", "//evil", "/\\evil", "\\\\evil", "https://evil/", "/\t/evil", "/a b", "/\n", " /"],
)
def test_what_a_browser_could_read_as_another_site_is_refused(path):
    with pytest.raises(Malformed):
        require_own_path(path)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) … MicroMessenger/8.0.49", "iPhone · 微信"),
        ("Mozilla/5.0 (Linux; Android 14; …) … MicroMessenger/8.0.49", "安卓设备 · 微信"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/126 Edg/126", "Windows 电脑 · Edge"),
        ("curl/8.5", "未知设备"),
        ("", "未知设备"),
    ],
)
def test_a_device_has_the_name_a_person_would_give_it(agent, name):
    assert device_name(agent) == name


# -- messages ------------------------------------------------------------------------------------


class Phones:
    """Receives messages; the first call fails."""

    def __init__(self):
        self.sent = []
        self.fails = 1

    async def send(self, phone, template, params):
        if self.fails:
            self.fails -= 1
            raise UpstreamDown("短信服务不可用", upstream="sms")
        self.sent.append((phone, template, dict(params)))
        return "1"


async def test_a_message_that_fails_does_not_stop_those_behind_it(caplog):
    phones = Phones()
    courier = Courier(phones, hands=1)
    running = asyncio.create_task(courier.run())
    try:
        courier.send("19900000001", "login_code", {"code": "271828"})
        courier.send("19900000002", "login_code", {"code": "314159"})
        await courier.delivered()
    finally:
        running.cancel()
    assert phones.sent == [("19900000002", "login_code", {"code": "314159"})]
    assert "UpstreamDown" in caplog.text
    assert "271828" not in caplog.text
    assert "19900000001" not in caplog.text


async def test_the_queue_of_messages_is_bounded():
    courier = Courier(Phones())
    for _ in range(1000):
        courier.send("19900000001", "login_code", {})
    with pytest.raises(RateLimited):
        courier.send("19900000001", "login_code", {})
