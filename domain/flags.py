"""Feature flags: what an administrator can pause while the hub runs, PRODUCT.md §5 M10.

A flag is declared here with its default and the reason for it; an endpoint names the flag it obeys
(``@operation(flag=…)``), a service asks ``require``. A change needs a reason, is audited, holds on
every process within two seconds and is announced on ``sys``. A fixed flag cannot be changed at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock, NewId
from domain.errors import Conflict, Forbidden, NotFound
from domain.events import Event
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus


class Flag(NamedTuple):
    """One declaration.

    Attributes:
        about: What it switches, as administrators read it.
        default: How it stands until somebody changes it.
        why: Why that is the default.
        fixed: Whether nobody can change it.
    """

    about: str
    default: bool
    why: str
    fixed: bool = False


FLAGS: Mapping[str, Flag] = {
    "directory.export": Flag(
        "通讯录导出", default=True, why="导出须有理由、带水印并告知审计员；数据外泄排查期间可暂停"
    ),
    "face": Flag(
        "人脸识别",
        default=False,
        why="可选功能；须先有经批准的个人信息保护影响评估，扫码与人工始终同等可用",
    ),
    "login.qr": Flag(
        "电脑端扫码登录", default=True, why="工作人员日常登录方式；出现仿冒二维码时可暂停"
    ),
    "poll.binding": Flag(
        "手机法定表决", default=False, why="产品定型：手机不承担法定表决", fixed=True
    ),
    "profile.change": Flag(
        "本人申请变更资料", default=True, why="便于代表更新资料；换届核对名册期间可暂停"
    ),
}
"""Every flag there is; sorted by name."""


class FlagState(BaseModel):
    """How a flag stands, and who brought it there.

    Attributes:
        v: Version; 0 while it stands as shipped, and then nobody changed it.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    on: bool
    reason: str = ""
    changed_by: str | None = None
    changed_at: datetime | None = None
    v: int = 0


class FlagChanged(Event):
    """A feature was switched; ask ``GET /api/v1/flags`` after a gap."""

    channels: ClassVar[tuple[str, ...]] = ("sys",)

    type: Literal["flag"] = "flag"
    key: str
    on: bool


Guard = Callable[[], Awaitable[None]]
"""Does nothing, or raises why a feature may not be switched on."""


class FlagStore(Protocol):
    """Keeps the flags that were changed."""

    async def all(self) -> Sequence[FlagState]:
        """Answer every flag that was ever changed."""

    async def put(self, state: FlagState, *, was: int) -> bool:
        """Keep a flag if it still is at version ``was``; tell whether it was."""


class FlagService:
    """Tells how flags stand, and changes them. An answer is at most ``STALE`` old.

    Args:
        guards: What must be so before a feature is switched on.
    """

    STALE = timedelta(seconds=1)

    def __init__(
        self,
        store: FlagStore,
        *,
        audit: AuditLog,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
        guards: Mapping[str, Guard] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._guards = guards
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._known: Mapping[str, FlagState] = {}
        self._read_at: datetime | None = None

    async def states(self) -> Mapping[str, FlagState]:
        """Answer how every flag stands, by key."""
        now = self._clock()
        fresh = self._read_at is not None and timedelta(0) <= now - self._read_at < self.STALE
        if not fresh:
            self._known = await self._read()
            self._read_at = now
        return self._known

    async def on(self, key: str) -> bool:
        """Tell whether a feature is on.

        Raises:
            KeyError: No such flag is declared: a mistake of ours, never of a caller.
        """
        declared = FLAGS[key]
        return declared.default if declared.fixed else (await self.states())[key].on

    async def require(self, key: str) -> None:
        """Do nothing if a feature is on.

        Raises:
            Forbidden: It is paused (code ``feature_off``).
        """
        if not await self.on(key):
            raise Forbidden(
                f"“{FLAGS[key].about}”功能已暂停", code="feature_off", detail={"flag": key}
            )

    async def listed(self, *, by: Person) -> Sequence[FlagState]:
        """Answer every flag, for administrators and auditors."""
        by.require(Permission.SETTINGS_MANAGE)
        states = await self._read()
        return [states[key] for key in FLAGS]

    async def switch(self, key: str, *, on: bool, reason: str, v: int, by: Person) -> FlagState:
        """Switch a feature on or off, on every process within two seconds.

        Switching to where it stands already changes nothing and is not announced.

        Raises:
            NotFound: There is no such flag.
            Forbidden: ``by`` may only look, the flag is fixed, or its guard says no.
            Conflict: The flag is no longer at version ``v``.
        """
        require_decider(by, Permission.SETTINGS_MANAGE)
        if key not in FLAGS:
            raise NotFound
        if FLAGS[key].fixed:
            raise Forbidden("该项由产品定型，不可更改", detail={"flag": key})
        current = (await self._read())[key]
        if current.v == v and current.on is on:
            return current
        if on and key in self._guards:
            await self._guards[key]()
        changed = FlagState(
            key=key,
            on=on,
            reason=reason,
            changed_by=by.id,
            changed_at=self._clock(),
            v=v + 1,
        )
        if current.v != v or not await self._store.put(changed, was=v):
            now = (await self._read())[key].v
            raise Conflict("该开关刚被他人更改，请刷新后再试", detail={"v": now})
        self._read_at = None
        await self._audit.record(
            "flag.switch",
            by=by.id,
            obj=f"flag:{key}",
            detail={"on": on, "before": current.on, "reason": reason},
        )
        event = FlagChanged(id=self._new_id(), v=changed.v, at=self._clock(), key=key, on=on)
        await self._bus.publish("sys", event)
        return changed

    async def _read(self) -> Mapping[str, FlagState]:
        kept = {state.key: state for state in await self._store.all()}
        return {
            key: kept.get(key) or FlagState(key=key, on=flag.default) for key, flag in FLAGS.items()
        }
