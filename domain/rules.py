"""The rules of the congress: clocks and thresholds as dated rows, each with its source.

No number of a regulation stands in code. A rule has a key and a history of rows; the row in force
at an instant is the last one that began before it. Rows are never changed or removed: a new one
begins (``domain.rule_changes``), and what was decided under the old one stays as it was.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import SHANGHAI, Clock
from domain.errors import Invalid, RuleViolation

_DIGITS = re.compile(r"[0-9]{1,4}")
_DECIMAL = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,4})?")

Value = int | str | bool | tuple[str, ...] | None


class Unit(StrEnum):
    """What a value counts, and so how it is written."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WORKING_DAYS = "working_days"
    MONTHS = "months"
    COUNT = "count"
    FRACTION = "fraction"
    """``"2/3"``; whether *at least* or *more than* is said in the note."""
    DECIMAL = "decimal"
    """``"-3.0"``: a threshold as a text, so that it is kept to the digit as it was entered."""
    CHOICES = "choices"
    """A list of texts in order."""
    FLAG = "flag"
    INSTANT = "instant"
    """ISO 8601 with offset, or nothing while it has not been decided."""


FIXED = frozenset({"poll.binding"})
"""Keys that no change may touch: no legal votes on phones, PRODUCT.md §2.1."""

DURATIONS = frozenset(
    {Unit.SECONDS, Unit.MINUTES, Unit.HOURS, Unit.DAYS, Unit.WORKING_DAYS, Unit.MONTHS}
)


class RuleParam(BaseModel):
    """One row: the value of a rule from a day on.

    Attributes:
        valid_from: First day on which it holds, in Shanghai.
        since: The instant it holds from: the beginning of that day, or the approval if later.
        valid_to: First day on which the next row holds; derived, never stored.
        source: Article and edition of the text, as honest as we know it.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    value: Value
    unit: Unit
    valid_from: date
    since: datetime
    valid_to: date | None = None
    source: str
    note: str = ""
    change_id: str | None = None


class RuleTable:
    """Every row there is, as a value: answers without waiting."""

    def __init__(self, rows: Iterable[RuleParam]) -> None:
        histories: dict[str, list[RuleParam]] = defaultdict(list)
        for row in rows:
            histories[row.key].append(row)
        self._rows = {key: _linked(found) for key, found in sorted(histories.items())}
        self._starts = {key: [row.since for row in rows] for key, rows in self._rows.items()}

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    @property
    def keys(self) -> Sequence[str]:
        """The keys, sorted."""
        return list(self._rows)

    def history(self, key: str) -> Sequence[RuleParam]:
        """Answer every row of a rule, oldest first."""
        if key not in self._rows:
            raise UnknownRule(key)
        return self._rows[key]

    def row(self, key: str, at: datetime) -> RuleParam:
        """Answer the row in force at an instant.

        Raises:
            UnknownRule: There is no such key, or it did not exist yet.
        """
        rows = self.history(key)
        place = bisect_right(self._starts[key], at)
        if place == 0:
            raise UnknownRule(key, at)
        return rows[place - 1]

    def in_force(self, at: datetime) -> Sequence[RuleParam]:
        """Answer the row of every rule in force at an instant, sorted by key."""
        return [self.row(key, at) for key, starts in self._starts.items() if starts[0] <= at]


class UnknownRule(LookupError):
    """A program asked for a rule that does not exist: a mistake of ours, never of a caller."""

    def __init__(self, key: str, at: datetime | None = None) -> None:
        super().__init__(f"no rule {key!r}" + (f" at {at.isoformat()}" if at else ""))


class RuleStore(Protocol):
    """Where rows and proposed changes are kept."""

    async def rows(self) -> Sequence[RuleParam]:
        """Answer every row."""

    async def add(self, row: RuleParam) -> None:
        """Keep a new row.

        Raises:
            Conflict: The rule already has a row from that day.
        """

    async def seed(self, rows: Sequence[RuleParam]) -> None:
        """Keep rows, each unless it is there already."""


class RuleBook:
    """Answers what the rules are; an answer is at most ``STALE`` old on any process.

    ``shipped`` are the rows of rules that have none yet; they are kept at the first question.
    """

    STALE = timedelta(seconds=1)

    def __init__(
        self, store: RuleStore, *, clock: Clock, shipped: Sequence[RuleParam] = ()
    ) -> None:
        self._store = store
        self._shipped = shipped
        self._clock = clock
        self._table: RuleTable | None = None
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def table(self) -> RuleTable:
        """Answer every row as one value, for whoever asks more than one thing."""
        if self._table is not None and self._fresh():
            return self._table
        # A crowd that comes when it is stale reads once.
        async with self._reading:
            now = self._clock()
            if self._table is None or not self._fresh():
                self._table, self._read_at = RuleTable(await self._rows()), now
            return self._table

    def _fresh(self) -> bool:
        age = self._clock() - self._read_at if self._read_at is not None else self.STALE
        return timedelta(0) <= age < self.STALE

    async def _rows(self) -> Sequence[RuleParam]:
        rows = await self._store.rows()
        known = {row.key for row in rows}
        missing = [row for row in self._shipped if row.key not in known]
        if not missing:
            return rows
        await self._store.seed(missing)
        return await self._store.rows()

    def forget(self) -> None:
        """Read again at the next question."""
        self._read_at = None

    async def row(self, key: str, at: datetime | None = None) -> RuleParam:
        """Answer the row in force at an instant, by default now."""
        return (await self.table()).row(key, at or self._clock())

    async def value(self, key: str, at: datetime | None = None) -> Value:
        """Answer the value in force at an instant, by default now."""
        return (await self.row(key, at)).value

    async def count(self, key: str, at: datetime | None = None) -> int:
        """Answer a number of people, minutes, hours, days or months."""
        return _whole(await self.row(key, at))

    async def fraction(self, key: str, at: datetime | None = None) -> Fraction:
        """Answer a share such as two thirds."""
        row = await self.row(key, at)
        if row.unit is not Unit.FRACTION:
            raise TypeError(f"{key} is in {row.unit}, not a fraction")
        return Fraction(str(row.value))

    async def decimal(self, key: str, at: datetime | None = None) -> float:
        """Answer a threshold."""
        row = await self.row(key, at)
        if row.unit is not Unit.DECIMAL:
            raise TypeError(f"{key} is in {row.unit}, not a decimal")
        return float(str(row.value))

    async def choices(self, key: str, at: datetime | None = None) -> tuple[str, ...]:
        """Answer a list of texts."""
        row = await self.row(key, at)
        if not isinstance(row.value, tuple):
            raise TypeError(f"{key} is in {row.unit}, not a list")
        return row.value

    async def instant(self, key: str, at: datetime | None = None) -> datetime | None:
        """Answer a point in time, or ``None`` while it has not been decided."""
        row = await self.row(key, at)
        if row.unit is not Unit.INSTANT:
            raise TypeError(f"{key} is in {row.unit}, not an instant")
        return datetime.fromisoformat(str(row.value)) if row.value else None

    async def duration(self, key: str, at: datetime | None = None) -> timedelta:
        """Answer a duration in seconds, minutes, hours or calendar days."""
        row = await self.row(key, at)
        match row.unit:
            case Unit.SECONDS:
                return timedelta(seconds=_whole(row))
            case Unit.MINUTES:
                return timedelta(minutes=_whole(row))
            case Unit.HOURS:
                return timedelta(hours=_whole(row))
            case Unit.DAYS:
                return timedelta(days=_whole(row))
        raise TypeError(f"{key} is in {row.unit}, which has no fixed length")

    async def days(self, key: str, at: datetime | None = None) -> int:
        """Answer a number of calendar or working days; the row's unit says which."""
        row = await self.row(key, at)
        if row.unit not in {Unit.DAYS, Unit.WORKING_DAYS}:
            raise TypeError(f"{key} is in {row.unit}, not days")
        return _whole(row)

    async def violated(
        self, key: str, msg: str, *, at: datetime | None = None, **detail: object
    ) -> RuleViolation:
        """Build the refusal that names a rule, its value and its source."""
        row = await self.row(key, at)
        return RuleViolation(
            msg, rule=key, source=row.source, detail={"value": row.value, **detail}
        )


def begin_of(day: date) -> datetime:
    """Answer the instant at which a day begins in Shanghai."""
    return datetime.combine(day, time(), SHANGHAI)


def fitting(value: object, unit: Unit) -> Value:
    """Answer a value in the form its unit wants.

    Raises:
        Invalid: It does not fit.
    """
    match unit, value:
        case Unit.FLAG, bool():
            return value
        case Unit.CHOICES, list() | tuple():
            texts = tuple(str(item).strip() for item in value if isinstance(item, str))
            if len(texts) == len(value) and all(texts) and 2 <= len(set(texts)) == len(texts):
                return texts
        case Unit.DECIMAL | Unit.FRACTION | Unit.INSTANT, str() if _WRITTEN[unit](value):
            return value
        case Unit.INSTANT, None:
            return None
        case (_, int()) if (
            not isinstance(value, bool)
            and (unit in DURATIONS or unit is Unit.COUNT)
            and 0 < value <= 10_000
        ):
            return value
    raise Invalid("取值与规则的单位不符", field="value", detail={"unit": unit.value})


def _is_share(value: str) -> bool:
    over, slash, under = value.partition("/")
    if not slash or not (_DIGITS.fullmatch(over) and _DIGITS.fullmatch(under)):
        return False
    return int(under) > 0 and 0 < Fraction(int(over), int(under)) <= 1


def _is_instant(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_WRITTEN: Mapping[Unit, Callable[[str], object]] = {
    Unit.DECIMAL: _DECIMAL.fullmatch,
    Unit.FRACTION: _is_share,
    Unit.INSTANT: _is_instant,
}
"""How a value that is a text has to look."""


def _linked(rows: list[RuleParam]) -> tuple[RuleParam, ...]:
    ordered = sorted(rows, key=lambda row: (row.since, row.valid_from))
    followers = [row.valid_from for row in ordered[1:]]
    return tuple(
        row.model_copy(update={"valid_to": following})
        for row, following in zip(ordered, [*followers, None], strict=True)
    )


def _whole(row: RuleParam) -> int:
    if not isinstance(row.value, int) or isinstance(row.value, bool):
        raise TypeError(f"{row.key} is in {row.unit}, not a number")
    return row.value
