"""Which role may do which kind of thing, and how far: the permission matrix of PRODUCT.md §2.2.

The matrix is data. ``reach(role, permission)`` answers how far a right goes; whether a given object
lies within that reach is for ``domain.visibility`` and the feature to judge. What is not in the
matrix is refused. ``tests/permissions.csv`` states the same table in the client's words, and a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a person is to the hub. One person may hold several roles, each with its scopes."""

    DEPUTY = "deputy"
    LIAISON = "liaison"
    CMTE_STAFF = "cmte_staff"
    MOTION_CLERK = "motion_clerk"
    GOV_DISPATCH = "gov_dispatch"
    UNIT = "unit"
    UNIT_HEAD = "unit_head"
    MTG_STAFF = "mtg_staff"
    MODERATOR = "moderator"
    EDITOR = "editor"
    ADMIN = "admin"
    OPS = "ops"
    AUDITOR = "auditor"
    GUEST = "guest"
    SCANNER = "scanner"
    SCREEN = "screen"


class GuestFunction(StrEnum):
    """What a guest is let into a meeting for (PRODUCT.md §2.2: listed functions)."""

    READ = "read"
    """Read what is published to the meeting."""
    LIVE = "live"
    """Follow it live."""


EXCLUSIVE: tuple[frozenset[Role], ...] = (frozenset({Role.ADMIN, Role.AUDITOR}),)
"""Roles that no one person may hold together (separation of duties, PRODUCT.md §2.2)."""

DEVICE_ROLES = frozenset({Role.SCANNER, Role.SCREEN})
"""Roles held by device tokens, never by people."""


class Reach(StrEnum):
    """How far a right goes."""

    OWN = "O"
    """Objects that belong to the person."""
    SCOPE = "S"
    """Objects in one of the scopes of the grant: delegation, committee, meeting, unit, room."""
    ALL = "A"
    """Every object."""
    READ = "R"
    """Every object, to look at only."""
    OPINION = "P"
    """May state an opinion or propose; the decision is another's."""


class Right(NamedTuple):
    """One cell of the matrix: how far, and whether a second person must approve."""

    reach: Reach
    two_person: bool = False


class Permission(StrEnum):
    """Kinds of things a person may do; the values are stable and appear in the audit."""

    # Rows of the matrix in PRODUCT.md §2.2.1, in its order.
    NOTICE_PUBLISH = "notice.publish"
    NOTICE_PUBLISH_URGENT = "notice.publish_urgent"
    RECEIPT_READ = "receipt.read"
    MOTION_AUTHOR = "motion.author"
    MOTION_PROCESS = "motion.process"
    ANSWER_DRAFT = "answer.draft"
    ANSWER_SIGN = "answer.sign"
    ANSWER_RATE = "answer.rate"
    EXTENSION_DECIDE = "extension.decide"
    PAPER_PUBLISH = "paper.publish"
    FILE_SEND = "file.send"
    CONSOLE_RUN = "console.run"
    RESULT_RECORD = "result.record"
    PASS_SCAN = "pass.scan"
    CHECKIN_REVERSE = "checkin.reverse"
    LEAVE_ASK = "leave.ask"
    LEAVE_DECIDE = "leave.decide"
    DUTY_REGISTER = "duty.register"
    DUTY_CONFIRM = "duty.confirm"
    ROOM_POST = "room.post"
    ROOM_MODERATE = "room.moderate"
    CONTENT_PUBLISH = "content.publish"
    PHONE_READ = "phone.read"
    CONTROL_CHANGE = "control.change"
    AUDIT_READ = "audit.read"
    DUTY_STATISTICS = "duty.statistics"
    OPERATE = "operate"
    # What the matrix takes for granted and PRODUCT.md says elsewhere.
    DIRECTORY_READ = "directory.read"
    DIRECTORY_EXPORT = "directory.export"
    PROFILE_VERIFY = "profile.verify"
    ACCOUNT_INVITE = "account.invite"
    ACCOUNT_MANAGE = "account.manage"
    ROSTER_MANAGE = "roster.manage"
    PRIVACY_HANDLE = "privacy.handle"
    BREAK_GLASS = "break_glass"
    MEETING_MANAGE = "meeting.manage"
    CHECK_IN = "checkin.record"
    HALL_CODE = "hall_code.show"
    SETTINGS_MANAGE = "settings.manage"


_CELLS = {
    "O": Right(Reach.OWN),
    "S": Right(Reach.SCOPE),
    "A": Right(Reach.ALL),
    "R": Right(Reach.READ),
    "P": Right(Reach.OPINION),
    "2": Right(Reach.ALL, two_person=True),
    "2S": Right(Reach.SCOPE, two_person=True),
}

_COLUMNS = (
    Role.DEPUTY, Role.LIAISON, Role.CMTE_STAFF, Role.MTG_STAFF, Role.MOTION_CLERK,
    Role.GOV_DISPATCH, Role.UNIT, Role.EDITOR, Role.ADMIN, Role.OPS, Role.AUDITOR,
)  # fmt: skip

# The columns stand in the order of the specification's table.
#                              dep lia cst mtg clk gov unt edt adm ops aud
_ROWS: Mapping[Permission, str] = {
    Permission.NOTICE_PUBLISH: "–   S   S   S   S   –   –   –   A   –   –",
    Permission.NOTICE_PUBLISH_URGENT: "–   –   –   2   –   –   –   –   2   –   –",
    Permission.RECEIPT_READ: "–   S   S   S   S   –   –   –   A   –   R",
    Permission.MOTION_AUTHOR: "O   –   –   –   –   –   –   –   –   –   –",
    Permission.MOTION_PROCESS: "–   –   –   –   A   S   –   –   –   –   –",
    Permission.ANSWER_DRAFT: "–   –   S   –   –   –   S   –   –   –   –",
    Permission.ANSWER_SIGN: "–   –   –   –   –   –   –   –   –   –   –",
    Permission.ANSWER_RATE: "O   –   –   –   –   –   –   –   –   –   –",
    Permission.EXTENSION_DECIDE: "–   –   P   –   A   P   –   –   –   –   –",
    Permission.PAPER_PUBLISH: "–   S   S   S   S   –   –   S   A   –   –",
    Permission.FILE_SEND: "O   S   S   S   S   –   S   –   –   –   –",
    Permission.CONSOLE_RUN: "–   –   S   S   –   –   –   –   –   –   –",
    Permission.RESULT_RECORD: "–   –   2S  2S  –   –   –   –   –   –   –",
    Permission.PASS_SCAN: "–   –   –   S   –   –   –   –   –   –   –",
    Permission.CHECKIN_REVERSE: "–   –   –   S   –   –   –   –   –   –   –",
    Permission.LEAVE_ASK: "O   S   –   –   –   –   –   –   –   –   –",
    Permission.LEAVE_DECIDE: "–   –   S   R   –   –   –   –   –   –   R",
    Permission.DUTY_REGISTER: "–   S   S   S   S   –   –   –   A   –   R",
    Permission.DUTY_CONFIRM: "O   –   –   –   –   –   –   –   –   –   –",
    Permission.ROOM_POST: "S   S   S   S   –   –   S   –   –   –   –",
    Permission.ROOM_MODERATE: "–   S   S   S   –   –   –   S   A   –   R",
    Permission.CONTENT_PUBLISH: "O   S   –   –   –   –   –   A   A   –   –",
    Permission.PHONE_READ: "O   S   S   S   S   –   S   –   A   –   –",
    Permission.CONTROL_CHANGE: "–   –   –   –   P   –   –   –   2   –   R",
    Permission.AUDIT_READ: "–   –   –   –   –   –   –   –   O   –   A",
    Permission.DUTY_STATISTICS: "O   S   S   –   A   –   –   –   –   –   R",
    Permission.OPERATE: "–   –   –   –   –   –   –   –   P   A   R",
    Permission.DIRECTORY_READ: "A   A   A   A   A   A   S   A   A   –   –",
    Permission.DIRECTORY_EXPORT: "–   –   –   –   –   –   –   –   A   –   –",
    Permission.PROFILE_VERIFY: "–   S   –   –   –   –   –   –   A   –   –",
    Permission.ACCOUNT_INVITE: "–   S   –   –   –   –   –   –   A   –   –",
    Permission.ACCOUNT_MANAGE: "–   –   –   –   –   –   –   –   A   –   R",
    Permission.ROSTER_MANAGE: "–   –   –   –   –   –   –   –   A   –   –",
    Permission.PRIVACY_HANDLE: "–   –   –   –   –   –   –   –   A   –   R",
    Permission.BREAK_GLASS: "–   –   –   –   –   –   –   –   2   –   R",
    Permission.MEETING_MANAGE: "–   –   S   S   –   –   –   –   –   –   –",
    Permission.CHECK_IN: "O   O   O   O   O   O   O   O   O   O   –",
    Permission.HALL_CODE: "–   –   S   S   –   –   –   –   –   –   –",
    Permission.SETTINGS_MANAGE: "–   –   –   –   –   –   –   –   A   –   R",
}

# Roles the table has no column for.
_MORE: Mapping[tuple[Role, Permission], Right] = {
    (Role.UNIT_HEAD, Permission.ANSWER_SIGN): Right(Reach.SCOPE),
    (Role.UNIT_HEAD, Permission.ANSWER_DRAFT): Right(Reach.SCOPE),
    (Role.UNIT_HEAD, Permission.PHONE_READ): Right(Reach.SCOPE),
    (Role.UNIT_HEAD, Permission.DIRECTORY_READ): Right(Reach.SCOPE),
    (Role.MODERATOR, Permission.ROOM_MODERATE): Right(Reach.SCOPE),
    (Role.MODERATOR, Permission.ROOM_POST): Right(Reach.SCOPE),
    (Role.MODERATOR, Permission.DIRECTORY_READ): Right(Reach.ALL),
    (Role.UNIT_HEAD, Permission.CHECK_IN): Right(Reach.OWN),
    (Role.MODERATOR, Permission.CHECK_IN): Right(Reach.OWN),
    (Role.GUEST, Permission.CHECK_IN): Right(Reach.OWN),
    (Role.SCANNER, Permission.CHECK_IN): Right(Reach.SCOPE),
    (Role.SCANNER, Permission.PASS_SCAN): Right(Reach.SCOPE),
    (Role.SCREEN, Permission.HALL_CODE): Right(Reach.SCOPE),
}


def _build() -> dict[tuple[Role, Permission], Right]:
    rights = {
        (role, permission): _CELLS[cell]
        for permission, row in _ROWS.items()
        for role, cell in zip(_COLUMNS, row.split(), strict=True)
        if cell != "–"
    }
    return rights | dict(_MORE)


MATRIX: Mapping[tuple[Role, Permission], Right] = _build()


def right(role: Role, permission: Permission) -> Right | None:
    """Answer how far a role's right goes, or ``None`` where there is no right."""
    return MATRIX.get((role, permission))
