"""What every live view answers besides its state: the position from which to listen on.

With an official SDK this is ``getState``: fetch the view, hand its ``position`` to the SDK, and
every later event arrives. An event may be in the state already; keep the newest ``v`` of each part.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel

from domain.realtime import StreamPosition


class PositionView(BaseModel):
    """Where the channel stood before the state was read."""

    offset: int
    epoch: str

    @classmethod
    def of(cls, position: StreamPosition | None) -> Self | None:
        """Show a position, if there is one."""
        return None if position is None else cls(offset=position.offset, epoch=position.epoch)


class SnapshotView(BaseModel):
    """Base of live views.

    ``position`` is null while the broker is away: subscribe without it later, and ask again.
    """

    channel: str
    position: PositionView | None
