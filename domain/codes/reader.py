"""The one scanner: says what a code is and what to do with it, to whoever holds the phone.

Nothing is followed and nothing is changed by reading. Whoever is not logged in is told no more than
helps them: where a meeting is checked in to, that a PC waits for a phone that is logged in, and
whose account a code on paper binds, masked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from domain.clock import SHANGHAI, Clock
from domain.codes.reading import (
    Action,
    Fact,
    Outcome,
    Reading,
    expired,
    forged,
    masked,
    stranger,
    wrong_meeting,
)
from domain.errors import NotFound
from domain.hall.meeting import Meeting, Meetings, attends, find, runs
from domain.identity.attempts import Attempt
from domain.meetings.paper_desk import Placed
from domain.organisation import Delegation, Group, OrganisationStore
from domain.passes.badges import BadgeState, BadgeStore
from domain.passes.code import (
    Bind,
    Claims,
    Contact,
    Document,
    Flaw,
    Form,
    Hall,
    Login,
    Personal,
    SeatCode,
    Ticket,
)
from domain.passes.hall_codes import HallCodes
from domain.passes.keys import KeyBook
from domain.passes.links import SCAN, Links
from domain.people import Person
from domain.permissions import Permission
from domain.roster import Kind, Roster
from domain.seats import SeatState, SeatStore

PERSON, STATION = "person", "station"
"""What a contact code may be about."""

_SECOND = timedelta(seconds=1)


class Papers(Protocol):
    """Knows papers and their readers."""

    async def find(self, paper_id: str, *, by: Person) -> Placed:
        """Answer a paper in its current version.

        Raises:
            NotFound: There is none, or they may not know of it.
        """


class Logins(Protocol):
    """Knows which PCs wait."""

    async def look(self, attempt_id: str) -> Attempt | None:
        """Answer a code that is not over, and change nothing; ``None`` if it is."""


class CodePorts(NamedTuple):
    """What reading a code takes."""

    keys: KeyBook
    links: Links
    halls: HallCodes
    badges: BadgeStore
    meetings: Meetings
    papers: Papers
    seats: SeatStore
    logins: Logins
    roster: Roster
    house: OrganisationStore


class CodeReader:
    """Reads every kind of code."""

    def __init__(self, ports: CodePorts, *, clock: Clock) -> None:
        self._at = ports
        self._clock = clock

    async def read(self, text: str, *, meeting_id: str | None = None, by: Person) -> Reading:
        """Answer what a code is to somebody who is logged in.

        ``meeting_id`` is the meeting they have in front of them, if any.

        Raises:
            NotFound: It is about something that is not there, or that they may not know of.
        """
        claims = await self._claims(text)
        if isinstance(claims, Reading):
            return claims
        code = self._code(text)
        match claims:
            case Hall() | Ticket() | SeatCode() if meeting_id not in {None, claims.meeting_id}:
                return wrong_meeting(claims.kind)
            case Hall() | Ticket():
                reading = self._hall(claims, code, by)
            case Personal():
                reading = self._personal(claims, meeting_id, by)
            case Document():
                reading = self._document(claims, by)
            case SeatCode():
                reading = self._seat(claims, by)
            case Login():
                reading = self._login(claims, by)
            case Bind():
                reading = self._bind(claims, code, by)
            case Contact():
                reading = self._contact(claims, code)
        return await reading

    async def preview(self, text: str) -> Reading:
        """Answer what somebody who is not logged in is told.

        Raises:
            NotFound: The meeting, or whoever is to be bound, is gone.
        """
        claims = await self._claims(text)
        match claims:
            case Reading():
                return claims
            case Hall() | Ticket():
                return await self._hall(claims, self._code(text), None)
            case Bind():
                return await self._bind(claims, self._code(text), None)
            case Login() if self._clock() >= claims.until:
                return expired("L", "请在电脑上刷新登录二维码后重新扫码。")
        return Reading(
            claims.kind,
            Outcome.OK,
            "请先登录",
            "登录后可查看此二维码的内容。",
            Action.LOG_IN,
            f"{SCAN}?code={self._code(text)}",
        )

    def _code(self, text: str) -> str:
        return self._at.links.bare(text)

    async def _claims(self, text: str) -> Claims | Reading:
        found = await self._at.keys.verify(self._code(text))
        if found is Flaw.BAD_SIGNATURE:
            return forged()
        if found is not Flaw.UNKNOWN:
            return found
        route = self._at.links.route(text)
        if route is None:
            return stranger(text)
        says = "点击进入本系统的页面。"
        return Reading("page", Outcome.OK, "本系统的页面", says, Action.OPEN, route)

    async def _hall(self, claims: Hall | Ticket, code: str, by: Person | None) -> Reading:
        meeting, now = await find(self._at.meetings, claims.meeting_id), self._clock()
        facts = _about(meeting)
        if isinstance(claims, Hall):
            good = await self._at.halls.fresh(claims, now)
        else:
            good = now < claims.until
        if not good:
            return expired("H", "会场签到码每隔几秒更换一次，请重新扫描屏幕上的二维码。", facts)
        page = f"/meetings/{meeting.id}/check-in?code={code}"
        if by is None:
            says = "请登录后完成签到，签到时间以扫码时为准。"
            return Reading("H", Outcome.OK, meeting.title, says, Action.CLAIM, page, facts)
        says = "扫码签到：确认后即完成本次会议签到。"
        return Reading("H", Outcome.OK, meeting.title, says, Action.CHECK_IN, page, facts)

    async def _personal(self, claims: Personal, meeting_id: str | None, by: Person) -> Reading:
        now = self._clock()
        if not claims.since - _SECOND <= now < claims.until:
            return expired("P", "请持码人重新打开“我的二维码”，或向会务人员补办证件。")
        meeting = await find(self._at.meetings, claims.meeting_id)
        if not runs(by, meeting, Permission.PASS_SCAN):
            says = "这是入场凭证，请出示给会场入口的工作人员扫描。"
            return Reading("P", Outcome.OK, "个人入场码", says, Action.SHOW)
        if meeting_id not in {None, meeting.id}:
            return wrong_meeting("P")
        person_id = claims.subject
        if claims.form == Form.BADGE:
            badge = (await self._at.badges.many([claims.subject])).get(claims.subject)
            if badge is None or badge.state is not BadgeState.ACTIVE:
                says = "该证件已作废，请核实持证人身份。"
                return Reading("P", Outcome.REVOKED, "证件已作废", says, facts=_about(meeting))
            person_id = badge.person_id
        card = await self._at.roster.get(person_id)
        facts = (Fact("姓名", card.name if card else ""), *_about(meeting))
        says = "可在签到入口扫描此码放行。"
        return Reading("P", Outcome.OK, "个人入场码", says, Action.SCAN, facts=facts)

    async def _document(self, claims: Document, by: Person) -> Reading:
        meeting, _, paper = await self._at.papers.find(claims.paper_id, by=by)
        facts = (Fact("会议", meeting.title), Fact("版本", f"第 {paper.v} 版"))
        says = "桌面文件的电子版，打开的总是当前版本。"
        page = f"/papers/{paper.id}"
        return Reading("D", Outcome.OK, paper.title, says, Action.OPEN, page, facts)

    async def _seat(self, claims: SeatCode, by: Person) -> Reading:
        meeting = await find(self._at.meetings, claims.meeting_id)
        if not await attends(self._at.meetings, meeting, by):
            raise NotFound
        seat = await self._at.seats.get(meeting.id, claims.no)
        if seat is None or seat.state is SeatState.REMOVED:
            raise NotFound
        mine = await self._at.seats.held(meeting.id, by.id)
        facts = [*_about(meeting), Fact("座位", seat.place)]
        if mine is not None and mine.no == seat.no:
            says = "这是您的座位，请就座。"
        elif mine is not None:
            says = f"这不是您的座位，您的座位是 {mine.place}。"
            facts.append(Fact("您的座位", mine.place))
        else:
            says = "本次会议没有为您安排座位，请咨询会务人员。"
        page = f"/meetings/{meeting.id}/seats?no={seat.no}"
        return Reading("S", Outcome.OK, seat.place, says, Action.OPEN, page, tuple(facts))

    async def _login(self, claims: Login, by: Person) -> Reading:
        found = await self._at.logins.look(claims.attempt_id)
        if found is None or self._clock() >= claims.until:
            return expired("L", "请在电脑上刷新登录二维码后重新扫码。")
        if found.person_id not in {"", by.id}:
            says = "该二维码已由其他人员扫描，请在电脑上刷新后重试。"
            return Reading("L", Outcome.TAKEN, "登录电脑端", says)
        if found.state not in {"created", "scanned"}:
            says = "这次电脑端登录已经处理完毕。"
            return Reading("L", Outcome.TAKEN, "登录电脑端", says)
        says = "有一台电脑请求以您的身份登录，请确认是您本人的操作。"
        if found.state == "scanned":
            says = "您已扫描此码，请确认或拒绝登录。"
        facts = (Fact("电脑", found.data["device"]), Fact("有效至", _clock_of(claims.until)))
        page = f"/qr-login/{found.id}"
        return Reading("L", Outcome.OK, "登录电脑端", says, Action.CONFIRM_LOGIN, page, facts)

    async def _bind(self, claims: Bind, code: str, by: Person | None) -> Reading:
        if self._clock() >= claims.until:
            return expired("B", "请向联络员或管理员索取新的绑定码。")
        card = await self._at.roster.get(claims.person_id)
        if card is None or not card.active:
            raise NotFound
        if by is not None:
            says = "此码用于首次绑定微信；您已登录，无需绑定。如为他人的绑定码，请交给本人扫描。"
            return Reading("B", Outcome.OK, "绑定账号", says)
        says = "绑定时仍须填写姓名、代表证号和手机号，并输入短信验证码。"
        facts = (Fact("姓名", masked(card.name)), Fact("有效至", _moment(claims.until)))
        return Reading("B", Outcome.OK, "绑定账号", says, Action.BIND, f"/bind?code={code}", facts)

    async def _contact(self, claims: Contact, code: str) -> Reading:
        if claims.what != PERSON:
            says = "联络站页面尚未开通。"
            return Reading("C", Outcome.UNKNOWN, "代表联络站", says)
        card = await self._at.roster.get(claims.id)
        if card is None or not card.active or card.kind is not Kind.DEPUTY:
            raise NotFound
        facts = [Fact("姓名", card.name)]
        delegation = await self._at.house.get(Delegation, card.delegation_id or "")
        group = await self._at.house.get(Group, card.group_id or "")
        facts += [Fact("代表团", delegation.name)] if delegation else []
        facts += [Fact("代表小组", group.name)] if group else []
        page = f"/contact?code={code}"
        says = "人大代表公开信息。"
        return Reading("C", Outcome.OK, card.name, says, Action.OPEN, page, tuple(facts))


def _about(meeting: Meeting) -> tuple[Fact, ...]:
    begins = (Fact("时间", _moment(meeting.starts_at)),) if meeting.starts_at else ()
    return (Fact("会议", meeting.title), *begins)


def _moment(at: datetime) -> str:
    local = at.astimezone(SHANGHAI)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def _clock_of(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%H:%M:%S}"
