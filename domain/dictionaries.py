"""Dictionaries: the value lists of the product, dated and kept by administrators.

An entry has a code, which documents keep, and a label, which people read. It is offered from its
first day to the day before ``valid_to``; afterwards it is *retired*: not offered, and still known,
so that old documents can be read. Only an entry that nothing uses, that was not shipped and that is
not offered (any more, or yet) can be removed. Every change is audited with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock, local_day
from domain.dictionary_defaults import BEGIN, DICTIONARIES, Dictionary
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.rules import RuleTable


class Entry(BaseModel):
    """One entry.

    Attributes:
        sort: Place in the list, ascending; ties are broken by code.
        valid_from: First day on which it is offered, in Shanghai.
        valid_to: First day on which it is offered no more.
        shipped: Came with the hub; it can be retired and never removed.
        v: Version; 0 for an entry that a rule lists.
    """

    model_config = ConfigDict(frozen=True)

    dictionary: str
    code: str
    label: str
    note: str = ""
    sort: int = 0
    valid_from: date
    valid_to: date | None = None
    shipped: bool = False
    updated_at: datetime | None = None
    updated_by: str = ""
    v: int = 1

    def offered(self, day: date) -> bool:
        """Tell whether it can be chosen on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class EntryStore(Protocol):
    """Keeps entries."""

    async def all(self) -> Sequence[Entry]:
        """Answer every entry of every dictionary."""

    async def seed(self, entries: Sequence[Entry]) -> None:
        """Keep entries, each unless it is there already."""

    async def add(self, entry: Entry) -> None:
        """Keep a new entry.

        Raises:
            Conflict: The dictionary has the code already.
        """

    async def change(self, entry: Entry, *, was: int) -> bool:
        """Keep an entry if it still is at version ``was``; tell whether it was."""

    async def remove(self, entry: Entry) -> bool:
        """Remove an entry if it still is at its version; tell whether it was."""

    async def uses(self, dictionary: str) -> Mapping[str, int]:
        """Count the documents that keep each code; codes that none keeps are left out."""


class Rules(Protocol):
    """Knows the rules of the congress."""

    async def table(self) -> RuleTable:
        """Answer every row."""


class DictionaryService:
    """Answers what a list offers, and lets administrators keep it. At most ``STALE`` old."""

    STALE = timedelta(seconds=1)

    def __init__(self, store: EntryStore, rules: Rules, *, audit: AuditLog, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._audit = audit
        self._clock = clock
        self._known: Mapping[str, Sequence[Entry]] = {}
        self._read_at: datetime | None = None

    async def entries(self, dictionary: str) -> Sequence[Entry]:
        """Answer every entry of a dictionary, retired ones too, in the order of the list.

        Raises:
            NotFound: There is no such dictionary.
        """
        return (await self._table())[_known(dictionary)]

    async def offered(self, dictionary: str, day: date | None = None) -> Sequence[Entry]:
        """Answer what can be chosen on a day, by default today."""
        on = day or local_day(self._clock())
        return [entry for entry in await self.entries(dictionary) if entry.offered(on)]

    async def require(self, dictionary: str, codes: Collection[str], *, field: str) -> None:
        """Do nothing if all codes can be chosen today.

        Raises:
            Invalid: One cannot; ``detail`` names those that are wrong and those offered.
        """
        offered = [entry.code for entry in await self.offered(dictionary)]
        wrong = sorted(set(codes) - set(offered))
        if wrong:
            about = DICTIONARIES[dictionary].about
            raise Invalid(
                f"“{'、'.join(wrong)}”不在{about}之列",
                field=field,
                detail={"dictionary": dictionary, "refused": wrong, "offered": offered},
            )

    async def uses(self, dictionary: str, *, by: Person) -> Mapping[str, int]:
        """Count the documents that keep each code; for administrators and auditors."""
        by.require(Permission.SETTINGS_MANAGE)
        return await self._store.uses(_known(dictionary))

    async def add(self, entry: Entry, *, reason: str, by: Person) -> Entry:
        """Add an entry, from its first day on.

        Raises:
            NotFound: There is no such dictionary.
            Forbidden: ``by`` may not, or the dictionary takes no new codes.
            Invalid: Its first day is past, or it ends before it begins.
            Conflict: The code or the label is there already.
        """
        declared = self._editable(entry.dictionary, by)
        if declared.closed:
            raise Forbidden("该字典的取值由程序固定，只能改名或调整顺序")
        self._require_ahead(entry.valid_from, "valid_from")
        await self._check(entry)
        kept = entry.model_copy(update=self._stamp(by) | {"shipped": False, "v": 1})
        await self._store.add(kept)
        await self._note("dictionary.add", kept, by=by, reason=reason)
        return kept

    async def change(self, entry: Entry, *, reason: str, by: Person) -> Entry:
        """Change label, note, place or last day; code and first day stay.

        ``entry.v`` is the version that was read.

        Raises:
            NotFound: There is no such entry.
            Forbidden: ``by`` may not, or a program knows the code and it cannot be retired.
            Invalid: The day is past, or before the first.
            Conflict: It is no longer at that version, or another has the label.
        """
        declared = self._editable(entry.dictionary, by)
        current = await self._current(entry.dictionary, entry.code)
        if declared.closed and entry.valid_to is not None:
            raise Forbidden("该字典的取值由程序固定，只能改名或调整顺序")
        if entry.valid_to is not None and entry.valid_to != current.valid_to:
            self._require_ahead(entry.valid_to, "valid_to")
        changed = current.model_copy(
            update={
                "label": entry.label,
                "note": entry.note,
                "sort": entry.sort,
                "valid_to": entry.valid_to,
                "v": entry.v + 1,
                **self._stamp(by),
            }
        )
        await self._check(changed)
        if current.v != entry.v or not await self._store.change(changed, was=entry.v):
            raise _stale(current)
        await self._note("dictionary.change", changed, by=by, reason=reason, before=current)
        return changed

    async def remove(self, dictionary: str, code: str, *, v: int, reason: str, by: Person) -> None:
        """Remove an entry that nothing uses and that is not offered.

        Raises:
            NotFound: There is no such entry.
            Conflict: Documents keep the code (``in_use``), or it is no longer at version ``v``.
            BadState: It is offered, or it was shipped: retire it.
        """
        self._editable(dictionary, by)
        current = await self._current(dictionary, code)
        used = (await self._store.uses(dictionary)).get(code, 0)
        if used:
            raise Conflict(
                f"已有 {used} 条记录使用该项，只能停用", code="in_use", detail={"used": used}
            )
        if current.shipped or current.offered(local_day(self._clock())):
            raise BadState("该项须先停用；随产品提供的项只能停用", allowed=("retire",))
        if current.v != v or not await self._store.remove(current):
            raise _stale(current)
        await self._note("dictionary.remove", current, by=by, reason=reason)

    # -- within ----------------------------------------------------------------------------------

    async def _table(self) -> Mapping[str, Sequence[Entry]]:
        now = self._clock()
        fresh = self._read_at is not None and timedelta(0) <= now - self._read_at < self.STALE
        if not fresh:
            self._known = _sorted([*await self._rows(), *_listed(await self._rules.table())])
            self._read_at = now
        return self._known

    async def _rows(self) -> Sequence[Entry]:
        rows = await self._store.all()
        known = {(row.dictionary, row.code) for row in rows}
        missing = [it for it in shipped_entries() if (it.dictionary, it.code) not in known]
        if not missing:
            return rows
        await self._store.seed(missing)
        return await self._store.all()

    async def _current(self, dictionary: str, code: str) -> Entry:
        self._read_at = None
        for entry in await self.entries(dictionary):
            if entry.code == code:
                return entry
        raise NotFound

    async def _check(self, entry: Entry) -> None:
        if entry.valid_to is not None and entry.valid_to < entry.valid_from:
            raise Invalid("停用日期不能早于启用日期", field="valid_to")
        today = local_day(self._clock())
        self._read_at = None
        for other in await self.entries(entry.dictionary):
            ended = other.valid_to is not None and other.valid_to <= today
            if other.code != entry.code and other.label == entry.label and not ended:
                raise Conflict("该字典中已有同名的项", detail={"code": other.code})

    def _editable(self, dictionary: str, by: Person) -> Dictionary:
        require_decider(by, Permission.SETTINGS_MANAGE)
        declared = DICTIONARIES[_known(dictionary)]
        if declared.rule:
            raise Forbidden(
                "该字典由规则规定，请提出规则变更", detail={"rule_param": declared.rule}
            )
        return declared

    def _require_ahead(self, day: date, field: str) -> None:
        today = local_day(self._clock())
        if day < today:
            raise Invalid("日期不能早于今天", field=field, detail={"earliest": today.isoformat()})

    def _stamp(self, by: Person) -> dict[str, object]:
        return {"updated_at": self._clock(), "updated_by": by.id}

    async def _note(
        self, action: str, entry: Entry, *, by: Person, reason: str, before: Entry | None = None
    ) -> None:
        self._read_at = None
        detail: dict[str, object] = {"reason": reason, "after": _plain(entry)}
        if before is not None:
            detail["before"] = _plain(before)
        obj = f"dictionary:{entry.dictionary}/{entry.code}"
        await self._audit.record(action, by=by.id, obj=obj, detail=detail)


def shipped_entries() -> Sequence[Entry]:
    """Answer the entries a new installation begins with."""
    return [
        Entry(
            dictionary=key,
            code=code,
            label=label,
            sort=10 * place,
            valid_from=BEGIN,
            shipped=True,
        )
        for key, declared in DICTIONARIES.items()
        for place, entry in enumerate(declared.entries, start=1)
        for code, label in [(entry, entry) if isinstance(entry, str) else entry]
    ]


def _listed(table: RuleTable) -> Sequence[Entry]:
    """Answer the entries that rules list: from the row that first named one to the last."""
    found: dict[tuple[str, str], Entry] = {}
    for key, declared in DICTIONARIES.items():
        if not declared.rule:
            continue
        for row in table.history(declared.rule):
            codes = row.value if isinstance(row.value, tuple) else ()
            for place, code in enumerate(codes, start=1):
                known = found.get((key, code))
                found[key, code] = Entry(
                    dictionary=key,
                    code=code,
                    label=code,
                    note=row.source,
                    sort=10 * place,
                    valid_from=known.valid_from if known else row.valid_from,
                    valid_to=row.valid_to,
                    shipped=True,
                    v=0,
                )
    return list(found.values())


def _sorted(entries: Sequence[Entry]) -> Mapping[str, Sequence[Entry]]:
    lists: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        lists[entry.dictionary].append(entry)
    return {key: sorted(lists[key], key=lambda it: (it.sort, it.code)) for key in DICTIONARIES}


def _known(dictionary: str) -> str:
    if dictionary not in DICTIONARIES:
        raise NotFound
    return dictionary


def _plain(entry: Entry) -> Mapping[str, object]:
    return entry.model_dump(
        mode="json", include={"label", "note", "sort", "valid_from", "valid_to"}
    )


def _stale(current: Entry) -> Conflict:
    return Conflict("该项刚被他人更改，请刷新后再试", detail={"v": current.v})
