"""How far each person of a notice had to be carried: parts that always make up the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.errors import NotFound
from domain.ladder.climb import REASONS
from domain.ladder.ports import LadderStore, Letters
from domain.notices.reach import sees
from domain.people import Person

PARTS: Mapping[str, str] = {
    "ws": "在线阅读",
    "wx": "微信提醒后阅读",
    "sms": "短信提醒后阅读",
    "call": "电话通知",
    "waiting": "等待下一级提醒",
    "unread": "未读",
    "gone": "未读，通知已失效",
}
"""Every receipt is in exactly one of these."""


class Part(NamedTuple):
    """How many are in one part, and their share in thousandths; shares add up to 1000."""

    key: str
    label: str
    number: int
    permille: int


class LadderReport(NamedTuple):
    """The whole; ``sent`` counts messages by way, ``left_out`` those that were not, by reason."""

    total: int
    parts: Sequence[Part]
    sent: Mapping[str, int]
    left_out: Sequence[tuple[str, str, int]]


class Reports:
    """Counts ladders. There are no names in it."""

    def __init__(self, store: LadderStore, letters: Letters) -> None:
        self._store = store
        self._letters = letters

    async def of(self, notice_id: str, *, by: Person) -> LadderReport:
        """Answer how a notice came to its people.

        Raises:
            NotFound: There is none, or this person may not know.
        """
        notice = await self._letters.get(notice_id)
        if notice is None or not sees(by, notice):
            raise NotFound
        found = dict.fromkeys(PARTS, 0)
        for (far, end), count in (await self._store.spread(notice.id)).items():
            found[far if end == "reached" else end] += count
        total = sum(found.values())
        shares = permille(list(found.values()))
        sent, why = await self._store.sent(notice.id)
        return LadderReport(
            total=total,
            parts=[
                Part(key, PARTS[key], count, share)
                for (key, count), share in zip(found.items(), shares, strict=True)
            ],
            sent=sent,
            left_out=[
                (rung, REASONS.get(code, code), count)
                for (rung, code), count in sorted(why.items())
            ],
        )


def permille(counts: Sequence[int]) -> list[int]:
    """Answer the shares of counts in thousandths, adding up to exactly 1000 (to 0 of nothing).

    What rounding down leaves over goes to the largest remainders, the first of equals.
    """
    total = sum(counts)
    if total == 0:
        return [0] * len(counts)
    shares = [count * 1000 // total for count in counts]
    remainders = [count * 1000 % total for count in counts]
    order = sorted(range(len(counts)), key=lambda place: (-remainders[place], place))
    for place in order[: 1000 - sum(shares)]:
        shares[place] += 1
    return shares
