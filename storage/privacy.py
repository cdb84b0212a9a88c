"""Copies of personal data: the jobs that make them, and the box that keeps them sealed.

::

    export_job {_id, person_id, state: queued|running|done|failed|expired, running: bool,
                asked_at, claimed_at, finished_at, expires_at, counts{}, size, v}

``running`` is true while queued or running; a unique index over those keeps a person to one.
Archives are files ``<job id>.sealed``, mode 0600, encrypted by the vault.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from domain.errors import Conflict, NotFound
from domain.ports import Vault
from domain.privacy import ExportJob, JobState
from storage.client import Database, Document, Duplicate

_OPEN = frozenset({JobState.QUEUED, JobState.RUNNING})


class ExportStore:
    """Implements ``domain.privacy.ExportStore``."""

    def __init__(self, db: Database) -> None:
        self._jobs = db["export_job"]

    async def get(self, job_id: str) -> ExportJob | None:
        """Answer one job, or ``None``."""
        doc = await self._jobs.find_one({"_id": job_id})
        return None if doc is None else _read(doc)

    async def of(self, person_id: str) -> list[ExportJob]:
        """Answer somebody's jobs, newest first."""
        found = await self._jobs.find({"person_id": person_id}, sort=[("_id", -1)], limit=50)
        return [_read(doc) for doc in found]

    async def put(self, job: ExportJob) -> ExportJob:
        """Store a job and answer it with the next version.

        Raises:
            Conflict: ``job.v`` is stale, or the person has a queued or running one.
        """
        stored = job.model_copy(update={"v": job.v + 1})
        doc = stored.model_dump(mode="python", exclude={"id"})
        doc |= {"_id": job.id, "state": job.state.value, "running": job.state in _OPEN}
        if job.v == 0:
            try:
                await self._jobs.insert_one(doc)
            except Duplicate as duplicate:
                raise Conflict("已有一份导出正在生成，请稍候") from duplicate
            return stored
        done = await self._jobs.replace_one({"_id": job.id, "v": job.v}, doc)
        if done.matched == 0:
            raise Conflict("导出任务已被其他进程接管")
        return stored

    async def claim(self, now: datetime, *, stuck_before: datetime) -> ExportJob | None:
        """Take the oldest queued or stuck job and answer it as running, or ``None``."""
        doc = await self._jobs.find_one_and_update(
            {
                "$or": [
                    {"state": "queued"},
                    {"state": "running", "claimed_at": {"$lt": stuck_before}},
                ]
            },
            {"$set": {"state": "running", "claimed_at": now}, "$inc": {"v": 1}},
            sort=[("_id", 1)],
        )
        return None if doc is None else _read(doc)

    async def expired(self, now: datetime) -> list[ExportJob]:
        """Answer the finished jobs whose time is over."""
        found = await self._jobs.find({"state": "done", "expires_at": {"$lte": now}}, limit=500)
        return [_read(doc) for doc in found]


def _read(doc: Document) -> ExportJob:
    return ExportJob.model_validate({**doc, "id": doc["_id"]})


class SealedBox:
    """Implements ``domain.privacy.ExportBox`` with sealed files in a directory.

    Packing and sealing run in a worker thread; an archive of one person is a few hundred kilobytes.
    """

    def __init__(self, directory: Path, vault: Vault) -> None:
        self._directory = directory
        self._vault = vault

    async def keep(self, job_id: str, files: Mapping[str, Any]) -> int:
        """Pack JSON documents into an archive and keep it; answer its size in bytes."""
        return await asyncio.to_thread(self._keep, job_id, files)

    async def open(self, job_id: str) -> bytes:
        """Answer an archive in clear.

        Raises:
            NotFound: It is not there any more.
        """
        return await asyncio.to_thread(self._open, job_id)

    async def drop(self, job_id: str) -> None:
        """Delete an archive; one that is not there stays so."""
        await asyncio.to_thread(self._path(job_id).unlink, missing_ok=True)

    def _keep(self, job_id: str, files: Mapping[str, Any]) -> int:
        archive = pack(files)
        sealed = self._vault.seal(base64.b64encode(archive).decode(), context=f"export:{job_id}")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(job_id)
        half = path.with_suffix(".half")
        with os.fdopen(os.open(half, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        return len(archive)

    def _open(self, job_id: str) -> bytes:
        try:
            sealed = self._path(job_id).read_bytes()
        except FileNotFoundError:
            raise NotFound from None
        return base64.b64decode(self._vault.open(sealed, context=f"export:{job_id}"))

    def _path(self, job_id: str) -> Path:
        return self._directory / f"{job_id}.sealed"


def pack(files: Mapping[str, Any]) -> bytes:
    """Answer a zip archive with one JSON file for each document, and a word about what it is."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("说明.txt", _ABOUT)
        for name, content in sorted(files.items()):
            text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
            archive.writestr(f"{name}.json", text)
    return made.getvalue()


_ABOUT = """本压缩包是平台保存的您的全部个人信息的副本，每个文件对应一类信息。

生物特征模板（如已录入）只以加密形式保存，依法不予导出；您可以在隐私中心撤回同意，模板即行删除。
请妥善保管，用后删除。
"""
