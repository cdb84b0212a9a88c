"""The papers on the tables of the opening: thirty-four, as on the leaflet, one of them replaced.

Each is a page that says what it would be. The leaflet, the seat cards and the posters are printed
from the hub itself; nothing of them is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

from demo.house import Ids
from demo.people import Resident
from domain.files import BlobStore, FileRecord
from domain.meetings.agenda import AgendaItem
from domain.meetings.papers import Former, Paper, Readers
from domain.visibility import DataClass
from storage.client import Database
from storage.files import FileStore
from storage.meetings.agenda import AgendaStore
from storage.pdf_pages import HEIGHT, WIDTH, file, text, wrapped

_SEED = 34
_DAY = timedelta(days=1)
_MOST = 1 << 20

PAPERS = (
    (
        "政府工作报告", "政府工作报告名词解释", "政府工作报告起草情况说明", "会议日程", "会议须知",
        "代表团分组审议安排", "代表提出议案和建议的办法", "上年度重点工作完成情况一览",
        "民生实事项目完成情况", "民生实事项目安排（草案）", "养老服务工作情况参阅资料",
        "托育服务工作情况参阅资料", "生活垃圾管理工作情况参阅资料", "无障碍环境建设参阅资料",
    ),
    (
        "国民经济和社会发展计划执行情况与计划草案的报告", "计划报告附表", "计划指标说明",
        "重大工程项目安排", "重大工程项目进展情况", "绿色低碳转型工作情况", "数字化转型工作情况",
        "交通基础设施建设情况", "住房保障工作情况", "计划审查结果的报告（草案）",
    ),
    (
        "预算执行情况与预算草案的报告", "预算报告附表", "市级部门预算（草案）", "一般公共预算说明",
        "政府性基金预算说明", "国有资本经营预算说明", "社会保险基金预算说明", "地方政府债务情况",
        "预算绩效管理工作情况", "预算审查结果的报告（草案）",
    ),
)  # fmt: skip
"""Titles by item of the agenda."""

REPLACED = "会议日程"
"""The one that was printed anew on the eve; the code on the table opens the second version."""


class Table:
    """Lays papers on the tables of the meeting that is sitting."""

    def __init__(
        self, db: Database, blobs: BlobStore, residents: Sequence[Resident], base: datetime
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._files = FileStore(db, blobs, lambda: base)
        self._base = base
        self._new_id = Ids(Random(_SEED), base - timedelta(days=20))
        self._staff = next(one.card.id for one in residents if one.username == "zhuomuqing")

    async def lay(self) -> None:
        """Keep everything, through the same stores that the hub uses."""
        meeting = await self._db["meeting"].find_one({"kind": "npc", "state": "in_session"})
        if meeting is None:
            return
        store = AgendaStore(self._db)
        for item, titles in zip(await store.of(meeting["_id"]), PAPERS, strict=True):
            papers = [await self._paper(item, title) for title in titles]
            changed = item.model_copy(update={"papers": tuple(papers), "v": item.v + 1})
            await store.put(changed, was=item)

    async def _paper(self, item: AgendaItem, title: str) -> Paper:
        paper = Paper(
            id=self._new_id(), meeting_id=item.meeting_id, file_id="", title=title,
            readers=Readers.PARTICIPANTS, added_at=self._base - 10 * _DAY, added_by=self._staff,
        )  # fmt: skip
        first = await self._file(paper, f"{title}.pdf")
        if title != REPLACED:
            return paper.model_copy(update={"file_id": first})
        second = await self._file(paper, f"{title}（修订）.pdf")
        former = Former(v=1, file_id=first, added_at=paper.added_at, added_by=self._staff)
        now = {"file_id": second, "v": 2, "added_at": self._base - _DAY, "former": (former,)}
        return paper.model_copy(update=now)

    async def _file(self, paper: Paper, name: str) -> str:
        async with self._blobs.writer(limit=_MOST) as writer:
            await writer.write(file(name, [_page(name.removesuffix(".pdf"))]))
        record = FileRecord(
            id=self._new_id(), blob=writer.blob, name=name, mime="application/pdf",
            owner=self._staff, ref=f"paper:{paper.id}", cls=DataClass.C3.value,
            created_at=paper.added_at,
        )  # fmt: skip
        await self._files.add(record)
        return record.id


def _page(title: str) -> Iterator[str]:
    base = HEIGHT - 200.0
    for line in wrapped(title, WIDTH - 120, 28, 4):
        yield text(line, WIDTH / 2, base, 28)
        base -= 38
    yield text("演示资料，内容为虚构", WIDTH / 2, base - 40, 14)
