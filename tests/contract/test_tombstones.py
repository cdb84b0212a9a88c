"""What was deleted for somebody's sake stays deleted, whichever backup is restored (A1-4)."""

from __future__ import annotations

import itertools
import json
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from domain.consents import Consent, Decision
from domain.faces.templates import End, Template, TemplateState, Tombstone
from storage.backup import backup, read_manifest, restore
from storage.client import Database
from storage.consents import ConsentStore
from storage.faces.templates import FaceStore
from storage.files import DiskBlobs
from storage.tombstones import NAME, Ledger, read

AT = datetime(2026, 2, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def blobs(tmp_path):
    return DiskBlobs(tmp_path / "blobs", reserve=0)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "data" / NAME


@pytest.fixture
def faces(db, ledger):
    return store(db, ledger)


@pytest.fixture
async def empty(engine_uri):
    db = await Database.connect(engine_uri, name=f"t{secrets.token_hex(6)}")
    try:
        yield db
    finally:
        await db.drop()
        await db.close()


def store(db, ledger):
    ids = (f"{n:026}" for n in itertools.count(1))
    return FaceStore(db, Ledger(ledger), new_id=lambda: next(ids))


def template(person_id, *, made=AT, v=0):
    return Template(
        person_id=person_id,
        state=TemplateState.ACTIVE,
        model="m",
        samples=(b"sealed 1", b"sealed 2"),
        consent="2026-12-01",
        made_at=made,
        until=made + timedelta(days=730),
        v=v,
    )


async def test_a_template_is_kept_by_its_version_and_every_change_moves_the_mark(faces):
    assert (await faces.get("wen"), await faces.mark()) == (None, 0)
    assert await faces.put(template("wen")) is True
    assert await faces.put(template("wen")) is False
    kept = await faces.get("wen")
    assert kept == template("wen", v=1)
    assert await faces.put(kept) is True
    assert await faces.put(kept) is False
    assert (await faces.versions(), await faces.mark()) == ({"wen": 2}, 2)
    assert await faces.delete(Tombstone("wen", AT, End.DELETED)) is True
    assert await faces.delete(Tombstone("wen", AT, End.DELETED)) is False
    assert (await faces.versions(), await faces.mark()) == ({}, 3)


@pytest.mark.acceptance("A1-4")
async def test_an_older_backup_does_not_bring_a_deleted_template_back(
    db, empty, faces, blobs, ledger, tmp_path
):
    """A1-4"""
    consents = ConsentStore(db)
    for person_id in ("wen", "cen", "zhang"):
        await faces.put(template(person_id))
        given = Consent(
            person_id=person_id, purpose="face", decision=Decision.GIVEN, version="x", given_at=AT
        )
        await consents.put(given)
    older = await backup(db, blobs, tmp_path / "older")
    await faces.delete(Tombstone("wen", AT + HOUR, End.WITHDRAWN))
    await faces.delete(Tombstone("cen", AT + HOUR, End.DELETED))
    newer = await backup(db, blobs, tmp_path / "newer")
    assert read_manifest(older)["tombstones"] == []
    listed = read_manifest(newer)["tombstones"]
    assert {(it["kind"], it["p"]) for it in listed} == {("face", "wen"), ("face", "cen")}
    assert "sealed" not in ledger.read_text()

    back = await restore(older, empty, blobs, tombstones=[ledger])
    assert back.deleted == 2
    assert await store(empty, ledger).versions() == {"zhang": 1}
    again = ConsentStore(empty)
    decisions = {who: (await again.get(who, "face")).decision for who in ("wen", "cen", "zhang")}
    assert decisions == {
        "wen": Decision.WITHDRAWN, "cen": Decision.GIVEN, "zhang": Decision.GIVEN,
    }  # fmt: skip


async def test_whoever_enrolled_again_afterwards_stays_enrolled(
    db, empty, faces, blobs, ledger, tmp_path
):
    await faces.put(template("wen"))
    await faces.delete(Tombstone("wen", AT + HOUR, End.DELETED))
    await faces.put(template("wen", made=AT + 2 * HOUR))
    saved = await backup(db, blobs, tmp_path / "saved")
    back = await restore(saved, empty, blobs, tombstones=[ledger])
    assert back.deleted == 0
    assert await store(empty, ledger).versions() == {"wen": 1}


async def test_a_line_that_was_cut_off_by_a_crash_is_passed_over(tmp_path):
    path = tmp_path / NAME
    await Ledger(path).add({"kind": "face", "p": "wen", "at": AT, "reason": "deleted"})
    with path.open("ab") as file:
        file.write(b'{"kind": "face", "p": "ce')
    assert [it["p"] for it in read([path, tmp_path / "nowhere"])] == ["wen"]
    assert (path.stat().st_mode & 0o777) == 0o600
    assert json.loads(path.read_text().splitlines()[0])["at"] == AT.isoformat()
