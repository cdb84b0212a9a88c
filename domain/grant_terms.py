"""What a role can be given over, and what makes it end by itself.

A guest (列席、旁听、媒体) is let into one meeting for some functions of it, and no longer than the
meeting: the pass ends within seconds of the meeting's close, without anybody's doing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.errors import Invalid
from domain.permissions import DEVICE_ROLES, Role
from domain.role_grants import SCOPE_KINDS, SCOPE_NEEDED, RoleGrant, Scopes

OVERTIME = timedelta(hours=24)
"""How long after its planned end a meeting that nobody has closed counts as over for its guests."""


async def require_fitting(grant: RoleGrant, known: Scopes, *, at: datetime) -> None:
    """Do nothing if a grant makes sense at an instant.

    Raises:
        Invalid: The role is one of devices, its scopes do not fit or exist, its span is empty, or
            it is a guest's without functions, or of a meeting that is over or has no end.
    """
    role, scopes = grant.role, grant.scopes
    if role in DEVICE_ROLES:
        raise Invalid("该角色只属于设备，不能授予人员", field="role")
    if grant.until is not None and grant.until <= max(grant.since, at):
        raise Invalid("结束时间须晚于开始时间", field="until")
    allowed = SCOPE_KINDS.get(role, frozenset())
    wrong = sorted(scope for scope in scopes if scope.partition(":")[0] not in allowed)
    if wrong:
        raise Invalid("该角色不能使用此范围", field="scopes", detail={"scopes": wrong})
    if role in SCOPE_NEEDED and not scopes:
        raise Invalid("该角色必须指定范围", field="scopes")
    missing = await known.missing(scopes) if scopes else frozenset()
    if missing:
        raise Invalid("范围不存在", field="scopes", detail={"scopes": sorted(missing)})
    if role is Role.GUEST:
        await _require_guest(grant, known, at=at)
    elif grant.functions:
        raise Invalid("只有列席、旁听、媒体证件需要列明功能", field="functions")


async def is_over(grant: RoleGrant, known: Scopes, *, at: datetime) -> bool:
    """Tell whether every meeting a guest is let into is over."""
    ends = [await known.end(scope) for scope in sorted(grant.scopes)]
    return all(end.over or (end.at is not None and end.at + OVERTIME <= at) for end in ends)


async def _require_guest(grant: RoleGrant, known: Scopes, *, at: datetime) -> None:
    if not grant.functions:
        raise Invalid("须列明可以使用的功能", field="functions")
    if len(grant.scopes) != 1:
        raise Invalid("一张证件只用于一次会议", field="scopes")
    if await is_over(grant, known, at=at):
        raise Invalid("会议已结束", field="scopes")
    (scope,) = grant.scopes
    if grant.until is None and (await known.end(scope)).at is None:
        raise Invalid("会议未定结束时间，须填写证件的结束时间", field="until")
