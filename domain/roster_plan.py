"""What a roster import will do with each person, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.organisation import Node
from domain.roster import Card, CardState
from domain.roster_table import FLAGS, Line, Table
from domain.tables import Fault


class Fate(StrEnum):
    """What an import does with a person."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    RETURNED = "returned"
    FAULTY = "faulty"
    REMOVED = "removed"


class Outcome(BaseModel):
    """What becomes of one line, or of one deputy who is not in the table (``line`` 0)."""

    model_config = ConfigDict(frozen=True)

    line: int
    fate: Fate
    name: str
    deputy_no: str = ""
    person_id: str = ""
    fields: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    ended: bool = False


class House(BaseModel):
    """The parts of the house by the names that tables use."""

    model_config = ConfigDict(frozen=True)

    delegations: Mapping[str, str]
    groups: Mapping[tuple[str, str], str]
    committees: Mapping[str, str]
    orgs: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What an import will do with one line, and the card as it will be."""

    line: Line
    card: Card
    fate: Fate
    fields: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What is told about it."""
        return Outcome(
            line=self.line.line,
            fate=self.fate,
            name=self.line.name,
            deputy_no=self.line.deputy_no,
            person_id=self.card.id if self.fate is not Fate.ADDED or self.card.v else "",
            fields=tuple("mobile" if field == "mobile_h" else field for field in self.fields),
            faults=self.faults,
        )


def planned(
    line: Line,
    known: Card | None,
    *,
    fields: frozenset[str],
    house: House,
    mobile_h: str | None,
    new_person: str,
) -> Plan:
    """Answer what to do with a line.

    Args:
        line: The line.
        known: The card of this person, if there is one.
        fields: What the table speaks of; everything else stays.
        house: The parts of the house by name.
        mobile_h: Keyed hash of the mobile number in the line.
        new_person: Id for a person who is not known yet.
    """
    faults = [*line.faults]
    places = _places(line, house, faults)
    if known and known.kind is not line.kind:
        faults.append(Fault(field="kind", msg="该人员已以另一类别在册"))
    elif known and known.name != line.name and line.deputy_no:
        faults.append(Fault(field="name", msg="与在册的同证号代表姓名不符"))
    card = known or Card(
        id=new_person, kind=line.kind, name=line.name, deputy_no=line.deputy_no or None
    )
    if faults:
        return Plan(line, card, Fate.FAULTY, faults=tuple(faults))
    wanted = _wanted(line, fields, places, card)
    if mobile_h is not None:
        wanted["mobile_h"] = mobile_h
    if known is None:
        return Plan(line, card.model_copy(update=wanted), Fate.ADDED, fields=tuple(sorted(wanted)))
    if not known.active:
        wanted["state"] = CardState.ACTIVE
    changed = {field: value for field, value in wanted.items() if getattr(known, field) != value}
    fate = Fate.RETURNED if "state" in changed else Fate.CHANGED if changed else Fate.UNCHANGED
    return Plan(line, known.model_copy(update=changed), fate, fields=tuple(sorted(changed)))


def removed(table: Table, there: Mapping[str, Card]) -> list[Outcome]:
    """Answer the deputies in office whom the table leaves out; none if it has no deputies at all.

    A faulty line still names its deputy: a typing error removes nobody.
    """
    named = {line.deputy_no for line in table.lines if line.deputy_no}
    if not named:
        return []
    return [
        Outcome(line=0, fate=Fate.REMOVED, name=card.name, deputy_no=number, person_id=card.id)
        for number, card in sorted(there.items())
        if card.active and number not in named
    ]


def _places(line: Line, house: House, faults: list[Fault]) -> dict[str, Any]:
    """Answer ids for the names in a line; what is not there becomes a fault."""

    def find(field: str, name: str, among: Mapping[Any, str], key: object) -> str | None:
        if not name:
            return None
        if key not in among:
            faults.append(Fault(field=field, msg=f"没有“{name[:40]}”"))
            return None
        return among[key]

    delegation = find("delegation", line.delegation, house.delegations, line.delegation)
    group = None
    if delegation:
        group = find("group", line.group, house.groups, (delegation, line.group))
    committees = [find("committees", it, house.committees, it) for it in line.committees]
    return {
        "delegation_id": delegation,
        "group_id": group,
        "committee_ids": tuple(sorted({it for it in committees if it})),
        "org_id": find("org", line.org, house.orgs, line.org),
    }


_PLACE_FIELDS = {
    "delegation": "delegation_id",
    "group": "group_id",
    "committees": "committee_ids",
    "org": "org_id",
}


def _wanted(
    line: Line, fields: frozenset[str], places: Mapping[str, Any], card: Card
) -> dict[str, Any]:
    """Answer the fields of a card that the table speaks of."""
    wanted: dict[str, Any] = {"name": line.name}
    for field, place in _PLACE_FIELDS.items():
        if field in fields:
            wanted[place] = places[place]
    for field in ("post", "work_unit", "office_phone", "email"):
        if field in fields:
            wanted[field] = getattr(line, field)
    if "flags" in fields:
        # Flags that no table can name stay.
        wanted["flags"] = line.flags | (card.flags - frozenset(FLAGS.values()))
    return wanted


def by_name(nodes: Sequence[Node]) -> dict[str, str]:
    """Answer ids by name, and by themselves; inactive parts take nobody in."""
    return {word: node.id for node in nodes if node.active for word in (node.name, node.id)}
