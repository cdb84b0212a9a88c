"""``outbox list|revive``: what nobody could send, and how it goes out after all.

Stands on the same ground as the hub and may run beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from rich.table import Table

from domain.clock import SHANGHAI
from server.config import Settings
from server.ground import lay
from storage.outbox import Outbox


async def table(settings: Settings, limit: int) -> Table:
    """Answer a table of the buried messages, the oldest first, at most ``limit``."""
    async with AsyncExitStack() as stack:
        ground = await lay(settings, stack, join=True)
        buried = await ground.outbox.buried(limit=limit)
        more = await ground.outbox.dead() - len(buried)
    found = Table("message", "kind", "channel", "written", "tries", "error")
    for each in buried:
        written = each.created_at.astimezone(SHANGHAI).isoformat(" ", "seconds")
        found.add_row(each.key, each.kind, each.line, written, str(each.tries), each.error)
    if more > 0:
        found.caption = f"{more} more"
    return found


async def revive(settings: Settings, keys: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Make buried messages due; without ``keys`` all of them. On the record.

    Answers how many they are, and the keys of which nothing is buried.
    """
    async with AsyncExitStack() as stack:
        ground = await lay(settings, stack, join=True)
        revived, unknown = 0, []
        for key in keys or await _all(ground.outbox):
            if not await ground.outbox.revive(key):
                unknown.append(key)
                continue
            await ground.audit.record("outbox.revive", by="system", obj=f"outbox:{key}")
            revived += 1
    return revived, unknown


async def _all(outbox: Outbox) -> Sequence[str]:
    return [each.key for each in await outbox.buried(limit=max(1, await outbox.dead()))]
