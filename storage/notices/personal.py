"""What a copy of personal data holds of notices, and what erasure does to receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.privacy import Erased
from storage.client import Database

_TIMES = ("pub", "wx_at", "sms_at", "call_at", "delivered_at", "read_at", "confirmed_at")

_FORGOTTEN = ("answer", "calls", "due_at", "open", "sms_id", "wx_id")


class ReceiptData:
    """Receipts: when somebody got, read and confirmed what, and what they answered."""

    name = "通知回执"
    collections = ("receipt",)

    def __init__(self, db: Database) -> None:
        self._receipts = db["receipt"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every receipt of the person, newest first."""
        rows = self._receipts.stream({"p": person_id}, sort=[("p", 1), ("pub", -1), ("_id", -1)])
        return [
            {
                "id": row["_id"],
                "notice_id": row["n"],
                **{name: row[name].isoformat() for name in _TIMES if row.get(name)},
                **({"answer": row["answer"]} if row.get("answer") else {}),
            }
            async for row in rows
        ]

    async def erase(self, person_id: str) -> Erased:
        """Forget the answers and stop the ladder; that and when it was read stays on record."""
        done = await self._receipts.update_many(
            {"p": person_id}, {"$unset": dict.fromkeys(_FORGOTTEN, "")}
        )
        return Erased(
            removed=done.modified, kept=("通知的送达和阅读时间：会议档案依法保存（档案法）",)
        )
