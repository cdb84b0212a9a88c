"""A hub that recognises painted faces, and people who have agreed to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import server.assembly
from domain.consents import PURPOSES
from tests.painted import PaintedEngine, pictures

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
