"""The contract tests run on every engine there is."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from storage.client import Database
from storage.indexes import ensure_indexes
from tests.engines import EMBEDDED, ENGINES


@pytest.fixture(params=ENGINES)
def engine_uri(request: pytest.FixtureRequest) -> str:
    """The address of each engine in turn."""
    if request.param == EMBEDDED:
        uri: str = request.getfixturevalue("mongo_uri")
        return uri
    return request.param


@pytest.fixture
async def bare_db(engine_uri: str) -> AsyncIterator[Database]:
    """A database with nothing in it on each engine in turn."""
    db = await Database.connect(engine_uri, name=f"t{secrets.token_hex(6)}")
    try:
        yield db
    finally:
        await db.drop()
        await db.close()


@pytest.fixture
async def db(bare_db: Database) -> Database:
    """A fresh database with every index on each engine in turn."""
    await ensure_indexes(bare_db)
    return bare_db
