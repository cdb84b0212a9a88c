"""Climbing: claims receipts whose next rung is due, and carries them up by one.

Exactly one rung for each due receipt, also where processes race or die:

- a *claim* is one conditional write, so one of two processes gets it; it runs out after a minute;
- before a message leaves, ``begin`` notes the rung in one conditional write that fails if the
  notice was read, recalled or taken over meanwhile: a reading anywhere calls the rung off;
- a process that dies between claim and ``begin`` has sent nothing: the next claimant does;
- a process that dies after ``begin`` may have sent: no way of sending can tell, so WeChat and text
  messages are **at most once**: the rung counts as left out (``unknown``), and the one above
  follows at its time. The call list is a record and not a message, and so is **at least once**.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from domain.clock import Clock, NewId
from domain.ladder.ports import (
    Addresses,
    Carrier,
    Claim,
    Handover,
    LadderStore,
    Letters,
    Message,
    Outcome,
    Settled,
    Wishes,
)
from domain.ladder.steps import Act, Pace, Step, next_due, retry_at, step
from domain.notices.notice import Priority
from domain.notices.receipt import Rung
from domain.preferences import Preferences
from domain.rules import RuleTable

CLAIM = timedelta(minutes=1)
"""How long a claim holds; longer than any provider may take to answer."""

_TURN = timedelta(seconds=5)
"""When to look again while another process makes the same person's digest."""

_REMEMBERED = 64
"""Messages kept ready: a thousand people get the same one."""

HANDS = 8
"""Messages on their way at once, in one process."""

REASONS: Mapping[str, str] = {
    "blocked": "用户拒收公众号消息",
    "busy": "微信或短信服务持续繁忙",
    "declined": "本人关闭了微信提醒",
    "field": "消息内容不符合模板要求",
    "gone": "账号已停用",
    "no_consent": "没有可用的微信订阅授权",
    "no_member": "不是企业微信成员",
    "no_phone": "没有手机号码",
    "no_wechat": "尚未绑定微信",
    "not_configured": "未配置发送渠道",
    "not_following": "未关注公众号",
    "quota": "当日发送额度已用完",
    "refused": "对方拒绝发送",
    "unknown": "发送结果不明",
}
"""Why somebody was not reached, in words."""


_ANY = Preferences(person_id="")


class Rules(Protocol):
    """The rules in force."""

    async def table(self) -> RuleTable:
        """Answer every row."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What there is to know before a message leaves, and who carries it on which rung."""

    letters: Letters
    addresses: Addresses
    wishes: Wishes
    carriers: Mapping[Rung, Carrier]


class Climb:
    """Carries receipts up. ``sweep`` runs in every process."""

    def __init__(
        self,
        store: LadderStore,
        ways: Ways,
        *,
        rules: Rules,
        touch: Callable[[str], None],
        origin: str,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._ways = ways
        self._rules = rules
        self._touch = touch
        self._origin = origin
        self._clock = clock
        self._new_id = new_id
        self._messages: dict[str, Message] = {}

    async def sweep(self) -> int:
        """Climb every rung that is due now, some at once; answer how many receipts that moved."""
        # Mostly nothing is due, and one question a second is enough to know.
        if not await self.once():
            return 0
        async with asyncio.TaskGroup() as group:
            hands = [group.create_task(self._keep_climbing()) for _ in range(HANDS)]
        return 1 + sum(hand.result() for hand in hands)

    async def _keep_climbing(self) -> int:
        moved = 0
        while await self.once():
            moved += 1
        return moved

    async def once(self) -> bool:
        """Climb one rung of one receipt; ``False`` if none is due."""
        at = self._clock()
        claim = await self._store.claim(at=at, until=at + CLAIM, token=self._new_id())
        if claim is None:
            return False
        receipt = claim.receipt
        pace = Pace.of(await self._rules.table(), receipt.pushed_at or receipt.pub)
        if claim.sending is not None:
            await self._left_out(claim, claim.sending, "unknown", pace)
            return True
        urgent = receipt.pri is Priority.URGENT
        # Nobody mutes what is urgent, so nobody needs to be asked.
        wishes = _ANY if urgent else await self._ways.wishes.of(receipt.p)
        what = step(receipt, wishes, at, after_digest=claim.digest)
        match what.act:
            case Act.SEND:
                await self._climb(claim, what, pace)
            case Act.PASS:
                await self._left_out(claim, what.rung, "", pace)
            case Act.WAIT if what.until is not None:
                await self._store.postpone(claim, due=what.until, tries=0, digest=what.digest)
            case _:
                await self._end(claim, what)
        return True

    async def _climb(self, claim: Claim, what: Step, pace: Pace) -> None:
        if what.digest:
            await self._digest(claim, pace)
            return
        rung, receipt = what.rung, claim.receipt
        carrier = self._ways.carriers.get(rung)
        if carrier is None:
            # Nothing leaves the house: the receipt stands on the call list from now on.
            await self._store.settle(claim, Settled(at=self._clock(), rung=rung, due=None))
            return
        message = await self._message(receipt.n)
        to = await self._ways.addresses.of(receipt.p)
        if message is None or to.gone:
            gone = Settled(at=self._clock(), rung=Rung.DONE, due=None, failed=REASONS["gone"])
            await self._store.settle(claim, gone)
            return
        if not await self._store.begin(claim, rung):
            return
        done = await carrier.carry(receipt.p, to, message)
        await self._keep(claim, rung, done, pace)

    async def _digest(self, claim: Claim, pace: Pace) -> None:
        """Remind a person once of everything that has waited for their digest."""
        at = self._clock()
        claims = await self._store.gather(claim, at=at)
        if not claims:
            await self._store.postpone(claim, due=at + _TURN, tries=claim.tries, digest=True)
            return
        begun = await self._store.begin_all(claims, Rung.WX)
        messages = [await self._message(one.receipt.n) for one in begun]
        found = [one for one in messages if one is not None]
        if not found:
            return
        message = max(found, key=lambda one: one.id)
        if len(found) > 1:
            message = replace(
                message,
                title=f"您有 {len(found)} 条通知未读",
                kind="通知摘要",
                url=f"{self._origin}#/notices",
                count=len(found),
            )
        person_id = claim.receipt.p
        to = await self._ways.addresses.of(person_id)
        refused = Handover(outcome=Outcome.REFUSED, reason="gone")
        carrier = self._ways.carriers[Rung.WX]
        done = refused if to.gone else await carrier.carry(person_id, to, message)
        for one in begun:
            await self._keep(one, Rung.WX, done, pace)

    async def _keep(self, claim: Claim, rung: Rung, done: Handover, pace: Pace) -> None:
        at, receipt, tries = self._clock(), claim.receipt, claim.tries + 1
        match done.outcome:
            case Outcome.SENT:
                pushed = receipt.pushed_at or receipt.pub
                due = next_due(rung, receipt.pri, pushed, at, pace)
                settled = Settled(
                    at=at,
                    rung=rung if due else Rung.DONE,
                    due=due,
                    sent=rung,
                    message_id=done.message_id,
                )
                await self._store.settle(claim, settled)
            case Outcome.LATER if again := self._again(claim, rung, tries, at, pace):
                await self._store.postpone(claim, due=again, tries=tries, digest=claim.digest)
            case Outcome.LATER:
                await self._left_out(claim, rung, "busy", pace)
            case _:
                await self._left_out(claim, rung, done.reason or "refused", pace)

    def _again(
        self, claim: Claim, rung: Rung, tries: int, at: datetime, pace: Pace
    ) -> datetime | None:
        """Answer when to try once more; not if the rung above is due by then anyway."""
        again = retry_at(tries, at, pace)
        pushed = claim.receipt.pushed_at or claim.receipt.pub
        above = next_due(rung, claim.receipt.pri, pushed, pushed, pace)
        return None if above is not None and again is not None and again >= above else again

    async def _left_out(self, claim: Claim, rung: Rung, why: str, pace: Pace) -> None:
        """Note that a rung carried nothing; the one above keeps its time, counted from the push."""
        receipt, at = claim.receipt, self._clock()
        pushed = receipt.pushed_at or receipt.pub
        due = next_due(rung, receipt.pri, pushed, pushed, pace)
        settled = Settled(
            at=at,
            rung=rung if due else Rung.DONE,
            due=max(due, at) if due else None,
            why={rung: why} if why else {},
            failed=REASONS.get(why, why) if due is None else "",
        )
        await self._store.settle(claim, settled)
        if settled.failed:
            self._touch(receipt.n)

    async def _end(self, claim: Claim, what: Step) -> None:
        why = {Rung.WX: what.reason} if what.reason else {}
        failed = REASONS.get(what.reason, what.reason)
        settled = Settled(at=self._clock(), rung=Rung.DONE, due=None, why=why, failed=failed)
        await self._store.settle(claim, settled)
        if failed:
            self._touch(claim.receipt.n)

    async def _message(self, notice_id: str) -> Message | None:
        """Answer what a reminder of a notice says; what was published never changes."""
        if notice_id in self._messages:
            return self._messages[notice_id]
        letter = await self._ways.letters.get(notice_id)
        if letter is None:
            return None
        if len(self._messages) >= _REMEMBERED:
            self._messages.clear()
        self._messages[notice_id] = Message(
            id=letter.id,
            title=letter.title,
            kind=letter.kind.value,
            priority=letter.priority.value,
            at=letter.published_at or letter.updated_at,
            url=f"{self._origin}#/notices/{letter.id}",
        )
        return self._messages[notice_id]
