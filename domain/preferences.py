"""How a person wants to be served (F13): text size, voice, ways of notification, quiet hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.errors import Conflict, NotFound
from domain.people import Person
from domain.roster import Roster


class Preferences(BaseModel):
    """Settings of one person; they follow the person to every device.

    Attributes:
        large_text: 大字版.
        read_aloud: 语音播报.
        wechat: Whether WeChat may carry what was not read here.
        sms: Whether text messages may; urgent notices use them in any case.
        digest: Whether what is not urgent comes together once a day.
        quiet_from: Start of the quiet hours in Shanghai; PRODUCT.md §2.6 gives the default.
        quiet_until: End of the quiet hours; the same as the start means there are none.
        v: Version as read; 0 while nothing was ever changed.
    """

    model_config = ConfigDict(frozen=True)

    person_id: str
    large_text: bool = False
    read_aloud: bool = False
    wechat: bool = True
    sms: bool = True
    digest: bool = False
    quiet_from: time = time(22)
    quiet_until: time = time(7)
    v: int = 0
    updated_at: datetime | None = None

    def quiet(self, local: time) -> bool:
        """Tell whether a time of day in Shanghai lies in the quiet hours."""
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= local < self.quiet_until
        return local >= self.quiet_from or local < self.quiet_until


class PreferenceStore(Protocol):
    """Keeps settings."""

    async def get(self, person_id: str) -> Preferences | None:
        """Answer somebody's settings, or ``None`` if they never changed any."""

    async def put(self, preferences: Preferences) -> Preferences:
        """Store settings and answer them with the next version.

        Raises:
            Conflict: ``preferences.v`` is stale.
        """


class Settings(BaseModel):
    """Everything on the settings page: preferences, and what the card lets others see."""

    model_config = ConfigDict(frozen=True)

    preferences: Preferences
    show_mobile: bool


class PreferenceService:
    """Shows and changes a person's own settings."""

    def __init__(self, store: PreferenceStore, roster: Roster, *, clock: Clock) -> None:
        self._store = store
        self._roster = roster
        self._clock = clock

    async def of(self, person_id: str) -> Preferences:
        """Answer somebody's preferences, the defaults if they never changed any."""
        return await self._store.get(person_id) or Preferences(person_id=person_id)

    async def get(self, *, by: Person) -> Settings:
        """Answer a person's own settings."""
        card = await self._roster.get(by.id)
        return Settings(
            preferences=await self.of(by.id), show_mobile=card is not None and card.show_mobile
        )

    async def change(self, fields: Mapping[str, Any], *, v: int, by: Person) -> Settings:
        """Change some settings that are still at version ``v``.

        Raises:
            Conflict: Another device changed them first.
            NotFound: ``show_mobile`` was given by somebody who has no card.
        """
        current = await self.of(by.id)
        if current.v != v:
            raise Conflict("设置已在其他设备上修改，请刷新后重试", detail={"v": current.v})
        rest = dict(fields)
        if "show_mobile" in rest:
            await self._show_mobile(by, rest.pop("show_mobile"))
        if rest:
            current = await self._store.put(
                current.model_copy(update={**rest, "updated_at": self._clock()})
            )
        card = await self._roster.get(by.id)
        return Settings(preferences=current, show_mobile=card is not None and card.show_mobile)

    async def _show_mobile(self, by: Person, show: bool) -> None:  # noqa: FBT001
        card = await self._roster.get(by.id)
        if card is None:
            raise NotFound
        if card.show_mobile != show:
            update = {"show_mobile": show, "updated_at": self._clock(), "updated_by": by.id}
            await self._roster.put(card.model_copy(update=update))
