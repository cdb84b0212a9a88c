"""The keys that sign codes: numbered one after the other, kept sealed, changed with an overlap.

The newest key signs. The one before is believed until the overlap is over that was in force when
the newer one was made (rule ``pass.key.overlap``), so a change is one write and badges that were
printed before it stay good. A key that somebody may have got hold of is revoked and is not believed
from then on. Only contact codes outlive the overlap; nothing ends them but the revocation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

from domain.clock import Clock
from domain.errors import BadState, NotFound
from domain.passes.code import PREFIX, Claims, Contact, Flaw, sign, verify
from domain.people import SYSTEM, Person
from domain.permissions import Permission
from domain.ports import AuditLog, Vault

OVERLAP = "pass.key.overlap"

_LASTING = f"{PREFIX}.{Contact.kind}."
_REMEMBERED = timedelta(seconds=1)
_TRIES = 5


class PassKey(BaseModel):
    """One key.

    Attributes:
        no: Its number; codes carry it.
        public: The 32 bytes of the public key.
        private_enc: The private key as the vault sealed it.
        overlap: How long the key before it is still believed.
    """

    model_config = ConfigDict(frozen=True)

    no: int
    public: bytes
    private_enc: bytes = Field(repr=False)
    since: datetime
    by: str
    overlap: timedelta
    revoked_at: datetime | None = None
    revoked_by: str | None = None


class PublicKey(NamedTuple):
    """A key as everybody may know it; ``until`` is ``None`` for the one that signs."""

    no: int
    public: bytes
    since: datetime
    until: datetime | None


class KeyStore(Protocol):
    """Keeps keys."""

    async def all(self) -> Sequence[PassKey]:
        """Answer every key there ever was, by number."""

    async def add(self, key: PassKey) -> bool:
        """Keep a new key; ``False`` if there is one of its number."""

    async def revoke(self, no: int, *, at: datetime, by: str) -> bool:
        """Mark a key that was not revoked yet; tell whether."""


class Days(Protocol):
    """Knows the numbers that rules name."""

    async def count(self, key: str) -> int:
        """Answer the number in force now."""


class KeyBook:
    """Signs and verifies with the keys in force. What it knows of them is a second old at most."""

    def __init__(
        self, store: KeyStore, rules: Days, *, vault: Vault, audit: AuditLog, clock: Clock
    ) -> None:
        self._store = store
        self._rules = rules
        self._vault = vault
        self._audit = audit
        self._clock = clock
        self._rows: Sequence[PassKey] = ()
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()
        self._opened: dict[int, Ed25519PrivateKey] = {}
        self._made: dict[bytes, Ed25519PublicKey] = {}

    async def sign(self, claims: Claims) -> str:
        """Answer the code that carries claims, signed with the newest key."""
        no, private = await self._signer()
        return sign(claims, key_no=no, key=private)

    async def signature(self, data: bytes) -> tuple[int, bytes]:
        """Sign bytes that are no code; answer the number of the key, and the signature."""
        no, private = await self._signer()
        return no, private.sign(data)

    async def verify(self, text: str) -> Claims | Flaw:
        """Answer what a code claims, or why it is not to be believed.

        A contact code hangs on walls for years: it is believed until its key is revoked.
        """
        rows = await self._keys()
        if text.startswith(_LASTING):
            lasting = {it.no: self._public(it.public) for it in rows if it.revoked_at is None}
            return verify(text, lasting)
        believed = _believed(rows, self._clock())
        return verify(text, {it.no: self._public(it.public) for it in believed})

    async def public(self) -> Sequence[PublicKey]:
        """Answer the keys that are believed now, the newest last."""
        return _believed(await self._keys(), self._clock())

    async def rotate(self, *, by: Person) -> PublicKey:
        """Make a new key, which signs from now on.

        Raises:
            Forbidden: The person may not.
        """
        by.require(Permission.SETTINGS_MANAGE)
        made = await self._make(by.id)
        return PublicKey(made.no, made.public, made.since, None)

    async def revoke(self, no: int, *, reason: str, by: Person) -> None:
        """Stop believing a key at once; if it was the newest, there is a new one.

        Raises:
            Forbidden: The person may not.
            NotFound: There is no such key.
            BadState: It was revoked before.
        """
        by.require(Permission.SETTINGS_MANAGE)
        rows = await self._keys(anew=True)
        if no not in {it.no for it in rows}:
            raise NotFound
        if not await self._store.revoke(no, at=self._clock(), by=by.id):
            raise BadState("该密钥已吊销")
        detail = {"no": no, "reason": reason}
        await self._audit.record("pass_key.revoke", by=by.id, obj=f"pass_key:{no}", detail=detail)
        await self._keys(anew=True)
        await self._newest()

    async def _signer(self) -> tuple[int, Ed25519PrivateKey]:
        key = await self._newest()
        if key.no not in self._opened:
            opened = self._vault.open(key.private_enc, context=_context(key.no))
            self._opened = {key.no: Ed25519PrivateKey.from_private_bytes(bytes.fromhex(opened))}
        return key.no, self._opened[key.no]

    async def _newest(self) -> PassKey:
        rows = await self._keys()
        if rows and rows[-1].revoked_at is None:
            return rows[-1]
        return await self._make(SYSTEM.id)

    async def _make(self, by: str) -> PassKey:
        overlap = timedelta(days=await self._rules.count(OVERLAP))
        for _ in range(_TRIES):
            rows = await self._keys(anew=True)
            if by == SYSTEM.id and rows and rows[-1].revoked_at is None:
                # Another process was faster.
                return rows[-1]
            no = rows[-1].no + 1 if rows else 1
            private = Ed25519PrivateKey.generate()
            sealed = self._vault.seal(private.private_bytes_raw().hex(), context=_context(no))
            key = PassKey(
                no=no,
                public=private.public_key().public_bytes_raw(),
                private_enc=sealed,
                since=self._clock(),
                by=by,
                overlap=overlap,
            )
            if await self._store.add(key):
                await self._audit.record(
                    "pass_key.make",
                    by=by,
                    obj=f"pass_key:{no}",
                    detail={"no": no, "overlap_days": overlap.days},
                )
                await self._keys(anew=True)
                return key
        raise BadState("密钥正在更换，请稍后再试")

    async def _keys(self, *, anew: bool = False) -> Sequence[PassKey]:
        if not anew and self._fresh():
            return self._rows
        # A crowd that comes when it is stale reads once.
        async with self._reading:
            now = self._clock()
            if anew or not self._fresh():
                self._rows, self._read_at = await self._store.all(), now
            return self._rows

    def _fresh(self) -> bool:
        return self._read_at is not None and abs(self._clock() - self._read_at) < _REMEMBERED

    def _public(self, raw: bytes) -> Ed25519PublicKey:
        if raw not in self._made:
            self._made[raw] = Ed25519PublicKey.from_public_bytes(raw)
        return self._made[raw]


def _believed(rows: Sequence[PassKey], at: datetime) -> list[PublicKey]:
    ends: Mapping[int, datetime] = {one.no: two.since + two.overlap for one, two in pairwise(rows)}
    return [
        PublicKey(it.no, it.public, it.since, ends.get(it.no))
        for it in rows
        if it.revoked_at is None and (it.no not in ends or at < ends[it.no])
    ]


def _context(no: int) -> str:
    return f"pass_key.private:{no}"
