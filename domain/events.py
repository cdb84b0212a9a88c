"""Events: what is announced on channels, and how each one looks on the wire.

An event says what changed and which version it now has; it never carries a secret and never a
C3 value. On the wire it is ``{"id", "type", "v", "at", …fields}``; a client drops an ``id`` it has
seen. Features declare their events beside their services and inherit from ``Event``; the event
catalogue and the AsyncAPI document are generated from these classes.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """One announcement. Subclasses set ``channel`` for the catalogue and pin ``type``.

    Attributes:
        id: ULID, also the idempotency key of the publication.
        type: ``<noun>.<verb>``, a literal in every subclass.
        v: Version of the object after the change, or 0 where there is none.
        at: The instant of the change, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: ClassVar[tuple[str, ...]] = ()
    """Channel patterns on which the event may appear, for example ``user:#{uid}``."""

    durable: ClassVar[bool] = True
    """Written down before it is announced, and announced in spite of a crash. Counters and other
    events of which only the newest matters set this to ``False``."""

    id: str
    type: str
    v: int = 0
    at: datetime
