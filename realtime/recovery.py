"""Recovery: what a returning client missed, and whether that can be proved to be all.

Pure functions: history, position and what arrived meanwhile go in, a verdict comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime import codes
from realtime.broker import Position, Publication

MAX_RECOVERED = 300
"""Publications in one subscribe reply; who missed more must fetch its state."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the client is told.

    Attributes:
        recovered: Nothing is missing after these publications.
        publications: What it missed, in order.
        position: Where it stands after them.
        told: The position in the reply: the client advances from it by the publications.
    """

    recovered: bool
    publications: Sequence[Publication]
    position: Position
    told: Position


def judge_stream(
    asked: Position, missed: Sequence[Publication], top: Position, *, budget: int
) -> Verdict:
    """Decide whether ``missed``, read after ``asked``, brings the client up to ``top``.

    Args:
        asked: What the client says it has; an empty epoch is believed.
        missed: History after it, at most ``MAX_RECOVERED``.
        top: The end of the stream, read together with ``missed``.
        budget: Bytes that may be sent; more would only overflow the client's queue.
    """
    same = asked.epoch in {"", top.epoch}
    if missed:
        whole = missed[0].offset == asked.offset + 1 and missed[-1].offset == top.offset
    else:
        whole = asked.offset == top.offset
    if same and whole and sum(len(item.data) for item in missed) <= budget:
        return Verdict(True, missed, top, Position(asked.offset, top.epoch))
    return Verdict(False, (), top, top)


def judge_cache(asked: Position | None, latest: Sequence[Publication], top: Position) -> Verdict:
    """Decide in cache mode: only the latest publication matters.

    Args:
        asked: What the client has, ``None`` if this is its first time.
        latest: The newest publication kept, or nothing.
        top: The end of the stream, read together with it.
    """
    if asked is not None and asked.epoch in {"", top.epoch} and asked.offset == top.offset:
        return Verdict(True, (), top, top)
    if latest and latest[0].offset == top.offset:
        return Verdict(True, latest[:1], top, Position(top.offset - 1, top.epoch))
    return Verdict(False, (), top, top)


def merge(verdict: Verdict, arrived: Sequence[tuple[Publication, str]]) -> Verdict:
    """Add what arrived while history was read; duplicates are left out.

    A client that is not recovered is told the newer position instead: it has to fetch anyway.

    Raises:
        HangUp: There is a hole, or the epoch changed in between (3010).
    """
    publications = list(verdict.publications)
    position = verdict.position
    for publication, epoch in arrived:
        if epoch != position.epoch:
            raise codes.HangUp(codes.INSUFFICIENT_STATE)
        if publication.offset <= position.offset:
            continue
        if publication.offset != position.offset + 1:
            raise codes.HangUp(codes.INSUFFICIENT_STATE)
        publications.append(publication)
        position = Position(publication.offset, epoch)
    if verdict.recovered:
        return Verdict(True, publications, position, verdict.told)
    return Verdict(False, (), position, position)
