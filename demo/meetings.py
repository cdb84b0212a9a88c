"""The meetings of the demo (PRODUCT.md §10.3): one that is sitting, those to come, those that were.

The opening of the second session is in session with every deputy; the standing committee's next
meeting has a line of deputies who want to attend, and its last two left opinions, one overdue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.house import House, Ids
from demo.people import Resident
from domain.clock import local_day
from domain.deadlines import Due, add_months
from domain.hall.state import Pointer
from domain.meetings.agenda import AgendaItem, ItemKind, ItemState
from domain.meetings.meeting import Announcement, Capacity, Meeting, MeetingKind, MeetingState
from domain.meetings.opinions import OPEN, Opinion, OpinionState, Step
from domain.meetings.participants import Participant, Source
from domain.meetings.results import Outcome, Result
from domain.people import SYSTEM, Flag
from domain.roster import Card, Kind
from domain.rules import begin_of
from storage.client import Database
from storage.hall import HallStore
from storage.meetings.agenda import AgendaStore, ResultStore
from storage.meetings.meetings import MeetingStore
from storage.meetings.opinions import OpinionStore
from storage.meetings.participants import ParticipantStore
from storage.meetings.sign_ups import SignUpStore

_SEED = 14
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_K, _S = MeetingKind, MeetingState
_OUT = frozenset(MeetingState) - {_S.PLANNED}


@dataclass
class Gathering:
    """One meeting with everything that belongs to it.

    Attributes:
        line: Who stands in the line of those who want to attend, in order.
    """

    meeting: Meeting
    quota: int = 0
    people: list[tuple[str, Capacity]] = field(default_factory=list)
    items: list[AgendaItem] = field(default_factory=list)
    results: list[tuple[str, Result]] = field(default_factory=list)
    opinions: list[Opinion] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    current: str | None = None


class Writer:
    """Writes the meetings of the demo house."""

    def __init__(self, house: House, residents: Sequence[Resident], base: datetime) -> None:
        self._house = house
        self._base = base
        self._new_id = Ids(Random(_SEED), base - timedelta(days=150))
        cards = sorted([one.card for one in residents if one.account], key=lambda card: card.id)
        self._deputies = [card for card in cards if card.kind is Kind.DEPUTY]
        self._standing = [card for card in self._deputies if Flag.NPCSC_MEMBER in card.flags]
        named = {one.username: one.card.id for one in residents if one.username}
        self._staff = named["zhuomuqing"]
        # The main demo user is left to sign up in person.
        self._others_in_line = [it.id for it in self._deputies if it.id != named["wenyucheng"]]

    def write(self) -> list[Gathering]:
        """Answer everything, the same for the same house."""
        return [*self._session(), *self._standing_committee(), *self._others()]

    # -- what there is ---------------------------------------------------------------------------

    def _session(self) -> Iterator[Gathering]:
        session = self._house.sessions[1].id
        plenary: dict[str, Any] = {"kind": _K.NPC, "session_id": session, "place": "世博中心大会堂"}
        everybody = self._deputies
        before = self._meet(
            "第二次会议预备会议", at=-_DAY + _HOUR / 2, state=_S.ARCHIVED, **plenary,
            people=everybody,
            agenda=(("选举主席团和秘书长", "personnel"), ("通过会议议程", "resolution")),
        )  # fmt: skip
        for item in before.items:
            before.results.append((item.id, self._passed(before.meeting)))
        yield before
        heads = [it for it in everybody if it.flags & {Flag.DELEGATION_HEAD, Flag.NPCSC_MEMBER}]
        yield self._meet(
            "主席团第一次会议", kind=_K.PRESIDIUM, session_id=session, place="第 1 会议室",
            at=-_DAY + 6 * _HOUR, state=_S.ARCHIVED, members_only=True, people=heads,
            agenda=(("推选常务主席", "personnel"), ("决定代表提出议案截止时间", "resolution")),
        )  # fmt: skip
        opening = self._meet(
            "第一次全体会议（开幕）", at=_HOUR / 2, state=_S.IN_SESSION, **plenary,
            people=everybody,
            agenda=(("政府工作报告", "report"), ("计划报告", "report"), ("预算报告", "report")),
        )  # fmt: skip
        opening.current = opening.items[0].id
        yield opening
        for name, delegation in self._house.delegations.items():
            yield self._meet(
                f"{name}代表团分组审议", kind=_K.DELEGATION, session_id=session,
                delegation_id=delegation.id, at=5 * _HOUR, state=_S.ANNOUNCED, place="驻地会议室",
                people=[it for it in everybody if it.delegation_id == delegation.id],
                agenda=(("审议政府工作报告", "report"),),
            )  # fmt: skip
        topic = self._meet(
            "专题审议会“养老服务”", kind=_K.OTHER, session_id=session, at=_DAY + _HOUR,
            state=_S.REGISTRATION, place="3 号厅", quota=60,
            agenda=(("主题发言", "other"), ("互动交流", "other"), ("部门回应", "other")),
        )  # fmt: skip
        topic.line = self._others_in_line[:58]
        yield topic
        yield self._meet(
            "第二次全体会议", at=2 * _DAY + _HOUR, state=_S.PLANNED, **plenary,
            agenda=(("常委会工作报告", "report"), ("两院工作报告", "report")),
        )  # fmt: skip
        yield self._meet(
            "第三次全体会议（闭幕）", at=5 * _DAY + _HOUR, state=_S.PLANNED, **plenary,
            agenda=(("通过各项决议", "resolution"),),
        )  # fmt: skip

    def _standing_committee(self) -> Iterator[Gathering]:
        body: dict[str, Any] = {
            "kind": _K.NPCSC, "committee_id": self._house.standing.id, "people": self._standing,
            "place": "市人大常委会会议厅",
        }  # fmt: skip
        tenth = self._meet(
            "常委会第十次会议", no="第十次", at=-100 * _DAY, state=_S.ARCHIVED, **body,
            agenda=(("社区托育服务情况的报告", "report"),),
        )  # fmt: skip
        tenth.opinions = [
            self._opinion(tenth, "关于增加社区托育点的审议意见", OpinionState.HANDLING)
        ]
        yield tenth
        eleventh = self._meet(
            "常委会第十一次会议", no="第十一次", at=-40 * _DAY, state=_S.ARCHIVED, **body,
            agenda=(("轨道交通建设情况的报告", "report"), ("生活垃圾管理执法检查报告", "report")),
        )  # fmt: skip
        eleventh.opinions = [
            self._opinion(eleventh, title, state)
            for title, state in (
                ("关于优化换乘的审议意见", OpinionState.SENT),
                ("关于完善无障碍设施的审议意见", OpinionState.HANDLING),
                ("关于末班车衔接的审议意见", OpinionState.HANDLING),
                ("关于分类投放点改造的审议意见", OpinionState.REPORTED),
                ("关于再生资源回收的审议意见", OpinionState.REVIEWED),
            )
        ]
        yield eleventh
        yield self._meet(
            "主任会议", kind=_K.COUNCIL, committee_id=self._house.standing.id, at=9 * _DAY,
            state=_S.PLANNED, members_only=True, place="第 2 会议室", people=self._standing[:8],
            agenda=(("重点督办代表建议名单", "other"),),
        )  # fmt: skip
        twelfth = self._meet(
            "常委会第十二次会议", no="第十二次", at=16 * _DAY, state=_S.REGISTRATION, **body,
            quota=20,
            agenda=(
                ("《无障碍环境若干规定（草案）》二审", "bill"), ("专项工作报告", "report"),
                ("人事任免", "personnel"),
            ),
        )  # fmt: skip
        standing = {it.id for it in self._standing}
        twelfth.line = [it for it in self._others_in_line if it not in standing][:23]
        yield twelfth

    def _others(self) -> Iterator[Gathering]:
        committees = self._house.committees
        social, city = committees["社会建设委员会"], committees["城市建设环境保护委员会"]
        yield self._meet(
            "社会建设委员会会议", kind=_K.COMMITTEE, committee_id=social.id, at=12 * _DAY,
            state=_S.ANNOUNCED, place="第 5 会议室", people=self._of(social.id),
            agenda=(("审议代表议案", "motion"), ("立法调研安排", "other")),
        )  # fmt: skip
        yield self._meet(
            "城建环保委生活垃圾管理执法检查", kind=_K.COMMITTEE, committee_id=city.id,
            at=-10 * _DAY, state=_S.CLOSED, place="各区点位", people=self._of(city.id),
            agenda=(("实地检查", "other"),),
        )  # fmt: skip
        pudong = self._house.delegations["浦东新区"]
        yield self._meet(
            "浦东第三代表小组活动：加装电梯进社区", kind=_K.OTHER, delegation_id=pudong.id,
            at=8 * _DAY, state=_S.REGISTRATION, place="某居民区", quota=30,
        )  # fmt: skip

    # -- how it is made --------------------------------------------------------------------------

    def _of(self, committee_id: str) -> list[Card]:
        return [it for it in self._deputies if committee_id in it.committee_ids]

    def _meet(
        self,
        title: str,
        *,
        at: timedelta,
        state: MeetingState,
        people: Iterable[Card] = (),
        agenda: Sequence[tuple[str, str]] = (),
        quota: int = 0,
        **fields: Any,
    ) -> Gathering:
        begins = self._base + at
        told = begins - 40 * _DAY
        over = state in {_S.CLOSED, _S.ARCHIVED}
        meeting = Meeting(
            id=self._new_id(), title=title, starts_at=begins, ends_at=begins + 3 * _HOUR,
            state=state, eid=self._new_id(), moved_eid=self._new_id(),
            announced=Announcement(at=told, by=self._staff) if state in _OUT else None,
            agenda_published_at=told if state in _OUT else None,
            created_at=told - _DAY, created_by=self._staff,
            updated_at=told, updated_by=self._staff, **fields,
            closed_at=begins + 3 * _HOUR - _HOUR / 6 if over else None,
        )  # fmt: skip
        items = [
            AgendaItem(
                id=self._new_id(), meeting_id=meeting.id, title=what, kind=ItemKind(kind),
                state=ItemState.DONE if over else ItemState.PENDING,
                created_at=told, created_by=self._staff, updated_at=told, updated_by=self._staff,
            )
            for what, kind in agenda
        ]  # fmt: skip
        members = [(it.id, Capacity.MEMBER) for it in people]
        return Gathering(meeting, quota=quota, people=members, items=items)

    def _passed(self, meeting: Meeting) -> Result:
        at = (meeting.starts_at or self._base) + 2 * _HOUR
        return Result(
            outcome=Outcome.PASSED, typed_by=self._staff, typed_at=at,
            confirmed_by=SYSTEM.id, confirmed_at=at + timedelta(minutes=2), v=2,
        )  # fmt: skip

    def _opinion(self, of: Gathering, title: str, state: OpinionState) -> Opinion:
        meeting = of.meeting
        sent = (meeting.starts_at or self._base) + 3 * _DAY
        way = (
            OpinionState.SENT, OpinionState.HANDLING, OpinionState.REPORTED, OpinionState.REVIEWED,
        )  # fmt: skip
        taken = way[: way.index(state) + 1]
        day = add_months(local_day(sent), 3)
        due = Due(
            key="npcsc.opinion", day=day, at=begin_of(day + _DAY),
            source="上海市人大常委会议事规则第16、26条",
        )  # fmt: skip
        return Opinion(
            id=self._new_id(), meeting_id=meeting.id, item_id=of.items[0].id, title=title,
            body="请认真研究并于三个月内报告办理情况。", org_id=self._house.orgs["市交通委"].id,
            state=state, due=due, overdue_eid=self._new_id(),
            steps=tuple(
                Step(to=to, at=sent + n * 2 * _DAY, by=self._staff, text="已办理。" * (n > 1))
                for n, to in enumerate(taken)
            ),
            next_at=due.at if state in OPEN else None, staff=meeting.scopes, v=1 + len(taken),
            created_at=meeting.starts_at or sent, created_by=self._staff,
        )  # fmt: skip


class Keeper:
    """Puts gatherings into the database, through the same stores that the hub uses."""

    def __init__(self, db: Database, new_id: Ids) -> None:
        self._db = db
        self._new_id = new_id
        self._meetings = MeetingStore(db)
        self._participants = ParticipantStore(db)

    async def keep(self, gatherings: Iterable[Gathering]) -> None:
        """Keep everything."""
        agenda, results, opinions = (
            AgendaStore(self._db),
            ResultStore(self._db),
            OpinionStore(self._db),
        )
        for it in gatherings:
            meeting = it.meeting
            await self._meetings.add(meeting)
            await self._meetings.told(meeting)
            await self._participants.admit(
                [
                    Participant(
                        meeting_id=meeting.id, person_id=who, capacity=capacity,
                        source=Source.ROSTER, since=meeting.created_at,
                    )
                    for who, capacity in it.people
                ]
            )  # fmt: skip
            for item in it.items:
                await agenda.add(item)
            for item_id, result in it.results:
                await results.put(meeting.id, item_id, result, was=0)
            for opinion in it.opinions:
                await opinions.add(opinion)
            if it.quota:
                await self._line(it)
            for item in it.items:
                if item.id == it.current:
                    await self._point(meeting, item)

    async def _line(self, it: Gathering) -> None:
        """Let people sign up one after the other; the hub follows up, as it always does."""
        meeting, store = it.meeting, SignUpStore(self._db)
        opened = meeting.updated_at or meeting.created_at
        if opened is None:
            return
        await store.open(meeting.id, Capacity.ATTEND, it.quota, v=meeting.v)
        for n, who in enumerate(it.line):
            came = opened + timedelta(minutes=n)
            await store.join(meeting.id, Capacity.ATTEND, who, entry_id=self._new_id(), at=came)

    async def _point(self, meeting: Meeting, item: AgendaItem) -> None:
        pointer = Pointer(
            v=1, at=meeting.starts_at, eid=self._new_id(), item_id=item.id, title=item.title
        )
        halls = HallStore(self._db)
        await halls.put(meeting.id, "pointer", pointer, was=0)
        await halls.told(meeting.id, "pointer", 1)
