"""Settings of people.

::

    preference {_id: person id, large_text, read_aloud, wechat, sms, digest,
                quiet_from: "22:00", quiet_until: "07:00", v, updated_at}
"""

from __future__ import annotations

from domain.errors import Conflict
from domain.preferences import Preferences
from storage.client import Database, Document, Duplicate


class PreferenceStore:
    """Implements ``domain.preferences.PreferenceStore``."""

    def __init__(self, db: Database) -> None:
        self._preferences = db["preference"]

    async def get(self, person_id: str) -> Preferences | None:
        """Answer somebody's settings, or ``None`` if they never changed any."""
        doc = await self._preferences.find_one({"_id": person_id})
        return None if doc is None else Preferences.model_validate({**doc, "person_id": person_id})

    async def put(self, preferences: Preferences) -> Preferences:
        """Store settings and answer them with the next version.

        Raises:
            Conflict: ``preferences.v`` is stale.
        """
        stored = preferences.model_copy(update={"v": preferences.v + 1})
        try:
            if preferences.v == 0:
                await self._preferences.insert_one(_document(stored))
                return stored
        except Duplicate as duplicate:
            raise Conflict("设置已在其他设备上修改，请刷新后重试") from duplicate
        done = await self._preferences.replace_one(
            {"_id": preferences.person_id, "v": preferences.v}, _document(stored)
        )
        if done.matched == 0:
            raise Conflict("设置已在其他设备上修改，请刷新后重试")
        return stored

    async def forget(self, person_id: str) -> int:
        """Drop somebody's settings; answer how many documents that were."""
        return await self._preferences.delete_one({"_id": person_id})


def _document(preferences: Preferences) -> Document:
    return preferences.model_dump(exclude={"person_id"}) | {
        "_id": preferences.person_id,
        "quiet_from": preferences.quiet_from.isoformat("minutes"),
        "quiet_until": preferences.quiet_until.isoformat("minutes"),
    }
