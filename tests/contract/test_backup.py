"""Backup and restore: what comes back is what was saved, or it is said that it is not."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import bson
import pytest
from bson import json_util

from domain.clock import system_clock
from domain.errors import UpstreamDown
from domain.files import FileRecord
from storage.audit import AuditStore
from storage.backup import (
    EXCLUDED,
    BackupDamaged,
    RestoreRefused,
    backup,
    check,
    checksums,
    restore,
)
from storage.client import Database
from storage.files import DiskBlobs, FileStore
from storage.gridfs import GridFsBlobs
from storage.indexes import ensure_indexes
from storage.leases import Leases
from storage.migrations import MigrationRefused, prepare
from tests.engines import ROOT

COLLECTIONS = [f"kind{n:02}" for n in range(20)]


@pytest.fixture
def blobs(tmp_path):
    return DiskBlobs(tmp_path / "source", reserve=0)


@pytest.fixture
async def empty(engine_uri):
    """Another, empty database on the same engine."""
    db = await Database.connect(engine_uri, name=f"t{secrets.token_hex(6)}")
    try:
        yield db
    finally:
        await db.drop()
        await db.close()


async def fill(db, blobs, documents=30):
    at = datetime(2026, 2, 1, 1, 2, 3, 456000, tzinfo=UTC)
    for collection in COLLECTIONS:
        await db[collection].insert_many(
            [
                {
                    "_id": f"{collection}-{n:05}",
                    "z": n,
                    "a": {"b": [None, True, 1.5, 2**40, "章清", b"\0\1"], "at": at},
                    "long": "字" * (n % 7),
                }
                for n in range(documents)
            ]
        )
    audit = AuditStore(db, system_clock)
    for n in range(10):
        await audit.record("notice.issue", by="p1", obj=f"notice:{n}", detail={"n": n})
    files = FileStore(db, blobs, system_clock)
    for n, content in enumerate((b"", b"one", os.urandom(700_000))):
        async with blobs.writer(limit=10**6) as writer:
            await writer.write(content)
        await files.add(
            FileRecord(
                id=f"f{n}",
                blob=writer.blob,
                name="x.pdf",
                mime="application/pdf",
                owner="p1",
                ref="notice:1",
                cls="C1",
                created_at=at,
            )
        )
    for name in EXCLUDED:
        if not name.startswith("blob."):
            await db[name].insert_one({"_id": "gone", "exp": at})


async def indexes(db, name):
    async with db.raw() as raw:
        return await raw[name].index_information()


@pytest.mark.acceptance("O-3")
@pytest.mark.parametrize("kind", ["disk", "gridfs"])
async def test_o_3_an_empty_house_rebuilt_from_a_backup_equals_its_source(
    db, blobs, empty, tmp_path, kind
):
    await fill(db, blobs)
    source = await checksums(db)
    assert len(source) >= 20

    await backup(db, blobs, tmp_path / "backup")
    target = (
        DiskBlobs(tmp_path / "target", reserve=0)
        if kind == "disk"
        else GridFsBlobs(empty, system_clock)
    )
    done = await restore(tmp_path / "backup", empty, target)

    assert await checksums(empty) == source
    assert done.documents == sum(each.documents for each in source.values())
    assert (done.blobs, done.audit.seq) == (3, 10)
    assert [name async for name in target.names()] == [name async for name in blobs.names()]
    for name in ("audit", "file", "person"):
        assert await indexes(empty, name) == await indexes(db, name)
    assert not set(EXCLUDED) - {"blob.files", "blob.chunks"} & set(await empty.collections())
    await ensure_indexes(empty)
    await prepare(empty, Leases(empty, system_clock, "p"), system_clock)


async def test_a_backup_has_the_layout_that_mongorestore_reads(db, blobs, tmp_path):
    await fill(db, blobs)
    dest = await backup(db, blobs, tmp_path / "backup")

    rows = bson.decode_all((dest / db.name / "kind00.bson").read_bytes())
    assert [row["_id"] for row in rows] == [f"kind00-{n:05}" for n in range(30)]
    metadata = json_util.loads((dest / db.name / "audit.metadata.json").read_text())
    assert metadata["indexes"][0]["key"] == {"_id": 1}
    assert {row["name"] for row in metadata["indexes"]} == {
        "_id_", "at", "by_seq", "obj_seq", "person_seq",
    }  # fmt: skip
    assert not (dest / db.name / "login_session.bson").exists()
    assert json.loads((dest / "manifest.json").read_text())["excluded"] == dict(EXCLUDED)
    subprocess.run(["sha256sum", "--quiet", "-c", "blobs.sha256"], cwd=dest, check=True)


@pytest.mark.parametrize(
    "damage",
    ["altered document", "cut file", "missing file", "altered index", "altered blob", "no blob"],
)
async def test_a_damaged_backup_is_refused_before_anything_is_written(
    db, blobs, empty, tmp_path, damage
):
    await fill(db, blobs, documents=3)
    dest = await backup(db, blobs, tmp_path / "backup")
    bson_file, blob = dest / db.name / "kind07.bson", next((dest / "blobs").glob("*/*"))
    metadata = dest / db.name / "person.metadata.json"
    match damage:
        case "altered document":
            bson_file.write_bytes(bson_file.read_bytes().replace(b"kind07", b"kind08"))
        case "cut file":
            bson_file.write_bytes(bson_file.read_bytes()[:-10])
        case "missing file":
            bson_file.unlink()
        case "altered index":
            metadata.write_text(metadata.read_text().replace("unique", "sparse"))
        case "altered blob":
            blob.write_bytes(b"something else")
        case "no blob":
            blob.unlink()

    with pytest.raises(BackupDamaged):
        await check(dest)
    with pytest.raises(BackupDamaged):
        await restore(dest, empty, DiskBlobs(tmp_path / "target", reserve=0))
    assert await empty.collections() == []


async def test_a_restore_into_a_house_that_is_lived_in_is_refused(db, blobs, tmp_path):
    await fill(db, blobs, documents=1)
    dest = await backup(db, blobs, tmp_path / "backup")
    before = await checksums(db)

    with pytest.raises(RestoreRefused, match="not empty"):
        await restore(dest, db, blobs)
    assert await checksums(db) == before


async def test_an_audit_that_was_altered_before_the_backup_does_not_pass_as_sound(
    db, blobs, empty, tmp_path, clock
):
    await fill(db, blobs, documents=1)
    await db["audit"].update_one({"_id": 4}, {"$set": {"by": "somebody else"}})
    dest = await backup(db, blobs, tmp_path / "backup")

    with pytest.raises(BackupDamaged, match="altered at entry 4"):
        await restore(dest, empty, DiskBlobs(tmp_path / "target", reserve=0))
    # What is there now is not a whole house, and the hub does not start on it.
    with pytest.raises(MigrationRefused, match="did not finish"):
        await prepare(empty, Leases(empty, clock, "p"), clock)


async def test_content_damaged_in_the_store_is_noticed_by_the_backup(db, blobs, tmp_path):
    await fill(db, blobs, documents=1)
    names = [name async for name in blobs.names()]
    blobs._path(names[0]).write_bytes(b"rotten")

    with pytest.raises(BackupDamaged, match="damaged in the store"):
        await backup(db, blobs, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


async def test_a_backup_that_breaks_leaves_nothing_that_looks_whole(
    db, blobs, tmp_path, monkeypatch
):
    await fill(db, blobs, documents=1)

    async def away(*_):
        raise UpstreamDown("…", upstream="mongodb")

    with monkeypatch.context() as patched:
        patched.setattr("storage.backup._dump_blobs", away)
        with pytest.raises(UpstreamDown):
            await backup(db, blobs, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    with pytest.raises(BackupDamaged):
        await check(tmp_path / "backup.partial")

    await check(await backup(db, blobs, tmp_path / "backup"))
    assert not (tmp_path / "backup.partial").exists()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
import storage.backup
from storage.client import Database
from storage.files import DiskBlobs

place = sys.argv[4]
genuine = getattr(storage.backup, place)

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(storage.backup, place, die)

async def main():
    db = await Database.connect(sys.argv[1], name=sys.argv[2])
    dest = Path(sys.argv[3])
    await storage.backup.backup(db, DiskBlobs(dest / "source", reserve=0), dest / "backup")

asyncio.run(main())
"""


@pytest.mark.parametrize("place", ["_dump_blobs", "_metadata_sums", "_finish", "_sync_path"])
async def test_a_backup_killed_in_its_midst_leaves_nothing_that_looks_whole(
    db, blobs, engine_uri, tmp_path, place
):
    await fill(db, blobs, documents=1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, engine_uri, db.name, str(tmp_path), place, cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL

    assert not (tmp_path / "backup").exists()
    assert (tmp_path / "backup.partial").exists()
    await check(await backup(db, blobs, tmp_path / "backup"))


async def test_a_second_backup_does_not_overwrite_the_first(db, blobs, tmp_path):
    await backup(db, blobs, tmp_path / "backup")

    with pytest.raises(FileExistsError):
        await backup(db, blobs, tmp_path / "backup")


async def test_a_backup_of_a_later_format_is_refused(db, blobs, empty, tmp_path):
    dest = await backup(db, blobs, tmp_path / "backup")
    manifest = json.loads((dest / "manifest.json").read_text())
    (dest / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))

    with pytest.raises(RestoreRefused, match="format 99"):
        await restore(dest, empty, blobs)


async def test_documents_that_expired_since_the_backup_are_compared_before_they_go(
    db, blobs, empty, tmp_path
):
    long_ago = system_clock() - timedelta(days=30)
    await db["outbox"].insert_one({"_id": "old", "state": "done", "done_at": long_ago})
    dest = await backup(db, blobs, tmp_path / "backup")

    assert (await restore(dest, empty, blobs)).documents >= 1
    assert "done" in await indexes(empty, "outbox")


async def test_entries_recorded_while_the_backup_runs_do_no_harm(db, blobs, empty, tmp_path):
    await fill(db, blobs, documents=300)
    audit = AuditStore(db, system_clock)

    async def busy():
        while True:
            await audit.record("x.y", by="p", obj="o:1")

    work = asyncio.create_task(busy())
    try:
        dest = await backup(db, blobs, tmp_path / "backup")
    finally:
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    done = await restore(dest, empty, DiskBlobs(tmp_path / "target", reserve=0))
    assert done.audit.seq >= 10
