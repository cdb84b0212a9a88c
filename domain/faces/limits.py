"""The numbers by which faces are judged: rows of the rule book, read together."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clock import Clock, local_day
from domain.deadlines import add_months
from domain.faces.engine import Gates
from domain.rules import RuleBook, RuleTable, begin_of


class Limits(NamedTuple):
    """What is allowed now.

    Distances are Euclidean between vectors of the engine; normalised scores are in standard
    deviations below other people, so lower is more alike (``matching.Match``).

    Attributes:
        distance: One to one: at most so far from what was enrolled.
        norm: One to one: at most this normalised score.
        alone: One to one where fewer than ``cohort`` people are enrolled.
        identify: Whether faces may propose names at a gate.
        spread: Pictures of one enrolment are at most so far from each other.
        twin_distance: Somebody else so near is a matter for a person, and so is ``twin_norm``.
        turn: How much the head has to turn, in ``Look.yaw``, from one side to the other.
        steady: Pictures of one burst are at most so far from each other.
        tries: Failures in a row until only other ways are left.
        vendor_score: What a vendor's comparison has to reach, from 0 to 1.
        gates: What a picture must be fit for.
    """

    distance: float
    norm: float
    alone: float
    cohort: int
    identify: bool
    identify_distance: float
    spread: float
    twin_distance: float
    twin_norm: float
    samples_min: int
    samples_max: int
    life_months: int
    challenge: timedelta
    frames: int
    turn: float
    steady: float
    tries: int
    vendor_score: float
    gates: Gates

    def until(self, made: datetime) -> datetime:
        """Answer when a template that was made at an instant is to be deleted."""
        return begin_of(add_months(local_day(made), self.life_months))


class FaceRules:
    """Answers the limits in force."""

    def __init__(self, book: RuleBook, *, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    async def now(self) -> Limits:
        """Answer the limits in force now."""
        return _limits(await self._book.table(), self._clock())


def _limits(table: RuleTable, at: datetime) -> Limits:
    def number(key: str) -> float:
        return float(str(table.row(f"face.{key}", at).value))

    def count(key: str) -> int:
        return int(number(key))

    return Limits(
        distance=number("verify.distance"),
        norm=number("verify.norm"),
        alone=number("verify.alone"),
        cohort=count("cohort"),
        identify=table.row("face.identify", at).value is True,
        identify_distance=number("identify.distance"),
        spread=number("enrol.spread"),
        twin_distance=number("enrol.twin.distance"),
        twin_norm=number("enrol.twin.norm"),
        samples_min=count("enrol.min"),
        samples_max=count("enrol.max"),
        life_months=count("life"),
        challenge=timedelta(seconds=count("challenge")),
        frames=count("challenge.frames"),
        turn=number("challenge.turn"),
        steady=number("challenge.steady"),
        tries=count("tries"),
        vendor_score=number("vendor.score"),
        gates=Gates(
            size=count("size"),
            sharpness=number("sharpness"),
            clipped=number("clipped"),
            dark=number("dark"),
            bright=number("bright"),
        ),
    )
