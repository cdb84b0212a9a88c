"""The jobs that no feature owns."""

from __future__ import annotations

from domain.people import SYSTEM
from server.upkeep import blob_store, keep_head
from storage.audit import read_head
from storage.files import DiskBlobs
from storage.gridfs import GridFsBlobs
from tests.integration.conftest import hub_settings


async def test_a_head_that_was_kept_elsewhere_shows_that_the_chain_was_cut(hub):
    audit = hub.hub.ground.audit
    for n in range(3):
        await audit.record("test.act", by=SYSTEM.id, obj=f"thing:{n}")
    path = await keep_head(hub.hub.ground)
    assert path.parent.name == "audit-heads"
    head = read_head(path.read_text("utf-8"), hub.hub.ground.vault)

    assert (await audit.verify(head)).sound
    await hub.db["audit"].delete_one({"_id": head.seq})
    assert (await audit.verify()).sound, "without a head nobody can tell"
    assert not (await audit.verify(head)).sound


def test_files_lie_where_the_settings_say(tmp_path, bare_db):
    disk = hub_settings(tmp_path, "mongodb://unused", "x")
    assert isinstance(blob_store(disk, bare_db), DiskBlobs)
    gridfs = hub_settings(tmp_path, "mongodb://unused", "x", files="gridfs")
    assert isinstance(blob_store(gridfs, bare_db), GridFsBlobs)
