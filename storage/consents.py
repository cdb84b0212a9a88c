"""Consents.

::

    consent {_id: "<person>:<purpose>", person_id, purpose, decision: given|refused|withdrawn,
             version, given_at, withdrawn_at, cleanup: "pending"|null,
             history: [{decision, version, at}], v}
"""

from __future__ import annotations

from domain.consents import Consent
from domain.errors import Conflict
from storage.client import Database, Document, Duplicate


class ConsentStore:
    """Implements ``domain.consents.ConsentStore``."""

    def __init__(self, db: Database) -> None:
        self._consents = db["consent"]

    async def get(self, person_id: str, purpose: str) -> Consent | None:
        """Answer what somebody said about a purpose, or ``None``."""
        doc = await self._consents.find_one({"_id": f"{person_id}:{purpose}"})
        return None if doc is None else Consent.model_validate(doc)

    async def of(self, person_id: str) -> list[Consent]:
        """Answer everything somebody said."""
        found = await self._consents.find({"person_id": person_id}, sort=[("_id", 1)])
        return [Consent.model_validate(doc) for doc in found]

    async def put(self, consent: Consent) -> Consent:
        """Store a consent and answer it with the next version.

        Raises:
            Conflict: ``consent.v`` is stale.
        """
        stored = consent.model_copy(update={"v": consent.v + 1})
        doc = _document(stored)
        if consent.v == 0:
            try:
                await self._consents.insert_one(doc)
            except Duplicate as duplicate:
                raise Conflict("该事项刚刚已作选择，请刷新后重试") from duplicate
            return stored
        done = await self._consents.replace_one({"_id": doc["_id"], "v": consent.v}, doc)
        if done.matched == 0:
            raise Conflict("该事项刚刚已作选择，请刷新后重试")
        return stored

    async def unclean(self) -> list[Consent]:
        """Answer the withdrawn ones whose data may still be there."""
        found = await self._consents.find({"cleanup": "pending"}, sort=[("_id", 1)], limit=500)
        return [Consent.model_validate(doc) for doc in found]


def _document(consent: Consent) -> Document:
    doc = consent.model_dump(mode="python")
    doc["_id"] = f"{consent.person_id}:{consent.purpose}"
    doc["decision"] = consent.decision.value
    doc["history"] = [
        {"decision": turn.decision.value, "version": turn.version, "at": turn.at}
        for turn in consent.history
    ]
    return doc
