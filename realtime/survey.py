"""A question to every process, and their answers put together."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from realtime import control

if TYPE_CHECKING:
    from realtime.hub import Hub

PATIENCE = 1.0
"""Seconds to wait for processes that may have died a moment ago."""


class Survey:
    """Asks how many listen on each channel."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._open: dict[str, tuple[Counter[str], set[str], asyncio.Event]] = {}

    async def channels(self) -> Mapping[str, int]:
        """Answer the number of connections on each channel, over all processes that answer."""
        ask = secrets.token_hex(8)
        missing = set(await self._hub.broker.nodes()) | {self._hub.broker.node_id}
        counts: Counter[str] = Counter()
        done = asyncio.Event()
        self._open[ask] = (counts, missing, done)
        try:
            await control.tell(self._hub, control.Ask(ask, self._hub.broker.node_id))
            async with asyncio.timeout(PATIENCE):
                await done.wait()
        except TimeoutError:
            # Whoever has not answered by now has nobody to speak of.
            pass
        finally:
            del self._open[ask]
        return counts

    def answer(self, word: control.Ask) -> None:
        """Tell the asking process what is here."""
        counts = {channel: len(room.live) for channel, room in self._hub.rooms.items() if room.live}
        own = control.Answer(word.ask, self._hub.broker.node_id, counts)
        self._hub.tasks.start(control.tell(self._hub, own, node=word.node))

    def take(self, word: control.Answer) -> None:
        """Add what another process has answered."""
        if word.ask not in self._open:
            return
        counts, missing, done = self._open[word.ask]
        if word.node in missing:
            missing.discard(word.node)
            counts.update(word.counts)
        if not missing:
            done.set()
