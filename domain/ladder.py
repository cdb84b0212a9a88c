"""The notification ladder (PRODUCT.md §2.6): WebSocket → WeChat → text message → call list."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.notices.notice import Priority
from domain.rules import RuleTable


def first_due(priority: Priority, pushed_at: datetime, rules: RuleTable) -> datetime | None:
    """Answer when the rung after the WebSocket is due, or ``None`` where there is none."""
    if priority is Priority.NORMAL:
        return None
    seconds = rules.row("ladder.ack", pushed_at).value
    if not isinstance(seconds, int):
        raise TypeError("ladder.ack is a number of seconds")
    return pushed_at + timedelta(seconds=seconds)
