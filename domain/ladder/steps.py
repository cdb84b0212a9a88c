"""When each rung of the ladder is due, and whether it is climbed: pure rules.

::

    普通   pushed                                          (no further rung)
    重要   pushed → WeChat, unless a device has acknowledged it
    紧急   pushed → WeChat (likewise) → text message → call list, unless it was read

Times count from the push. 重要 keeps quiet at night and follows the person's own settings; 紧急
follows neither, because nobody mutes what is urgent (F02).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from domain.clock import SHANGHAI
from domain.notices.notice import Priority
from domain.notices.receipt import Receipt, Rung
from domain.preferences import Preferences
from domain.rules import RuleTable, Unit

WECHAT, SMS, CALL = "notice.ladder.wechat", "notice.ladder.sms", "notice.ladder.call"
RETRY, TRIES = "notice.ladder.retry", "notice.ladder.tries"

NEXT = {Rung.WS: Rung.WX, Rung.WX: Rung.SMS, Rung.SMS: Rung.CALL}
"""The rung above each; there is none above the call list."""

TOP = {Priority.NORMAL: Rung.WS, Priority.IMPORTANT: Rung.WX, Priority.URGENT: Rung.CALL}
"""How far the ladder goes."""


class Act(StrEnum):
    """What to do with a receipt whose next rung is due."""

    SEND = "send"
    WAIT = "wait"
    """Not now; at another time."""
    PASS = "pass"
    """Leave this rung out and wait for the one above."""
    END = "end"
    """There is nothing more to do."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What to do, with which rung, until when to wait, and for which reason."""

    act: Act
    rung: Rung
    until: datetime | None = None
    reason: str = ""
    digest: bool = False


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The times of the ladder, counted from the push, and how a busy provider is asked again.

    Attributes:
        retry: Pause before the second try; it doubles with each further one.
        tries: How often a rung is tried before it is given up.
    """

    due: dict[Rung, timedelta]
    retry: timedelta
    tries: int

    @classmethod
    def of(cls, rules: RuleTable, at: datetime) -> Pace:
        """Answer the pace in force at an instant."""
        return cls(
            due={
                Rung.WX: _length(rules, WECHAT, at),
                Rung.SMS: _length(rules, SMS, at),
                Rung.CALL: _length(rules, CALL, at),
            },
            retry=_length(rules, RETRY, at),
            tries=_count(rules, TRIES, at),
        )


def first_due(priority: Priority, pushed_at: datetime, rules: RuleTable) -> datetime | None:
    """Answer when the rung after the WebSocket is due, or ``None`` where there is none."""
    return next_due(Rung.WS, priority, pushed_at, pushed_at, Pace.of(rules, pushed_at))


def next_due(
    rung: Rung, priority: Priority, pushed_at: datetime, at: datetime, pace: Pace
) -> datetime | None:
    """Answer when the rung above ``rung`` is due, or ``None`` where there is none.

    If ``rung`` was climbed late, the one above keeps its distance from it, so that a hub that was
    away does not send everything at once.
    """
    above = NEXT.get(rung)
    if above is None or rung is TOP[priority]:
        return None
    distance = pace.due[above] - pace.due.get(rung, timedelta())
    return max(pushed_at + pace.due[above], at + max(distance, timedelta()))


def step(receipt: Receipt, wishes: Preferences, at: datetime, *, after_digest: bool) -> Step:
    """Judge a receipt whose next rung is due.

    Args:
        receipt: As it was when the rung was claimed: unread and still of interest.
        wishes: What the person has set.
        at: Now.
        after_digest: Whether the receipt has waited for the digest already.
    """
    rung = NEXT.get(receipt.rung)
    if rung is None or receipt.rung is TOP[receipt.pri]:
        return Step(act=Act.END, rung=receipt.rung)
    acknowledged = rung is Rung.WX and receipt.delivered_at is not None
    if receipt.pri is Priority.URGENT:
        return Step(act=Act.PASS if acknowledged else Act.SEND, rung=rung)
    if acknowledged or not wishes.wechat:
        reason = "" if acknowledged else "declined"
        return Step(act=Act.END, rung=receipt.rung, reason=reason)
    return _in_their_time(rung, wishes, at, after_digest=after_digest)


def _in_their_time(rung: Rung, wishes: Preferences, at: datetime, *, after_digest: bool) -> Step:
    if wishes.digest and not after_digest:
        until = next_time(wishes.quiet_until, at)
        return Step(act=Act.WAIT, rung=rung, until=until, digest=True)
    quiet = quiet_end(wishes, at)
    if quiet is not None:
        return Step(act=Act.WAIT, rung=rung, until=quiet, digest=after_digest)
    return Step(act=Act.SEND, rung=rung, digest=after_digest)


def quiet_end(wishes: Preferences, at: datetime) -> datetime | None:
    """Answer when the quiet hours that hold at an instant end, or ``None`` if none hold."""
    if not wishes.quiet(at.astimezone(SHANGHAI).time()):
        return None
    return next_time(wishes.quiet_until, at)


def next_time(local: time, at: datetime) -> datetime:
    """Answer the next instant after ``at`` at which clocks in Shanghai show a time of day."""
    here = at.astimezone(SHANGHAI)
    today = datetime.combine(here.date(), local, SHANGHAI)
    return (today if today > here else today + timedelta(days=1)).astimezone(at.tzinfo)


def retry_at(tries: int, at: datetime, pace: Pace) -> datetime | None:
    """Answer when a rung is tried again after ``tries`` tries, or ``None`` to give it up."""
    if tries >= pace.tries:
        return None
    return at + pace.retry * (1 << (tries - 1))


def _length(rules: RuleTable, key: str, at: datetime) -> timedelta:
    row = rules.row(key, at)
    if not isinstance(row.value, int) or row.unit not in {Unit.SECONDS, Unit.MINUTES}:
        raise TypeError(f"{key} is not in seconds or minutes")
    return timedelta(**{row.unit.value: row.value})


def _count(rules: RuleTable, key: str, at: datetime) -> int:
    row = rules.row(key, at)
    if not isinstance(row.value, int) or row.unit is not Unit.COUNT:
        raise TypeError(f"{key} is not a number")
    return row.value
