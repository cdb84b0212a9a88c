"""The roster as a table: which columns it has, and what a line must look like.

The first row names the columns, in any order; unknown columns are ignored and listed. A line is
judged on its own here; whether what it names exists is for ``domain.roster_import``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from domain.errors import Invalid
from domain.people import Flag
from domain.roster import Kind
from domain.tables import INVISIBLE, MOST_ROWS, Columns, Fault, cleaned, headings

COLUMNS: Columns = {
    "name": ("姓名",),
    "kind": ("类别", "人员类别"),
    "deputy_no": ("代表证号", "证号"),
    "delegation": ("代表团", "所属代表团"),
    "group": ("代表小组", "小组"),
    "committees": ("专门委员会", "专委会"),
    "org": ("承办单位", "所属单位"),
    "flags": ("身份", "标记"),
    "post": ("职务",),
    "work_unit": ("工作单位",),
    "mobile": ("手机号", "手机", "手机号码"),
    "office_phone": ("办公电话",),
    "email": ("邮箱", "电子邮箱"),
}
"""Field → headings under which it may stand."""

KINDS: Mapping[str, Kind] = {"": Kind.DEPUTY, "代表": Kind.DEPUTY, "工作人员": Kind.STAFF}

FLAGS: Mapping[str, Flag] = {
    "团长": Flag.DELEGATION_HEAD,
    "副团长": Flag.DELEGATION_DEPUTY_HEAD,
    "召集人": Flag.GROUP_CONVENER,
    "小组召集人": Flag.GROUP_CONVENER,
    "常委会组成人员": Flag.NPCSC_MEMBER,
    "专委会委员": Flag.COMMITTEE_MEMBER,
}

_DEPUTY_NO = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,19}")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_SEPARATORS = re.compile(r"[、，,;；/|]+")


class Line(BaseModel):
    """One person as the table says; ``line`` counts from 1 with the headings, as Excel shows it."""

    model_config = ConfigDict(frozen=True)

    line: int
    kind: Kind = Kind.DEPUTY
    name: str = ""
    deputy_no: str = ""
    delegation: str = ""
    group: str = ""
    committees: tuple[str, ...] = ()
    org: str = ""
    flags: frozenset[Flag] = frozenset()
    post: str = ""
    work_unit: str = ""
    mobile: str = ""
    office_phone: str = ""
    email: str = ""
    faults: tuple[Fault, ...] = ()

    @property
    def key(self) -> str:
        """What tells this person from every other one of the table."""
        return self.deputy_no if self.kind is Kind.DEPUTY else self.mobile


class Table(BaseModel):
    """The lines of a table, and which fields it speaks of: what it does not name stays."""

    model_config = ConfigDict(frozen=True)

    lines: tuple[Line, ...]
    fields: frozenset[str]
    unknown: tuple[str, ...]


def read_lines(rows: Sequence[Sequence[str]]) -> Table:
    """Read cells into lines, each with its faults.

    Raises:
        Invalid: There is no row, no heading 姓名, a heading twice, or too many rows.
    """
    if not rows:
        raise Invalid("文件中没有内容", field="content")
    if len(rows) > MOST_ROWS + 1:
        raise Invalid(f"一次最多导入 {MOST_ROWS} 行", field="content")
    places, unknown = headings(rows[0], COLUMNS)
    if "name" not in places:
        raise Invalid("首行须有“姓名”列", field="content")
    lines = [
        _line(number, {field: row[at] if at < len(row) else "" for field, at in places.items()})
        for number, row in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    return Table(
        lines=tuple(_without_twins(lines)), fields=frozenset(places), unknown=tuple(unknown)
    )


def _line(number: int, raw: Mapping[str, str]) -> Line:
    cells = {field: cleaned(raw.get(field, "")) for field in COLUMNS}
    cells["mobile"] = re.sub(r"[\s-]", "", cells["mobile"]).removeprefix("+86")
    faults = list(_faults(cells, raw))
    flags = [FLAGS.get(word) for word in _split(cells["flags"])]
    return Line(
        line=number,
        kind=KINDS.get(cells["kind"], Kind.DEPUTY),
        committees=tuple(_split(cells["committees"])),
        flags=frozenset(flag for flag in flags if flag is not None),
        faults=tuple(faults),
        **{
            field: cells[field] for field in COLUMNS if field not in {"kind", "committees", "flags"}
        },
    )


def _faults(cells: Mapping[str, str], raw: Mapping[str, str]) -> list[Fault]:
    faults = []

    def fault(field: str, msg: str, *, when: bool) -> None:
        if when:
            faults.append(Fault(field=field, msg=msg))

    deputy = KINDS.get(cells["kind"]) is not Kind.STAFF
    fault("name", "姓名不能为空", when=not cells["name"])
    fault("name", "姓名不能超过 40 字", when=len(cells["name"]) > 40)
    fault("name", "姓名含有不可见字符", when=bool(INVISIBLE.search(raw.get("name", "").strip())))
    fault("kind", "类别只能是“代表”或“工作人员”", when=cells["kind"] not in KINDS)
    number, mobile = cells["deputy_no"], cells["mobile"]
    fault("deputy_no", "代表须有代表证号", when=deputy and not number)
    fault("deputy_no", "代表证号格式不正确", when=bool(number) and not _DEPUTY_NO.fullmatch(number))
    fault("deputy_no", "工作人员没有代表证号", when=not deputy and bool(number))
    fault("mobile", "工作人员须有手机号", when=not deputy and not mobile)
    fault("mobile", "手机号格式不正确", when=bool(mobile) and not _MOBILE.fullmatch(mobile))
    email = cells["email"]
    fault("email", "邮箱格式不正确", when=bool(email) and not _EMAIL.fullmatch(email))
    fault("group", "有小组时须有代表团", when=bool(cells["group"]) and not cells["delegation"])
    strange = [word for word in _split(cells["flags"]) if word not in FLAGS]
    fault("flags", f"不认识的身份：{'、'.join(strange)[:60]}", when=bool(strange))
    for field in ("post", "work_unit", "office_phone"):
        fault(field, "不能超过 200 字", when=len(cells[field]) > 200)
    return faults


def _without_twins(lines: Sequence[Line]) -> list[Line]:
    """Mark every line whose number or mobile stands in an earlier line."""
    seen: dict[tuple[str, str], int] = {}
    judged = []
    for line in lines:
        faults = list(line.faults)
        for field, value in (("deputy_no", line.deputy_no), ("mobile", line.mobile)):
            first = seen.setdefault((field, value), line.line) if value else line.line
            if first != line.line:
                faults.append(Fault(field=field, msg=f"与第 {first} 行重复"))
        judged.append(line.model_copy(update={"faults": tuple(faults)}))
    return judged


def _split(cell: str) -> list[str]:
    return [word.strip() for word in _SEPARATORS.split(cell) if word.strip()]
