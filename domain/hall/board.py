"""The board: keeps the parts of a meeting's live state and announces what changed.

Keep first, tell afterwards. A part that was changed is marked as not yet told in the same write;
the mark goes once its event is in the outbox, and a job tells what a process that died left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from domain.clock import Clock, NewId
from domain.errors import Conflict
from domain.hall.events import addresses, event_of
from domain.hall.state import Hall, Part
from domain.ports import Bus

P = TypeVar("P", bound=Part)

_PATIENCE = timedelta(seconds=3)
"""How long the process that changed a part has to tell of it, before another one does."""

_TRIES = 20


class HallStore(Protocol):
    """Keeps the live state of meetings."""

    async def get(self, meeting_id: str) -> Hall:
        """Answer the state of a meeting; of one that nobody has touched, the empty one."""

    async def put(self, meeting_id: str, name: str, part: Part, *, was: int) -> bool:
        """Keep a part, marked as not told, if its version still is ``was``; tell whether."""

    async def told(self, meeting_id: str, name: str, v: int) -> None:
        """Take the mark from a part that still has version ``v``."""

    async def untold(self, before: datetime) -> Sequence[tuple[str, str]]:
        """Answer (meeting, part) of those marked before an instant."""


class Board:
    """Changes parts, one version after the other."""

    def __init__(self, store: HallStore, *, bus: Bus, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def read(self, meeting_id: str) -> Hall:
        """Answer the live state of a meeting."""
        return await self._store.get(meeting_id)

    async def change(
        self, meeting_id: str, part: type[P], make: Callable[[P], dict[str, Any]], *, v: int
    ) -> P:
        """Change a part that the caller has seen in version ``v``, and announce it.

        Raises:
            Conflict: Somebody else was faster; ``detail.v`` is the version now.
        """
        name = part.__name__.lower()
        now = (await self._store.get(meeting_id)).part(name)
        if isinstance(now, part) and now.v == v:
            changed = self._next(now, make(now))
            if await self._store.put(meeting_id, name, changed, was=v):
                await self.announce(meeting_id, name, changed)
                return changed
            now = (await self._store.get(meeting_id)).part(name)
        raise Conflict("已被他人更改，请以最新状态为准", detail={"v": now.v})

    async def edit(
        self, meeting_id: str, part: type[P], make: Callable[[P], dict[str, Any] | None]
    ) -> P:
        """Change a part whatever its version, again and again until nobody was faster.

        ``make`` is asked anew each time; it refuses by raising, and ``None`` leaves all as it is.

        Raises:
            Conflict: Too many others were faster.
        """
        name = part.__name__.lower()
        for _ in range(_TRIES):
            now = (await self._store.get(meeting_id)).part(name)
            if not isinstance(now, part):
                raise TypeError(name)
            made = make(now)
            if made is None:
                return now
            changed = self._next(now, made)
            if await self._store.put(meeting_id, name, changed, was=now.v):
                await self.announce(meeting_id, name, changed)
                return changed
        raise Conflict("操作过于集中，请稍后再试")

    def _next(self, now: P, changes: dict[str, Any]) -> P:
        stamp = {"v": now.v + 1, "at": self._clock(), "eid": self._new_id()}
        return now.model_copy(update=changes | stamp)

    async def announce(self, meeting_id: str, name: str, part: Part) -> None:
        """Announce a part that was kept, and take its mark away."""
        event = event_of(name, part)
        for channel in addresses(event, meeting_id):
            await self._bus.publish(channel, event)
        await self._store.told(meeting_id, name, part.v)

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how much."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        for meeting_id, name in left:
            await self.announce(meeting_id, name, (await self._store.get(meeting_id)).part(name))
        return len(left)
