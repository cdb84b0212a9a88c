"""The list for a gate without a network: who may pass, sealed for one device and signed by us.

The list is JSON, encrypted with AES-256-GCM under a key that is derived (HKDF-SHA256) from the
device's own token, so that whoever copies it off the device has nothing, and there is nothing to
exchange beforehand. The signature covers all of it. What is in it is what the hub knew when it was
made; what the gate lets in on the strength of it is judged again when it hands its scans in.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict

from domain.attendance import Attendance
from domain.checkins.judging import LATE, OPENS, TOLERANCE, DoorPlan, Standing
from domain.clock import Clock
from domain.errors import Forbidden
from domain.hall.meeting import Meetings, driven
from domain.passes.badges import BadgeStore
from domain.passes.keys import KeyBook
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog

_NONCE = 12


class ListedKey(BaseModel):
    """A public key by which codes are verified, in hex."""

    model_config = ConfigDict(frozen=True)

    no: int
    public: str


class ListedPerson(BaseModel):
    """Somebody on the list; ``presence`` is what was on record of them, or empty."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    capacity: str
    presence: str
    on_leave: bool
    suspended: bool
    blocked: bool
    attention: str


class ListedBadge(BaseModel):
    """A badge, and whether it holds."""

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    holds: bool


class ListedTimes(BaseModel):
    """What rules say, in seconds.

    Attributes:
        opens: How long before the beginning doors open.
        late: How long after it somebody is late.
        clock: What a clock may be wrong by.
    """

    model_config = ConfigDict(frozen=True)

    opens: int
    late: int
    clock: int


class PassList(BaseModel):
    """What a gate needs to decide by itself."""

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    title: str
    state: str
    starts_at: datetime | None
    ends_at: datetime | None
    made_at: datetime
    device_id: str
    doors: DoorPlan
    times: ListedTimes
    keys: tuple[ListedKey, ...]
    people: tuple[ListedPerson, ...]
    badges: tuple[ListedBadge, ...]


class SealedList(NamedTuple):
    """A list on its way; ``key_no`` says which key signed it."""

    made_at: datetime
    nonce: bytes
    sealed: bytes
    key_no: int
    signature: bytes


class Facts(Protocol):
    """Knows people at the doors of a meeting."""

    async def standings(
        self, meeting_id: str, person_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """Answer what is known of people, of each of them."""

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""


class Roll(Protocol):
    """Knows who is in the hall."""

    async def of(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer every record of a meeting."""


class Clocks(Protocol):
    """Knows the times that rules name."""

    async def duration(self, key: str) -> timedelta:
        """Answer the time in force now."""


class ListPorts(NamedTuple):
    """What a list is made of."""

    facts: Facts
    roll: Roll
    badges: BadgeStore
    meetings: Meetings
    keys: KeyBook
    rules: Clocks


class PassListService:
    """Makes lists for gates."""

    def __init__(self, ports: ListPorts, *, audit: AuditLog, clock: Clock) -> None:
        self._facts, self._roll, self._badges, self._meetings, self._keys, self._rules = ports
        self._audit = audit
        self._clock = clock

    async def make(self, meeting_id: str, *, secret: str, by: Person) -> SealedList:
        """Answer the list of a meeting for the device that asks, by its ``secret``.

        Raises:
            Forbidden: The caller is no scanner of this meeting.
        """
        if not by.is_device:
            raise Forbidden("名单只能由本次会议的扫码设备下载")
        meeting = await driven(self._meetings, meeting_id, by=by, permission=Permission.PASS_SCAN)
        now = self._clock()
        invited = await self._facts.invited(meeting_id)
        listed = PassList(
            meeting_id=meeting_id,
            title=meeting.title,
            state=meeting.state,
            starts_at=meeting.starts_at,
            ends_at=meeting.ends_at,
            made_at=now,
            device_id=by.id,
            doors=await self._facts.plan(meeting_id),
            times=await self._times(),
            keys=tuple(
                ListedKey(no=it.no, public=it.public.hex()) for it in await self._keys.public()
            ),
            people=await self._people(meeting_id, invited, now),
            badges=tuple(
                ListedBadge(id=it.id, person_id=it.person_id, holds=it.revoked_at is None)
                for it in await self._badges.of(meeting_id)
            ),
        )
        nonce = secrets.token_bytes(_NONCE)
        text = listed.model_dump_json().encode()
        sealed = AESGCM(_key(secret, meeting_id)).encrypt(nonce, text, meeting_id.encode())
        key_no, signature = await self._keys.signature(_signed(meeting_id, nonce, sealed))
        await self._audit.record(
            "pass_list.make",
            by=by.id,
            obj=f"meeting:{meeting_id}",
            detail={"people": len(invited)},
        )
        return SealedList(now, nonce, sealed, key_no, signature)

    async def _times(self) -> ListedTimes:
        named = {"opens": OPENS, "late": LATE, "clock": TOLERANCE}
        found = {name: await self._rules.duration(key) for name, key in named.items()}
        return ListedTimes(**{name: int(it.total_seconds()) for name, it in found.items()})

    async def _people(
        self, meeting_id: str, invited: Sequence[str], at: datetime
    ) -> tuple[ListedPerson, ...]:
        names = await self._facts.names(invited)
        known = await self._facts.standings(meeting_id, invited, at)
        records = {it.person_id: it.state.value for it in await self._roll.of(meeting_id)}
        return tuple(
            ListedPerson(
                id=it,
                name=names.get(it, ""),
                presence=records.get(it, ""),
                **{**known[it]._asdict(), "capacity": known[it].capacity or ""},
            )
            for it in sorted(invited)
        )


def open_list(
    sealed: SealedList, *, meeting_id: str, secret: str, keys: Mapping[int, Ed25519PublicKey]
) -> PassList:
    """Answer what is in a list, as the device does that it was made for.

    Raises:
        ValueError: We did not sign it, it was altered, or it is for another device or meeting.
    """
    signed = _signed(meeting_id, sealed.nonce, sealed.sealed)
    try:
        keys[sealed.key_no].verify(sealed.signature, signed)
        cipher = AESGCM(_key(secret, meeting_id))
        text = cipher.decrypt(sealed.nonce, sealed.sealed, meeting_id.encode())
    except (KeyError, InvalidSignature, InvalidTag):
        raise ValueError("the list is not ours, or not for this device") from None
    return PassList.model_validate_json(text)


def _signed(meeting_id: str, nonce: bytes, sealed: bytes) -> bytes:
    return b"daibiao pass list\0" + meeting_id.encode() + nonce + sealed


def _key(secret: str, meeting_id: str) -> bytes:
    info = b"daibiao pass list " + meeting_id.encode()
    raw: Any = HKDF(SHA256(), 32, salt=None, info=info).derive(secret.encode())
    return bytes(raw)
