"""A scan: what was shown at a door, what came of it, and what is announced.

::

    received → parsed → verified → accepted | duplicate | refused(result)

Every scan is kept, the refused ones with what was shown. Its id is made of who scanned and of the
number they gave it (``nonce``), so the same scan that arrives ten times is one scan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.events import Event


class Direction(StrEnum):
    """Which way somebody passes."""

    IN = "in"
    OUT = "out"


class Way(StrEnum):
    """By which door; what stands in ``how`` of the attendance record."""

    HALL = "hall"
    """They scanned the code on the screen."""
    PERSON = "person"
    """The code of their phone was scanned."""
    BADGE = "badge"
    """The code of their badge was scanned."""
    FACE = "face"
    """They showed their face, and who they are was confirmed."""
    MANUAL = "manual"
    IMPORT = "import"
    UNREAD = "unread"
    """What was shown could not be read."""


class Result(StrEnum):
    """What came of a scan, PRODUCT.md F12."""

    OK = "ok"
    NEEDS_ATTENTION = "needs_attention"
    """Let in, and to be told something."""
    ALREADY_IN = "already_in"
    ALREADY_OUT = "already_out"
    UNKNOWN = "unknown"
    """No code of ours."""
    BAD_SIGNATURE = "bad_signature"
    EXPIRED_WINDOW = "expired_window"
    """The code was good, and its time is over."""
    WRONG_MEETING = "wrong_meeting"
    WRONG_GATE = "wrong_gate"
    NOT_INVITED = "not_invited"
    NOT_YET = "not_yet"
    TOO_LATE = "too_late"
    REVOKED = "revoked"
    BLOCKED = "blocked"
    ON_LEAVE = "on_leave"
    SUSPENDED = "suspended"
    CLAIM_USED = "claim_used"
    """The scan of the hall code has been used before."""
    FACE_MISMATCH = "face_mismatch"
    """The face is not that of whose code was shown."""
    OFFLINE_UNVERIFIED = "offline_unverified"
    """A gate without a network let them in, and its clock cannot be trusted."""


_R = Result

ACCEPTED = frozenset({_R.OK, _R.NEEDS_ATTENTION, _R.OFFLINE_UNVERIFIED})
DUPLICATE = frozenset({_R.ALREADY_IN, _R.ALREADY_OUT})

SAYS: dict[Result, str] = {
    _R.OK: "签到成功",
    _R.NEEDS_ATTENTION: "签到成功，请留意提示",
    _R.ALREADY_IN: "已经签到",
    _R.ALREADY_OUT: "不在场内",
    _R.UNKNOWN: "不是本系统的二维码",
    _R.BAD_SIGNATURE: "二维码无效",
    _R.EXPIRED_WINDOW: "二维码已过期，请重新出示",
    _R.WRONG_MEETING: "不是本次会议的二维码",
    _R.WRONG_GATE: "请从指定入口签到",
    _R.NOT_INVITED: "不在本次会议参加人员名单中",
    _R.NOT_YET: "签到尚未开始",
    _R.TOO_LATE: "签到已经结束",
    _R.REVOKED: "证件已作废",
    _R.BLOCKED: "已被会务人员限制入场",
    _R.ON_LEAVE: "已请假，如到会请先销假",
    _R.SUSPENDED: "账号已暂停",
    _R.CLAIM_USED: "此次扫码已使用，请重新扫码",
    _R.FACE_MISMATCH: "人脸与所示证件不符，请改用其他方式",
    _R.OFFLINE_UNVERIFIED: "离线签到待核实",
}
"""What is told to who stands at the door."""


class Attempt(BaseModel):
    """What a device or a person hands in.

    Attributes:
        nonce: Their own number of this scan.
        at: When it happened, by their clock; without it, now.
        offline: It was decided without the hub; ``said`` is what the gate decided.
    """

    model_config = ConfigDict(frozen=True)

    nonce: str
    code: str
    meeting_id: str | None = None
    gate: str = ""
    dir: Direction = Direction.IN
    at: datetime | None = None
    offline: bool = False
    said: str = ""


class Scan(BaseModel):
    """One scan, judged.

    Attributes:
        id: ``<who scanned>:<nonce>``.
        by: Person or device that scanned.
        at: When it happened, as far as we can tell; attendance begins then.
        at_device: When it happened by the clock of the device.
        skew_ms: How far that clock was ahead of ours (behind: negative).
        raw: What was shown, where it was refused.
        first_at: Of a duplicate, when the person passed, at ``first_gate``.
        conflict: A gate without a network (``said``) had decided otherwise.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str | None
    person_id: str | None
    by: str
    gate: str
    way: Way
    dir: Direction
    result: Result
    at: datetime
    at_device: datetime | None = None
    at_server: datetime
    skew_ms: int | None = None
    offline: bool = False
    said: str = ""
    conflict: bool = False
    raw: str = ""
    note: str = ""
    reason: str = ""
    first_at: datetime | None = None
    first_gate: str = ""
    eid: str

    @property
    def accepted(self) -> bool:
        """Whether somebody passed."""
        return self.result in ACCEPTED


class Seen(NamedTuple):
    """A scan as the door sees it; ``again`` where it had been handed in before."""

    scan: Scan
    name: str = ""
    again: bool = False


class _CheckIn(Event):
    """A scan as it is announced."""

    scan_id: str
    meeting_id: str
    person_id: str | None
    gate: str
    way: Way
    dir: Direction
    result: Result
    offline: bool
    conflict: bool


class CheckInOk(_CheckIn):
    """Somebody passed a door."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}", "user:#{uid}")

    type: Literal["checkin.ok"] = "checkin.ok"


class CheckInDup(_CheckIn):
    """Somebody passed a door again who is in, or out, already."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}",)

    type: Literal["checkin.dup"] = "checkin.dup"
    first_at: datetime | None
    first_gate: str


class CheckInFail(_CheckIn):
    """Somebody was refused at a door."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}",)

    type: Literal["checkin.fail"] = "checkin.fail"


def event_of(scan: Scan) -> Event:
    """Answer the event that announces a scan; the same one however often it is asked for."""
    fields: dict[str, Any] = {
        "id": scan.eid,
        "at": scan.at,
        "scan_id": scan.id,
        **{
            name: getattr(scan, name)
            for name in _CheckIn.model_fields
            if name not in {"id", "type", "v", "at", "scan_id"}
        },
    }
    if scan.accepted:
        return CheckInOk(**fields)
    if scan.result in DUPLICATE:
        return CheckInDup(**fields, first_at=scan.first_at, first_gate=scan.first_gate)
    return CheckInFail(**fields)


class Use(NamedTuple):
    """A ticket that a scan is about to use up."""

    claim_id: str
    person_id: str
    scan_id: str


class ScanStore(Protocol):
    """Keeps scans."""

    async def many(self, scan_ids: Iterable[str]) -> dict[str, Scan]:
        """Answer those that are kept, by id."""

    async def add(self, scans: Sequence[Scan]) -> Collection[str]:
        """Keep new scans, marked as not told; answer the ids of those that were not kept before."""

    async def told(self, scans: Iterable[Scan]) -> None:
        """Take the mark away."""

    async def untold(self, before: datetime) -> Sequence[Scan]:
        """Answer some that were kept before an instant and are still marked."""

    async def of(
        self,
        meeting_id: str,
        *,
        conflicts: bool,
        result: Result | None,
        after: str,
        limit: int,
    ) -> Sequence[Scan]:
        """Answer scans of a meeting by id of their event, newest first, those below ``after``."""

    async def claim(self, uses: Sequence[Use], *, at: datetime) -> Collection[str]:
        """Use tickets up; answer the scans whose ticket is theirs, however often they ask."""
