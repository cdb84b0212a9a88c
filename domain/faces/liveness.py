"""Challenge and response: turn your head as you are told, now, in this order.

The hub draws the steps at random; the camera's frames come in order; each step must be seen, by
how the nose stands between the eyes. This stops a still picture, a print held up and turned, the
same upload twice, and a video that was recorded for another challenge. It does not stop a video
that happens to hold the right moves, a live face-swap, a mask, or twins: it is called challenge and
response, never liveness certified, and what is of legal weight has a person at the door.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from domain.faces.engine import Flaw, Look

MOST_FRAMES = 15


class Step(StrEnum):
    """What is asked of the person; left and right are their own."""

    FRONT = "front"
    LEFT = "left"
    RIGHT = "right"


class Failure(StrEnum):
    """Why a response is not accepted."""

    TOO_FEW = "too_few_frames"
    GAP = "face_lost"
    """The face was away, or there were two, in between."""
    FLAT = "not_turned"
    """It did not turn far enough, as a picture of a face does not."""
    ORDER = "wrong_order"
    CHANGED = "face_changed"
    """Not the same face throughout."""


_SIDES = ((Step.LEFT, Step.RIGHT), (Step.RIGHT, Step.LEFT))


def draw(choose: Callable[[int], int] = secrets.randbelow) -> tuple[Step, ...]:
    """Answer the steps of a new challenge: to the front, then two or three turns."""
    first, second = _SIDES[choose(2)]
    turns = (first, second, first) if choose(2) else (first, second)
    return (Step.FRONT, *turns)


class Seen(NamedTuple):
    """What came of a burst: why it failed, or which frame shows best who it is."""

    failure: Failure | None
    best: int = -1


def judge(looks: Sequence[Look], steps: Sequence[Step], *, frames: int, turn: float) -> Seen:
    """Judge a burst against the steps, in order.

    Args:
        looks: What the engine saw, in the order of the camera.
        steps: What was asked.
        frames: How many frames with one face there must be at least.
        turn: By how much the head has to turn from one side to the other.
    """
    # One frame without a face is a blink of the detector; two are somebody else's turn.
    lost = [look.flaw in {Flaw.NO_FACE, Flaw.MANY_FACES} for look in looks]
    if any(one and other for one, other in pairwise(lost)):
        return Seen(Failure.GAP)
    # A frame may be blurred while the head moves; it is passed over.
    clear = [at for at, look in enumerate(looks) if look.flaw is None]
    if len(clear) < frames:
        return Seen(Failure.TOO_FEW)
    yaws = [looks[at].yaw for at in clear]
    if max(yaws) - min(yaws) < turn:
        return Seen(Failure.FLAT)
    if not _in_order(yaws, steps, turn=turn):
        return Seen(Failure.ORDER)
    usable = [at for at in clear if looks[at].vector]
    if not usable:
        return Seen(Failure.TOO_FEW)
    return Seen(None, min(usable, key=lambda at: abs(looks[at].yaw)))


def _in_order(yaws: Sequence[float], steps: Sequence[Step], *, turn: float) -> bool:
    """Walk along the burst: a turn is seen once the head is half of ``turn`` from its front."""
    turns = [step for step in steps if step is not Step.FRONT]
    seen = 0
    for yaw in yaws:
        away = yaw - yaws[0]
        side = Step.LEFT if away >= turn / 2 else Step.RIGHT if away <= -turn / 2 else Step.FRONT
        if side is Step.FRONT or (seen and side is turns[seen - 1]):
            continue
        if side is not turns[seen]:
            return False
        seen += 1
        if seen == len(turns):
            return True
    return False
