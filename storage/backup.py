"""Backup and restore: everything needed to build the house again elsewhere, on either engine.

::

    <dest>/<db>/<coll>.bson, <coll>.metadata.json   mongodump's layout, readable by mongorestore
    <dest>/blobs/ab/ab12…                           content of files
    <dest>/blobs.sha256                             the list of it; ``sha256sum -c`` reads it
    <dest>/manifest.json                            counts and checksums, written last

A backup grows under ``<dest>.partial`` and gets its name when it is whole and on the disk. It is
taken while the hub runs: each collection is consistent in itself, and content never changes once
it is there. The vault's key is not in it; keep that apart, or nobody can read the C3 values.

``EXCLUDED`` says what is left out, and why; the manifest repeats it. It also lists the tombstones
(``storage.tombstones``) of what was deleted for somebody's sake; a restore carries out anew those
that are younger than the backup.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from domain.audit_chain import Head
from domain.clock import Clock, system_clock
from domain.errors import NotFound
from domain.files import BlobStore
from storage.audit import AuditStore
from storage.client import Database
from storage.dump import Sum, checksum, dump, load, load_indexes, write_synced
from storage.migrations import RESTORING
from storage.tombstones import apply, read

FORMAT = 1

EXCLUDED: Mapping[str, str] = {
    "blob.chunks": "content is kept under blobs/, whichever store it came from",
    "blob.files": "content is kept under blobs/, whichever store it came from",
    "face_print": "what cameras have shown within a day",
    "idempotency": "answers to repeated requests, of use for a day",
    "lease": "which process did what at that moment",
    "limit": "attempts in the last minutes or hours",
    "login_attempt": "one-time codes and tickets, of use for minutes",
    "login_session": "a restore must not bring back a session that was revoked since",
    "login_try": "failed attempts to sign in, of use for minutes",
}


class BackupDamaged(RuntimeError):
    """The backup is not whole, or was altered; the sentence says where."""


class RestoreRefused(RuntimeError):
    """The restore was not begun; the sentence says why."""


@dataclass(frozen=True)
class Restored:
    """What a restore brought back; ``deleted`` is what tombstones took away again."""

    collections: int
    documents: int
    blobs: int
    audit: Head
    deleted: int = 0


async def backup(
    db: Database, blobs: BlobStore, dest: Path, *, clock: Clock = system_clock
) -> Path:
    """Write a backup to ``dest``, which must not exist yet, and answer it.

    Raises:
        FileExistsError: There is something at ``dest``.
    """
    if dest.exists():
        raise FileExistsError(f"{dest} exists")
    partial = dest.with_name(f"{dest.name}.partial")
    await asyncio.to_thread(_begin, partial, db.name)
    begun = clock()
    # Of the chain as it is now; entries that come meanwhile may be in the backup too.
    head = await AuditStore(db, clock).head()
    # Content that the documents refer to is there before they are, so it is read after them.
    collections = {
        name: asdict(await dump(db, name, partial / db.name))
        for name in await db.collections()
        if name not in EXCLUDED
    }
    content = await _dump_blobs(blobs, partial)
    manifest = {
        "format": FORMAT,
        "database": db.name,
        "begun": begun.astimezone(UTC).isoformat(),
        "ended": clock().astimezone(UTC).isoformat(),
        "installation": (await db["installation"].find_one({"_id": "this"}) or {}).get("id"),
        "collections": collections,
        "metadata": await asyncio.to_thread(_metadata_sums, partial / db.name),
        "blobs": content,
        "audit": asdict(head),
        "tombstones": await _tombstones(db),
        "excluded": dict(EXCLUDED),
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
    await asyncio.to_thread(_finish, partial, dest, text.encode())
    return dest


async def restore(
    src: Path,
    db: Database,
    blobs: BlobStore,
    *,
    verify: bool = True,
    tombstones: Sequence[Path] = (),
) -> Restored:
    """Bring a backup into an empty database, and prove that it is what was saved.

    Args:
        src: The backup.
        db: Where to; it must not hold a single collection.
        blobs: Where to; content that is there already may stay.
        verify: Whether to check every file before and every document after; without it the
            restore is quicker, and a damaged backup may come in unnoticed.
        tombstones: Ledgers of deletions; what they name goes again, after all is proved.

    Raises:
        RestoreRefused: The database is not empty, or the backup is of a later format.
        BackupDamaged: A file is missing or altered, or what came in differs from what was saved.
    """
    manifest = await asyncio.to_thread(read_manifest, src)
    if held := await db.collections():
        raise RestoreRefused(
            f"the database {db.name} is not empty, it holds {', '.join(held[:5])}…; restore into a "
            "database or data directory of its own"
        )
    if verify:
        await check(src)
    source = src / manifest["database"]
    await db[RESTORING].insert_one({"_id": str(src), "at": datetime.now(UTC)})
    documents = 0
    for name in manifest["collections"]:
        documents += await load(db, name, source)
    count = await _load_blobs(src, blobs)
    head = Head(**manifest["audit"])
    if verify:
        await _compare(db, manifest, head)
    # Now, not earlier: an index that expires would remove old documents before they are compared.
    for name in manifest["collections"]:
        await load_indexes(db, name, source)
    deleted = await apply(db, await asyncio.to_thread(lambda: list(read(tombstones))))
    async with db.raw() as raw:
        await raw.drop_collection(RESTORING)
    return Restored(len(manifest["collections"]), documents, count, head, deleted)


def read_manifest(src: Path) -> dict[str, Any]:
    """Answer the manifest of a backup.

    Raises:
        BackupDamaged: There is none that can be read.
        RestoreRefused: It is of a later format.
    """
    try:
        manifest: dict[str, Any] = json.loads((src / "manifest.json").read_bytes())
        form = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(f"{src} is not a whole backup: {error}") from error
    if form > FORMAT:
        raise RestoreRefused(f"{src} has format {form}; this version reads up to {FORMAT}")
    return manifest


async def check(src: Path) -> None:
    """Read every file of a backup and compare it with the manifest.

    Raises:
        BackupDamaged: A file is missing or altered.
    """
    manifest = await asyncio.to_thread(read_manifest, src)
    source = src / manifest["database"]
    expected = {source / f"{name}.bson": s["sha256"] for name, s in manifest["collections"].items()}
    expected |= {source / name: digest for name, digest in manifest["metadata"].items()}
    expected[src / "blobs.sha256"] = manifest["blobs"]["sha256"]
    for path, digest in expected.items():
        await _check_file(path, digest)
    for digest in await asyncio.to_thread(_listed, src):
        await _check_file(src / "blobs" / digest[:2] / digest, digest)


async def checksums(db: Database) -> dict[str, Sum]:
    """Answer the checksum of every collection that a backup holds, as the database is now."""
    names = [name for name in await db.collections() if name not in EXCLUDED]
    return {name: await checksum(db, name) for name in names}


async def _tombstones(db: Database) -> list[dict[str, Any]]:
    rows = await db["face_tombstone"].find({}, sort=[("_id", 1)], limit=100_000)
    return [{"kind": "face", "p": it["p"], "at": it["at"].isoformat()} for it in rows]


async def _dump_blobs(blobs: BlobStore, partial: Path) -> dict[str, Any]:
    lines = []
    total = 0
    async for name in blobs.names():
        path = partial / "blobs" / name[:2] / name
        try:
            total += await _dump_blob(blobs, name, path)
        except NotFound:
            # Swept since it was listed, so nothing that was dumped refers to it.
            path.unlink(missing_ok=True)
            continue
        lines.append(f"{name}  blobs/{name[:2]}/{name}\n")
    text = "".join(lines).encode()
    await asyncio.to_thread(write_synced, partial / "blobs.sha256", text)
    return {"count": len(lines), "size": total, "sha256": hashlib.sha256(text).hexdigest()}


async def _dump_blob(blobs: BlobStore, name: str, path: Path) -> int:
    path.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    file = await asyncio.to_thread(path.open, "xb")
    try:
        async for chunk in blobs.read(name):
            digest.update(chunk)
            size += await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(_sync, file)
    finally:
        file.close()
    if digest.hexdigest() != name:
        raise BackupDamaged(f"the content {name} is damaged in the store itself")
    return size


async def _load_blobs(src: Path, blobs: BlobStore) -> int:
    names = await asyncio.to_thread(_listed, src)
    for name in names:
        path = src / "blobs" / name[:2] / name
        with path.open("rb") as file:
            async with blobs.writer(limit=path.stat().st_size) as writer:
                while chunk := await asyncio.to_thread(file.read, 256 * 1024):
                    await writer.write(chunk)
        if writer.blob.sha256 != name:
            raise BackupDamaged(f"{path} is not what its name says")
    return len(names)


async def _compare(db: Database, manifest: Mapping[str, Any], head: Head) -> None:
    """Compare what came in with what was saved, and verify the audit."""
    for name, saved in manifest["collections"].items():
        if await checksum(db, name) != Sum(**saved):
            raise BackupDamaged(f"the collection {name} came in different from what was saved")
    verdict = await AuditStore(db, system_clock).verify(head)
    if not verdict.sound:
        raise BackupDamaged(f"the audit is {verdict.reason} at entry {verdict.bad_seq}")


async def _check_file(path: Path, digest: str) -> None:
    try:
        found = await asyncio.to_thread(_digest, path)
    except FileNotFoundError:
        raise BackupDamaged(f"{path} is missing") from None
    if found != digest:
        raise BackupDamaged(f"{path} was altered or is damaged")


def _begin(partial: Path, name: str) -> None:
    if partial.exists():
        # What an earlier attempt left: nobody can take it for a backup, and nobody needs it.
        shutil.rmtree(partial)
    partial.mkdir(parents=True, mode=0o700)
    (partial / name).mkdir()
    (partial / "blobs").mkdir()


def _finish(partial: Path, dest: Path, manifest: bytes) -> None:
    """Write the manifest and give the backup its name, when everything else is on the disk."""
    write_synced(partial / "manifest.json", manifest)
    for directory in (*(entry for entry in partial.rglob("*") if entry.is_dir()), partial):
        _sync_path(directory)
    partial.rename(dest)
    _sync_path(dest.parent)


def _metadata_sums(directory: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in sorted(directory.glob("*.metadata.json"))}


def _listed(src: Path) -> list[str]:
    return [line.split(" ")[0] for line in (src / "blobs.sha256").read_text().splitlines()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
