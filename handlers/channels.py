"""The channels of the product, PRODUCT.md §2.5: who may listen to what.

Rights over a channel are the rights over what it tells of. Meetings, rooms and broadcasts admit by
the scopes of role grants; a feature that knows its participants better replaces its class here.
"""

from __future__ import annotations

from typing import ClassVar

from domain.people import AccountState, Flag, Person
from domain.permissions import GuestFunction, Permission, Role
from domain.visibility import duty_scopes, member_scopes
from handlers.channel import Channel, First
from handlers.hall import HallView
from realtime.policy import Overflow, Policy

_DAY = 24 * 3600.0

LOSSLESS = Policy(
    history_size=10_000, history_ttl=_DAY, force_recovery=True, force_positioning=True
)
"""What must not be missed: kept for a day, resumed without a gap, sent at once."""

TALK = Policy(
    history_size=10_000,
    history_ttl=_DAY,
    force_recovery=True,
    force_positioning=True,
    presence=True,
    urgency=1,
)
"""Conversation: nothing is lost, and a busy room may gather what it sends."""

CROWD = Policy(history_size=50, history_ttl=300, overflow=Overflow.SKIP, urgency=3)
"""Livestream chat: the newest matters, and a slow phone skips what it could not take."""

METER = Policy(history_size=100, history_ttl=3600, overflow=Overflow.LATEST)
"""Numbers that replace each other."""


def _acts(person: Person) -> bool:
    return person.state is AccountState.ACTIVE


class UserChannel(Channel):
    """``user:#{uid}``: everything private, attached by the server at connect."""

    name = "user"
    summary = "一个人的全部私人消息，连接时由服务器订阅"
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Nobody but the person."""
        return key == f"#{person.id}"


class MemberChannel(Channel):
    """Whoever belongs to a part of the house, or works for it."""

    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Members and their staff."""
        scopes = member_scopes(person) | duty_scopes(person)
        return _acts(person) and f"{self.name}:{key}" in scopes


class DelegationChannel(MemberChannel):
    """``deleg:{id}``."""

    name = "deleg"
    summary = "一个代表团"


class GroupChannel(MemberChannel):
    """``group:{id}``."""

    name = "group"
    summary = "一个代表小组"


class CommitteeChannel(MemberChannel):
    """``cmte:{id}``."""

    name = "cmte"
    summary = "一个委员会"


class StandingCommitteeChannel(Channel):
    """``npcsc``."""

    name = "npcsc"
    single = True
    summary = "常委会组成人员及其工作人员"
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Members by flag, and staff of the house who run its meetings."""
        staff = person.roles & {Role.CMTE_STAFF, Role.MTG_STAFF}
        return _acts(person) and (Flag.NPCSC_MEMBER in person.flags or bool(staff))


class MeetingChannel(MemberChannel):
    """``mtg:{id}``: everybody who takes part."""

    name = "mtg"
    summary = "一次会议的全体参加人员"

    async def may_listen(self, person: Person, key: str) -> bool:
        """Whoever takes part, the staff, and guests whose pass says so."""
        if not _acts(person):
            return False
        scope = f"mtg:{key}"
        passes = [it for it in person.grants if it.role is Role.GUEST and scope in it.scopes]
        if any(GuestFunction.LIVE in it.functions for it in passes):
            return True
        if not passes and await super().may_listen(person, key):
            return True
        return await self.services.hall.console.follows(person, key)


class PermissionChannel(Channel):
    """Whoever holds a permission over the thing itself."""

    permission: ClassVar[Permission]
    scope: ClassVar[str]
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Holders of the permission whose grant names the thing."""
        wanted = f"{self.scope}:{key}"
        return any(wanted in grant.scopes for grant, _ in person.rights(self.permission))


class MeetingStaffChannel(PermissionChannel):
    """``mtgstaff:{id}``: those who run the meeting."""

    name = "mtgstaff"
    summary = "一次会议的会务人员"
    permission = Permission.CONSOLE_RUN
    scope = "mtg"

    async def may_listen(self, person: Person, key: str) -> bool:
        """Staff of the meeting, or of the session or committee it belongs to."""
        if not _acts(person):
            return False
        if await super().may_listen(person, key):
            return True
        return await self.services.hall.console.drives(person, key)


class MeetingScreenChannel(Channel):
    """``mtgscreen:{id}``: screens in the hall, by device token."""

    name = "mtgscreen"
    summary = "一次会议的会场屏幕；订阅的应答带有当前状态"
    policy = LOSSLESS
    for_devices = True

    async def may_listen(self, person: Person, key: str) -> bool:
        """Screens of that meeting."""
        return any(
            grant.role is Role.SCREEN and f"mtg:{key}" in grant.scopes for grant in person.grants
        )

    async def first(self, person: Person, key: str) -> First | None:
        """The live state: a screen may call nothing, so it comes with the reply."""
        console = self.services.hall.console
        taken = await self.services.realtime.snapshot(
            f"{self.name}:{key}", lambda: console.shown(key)
        )
        view = HallView(**HallView.fields(self.name, *taken.state))
        return First(view.model_dump_json().encode(), taken.position)


class RoomChannel(MemberChannel):
    """``room:{id}``: deputies and staff talking."""

    name = "room"
    summary = "互动专区的一个房间"
    policy = TALK


class RoomModerationChannel(PermissionChannel):
    """``roommod:{id}``."""

    name = "roommod"
    summary = "一个房间的主持人"
    permission = Permission.ROOM_MODERATE
    scope = "room"


class QueueChannel(Channel):
    """``queue:{org}``: what a unit has to handle."""

    name = "queue"
    summary = "一个承办单位的待办"
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """The unit's clerk and head."""
        return _acts(person) and any(
            grant.role in {Role.UNIT, Role.UNIT_HEAD} and f"unit:{key}" in grant.scopes
            for grant in person.grants
        )


class DeskChannel(Channel):
    """``desk:motion``: those who receive and assign."""

    name = "desk"
    summary = "议案建议工作台"
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Motion clerks and the government's dispatchers."""
        desk = {Role.MOTION_CLERK, Role.GOV_DISPATCH}
        return _acts(person) and key == "motion" and bool(person.roles & desk)


class LiveChannel(MemberChannel):
    """``live:{id}``: viewers of a broadcast."""

    name = "live"
    summary = "一场直播的观众"
    policy = CROWD


class NewsChannel(Channel):
    """``news``."""

    name = "news"
    single = True
    summary = "人大新闻"
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Everybody who is signed in."""
        return person.state in {AccountState.ACTIVE, AccountState.SUSPENDED}


class SystemChannel(NewsChannel):
    """``sys``: maintenance, reload, flags."""

    name = "sys"
    summary = "系统通知：维护、刷新、功能开关"


class DashboardChannel(Channel):
    """``dash``."""

    name = "dash"
    single = True
    summary = "统计指标"
    policy = METER

    async def may_listen(self, person: Person, key: str) -> bool:
        """Administrators and auditors."""
        return _acts(person) and bool(person.roles & {Role.ADMIN, Role.AUDITOR})


class OperationsChannel(Channel):
    """``ops``."""

    name = "ops"
    single = True
    summary = "运行状态、告警、巡检"
    policy = LOSSLESS

    async def may_listen(self, person: Person, key: str) -> bool:
        """Those who operate the hub."""
        return _acts(person) and Role.OPS in person.roles


CHANNELS: tuple[type[Channel], ...] = (
    UserChannel,
    DelegationChannel,
    GroupChannel,
    CommitteeChannel,
    StandingCommitteeChannel,
    MeetingChannel,
    MeetingStaffChannel,
    MeetingScreenChannel,
    RoomChannel,
    RoomModerationChannel,
    QueueChannel,
    DeskChannel,
    LiveChannel,
    NewsChannel,
    SystemChannel,
    DashboardChannel,
    OperationsChannel,
)
"""Every namespace there is, in the order of the specification."""
