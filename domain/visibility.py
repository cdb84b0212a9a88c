"""Who may see what: the one judgement that detail, list, search and export all pass through.

An object carries a data class (PRODUCT.md §2.8), an owner and an audience of scopes. What a person
may see is computed once as a ``Sight``, a handful of windows; ``visible`` looks through them at one
object, and ``storage.visibility.visible_query`` turns the same windows into a filter, so that pages
come from the database already correct.

=====  ====================================================================================
class  who sees it
=====  ====================================================================================
C0     everybody
C1     deputies and the staff of the house; others only where they are in the audience
C2     the owner; whoever is in the audience, by membership or by duty; admins
C3     the owner; whoever is named in the audience, or has it for a duty; never by membership
C4     nobody: it is kept as a sealed template and never shown
=====  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from domain.people import AccountState, Flag, Person
from domain.permissions import DEVICE_ROLES, GuestFunction, Role


class DataClass(StrEnum):
    """Data classes of PRODUCT.md §2.8."""

    C0 = "C0"
    """Public."""
    C1 = "C1"
    """All deputies and staff."""
    C2 = "C2"
    """Limited to an audience: delegation, committee, meeting."""
    C3 = "C3"
    """Personal: drafts, notes, leave reasons, phone numbers."""
    C4 = "C4"
    """Biometric."""


class Classified(Protocol):
    """Anything that can be judged. Stored with the field names used here."""

    @property
    def cls(self) -> DataClass:
        """The data class."""

    @property
    def owner_id(self) -> str | None:
        """Person id of the one it belongs to, if any."""

    @property
    def audience(self) -> frozenset[str]:
        """Scopes it is meant for: ``deleg:…``, ``cmte:…``, ``user:…``, ``npcsc``, ``role:…``."""


class Window(NamedTuple):
    """Objects of some classes, all of them or only those of an owner or of some scopes."""

    classes: frozenset[DataClass]
    owner_id: str | None = None
    scopes: frozenset[str] | None = None

    def shows(self, obj: Classified) -> bool:
        """Tell whether an object can be seen through this window."""
        if obj.cls not in self.classes:
            return False
        if self.owner_id is not None:
            return obj.owner_id == self.owner_id
        return self.scopes is None or not self.scopes.isdisjoint(obj.audience)


Sight = tuple[Window, ...]
"""Everything a person may see: what at least one window shows."""

_ALL = frozenset(DataClass)
_PUBLIC = Window(frozenset({DataClass.C0}))
_OWNED = frozenset({DataClass.C1, DataClass.C2, DataClass.C3})

_OUTSIDERS = frozenset({Role.UNIT, Role.UNIT_HEAD, Role.GUEST, Role.OPS}) | DEVICE_ROLES
"""Roles that see class C1 only where it is meant for them (PRODUCT.md §2.2: own queue only,
listed functions of one meeting, no business content)."""

_NO_DUTY = frozenset({Role.DEPUTY, Role.GUEST}) | DEVICE_ROLES
"""Roles whose scopes are memberships, not duties: they open no personal data of others."""


def sight(
    person: Person, *, at: datetime | None = None, also: frozenset[str] = frozenset()
) -> Sight:
    """Answer what a person may see.

    Args:
        person: Who looks.
        at: Opens an approved break-glass window that is still running then; without it none counts.
        also: Scopes the person is in besides those they carry: of meetings they take part in.
    """
    own = Window(_OWNED, owner_id=person.id)
    if person.state in {AccountState.SUSPENDED, AccountState.ENDED}:
        return (_PUBLIC, own)
    if person.state is not AccountState.ACTIVE:
        return (_PUBLIC,)
    if _holds_glass(person, at):
        return (Window(_ALL - {DataClass.C4}),)
    duties = duty_scopes(person)
    windows = [
        _PUBLIC,
        own,
        Window(
            frozenset({DataClass.C1, DataClass.C2}), scopes=member_scopes(person) | duties | also
        ),
        Window(frozenset({DataClass.C3}), scopes=duties),
    ]
    if person.roles - _OUTSIDERS:
        windows.append(Window(frozenset({DataClass.C1})))
    if Role.ADMIN in person.roles:
        windows.append(Window(frozenset({DataClass.C2})))
    return tuple(windows)


def visible(
    subject: Person,
    obj: Classified,
    *,
    at: datetime | None = None,
    also: frozenset[str] = frozenset(),
) -> bool:
    """Tell whether a person may see an object; see the table above."""
    return any(window.shows(obj) for window in sight(subject, at=at, also=also))


T = TypeVar("T", bound=Classified)


def filter_visible(subject: Person, objects: Iterable[T], *, at: datetime | None = None) -> list[T]:
    """Answer those of some objects that a person may see, in their order."""
    windows = sight(subject, at=at)
    return [obj for obj in objects if any(window.shows(obj) for window in windows)]


def member_scopes(person: Person) -> frozenset[str]:
    """Answer the scopes a person is in by membership, flag, role or grant, and their own name."""
    scopes = {f"user:{person.id}"}
    scopes |= {f"cmte:{committee}" for committee in person.committee_ids}
    scopes |= {f"role:{role.value}" for role in person.roles}
    if person.delegation_id:
        scopes.add(f"deleg:{person.delegation_id}")
    if person.group_id:
        scopes.add(f"group:{person.group_id}")
    if person.org_id:
        scopes.add(f"unit:{person.org_id}")
    if Flag.NPCSC_MEMBER in person.flags:
        scopes.add("npcsc")
    for grant in person.grants:
        # A guest belongs to the meeting as far as the pass says.
        if grant.role is not Role.GUEST or GuestFunction.READ in grant.functions:
            scopes |= grant.scopes
    return frozenset(scopes)


def duty_scopes(person: Person) -> frozenset[str]:
    """Answer the scopes a person works for, and their own name.

    A liaison works for a delegation and reads why a deputy of it asks for leave; a deputy of the
    same delegation is only in it and does not. The head of a delegation works for it by flag.
    """
    scopes = {f"user:{person.id}"}
    for grant in person.grants:
        if grant.role not in _NO_DUTY:
            scopes |= grant.scopes
    if Flag.DELEGATION_HEAD in person.flags and person.delegation_id:
        scopes.add(f"deleg:{person.delegation_id}")
    return frozenset(scopes)


def _holds_glass(person: Person, at: datetime | None) -> bool:
    return at is not None and person.break_glass_until is not None and at < person.break_glass_until
