"""What every test may ask for: a database, a clock that stands still, ids in order."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from ulid import ULID

from storage.client import Database
from storage.indexes import ensure_indexes
from tests.engines import embedded

# How fast an example is made or judged says something of the machine, and nothing of the hub.
settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")


class FakeClock:
    """A clock that moves only when it is told to; it starts on a Sunday at 09:00 in Shanghai."""

    def __init__(self, now: datetime = datetime(2026, 2, 1, 1, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(
        self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> datetime:
        self.now += timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def new_id(clock: FakeClock) -> Callable[[], str]:
    """Ids that carry the clock's time and always grow."""
    count = itertools.count(1)

    def make() -> str:
        return str(ULID(int(clock.now.timestamp() * 1000).to_bytes(6) + next(count).to_bytes(10)))

    return make


@pytest.fixture(scope="session")
def mongo_uri() -> Iterator[str]:
    """The address of the embedded engine that this test session runs."""
    with embedded() as engine:
        yield engine.uri


@pytest.fixture
async def bare_db(mongo_uri: str) -> AsyncIterator[Database]:
    """A database with nothing in it, not even indexes."""
    db = await Database.connect(mongo_uri, name=f"t{secrets.token_hex(6)}")
    try:
        yield db
    finally:
        await db.drop()
        await db.close()


@pytest.fixture
async def db(bare_db: Database) -> Database:
    """A fresh database on the embedded engine, with every index."""
    await ensure_indexes(bare_db)
    return bare_db
