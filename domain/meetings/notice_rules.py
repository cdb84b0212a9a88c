"""How long before it begins a meeting must be announced, by the rules of the congress."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain.clock import local_day
from domain.deadlines import Deadlines
from domain.errors import Invalid, RuleViolation
from domain.meetings.meeting import Meeting, MeetingKind
from domain.organisation import OrganisationStore, Session
from domain.rules import RuleBook

NOTICE: Mapping[MeetingKind, str] = {
    MeetingKind.NPCSC: "npcsc.notice",
    MeetingKind.NPC: "npc.notice",
}
"""The rule about how long before it begins a meeting of a kind must be announced."""


class NoticeRules:
    """Judges whether an announcement comes in time."""

    def __init__(self, house: OrganisationStore, rules: RuleBook, deadlines: Deadlines) -> None:
        self._house = house
        self._rules = rules
        self._deadlines = deadlines

    async def too_late(self, meeting: Meeting, now: datetime) -> str:
        """Answer the rule that an announcement now would break, or nothing.

        Raises:
            Invalid: It is not known when the meeting begins.
        """
        if meeting.starts_at is None:
            raise Invalid("请先填写会议开始时间", field="starts_at")
        rule = NOTICE.get(meeting.kind, "")
        if not rule or await self._follows_an_opening(meeting, meeting.starts_at):
            return ""
        latest = await self._deadlines.latest(rule, meeting.starts_at)
        return rule if now >= latest.at else ""

    async def violated(self, rule: str, meeting: Meeting) -> RuleViolation:
        """Build the refusal that names the rule, its source and the last day in time."""
        if meeting.starts_at is None:
            raise Invalid("请先填写会议开始时间", field="starts_at")
        latest = (await self._deadlines.latest(rule, meeting.starts_at)).day.isoformat()
        msg = f"应于 {latest} 及以前发出会议通知；临时召集请填写原因"
        return await self._rules.violated(rule, msg, latest=latest)

    async def _follows_an_opening(self, meeting: Meeting, starts_at: datetime) -> bool:
        """Tell whether this is a later meeting of a session: those follow from its opening."""
        if meeting.kind is not MeetingKind.NPC or meeting.session_id is None:
            return False
        session = await self._house.get(Session, meeting.session_id)
        return session is not None and local_day(starts_at) > session.starts_on
