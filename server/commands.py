"""What the operator's commands do: check, openapi, backup, restore, audit.

Each stands on the same ground as the hub and may run beside it, on the embedded engine too.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, SecretStr

from domain.clock import system_clock
from domain.errors import DomainError
from domain.key_ring import CONSUMERS, Kept, KeyRing
from realtime.broker import BrokerDown
from server.application import ROUTES
from server.config import Settings
from server.ground import lay, open_database
from server.health import routes as health_routes
from server.keys import key_ring
from server.openapi import document
from server.upkeep import blob_store
from storage.audit import read_head, sign_head
from storage.backup import Restored, backup, restore
from storage.integrations import KeyStore
from storage.tombstones import NAME, Ledger, read

_PATIENCE = 3.0


class Probe(NamedTuple):
    """What became of asking one dependency."""

    name: str
    good: bool
    says: str


def effective(settings: BaseModel, prefix: str = "HUB_") -> Iterator[tuple[str, str]]:
    """Yield each setting as variable and value; secrets only tell whether they are set."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from effective(value, f"{prefix}{name.upper()}__")
        elif isinstance(value, SecretStr):
            yield f"{prefix}{name.upper()}", "********" if value.get_secret_value() else "(not set)"
        else:
            yield f"{prefix}{name.upper()}", str(value)


async def check(settings: Settings) -> list[Probe]:
    """Ask every dependency and answer what each said."""
    neighbours = {
        "wechat": (settings.wechat.app_id, settings.wechat.base_url),
        "sms": (settings.sms.secret_id, settings.sms.base_url),
        "iflytek": (settings.iflytek.app_id, settings.iflytek.base_url),
    }
    probes = [
        await _probe("data directory", lambda: _disk(settings.data_dir)),
        await _probe("mongodb", lambda: _mongo(settings)),
        await _probe("redis", lambda: _redis(settings)),
        *await _key_probes(settings),
    ]
    for name, (account, url) in neighbours.items():
        if account:
            probes.append(await _probe(name, lambda url=url: _reach(url)))  # type: ignore[misc]
        else:
            probes.append(Probe(name, good=True, says="not configured"))
    return probes


async def _probe(name: str, ask: Callable[[], Awaitable[str]]) -> Probe:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE * 5):
            says = await ask()
    except (
        BrokerDown, DomainError, OSError, RuntimeError, TimeoutError, ValueError,
    ) as error:  # fmt: skip
        return Probe(name, good=False, says=str(error) or type(error).__name__)
    return Probe(name, good=True, says=f"{says} ({(time.perf_counter() - began) * 1000:.0f} ms)")


async def _key_probes(settings: Settings) -> list[Probe]:
    """Tell of each integration key which one is in force: the operator's, a kept one, or none."""
    ring = key_ring(settings, clock=system_clock)
    try:
        async with AsyncExitStack() as stack:
            db = await open_database(settings, stack, join=True)
            rows = await KeyStore(db).all()
    except (DomainError, OSError, RuntimeError) as error:
        return [Probe("keys", good=False, says=str(error) or type(error).__name__)]
    ring.load(
        [
            # What a key is does not matter here, only whether it may be used.
            Kept(row.id, row.consumer, row.since, row.overlap, {"": ""} if row.sealed else None)
            for row in rows
            if row.since is not None
        ]
    )
    prints = {row.id: row.fingerprint for row in rows}
    return [
        Probe(f"key {name}", good=True, says=_says_key(ring, name, it.setting, prints))
        for name, it in CONSUMERS.items()
    ]


def _says_key(ring: KeyRing, name: str, setting: str, prints: Mapping[str, str]) -> str:
    if ring.source(name) == "setting":
        return f"{setting} is in force"
    said = [
        f"{prints[key_id]}" + (f" until {end:%Y-%m-%d %H:%M} UTC" if end else "")
        for key_id, end in ring.ends(name).items()
    ]
    return "kept in the vault: " + ", ".join(said) if said else f"none ({setting} is not set)"


async def _disk(path: Path) -> str:
    path.mkdir(parents=True, exist_ok=True)
    probe = path / ".probe"
    probe.write_bytes(b"x")
    probe.unlink()
    return f"{shutil.disk_usage(path).free / 1e9:.1f} GB free"


async def _mongo(settings: Settings) -> str:
    async with AsyncExitStack() as stack:
        db = await open_database(settings, stack, join=True)
        await db.ping()
        kind = "embedded engine" if settings.embedded else "MongoDB"
        return f"{kind} answers, {len(await db.collections())} collections"


async def _redis(settings: Settings) -> str:
    url = settings.redis.url.get_secret_value()
    if not url:
        return "not configured: one process, which talks to itself"
    from storage.streams import RedisBroker

    broker = RedisBroker.from_url(url, timeout=_PATIENCE)
    try:
        await broker.start(_Deaf())
    finally:
        await broker.close()
    return "Redis answers and takes the scripts"


class _Deaf:
    """A listener for a broker that is only asked whether it is there."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


async def _reach(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    async with asyncio.timeout(_PATIENCE):
        _, writer = await asyncio.open_connection(parts.hostname, port)
    writer.close()
    return f"{parts.hostname}:{port} can be reached"


def openapi() -> bytes:
    """Answer the OpenAPI document of the whole API, as it is kept in ``docs/reference``."""
    api = (*health_routes(None, None, SecretStr("")), *ROUTES)  # type: ignore[arg-type]
    return orjson.dumps(document(api), option=orjson.OPT_INDENT_2) + b"\n"


async def back_up(settings: Settings, dest: Path) -> Path:
    """Write a backup and answer where it is."""
    async with AsyncExitStack() as stack:
        db = await open_database(settings, stack, join=True)
        return await backup(db, blob_store(settings, db), dest)


async def bring_back(
    settings: Settings, src: Path, *, verify: bool, tombstones: Sequence[Path]
) -> Restored:
    """Restore a backup into an empty database, and carry out anew what was deleted since.

    ``tombstones`` are ledgers of other hosts, or of the data directory that was lost; they become
    part of ours.
    """
    async with AsyncExitStack() as stack:
        db = await open_database(settings, stack)
        ours = settings.data_dir / NAME
        ledger = Ledger(ours)
        for stone in await asyncio.to_thread(lambda: list(read(tombstones))):
            await ledger.add(stone)
        return await restore(src, db, blob_store(settings, db), verify=verify, tombstones=(ours,))


async def verify_audit(settings: Settings, head: str = "") -> Mapping[str, Any]:
    """Read the whole audit chain, through a head that was kept elsewhere if there is one."""
    async with AsyncExitStack() as stack:
        ground = await lay(settings, stack, join=True)
        known = read_head(head, ground.vault) if head else None
        verdict = await ground.audit.verify(known)
        return {
            "sound": verdict.sound,
            "checked": verdict.checked,
            "first_bad": verdict.bad_seq,
            "reason": verdict.reason,
            "head": sign_head(verdict.head, ground.vault),
        }
