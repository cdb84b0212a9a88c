"""Devices: the browsers a person logs in with, so that a strange one is noticed and can be dropped.

A browser keeps a random key in a long-lived cookie; we keep its hash. The key proves nothing: it
only tells a browser that was there before from one that was not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.errors import NotFound
from domain.identity.events import DeviceNew
from domain.identity.surroundings import Surroundings
from domain.identity.tokens import fingerprint
from domain.people import Person


@dataclass(frozen=True)
class DeviceSeen:
    """What a request says about the browser: the key from its cookie and its user agent."""

    key: str
    user_agent: str = ""


class Device(BaseModel):
    """One browser that one person has logged in with."""

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    name: str
    user_agent: str
    first_seen_at: datetime
    last_seen_at: datetime


class DeviceStore(Protocol):
    """Where devices are kept; one row for each person and key."""

    async def seen(self, device: Device, *, key_h: str) -> Device:
        """Note the device and answer it as kept: with another ``id`` if it was known before."""

    async def of(self, person_id: str) -> Sequence[Device]:
        """Answer a person's devices, the one used last first."""

    async def remove(self, device_id: str, *, person_id: str) -> bool:
        """Forget a device of a person; tell whether there was one."""


class Devices:
    """Notices which devices people use."""

    def __init__(self, store: DeviceStore, around: Surroundings) -> None:
        self._store = store
        self._bus = around.bus
        self._clock = around.clock
        self._new_id = around.new_id

    async def seen(self, person_id: str, seen: DeviceSeen) -> Device:
        """Note that a person logs in with a device, and tell them if it is a new one."""
        at = self._clock()
        asked = Device(
            id=self._new_id(),
            person_id=person_id,
            name=device_name(seen.user_agent),
            user_agent=seen.user_agent[:300],
            first_seen_at=at,
            last_seen_at=at,
        )
        device = await self._store.seen(asked, key_h=fingerprint(seen.key))
        if device.id == asked.id:
            event = DeviceNew(id=self._new_id(), at=at, device_id=device.id, name=device.name)
            await self._bus.publish(f"user:#{person_id}", event)
        return device

    async def mine(self, *, by: Person) -> Sequence[Device]:
        """Answer one's own devices, the one used last first."""
        return await self._store.of(by.id)

    async def remove(self, device_id: str, *, by: Person) -> None:
        """Forget one of one's own devices.

        Raises:
            NotFound: There is no such device.
        """
        if not await self._store.remove(device_id, person_id=by.id):
            raise NotFound


_SYSTEMS = (
    (re.compile(r"iPhone"), "iPhone"),
    (re.compile(r"iPad"), "iPad"),
    (re.compile(r"HarmonyOS|OpenHarmony"), "鸿蒙设备"),
    (re.compile(r"Android"), "安卓设备"),
    (re.compile(r"Windows"), "Windows 电脑"),
    (re.compile(r"Mac OS X|Macintosh"), "Mac 电脑"),
    (re.compile(r"Linux|X11"), "Linux 电脑"),
)
_PROGRAMS = (
    (re.compile(r"MicroMessenger"), "微信"),
    (re.compile(r"Edg/"), "Edge"),
    (re.compile(r"Firefox/"), "Firefox"),
    (re.compile(r"Chrome/|CriOS/"), "Chrome"),
    (re.compile(r"Safari/"), "Safari"),
)


def device_name(user_agent: str) -> str:
    """Answer what a person would call a device, for example ``iPhone · 微信``."""
    system = next((name for mark, name in _SYSTEMS if mark.search(user_agent)), "未知设备")
    program = next((name for mark, name in _PROGRAMS if mark.search(user_agent)), "")
    return f"{system} · {program}" if program else system
