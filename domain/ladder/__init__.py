"""The notification ladder (PRODUCT.md §2.6): WebSocket → WeChat → text message → call list."""

from __future__ import annotations

from domain.ladder.steps import first_due

__all__ = ["first_due"]
