"""The 36 notices of the demo (PRODUCT.md §10.4) and what became of them with everybody.

The eight that are shown first come last; before them one of every state, and older ones to each
delegation. Notices that are out have receipts as if they had been read in the usual way: quickly by
most, late by some, by a few not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.house import DELEGATIONS, House, Ids
from demo.people import Resident
from domain.notices.audience import Audience
from domain.notices.notice import FieldKind, FormField, Kind, Mode, Notice, Priority, State
from domain.notices.receipt import Receipt, Reply, Rung
from domain.notices.templates import Template, TemplateState
from domain.people import Flag
from domain.roster import Card
from domain.roster import Kind as CardKind

_SEED = 36
_OUT = frozenset({State.PUBLISHED, State.SUPERSEDED, State.RECALLED, State.EXPIRED})


@dataclass(frozen=True)
class Shares:
    """How much of an audience read it, and of the whole how much confirmed and asked for leave."""

    read: float = 0.94
    confirmed: float = 0.0
    leave: float = 0.0


@dataclass
class Notices:
    """What is to be loaded."""

    notices: list[Notice] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)


class Writer:
    """Writes the notices of the demo house."""

    def __init__(self, house: House, residents: Sequence[Resident], base: datetime) -> None:
        self._house = house
        self._base = base
        self._random = Random(_SEED)
        self._new_id = Ids(self._random, base - timedelta(days=120))
        self._cards = sorted(
            [one.card for one in residents if one.account], key=lambda card: card.id
        )
        self._staff = {one.username: one.card.id for one in residents if one.username}
        self._made = Notices()

    def write(self) -> Notices:
        """Answer everything, the same for the same house."""
        self._older()
        self._of_every_state()
        self._shown_first()
        self._templates()
        return self._made

    # -- what there is ---------------------------------------------------------------------------

    def _older(self) -> None:
        for place, (name, *_) in enumerate(DELEGATIONS):
            self._add(
                Kind.ACTIVITY, f"{name}代表团会前集中视察安排",
                "<p>请于会前到指定地点集合，视察点为社区食堂和公园绿地。</p>",
                at=timedelta(days=-40 - place), author="yinchuanci",
                audience=self._delegation(name), shares=Shares(read=0.99),
            )  # fmt: skip

    def _of_every_state(self) -> None:
        pudong = self._delegation("浦东新区")
        first = self._add(
            Kind.MEETING, "浦东新区代表团全体会议通知", "<p>会议在 2 号会议室举行。</p>",
            at=_days(-3), author="bolingyi", audience=pudong, state=State.SUPERSEDED,
        )  # fmt: skip
        second = self._add(
            Kind.MEETING, "浦东新区代表团全体会议通知", "<p>会议在 5 号会议室举行。</p>",
            at=_days(-2), author="bolingyi", audience=pudong, change_note="会议室更正为 5 号",
            version=2, lineage=first.id, supersedes=first.id, shares=Shares(read=0.97),
        )  # fmt: skip
        place = self._made.notices.index(first)
        self._made.notices[place] = first.model_copy(update={"superseded_by": second.id})
        self._add(
            Kind.SYSTEM, "系统维护通知", "<p>（内容已撤回）</p>", at=_days(-1), author="yinchuanci",
            audience=Audience(all=True), state=State.RECALLED, reason="误发",
            shares=Shares(read=0.2),
        )  # fmt: skip
        self._add(
            Kind.ACTIVITY, "代表初任培训报名", "<p>报名截止后不再受理。</p>", at=_days(-30),
            author="yinchuanci", audience=self._delegation("徐汇区"), state=State.EXPIRED,
            expire_at=self._base - _days(20),
        )  # fmt: skip
        self._add(
            Kind.MEETING, "社会建设委员会全体会议通知（草稿）", "<p>议程待定。</p>",
            author="xizhiwei", audience=self._committee("社会建设委员会"), state=State.DRAFT,
        )  # fmt: skip
        self._add(
            Kind.ANNOUNCEMENT, "关于第二次全体会议调整时间的公告", "<p>调整至 9 时 30 分。</p>",
            author="yinchuanci", audience=Audience(all=True), state=State.IN_REVIEW, second=True,
        )  # fmt: skip
        self._add(
            Kind.ANNOUNCEMENT, "关于征集审议意见的公告", "<p>请通过本平台提交。</p>",
            author="yinchuanci", audience=Audience(all=True), state=State.REJECTED, second=True,
            reason="请补充截止时间",
        )  # fmt: skip
        self._add(
            Kind.MEETING, "闭幕会注意事项", "<p>请提前 20 分钟入场。</p>", author="yinchuanci",
            audience=Audience(all=True), state=State.SCHEDULED, priority=Priority.IMPORTANT,
            publish_at=self._base + _days(4),
        )  # fmt: skip
        failed = self._add(
            Kind.PAPERS, "立法调研材料", "<p>请查收附件目录。</p>", at=_hours(-20),
            author="xizhiwei", audience=self._committee("社会建设委员会"),
            priority=Priority.IMPORTANT, shares=Shares(read=0.5),
        )  # fmt: skip
        self._fail_some(failed.id)
        for name in ("静安区", "虹口区", "普陀区", "崇明区"):
            self._add(
                Kind.ACTIVITY, f"{name}代表小组走访通知", "<p>走访社区卫生服务中心。</p>",
                at=_days(-6), author="yinchuanci", audience=self._delegation(name),
            )  # fmt: skip

    def _shown_first(self) -> None:
        house = self._house
        self._add(
            Kind.ACTIVITY, "代表进社区：加装电梯协商会", "<p>请浦东新区代表踊跃报名。</p>",
            at=_days(-2), author="bolingyi", audience=self._delegation("浦东新区"),
            mode=Mode.CONFIRM, confirm_by=self._base + _days(6),
            shares=Shares(read=0.8, confirmed=0.4, leave=0.1),
        )  # fmt: skip
        self._add(
            Kind.ANNOUNCEMENT, "议案提出截止时间公告",
            "<p>经主席团决定，议案截止时间为第三日 18 时。</p>", at=_hours(-15),
            author="yinchuanci", audience=Audience(all=True), second=True,
            approver="wenjingcheng", expire_at=self._base + _days(2) + _hours(9.5),
        )  # fmt: skip
        self._add(
            Kind.PAPERS, "三份报告已发布",
            "<p>政府工作报告、计划报告、预算报告可在资料中查阅。</p>",
            at=_hours(-14), author="yinchuanci", audience=Audience(all=True),
        )  # fmt: skip
        self._add(
            Kind.MEETING, "市人大常委会第十二次会议通知", "<p>请确认是否出席。</p>", at=_hours(-13),
            author="yinchuanci", audience=Audience(npcsc=True), priority=Priority.IMPORTANT,
            mode=Mode.CONFIRM, confirm_by=self._base + _days(10),
            form=(
                FormField(
                    key="meal", label="用餐", kind=FieldKind.CHOICE, choices=("需要", "不需要")
                ),
                FormField(key="note", label="备注"),
            ),
            shares=Shares(read=0.85, confirmed=0.6, leave=0.05),
        )  # fmt: skip
        self._add(
            Kind.MEETING, "开幕会注意事项", "<p>请于 8 时 45 分前入场，凭代表证签到。</p>",
            at=_hours(-12), author="yinchuanci", audience=Audience(all=True),
            priority=Priority.IMPORTANT, mode=Mode.CONFIRM, confirm_by=self._base,
            shares=Shares(read=812 / 860, confirmed=790 / 860, leave=11 / 860),
        )  # fmt: skip
        self._add(
            Kind.URGENT, "浦东团第二小组改在 B203", "<p>分组审议地点由 B201 改为 B203。</p>",
            author="bolingyi", state=State.DRAFT, priority=Priority.URGENT,
            audience=Audience(groups=frozenset({house.groups["浦东新区"][-1].id})),
        )  # fmt: skip

    def _templates(self) -> None:
        texts = (
            ("会议通知", TemplateState.ACTIVE, "关于召开{会议名称}的通知",
             "<p>{会议名称}定于{时间}在{地点}举行，请准时出席。</p>"),
            ("资料通知", TemplateState.ACTIVE, "{资料名称}已发布",
             "<p>{资料名称}可在资料中查阅。</p>"),
            ("旧版会议通知", TemplateState.RETIRED, "{会议名称}通知", "<p>请出席{会议名称}。</p>"),
        )  # fmt: skip
        at, by = self._base - timedelta(days=60), self._staff["yinchuanci"]
        self._made.templates += [
            Template(
                id=self._new_id(), name=name, kind=Kind.MEETING, title=title, body=body,
                state=state, created_at=at, created_by=by, updated_at=at, updated_by=by,
            )
            for name, state, title, body in texts
        ]  # fmt: skip

    # -- how it is written -----------------------------------------------------------------------

    def _add(
        self,
        kind: Kind,
        title: str,
        body: str,
        *,
        author: str,
        audience: Audience,
        at: timedelta = timedelta(hours=-1),
        **more: Any,
    ) -> Notice:
        state = more.pop("state", State.PUBLISHED)
        approver, shares = more.pop("approver", author), more.pop("shares", Shares())
        notice_id, written = self._new_id(), self._base + at
        out = state in _OUT
        people = self._members(audience) if out else []
        number = len(self._made.notices) + 1
        by = self._staff[author]
        notice = Notice(
            id=notice_id,
            kind=kind,
            title=title,
            body=body,
            audience=audience,
            state=state,
            no=f"通知〔{written.year}〕{number}号" if out else "",
            scopes=audience.terms - {"all", "npcsc"},
            author_id=by,
            approver_id=self._staff[approver] if out else None,
            recipients=len(people),
            published_at=written if out else None,
            ended_at=written + timedelta(hours=2) if out and state is not State.PUBLISHED else None,
            created_at=written,
            created_by=by,
            updated_at=written,
            updated_by=by,
            **{"lineage": notice_id, **more},
        )
        self._made.notices.append(notice)
        self._made.receipts += self._receipts(notice, people, shares)
        return notice

    def _receipts(
        self, notice: Notice, people: Sequence[Card], shares: Shares
    ) -> Iterator[Receipt]:
        """Exactly the shares: the same people in another order for each notice."""
        order = list(people)
        self._random.shuffle(order)
        read = round(shares.read * len(order))
        confirmed = min(read, round(shares.confirmed * len(order)))
        leave = round(shares.leave * len(order))
        for place, card in enumerate(order):
            yield self._receipt(
                notice,
                card,
                read=place < read,
                reply=(Reply.LEAVE if place < leave else Reply.JOIN) if place < confirmed else None,
            )

    def _receipt(self, notice: Notice, card: Card, *, read: bool, reply: Reply | None) -> Receipt:
        pushed = notice.published_at or self._base
        delivered = pushed + timedelta(seconds=self._random.randrange(1, 40))
        seen = delivered + timedelta(seconds=int(self._random.expovariate(1 / 900)) + 2)
        open_ = not read and notice.state is State.PUBLISHED
        far = notice.priority is not Priority.NORMAL
        return Receipt(
            n=notice.id,
            p=card.id,
            deleg=card.delegation_id or "",
            pri=notice.priority,
            pub=pushed,
            pushed_at=pushed,
            wx_at=pushed + timedelta(seconds=11) if far and self._random.random() < 0.3 else None,
            delivered_at=delivered if read or self._random.random() < 0.5 else None,
            read_at=seen if read else None,
            confirmed_at=seen + timedelta(seconds=15) if reply else None,
            answer={"reply": reply.value, "fields": {}} if reply else None,
            open=open_,
            gone="" if notice.state is State.PUBLISHED else notice.state.value,
            rung=Rung.DONE,
        )

    def _fail_some(self, notice_id: str) -> None:
        """Some who have not read could not be reached: no consent is left for WeChat."""
        receipts = self._made.receipts
        for place, receipt in enumerate(receipts):
            if receipt.n == notice_id and receipt.delivered_at is None:
                receipts[place] = receipt.model_copy(update={"failed": "微信订阅次数已用完"})

    def _members(self, audience: Audience) -> list[Card]:
        return [card for card in self._cards if _named(card, audience)]

    def _delegation(self, name: str) -> Audience:
        return Audience(delegations=frozenset({self._house.delegations[name].id}))

    def _committee(self, name: str) -> Audience:
        return Audience(committees=frozenset({self._house.committees[name].id}))


def _hours(count: float) -> timedelta:
    return timedelta(hours=count)


def _days(count: float) -> timedelta:
    return timedelta(days=count)


def _named(card: Card, audience: Audience) -> bool:
    return (
        (audience.all and card.kind is CardKind.DEPUTY)
        or (audience.npcsc and Flag.NPCSC_MEMBER in card.flags)
        or not audience.scopes.isdisjoint(card.audience)
    )
