"""Consents (个人信息保护法 13–16, 29): what a person's data may be used for, and for how long.

Each purpose has a text with a version; a consent names the version that was read. What the law
demands needs no consent and cannot be withdrawn: the person is told so, with the article. All else
can be refused and withdrawn at any time, and nothing but that purpose stops working. Whoever keeps
data for a purpose registers ``on_withdraw``; the hooks run at once, and again until they succeed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.errors import BadState, Conflict, NotFound, RuleViolation
from domain.people import Person
from domain.ports import AuditLog
from domain.todo import TodoItem

_log = logging.getLogger(__name__)

Hook = Callable[[str], Awaitable[None]]
"""Deletes what is kept of a person for a purpose; doing it twice changes nothing."""


class Purpose(BaseModel):
    """What data is used for.

    Attributes:
        text: What the person reads before deciding.
        version: Day the text was last changed; a consent to an older text must be asked for again.
        law: The article that demands the processing; empty where it rests on consent.
        sensitive: Whether it needs a separate consent (个人信息保护法 29).
    """

    model_config = ConfigDict(frozen=True)

    key: str
    title: str
    text: str
    version: str
    law: str = ""
    sensitive: bool = False


PURPOSES: tuple[Purpose, ...] = (
    Purpose(
        key="duty",
        title="代表履职服务",
        text="为组织会议、办理议案建议、登记履职情况，处理您的姓名、代表证号、所属代表团和联系方式。",
        version="2026-01-01",
        law="个人信息保护法第十三条第一款第三项（履行法定职责所必需）",
    ),
    Purpose(
        key="log",
        title="安全日志",
        text="为保障网络安全，记录登录时间、设备和重要操作，保存不少于六个月。",
        version="2026-01-01",
        law="网络安全法第二十一条",
    ),
    Purpose(
        key="face",
        title="人脸识别",
        text="用于会议签到和登录时核对本人，属于敏感个人信息。照片经网络传送至本平台服务器，提取特征后"
        "立即丢弃，不保存照片；仅保存加密的特征模板，最长二十四个月或至任期届满。识别可能出错，"
        "并且对不同人群的错误率不尽相同。您可以始终使用签到码、代表证或人工核对，"
        "不同意不影响任何其他功能；撤回后模板即行删除。",
        version="2026-12-01",
        sensitive=True,
    ),
    Purpose(
        key="face_vendor",
        title="委托科大讯飞比对人脸",
        text="在您已同意人脸识别的前提下，把您登记时的一张人脸图像加密保存，并在验证时连同当时的"
        "人脸图像提供给科大讯飞股份有限公司作比对，用于降低误认；该公司不得用于其他目的。"
        "不同意时由本平台自行比对；撤回后所存图像即行删除。",
        version="2026-12-01",
        sensitive=True,
    ),
    Purpose(
        key="voice",
        title="语音识别",
        text="把您说的话转换为文字。录音最长保存二十四小时，也可以设置为立即删除；"
        "不同意时可以使用键盘输入。",
        version="2026-01-01",
        sensitive=True,
    ),
    Purpose(
        key="wechat",
        title="微信订阅通知",
        text="通过微信提醒您尚未阅读的通知，为此使用您的微信标识。",
        version="2026-01-01",
    ),
    Purpose(
        key="story",
        title="代表风采公开展示",
        text="在代表风采栏目中展示您的照片、姓名和履职事迹。",
        version="2026-01-01",
    ),
    Purpose(
        key="statistics",
        title="使用情况统计",
        text="统计各项功能的使用次数，用于改进服务；统计结果不含个人身份。",
        version="2026-01-01",
    ),
)


class Decision(StrEnum):
    """What a person has said about a purpose."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Turn(BaseModel):
    """One decision in the history of a consent."""

    model_config = ConfigDict(frozen=True)

    decision: Decision
    version: str
    at: datetime


class Consent(BaseModel):
    """What a person has said about a purpose, last and before.

    Attributes:
        version: Version of the text that was read.
        cleanup: ``pending`` from the withdrawal until every hook has succeeded.
        v: Version as read; 0 for one that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    person_id: str
    purpose: str
    decision: Decision
    version: str
    given_at: datetime | None = None
    withdrawn_at: datetime | None = None
    cleanup: str | None = None
    history: tuple[Turn, ...] = ()
    v: int = 0


class ConsentStore(Protocol):
    """Keeps consents, one per person and purpose."""

    async def get(self, person_id: str, purpose: str) -> Consent | None:
        """Answer what somebody said about a purpose, or ``None``."""

    async def of(self, person_id: str) -> list[Consent]:
        """Answer everything somebody said."""

    async def put(self, consent: Consent) -> Consent:
        """Store a consent and answer it with the next version.

        Raises:
            Conflict: ``consent.v`` is stale.
        """

    async def unclean(self) -> list[Consent]:
        """Answer the withdrawn ones whose data may still be there."""


class ConsentService:
    """Asks, keeps and takes back consents. A ``TodoSource`` for what is undecided."""

    def __init__(
        self,
        store: ConsentStore,
        audit: AuditLog,
        *,
        clock: Clock,
        purposes: Sequence[Purpose] = PURPOSES,
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._purposes: Mapping[str, Purpose] = {purpose.key: purpose for purpose in purposes}
        self._hooks: defaultdict[str, list[Hook]] = defaultdict(list)

    def on_withdraw(self, purpose: str, hook: Hook) -> None:
        """Run ``hook`` with the person's id when a consent to ``purpose`` is withdrawn."""
        self._hooks[self._purpose(purpose).key].append(hook)

    async def holds(self, person_id: str, purpose: str) -> bool:
        """Tell whether somebody's data may be used for a purpose now."""
        if self._purpose(purpose).law:
            return True
        consent = await self._store.get(person_id, purpose)
        return consent is not None and consent.decision is Decision.GIVEN

    async def overview(self, *, by: Person) -> list[tuple[Purpose, Consent | None]]:
        """Answer every purpose with what the person has said about it."""
        said = {consent.purpose: consent for consent in await self._store.of(by.id)}
        return [(purpose, said.get(key)) for key, purpose in self._purposes.items()]

    async def decide(self, key: str, *, given: bool, version: str, by: Person) -> Consent:
        """Give or refuse a consent after reading its text.

        Raises:
            NotFound: There is no such purpose.
            Conflict: Another version of the text is in force; it must be read first.
            RuleViolation: The law demands the processing, so there is nothing to refuse.
            BadState: A consent that was given is withdrawn, not refused.
        """
        purpose = self._purpose(key)
        if version != purpose.version:
            raise Conflict("告知文本已更新，请重新阅读", detail={"version": purpose.version})
        current = await self._store.get(by.id, key)
        if not given:
            self._need_choice(purpose)
            if current is not None and current.decision is Decision.GIVEN:
                raise BadState("已同意的事项请使用撤回", allowed=["withdraw"])
        decision = Decision.GIVEN if given else Decision.REFUSED
        if current is not None and (current.decision, current.version) == (decision, version):
            return current
        return await self._turn(by.id, purpose, current, decision)

    async def withdraw(self, key: str, *, by: Person) -> Consent:
        """Take a consent back and have everything kept for it deleted.

        Raises:
            NotFound: There is no such purpose, or it was never consented to.
            RuleViolation: The law demands the processing; the sentence says which article.
        """
        purpose = self._purpose(key)
        self._need_choice(purpose)
        current = await self._store.get(by.id, key)
        if current is None or current.decision is Decision.REFUSED:
            raise NotFound
        if current.decision is Decision.WITHDRAWN:
            return current
        withdrawn = await self._turn(by.id, purpose, current, Decision.WITHDRAWN)
        return await self._clean(withdrawn)

    async def withdraw_all(self, person_id: str) -> int:
        """Take back every consent of a person who is erased; answer how many there were."""
        count = 0
        for consent in await self._store.of(person_id):
            purpose = self._purposes.get(consent.purpose)
            if purpose is None or consent.decision is not Decision.GIVEN:
                continue
            await self._clean(
                await self._turn(person_id, purpose, consent, Decision.WITHDRAWN, by="system")
            )
            count += 1
        return count

    async def finish_withdrawals(self) -> int:
        """Run again the hooks that failed; answer how many withdrawals are still unclean."""
        left = 0
        for consent in await self._store.unclean():
            cleaned = await self._clean(consent)
            left += cleaned.cleanup is not None
        return left

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer the consents to a text that has changed since it was read."""
        return [
            TodoItem(
                kind="consent.decide",
                obj=f"purpose:{purpose.key}",
                title=f"“{purpose.title}”告知文本已更新，请重新确认",
                since=consent.given_at or self._clock(),
            )
            for purpose, consent in await self.overview(by=person)
            if consent is not None
            and consent.decision is Decision.GIVEN
            and consent.version != purpose.version
        ]

    async def _turn(
        self,
        person_id: str,
        purpose: Purpose,
        current: Consent | None,
        decision: Decision,
        *,
        by: str | None = None,
    ) -> Consent:
        now = self._clock()
        version = purpose.version
        if decision is Decision.WITHDRAWN and current is not None:
            version = current.version
        base = current or Consent(
            person_id=person_id, purpose=purpose.key, decision=decision, version=version
        )
        taken_back = decision is Decision.WITHDRAWN
        stored = await self._store.put(
            base.model_copy(
                update={
                    "decision": decision,
                    "version": version,
                    "given_at": now if decision is Decision.GIVEN else base.given_at,
                    "withdrawn_at": now if taken_back else None,
                    "cleanup": "pending" if taken_back else None,
                    "history": (*base.history, Turn(decision=decision, version=version, at=now)),
                }
            )
        )
        await self._audit.record(
            f"consent.{decision.value}",
            by=by or person_id,
            obj=f"person:{person_id}",
            detail={"purpose": purpose.key, "version": version},
        )
        return stored

    async def _clean(self, consent: Consent) -> Consent:
        for hook in self._hooks[consent.purpose]:
            try:
                await hook(consent.person_id)
            except Exception:  # noqa: BLE001 - kept as pending and tried again by the job
                _log.exception("data for a withdrawn consent is still there: %s", consent.purpose)
                return consent
        return await self._store.put(consent.model_copy(update={"cleanup": None}))

    def _purpose(self, key: str) -> Purpose:
        if key not in self._purposes:
            raise NotFound
        return self._purposes[key]

    def _need_choice(self, purpose: Purpose) -> None:
        if purpose.law:
            raise RuleViolation(
                f"“{purpose.title}”依据{purpose.law}，不以同意为前提，不能撤回；"
                "您可以查阅、更正相关信息，或对处理方式提出意见",
                rule=f"consent.{purpose.key}",
                source=purpose.law,
            )
