"""Files: one contract for content on disk and in MongoDB, and the records that refer to it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
from datetime import timedelta

import pytest
from gridfs.asynchronous import AsyncGridFSBucket

from domain.clock import system_clock
from domain.errors import NotFound, StorageFull, TooLarge
from domain.files import Blob, FileRecord
from storage.files import DiskBlobs, FileStore
from storage.gridfs import GridFsBlobs

BIG = random.Random(7).randbytes(1_300_001)


@pytest.fixture(params=["disk", "gridfs"])
def blobs(request, db, tmp_path):
    if request.param == "disk":
        return DiskBlobs(tmp_path / "blobs", reserve=0)
    return GridFsBlobs(db, system_clock)


async def put(blobs, content, chunk=100_000, limit=10_000_000):
    async with blobs.writer(limit=limit) as writer:
        for start in range(0, len(content), chunk):
            await writer.write(content[start : start + chunk])
    return writer.blob


async def get(blobs, name, **where):
    return b"".join([chunk async for chunk in blobs.read(name, **where)])


def leftovers(blobs):
    """What a disk store holds besides finished content."""
    return list(blobs._incoming.iterdir()) if isinstance(blobs, DiskBlobs) else []


@pytest.mark.parametrize("chunk", [1_300_001, 255 * 1024, 65_537])
async def test_content_comes_back_as_it_went_in(blobs, chunk):
    blob = await put(blobs, BIG, chunk)

    assert blob == Blob(hashlib.sha256(BIG).hexdigest(), len(BIG))
    assert await blobs.stat(blob.sha256) == blob
    assert await get(blobs, blob.sha256) == BIG
    assert leftovers(blobs) == []


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, 1),
        (5, 5),
        (261_119, 261_121),
        (261_120, 522_240),
        (1_300_000, None),
        (1_300_001, None),
        (2_000_000, 3_000_000),
        (1_000_000, 9_000_000),
        (0, None),
    ],
)
async def test_a_range_is_read_to_the_byte(blobs, start, stop):
    blob = await put(blobs, BIG)

    assert await get(blobs, blob.sha256, start=start, stop=stop) == BIG[start:stop]


async def test_empty_content_is_content(blobs):
    blob = await put(blobs, b"")

    assert blob == Blob(hashlib.sha256(b"").hexdigest(), 0)
    assert await get(blobs, blob.sha256) == b""


async def test_the_same_content_is_kept_once(blobs):
    first, second = await asyncio.gather(put(blobs, BIG), put(blobs, b"x"))
    again = await put(blobs, BIG)

    assert again == first
    assert [name async for name in blobs.names()] == sorted([first.sha256, second.sha256])


async def test_content_over_the_limit_is_refused_and_leaves_nothing(blobs):
    with pytest.raises(TooLarge) as refusal:
        await put(blobs, BIG, limit=1_300_000)

    assert refusal.value.detail == {"limit": 1_300_000}
    assert [name async for name in blobs.names()] == []
    assert leftovers(blobs) == []


async def test_a_broken_upload_leaves_nothing(blobs, db):
    async def breaks():
        async with blobs.writer(limit=10_000_000) as writer:
            await writer.write(BIG)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await breaks()

    assert [name async for name in blobs.names()] == []
    assert leftovers(blobs) == []
    assert await db["blob.chunks"].count({}) == 0


async def test_a_cancelled_upload_leaves_nothing(blobs, db):
    begun = asyncio.Event()

    async def hangs():
        async with blobs.writer(limit=10_000_000) as writer:
            await writer.write(BIG)
            begun.set()
            await asyncio.Event().wait()

    upload = asyncio.create_task(hangs())
    await begun.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload

    assert [name async for name in blobs.names()] == []
    assert leftovers(blobs) == []
    assert await db["blob.chunks"].count({}) == 0


async def test_what_is_not_kept_is_not_found(blobs):
    blob = await put(blobs, b"x")
    await blobs.delete(blob.sha256)
    await blobs.delete(blob.sha256)

    for name in (blob.sha256, "", "../../etc/passwd", "AB" * 32):
        with pytest.raises(NotFound):
            await blobs.stat(name)
        with pytest.raises(NotFound):
            await get(blobs, name)


async def test_a_sweep_removes_old_content_without_a_record_only(blobs, db):
    wanted, orphan = await put(blobs, b"wanted"), await put(blobs, b"orphan")
    files = FileStore(db, blobs, system_clock)
    await files.add(record("f1", wanted))

    assert await files.sweep(age=timedelta(hours=1)) == []
    assert await files.sweep(age=timedelta(seconds=-5)) == [orphan.sha256]
    assert [name async for name in blobs.names()] == [wanted.sha256]


async def test_content_that_comes_again_is_young_again(blobs, db):
    blob = await put(blobs, b"again")
    if isinstance(blobs, DiskBlobs):
        os.utime(blobs._path(blob.sha256), (0, 0))
    else:
        long_ago = system_clock() - timedelta(days=9)
        await db["blob.files"].update_one({}, {"$set": {"uploadDate": long_ago}})
    await put(blobs, b"again")

    assert await blobs.sweep([], before=system_clock() - timedelta(days=1)) == []
    assert await get(blobs, blob.sha256) == b"again"


async def test_a_full_disk_refuses_and_leaves_nothing(tmp_path, monkeypatch):
    blobs = DiskBlobs(tmp_path, reserve=0)

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            await put(blobs, BIG)

    assert [name async for name in blobs.names()] == []
    assert leftovers(blobs) == []


async def test_the_last_room_on_a_disk_is_left_to_the_database(tmp_path):
    with pytest.raises(StorageFull):
        await put(DiskBlobs(tmp_path, reserve=2**62), b"x")


async def test_a_draft_of_a_process_that_died_goes_with_the_sweep(tmp_path):
    blobs = DiskBlobs(tmp_path, reserve=0)
    draft = tmp_path / ".incoming" / "dead"
    draft.write_bytes(b"half")
    os.utime(draft, (0, 0))

    await blobs.sweep([], before=system_clock() - timedelta(days=1))

    assert leftovers(blobs) == []


def record(file_id, blob, ref="notice:n1"):
    return FileRecord(
        id=file_id,
        blob=blob,
        name="会议须知.pdf",
        mime="application/pdf",
        owner="p1",
        ref=ref,
        cls="C1",
        created_at=system_clock(),
    )


async def test_records_are_kept_found_and_forgotten(db, tmp_path):
    files = FileStore(db, DiskBlobs(tmp_path), system_clock)
    one, two = record("f1", Blob("a" * 64, 1)), record("f2", Blob("b" * 64, 2))
    other = record("f3", Blob("b" * 64, 2), ref="notice:n2")
    for each in (two, one, other):
        await files.add(each)

    assert await files.get("f2") == two
    assert await files.of("notice:n1") == [one, two]
    await files.remove("f2")
    with pytest.raises(NotFound):
        await files.get("f2")


async def test_content_in_mongodb_is_read_by_any_gridfs_tool(db):
    blob = await put(GridFsBlobs(db, system_clock), BIG)

    async with db.raw() as raw:
        stream = await AsyncGridFSBucket(raw, "blob").open_download_stream_by_name(blob.sha256)
        assert await stream.read() == BIG
