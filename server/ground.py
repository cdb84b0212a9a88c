"""What services stand on: the database, the vault, the bus, and the other ports, put together."""

from __future__ import annotations

import os
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from domain.clock import Clock, NewId, new_ulid, system_clock
from domain.key_ring import KeyRing
from server.bus import HubBus
from server.config import Settings
from server.keys import key_ring
from server.metrics import Metrics
from server.supervise import Supervisor
from storage.audit import AuditStore
from storage.client import Database
from storage.counters import Counters
from storage.leases import Leases
from storage.limiter import MongoLimiter
from storage.migrations import prepare
from storage.outbox import Outbox
from storage.vault import KeyVault, key_from_file, parse_key


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One of each thing that several services need.

    Attributes:
        key: Secret of this hub, the same in all its processes; derive from it, never use it raw.
        keys: Keys of our neighbours and for our callers, as they are in force.
    """

    settings: Settings
    clock: Clock
    new_id: NewId
    supervisor: Supervisor
    metrics: Metrics
    db: Database
    audit: AuditStore
    bus: HubBus
    outbox: Outbox
    counters: Counters
    leases: Leases
    limiter: MongoLimiter
    vault: KeyVault
    key: bytes
    keys: KeyRing


async def lay(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    clock: Clock = system_clock,
    new_id: NewId = new_ulid,
    join: bool = False,
) -> Ground:
    """Connect to everything; leaving ``stack`` lets go in reverse order.

    Where a hub is running on the embedded engine already, ``join`` uses that engine too.

    Raises:
        EmbeddedInUse: Another hub uses the data directory, and ``join`` was not said.
        MigrationRefused: The data is newer than this version, or only half restored.
        IndexRefused: An index cannot be made as declared.
    """
    metrics = Metrics()
    db = await open_database(settings, stack, join=join)
    leases = Leases(db, clock, owner=f"{os.uname().nodename}:{os.getpid()}:{new_id()}")
    await prepare(db, leases, clock)
    metrics.gauge("hub_db_waiting", "Calls waiting for their turn at MongoDB.", lambda: db.queued)
    supervisor = Supervisor()
    outbox = Outbox(db, clock)
    stack.push_async_callback(supervisor.stop)
    return Ground(
        settings=settings,
        clock=clock,
        new_id=new_id,
        supervisor=supervisor,
        metrics=metrics,
        db=db,
        audit=AuditStore(db, clock),
        bus=HubBus(outbox),
        outbox=outbox,
        counters=Counters(db),
        leases=leases,
        limiter=MongoLimiter(db, clock),
        vault=_vault(settings),
        key=_secret(settings),
        keys=key_ring(settings, clock=clock),
    )


async def open_database(
    settings: Settings, stack: AsyncExitStack, *, join: bool = False
) -> Database:
    """Connect to MongoDB, or start the embedded engine; see ``lay``."""
    uri = settings.mongo.uri.get_secret_value()
    if settings.embedded:
        # Imported here: a hub with a MongoDB of its own never needs the engine.
        from storage.embedded.process import EmbeddedInUse, EmbeddedServer

        engine = EmbeddedServer(settings.data_dir)
        stack.push_async_callback(engine.stop)
        try:
            uri = await engine.start()
        except EmbeddedInUse:
            if not join:
                raise
            uri = engine.uri
    db = await Database.connect(uri, name=settings.mongo.name)
    stack.push_async_callback(db.close)
    return db


def _vault(settings: Settings) -> KeyVault:
    said = settings.vault.key.get_secret_value()
    key = parse_key(said) if said else key_from_file(settings.data_dir / "vault.key")
    return KeyVault([key])


def _secret(settings: Settings) -> bytes:
    said = settings.secret.get_secret_value()
    return said.encode() if said else kept_secret(settings.data_dir / "secret")


def kept_secret(path: Path) -> bytes:
    """Answer the secret kept in a file that only we can read, making it the first time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_hex(32).encode())
    return path.read_bytes()
