"""A hub that recognises painted faces, and people who have agreed to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

import server.assembly
from domain.consents import PURPOSES
from domain.identity.account import Account
from domain.people import AccountState
from domain.permissions import Role
from domain.rules import RuleParam, Unit, begin_of
from storage.identity import AccountStore
from storage.rules import RuleStore
from tests.integration.people import WEN, person, settle, ulid, yin
from tests.painted import PaintedEngine, burst, pictures

FACE = "/api/v1/me/face"
VERSION = next(it.version for it in PURPOSES if it.key == "face")

ASSESSMENT = {
    "title": "人脸识别个人信息保护影响评估",
    "purpose": "会议签到时核对本人，代表自愿选择；另有扫码、证件和人工三种同等方式。",
    "impact": "识别可能出错，且对不同人群错误率不同；特征一旦泄露不可更改。",
    "measures": "单独同意；不存照片；模板加密、密钥另存；可随时撤回即删；一比一核对。",
    "conclusion": "在上述限度内可以使用。",
}


def paint(monkeypatch, *, comparer=None, engine=None) -> PaintedEngine:
    """Let hubs that are assembled from now on see painted faces."""
    engine = engine or PaintedEngine()
    real = server.assembly.reach

    def reach(ground, stack):
        return replace(real(ground, stack), face=engine, comparer=comparer)

    monkeypatch.setattr(server.assembly, "reach", reach)
    return engine


async def switch_on(hub, first, second) -> None:
    """Assess, approve, and switch on, as two administrators do."""
    until = (hub.clock() + timedelta(days=365)).isoformat()
    made = await first.call(
        "POST", "/api/v1/admin/face/assessments", {**ASSESSMENT, "until": until}
    )
    assert made.status == 201, made.body
    address = f"/api/v1/admin/face/assessments/{made.json['id']}/approval"
    approved = await second.call("POST", address)
    assert approved.status == 200, approved.body
    done = await first.call(
        "PUT", "/api/v1/admin/flags/face", {"on": True, "reason": "试点", "v": 0}
    )
    assert done.status == 200, done.body


async def agree(caller, purpose: str = "face") -> None:
    """Give the consent."""
    done = await caller.call(
        "PUT", f"/api/v1/me/consents/{purpose}", {"given": True, "version": VERSION}
    )
    assert done.status == 200, done.body


async def enrol(caller, who: str, *, off: float = 0.1):
    """Agree, and enrol a painted face."""
    await agree(caller)
    reply = await caller.call("PUT", FACE, {"pictures": pictures(who, off=off)})
    assert reply.status == 200, reply.body
    return reply.json


async def identify(hub, *, on=True):
    """Let faces propose names, by a row of the rule book."""
    day = hub.clock().date()
    await RuleStore(hub.db).add(
        RuleParam(
            key="face.identify",
            value=on,
            unit=Unit.FLAG,
            valid_from=day,
            since=begin_of(day),
            source="试点",
        )
    )
    hub.clock.advance(seconds=2)


YAN = ulid(30)
yan = person(YAN, "严执一", Role.ADMIN)


@pytest.fixture
async def engine(monkeypatch):
    return paint(monkeypatch)


@pytest.fixture
async def house(engine, hub):
    """The hub with people in it, and faces assessed and switched on."""
    await settle(hub.db, hub.hub.ground.vault)
    await switch_on(hub, await hub.sign_in(yin), await hub.sign_in(yan))
    hub.clock.advance(seconds=2)
    return hub


@pytest.fixture
async def phone(house):
    """闻予澄 on a real session of her own, freshly proven, enrolled."""
    caller = await real(house, WEN)
    await enrol(caller, "wen")
    return caller


async def real(hub, person_id, **fields):
    """Somebody with an account and a real session, freshly proven."""
    at = hub.clock()
    account = Account(
        id=person_id, state=AccountState.ACTIVE, login_name=f"u{person_id[-2:]}",
        created_at=at, created_by="t", updated_at=at, updated_by="t", **fields,
    )  # fmt: skip
    await AccountStore(hub.db).add(account)
    caller = await hub.sign_in(person_id)
    await hub.db["login_session"].update_many(
        {"person_id": person_id}, {"$set": {"step_up_until": at + timedelta(minutes=5)}}
    )
    return caller


async def challenge(caller):
    reply = await caller.call("POST", "/api/v1/face/challenges", {"purpose": "step_up"})
    assert reply.status == 201, reply.body
    return reply.json


async def claim(hub, **who):
    reply = await hub.anybody.call("POST", "/api/v1/session/face", who)
    assert reply.status == 201, reply.body
    return reply.json


async def verify(hub, drawn, who, *, at="now", frames=None, off=0.1):
    frames = burst(who, drawn["steps"], at=at, off=off) if frames is None else frames
    body = {"challenge": drawn["id"], "frames": frames}
    return await hub.anybody.call("POST", "/api/v1/face/verify", body)
