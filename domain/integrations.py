"""Integration keys: secrets of our neighbours and for our callers, changed while the hub runs.

One administrator hands a key in, another approves it (②); it is sealed by the vault at once and
never shown again, only its fingerprint is. Approved, it is in force on every process within two
seconds, and the one before it stays accepted for as long as was asked, so that both sides have time
to change over. What an operator says in ``HUB_*`` wins, and is not offered here::

    asked ──▶ approved ──▶ ended
      └──▶ refused
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field

from domain.approvals import require_decider, require_second
from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Invalid, NotFound
from domain.key_ring import CONSUMERS, Kept, KeyParts, KeyRing
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Vault

_log = structlog.get_logger("daibiao.integrations")

LONGEST_OVERLAP = timedelta(days=7)
"""How long an old key may stay accepted beside the new one."""


class KeyState(StrEnum):
    """States of a key."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    ENDED = "ended"


class IntegrationKey(BaseModel):
    """One key, without what it is.

    Attributes:
        sealed: The parts as the vault sealed them; empty once nobody may use them any more.
        fingerprint: Tells whether two keys are the same, and nothing else.
        overlap: How long the key before it stays accepted.
        since: From when it is in force.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    consumer: str
    sealed: bytes = Field(default=b"", repr=False)
    fingerprint: str
    overlap: timedelta
    reason: str
    state: KeyState = KeyState.ASKED
    asked_by: str
    asked_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision: str = ""
    since: datetime | None = None
    v: int = 1


class KeyStore(Protocol):
    """Keeps keys, sealed."""

    async def all(self) -> Sequence[IntegrationKey]:
        """Answer every key, newest first."""

    async def get(self, key_id: str) -> IntegrationKey | None:
        """Answer one key."""

    async def add(self, key: IntegrationKey) -> None:
        """Keep a new key.

        Raises:
            Conflict: Another one of the same consumer waits for approval.
        """

    async def settle(self, key: IntegrationKey, *, was: IntegrationKey) -> bool:
        """Keep the new form of a key if it still is as it ``was``; tell whether it was."""


class Standing(NamedTuple):
    """How things stand with one consumer.

    Attributes:
        source: ``setting``, ``kept`` or ``none``: where the key in force comes from.
        configured: Whether the neighbour itself is set up, so that a key is of use.
        keys: Those that wait or are in force, newest first, each with the end of its overlap.
        fingerprint: Of the key in force, or empty.
    """

    consumer: str
    source: str
    configured: bool
    keys: Sequence[tuple[IntegrationKey, datetime | None]]
    fingerprint: str


class IntegrationService:
    """Takes keys in, and keeps the ring of those in force up to date."""

    def __init__(
        self,
        store: KeyStore,
        ring: KeyRing,
        *,
        vault: Vault,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._ring = ring
        self._vault = vault
        self._audit = audit
        self._clock = clock
        self._new_id = new_id
        self._opened: dict[str, KeyParts] = {}

    async def standing(self, *, by: Person) -> Sequence[Standing]:
        """Answer how things stand with every consumer; for administrators and auditors."""
        by.require(Permission.SETTINGS_MANAGE)
        rows = await self._store.all()
        self._load(rows)
        return [self._stands(consumer, rows) for consumer in CONSUMERS]

    async def ask(
        self, consumer: str, parts: KeyParts, *, overlap: timedelta, reason: str, by: Person
    ) -> IntegrationKey:
        """Hand a key in; it is in force when a second administrator approves.

        Raises:
            NotFound: There is no such consumer.
            BadState: The neighbour is not set up, so that the key would be of no use.
            Invalid: A part is missing, not one of the consumer's, or of the wrong shape.
            Conflict: An operator has said the key in ``HUB_*`` (``set_by_operator``), another one
                waits for approval, or it is the one in force.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        if consumer not in CONSUMERS:
            raise NotFound
        self._require_open(consumer)
        _check(consumer, parts)
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise Invalid("新旧密钥并行不超过 7 天", field="overlap_hours")
        fingerprint = self.fingerprint(consumer, parts)
        if self._ring.current(consumer) == parts:
            raise Conflict("与当前密钥相同", detail={"fingerprint": fingerprint})
        key_id = self._new_id()
        key = IntegrationKey(
            id=key_id,
            consumer=consumer,
            sealed=self._vault.seal(orjson.dumps(dict(parts)).decode(), context=_context(key_id)),
            fingerprint=fingerprint,
            overlap=overlap,
            reason=reason,
            asked_by=by.id,
            asked_at=self._clock(),
        )
        await self._store.add(key)
        await self._note("integration.ask", key, by=by, reason=reason)
        return key

    async def approve(self, key_id: str, *, by: Person) -> IntegrationKey:
        """Approve as the second administrator; the key is in force now.

        Raises:
            Forbidden: It is the one who handed it in.
            BadState: It does not wait.
            Conflict: An operator has said the key meanwhile.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        key = await self._in(key_id, KeyState.ASKED)
        require_second(by, first=key.asked_by)
        self._require_open(key.consumer)
        now = self._clock()
        approved = await self._settle(
            key, state=KeyState.APPROVED, since=now, decided_by=by.id, decided_at=now
        )
        await self._note("integration.approve", approved, by=by, reason=approved.reason)
        await self.refresh()
        return approved

    async def refuse(self, key_id: str, *, reason: str, by: Person) -> IntegrationKey:
        """Refuse a key, or take one's own back; what it was is forgotten."""
        require_decider(by, Permission.CONTROL_CHANGE)
        key = await self._in(key_id, KeyState.ASKED)
        refused = await self._close(key, KeyState.REFUSED, reason, by)
        await self._note("integration.refuse", refused, by=by, reason=reason)
        return refused

    async def end(self, key_id: str, *, reason: str, by: Person) -> IntegrationKey:
        """End a key at once, because it leaked or is of no use; one administrator is enough.

        The key before it does not come back once its overlap is over.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        key = await self._in(key_id, KeyState.APPROVED)
        ended = await self._close(key, KeyState.ENDED, reason, by)
        await self._note("integration.end", ended, by=by, reason=reason)
        await self.refresh()
        return ended

    async def refresh(self) -> None:
        """Read which keys are in force. Run every second, on every process.

        While the database is away the ring keeps what it has.
        """
        self._load(await self._store.all())

    def fingerprint(self, consumer: str, parts: KeyParts) -> str:
        """Answer twelve hex digits that tell whether two keys are the same."""
        plain = orjson.dumps(dict(parts), option=orjson.OPT_SORT_KEYS).decode()
        return self._vault.blind(plain, domain=f"integration:{consumer}")[:12]

    # -- within ----------------------------------------------------------------------------------

    def _load(self, rows: Sequence[IntegrationKey]) -> None:
        kept = [
            Kept(
                id=key.id,
                consumer=key.consumer,
                since=key.since,
                overlap=key.overlap,
                parts=self._open(key) if key.state is KeyState.APPROVED else None,
            )
            for key in rows
            if key.since is not None
        ]
        self._opened = {one.id: one.parts for one in kept if one.parts is not None}
        self._ring.load(kept)

    def _open(self, key: IntegrationKey) -> KeyParts | None:
        if key.id in self._opened:
            return self._opened[key.id]
        try:
            opened = self._vault.open(key.sealed, context=_context(key.id))
        except ValueError as error:
            # Another vault key than it was sealed with: better none than a stop of everything.
            _log.error("an integration key cannot be opened", key=key.id, error=str(error))
            return None
        parts: KeyParts = orjson.loads(opened)
        return parts

    def _stands(self, consumer: str, rows: Sequence[IntegrationKey]) -> Standing:
        ends = self._ring.ends(consumer)
        shown = [
            (key, ends.get(key.id))
            for key in rows
            if key.consumer == consumer and (key.state is KeyState.ASKED or key.id in ends)
        ]
        current = self._ring.current(consumer)
        return Standing(
            consumer=consumer,
            source=self._ring.source(consumer),
            configured=consumer in self._ring.configured,
            keys=shown,
            fingerprint=self.fingerprint(consumer, current) if current else "",
        )

    def _require_open(self, consumer: str) -> None:
        if self._ring.source(consumer) == "setting":
            raise Conflict(
                "该密钥由运维在环境变量中设定，请在那里更换",
                code="set_by_operator",
                detail={"setting": CONSUMERS[consumer].setting},
            )
        if consumer not in self._ring.configured:
            raise BadState("该外部服务尚未配置，密钥不会生效")

    async def _in(self, key_id: str, state: KeyState) -> IntegrationKey:
        key = await self._store.get(key_id)
        if key is None:
            raise NotFound
        if key.state is not state:
            raise BadState("当前状态不能执行此操作", allowed=_NEXT.get(key.state, ()))
        return key

    async def _close(
        self, key: IntegrationKey, state: KeyState, reason: str, by: Person
    ) -> IntegrationKey:
        said = {"decided_by": by.id, "decided_at": self._clock(), "decision": reason}
        return await self._settle(key, state=state, sealed=b"", **said)

    async def _settle(self, key: IntegrationKey, **update: object) -> IntegrationKey:
        settled = key.model_copy(update={**update, "v": key.v + 1})
        if not await self._store.settle(settled, was=key):
            raise Conflict("该密钥刚被他人处理，请刷新后再试", detail={"v": key.v})
        return settled

    async def _note(self, action: str, key: IntegrationKey, *, by: Person, reason: str) -> None:
        await self._audit.record(
            action,
            by=by.id,
            obj=f"integration:{key.consumer}",
            detail={
                "key": key.id,
                "fingerprint": key.fingerprint,
                "overlap_hours": int(key.overlap.total_seconds() // 3600),
                "reason": reason,
            },
        )


_NEXT: Mapping[KeyState, tuple[str, ...]] = {
    KeyState.ASKED: ("approved", "refused"),
    KeyState.APPROVED: ("ended",),
}


def _check(consumer: str, parts: KeyParts) -> None:
    wanted = CONSUMERS[consumer].parts
    for name in (*wanted, *parts):
        if name not in wanted:
            raise Invalid("该密钥没有此项", field=f"parts.{name[:40]}")
        if name not in parts:
            raise Invalid("缺少此项", field=f"parts.{name}")
        if not re.fullmatch(wanted[name], parts[name]):
            raise Invalid("格式不正确", field=f"parts.{name}")


def _context(key_id: str) -> str:
    return f"integration_key.sealed:{key_id}"
