"""The flat list of route modules, and the audit that every address must pass at start-up."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from tornado.web import RequestHandler

from handlers import (
    agenda,
    archive,
    attendance,
    attendance_sheets,
    checkins,
    codes,
    device_tokens,
    devices,
    dictionaries,
    doors,
    duty,
    faces,
    files,
    flags,
    gate,
    hall,
    identity,
    ladder,
    leave,
    meetings,
    my_meetings,
    notice_receipts,
    notice_review,
    notice_templates,
    notices,
    opinions,
    organisation,
    papers,
    pass_keys,
    pass_list,
    passes,
    people,
    prints,
    privacy,
    profile,
    qr_login,
    realtime,
    rules,
    saved_views,
    scans,
    seats,
    sign_ups,
    speech,
    step_up,
    wechat,
    wechat_messages,
    workdays,
)
from handlers.admin import accounts, breakglass, bulk, credentials, grants, integrations, roster
from handlers.admin import audit as admin_audit
from handlers.admin import dictionaries as admin_dictionaries
from handlers.admin import faces as admin_faces
from handlers.admin import flags as admin_flags
from handlers.admin import organisation as admin_organisation
from handlers.admin import pass_keys as admin_pass_keys
from handlers.admin import people as admin_people
from handlers.admin import privacy as admin_privacy
from handlers.admin import rules as admin_rules
from handlers.admin import workdays as admin_workdays
from handlers.operation import operation_of
from handlers.routing import Route
from handlers.rpc import Method

VERBS = ("get", "head", "post", "put", "patch", "delete", "options")

ROUTES: tuple[Route, ...] = (
    *accounts.ROUTES,
    *agenda.ROUTES,
    *archive.ROUTES,
    *admin_audit.ROUTES,
    *admin_dictionaries.ROUTES,
    *admin_faces.ROUTES,
    *admin_flags.ROUTES,
    *admin_organisation.ROUTES,
    *admin_pass_keys.ROUTES,
    *admin_people.ROUTES,
    *admin_privacy.ROUTES,
    *admin_rules.ROUTES,
    *admin_workdays.ROUTES,
    *breakglass.ROUTES,
    *bulk.ROUTES,
    *credentials.ROUTES,
    *attendance.ROUTES,
    *attendance_sheets.ROUTES,
    *checkins.ROUTES,
    *codes.ROUTES,
    *device_tokens.ROUTES,
    *devices.ROUTES,
    *dictionaries.ROUTES,
    *doors.ROUTES,
    *duty.ROUTES,
    *gate.ROUTES,
    *faces.ROUTES,
    *grants.ROUTES,
    *integrations.ROUTES,
    *files.ROUTES,
    *hall.ROUTES,
    *ladder.ROUTES,
    *flags.ROUTES,
    *identity.ROUTES,
    *leave.ROUTES,
    *notice_receipts.ROUTES,
    *notice_review.ROUTES,
    *notice_templates.ROUTES,
    *notices.ROUTES,
    *meetings.ROUTES,
    *my_meetings.ROUTES,
    *opinions.ROUTES,
    *organisation.ROUTES,
    *papers.ROUTES,
    *pass_keys.ROUTES,
    *pass_list.ROUTES,
    *passes.ROUTES,
    *people.ROUTES,
    *prints.ROUTES,
    *privacy.ROUTES,
    *profile.ROUTES,
    *qr_login.ROUTES,
    *realtime.ROUTES,
    *roster.ROUTES,
    *rules.ROUTES,
    *saved_views.ROUTES,
    *scans.ROUTES,
    *seats.ROUTES,
    *speech.ROUTES,
    *sign_ups.ROUTES,
    *step_up.ROUTES,
    *wechat.ROUTES,
    *wechat_messages.ROUTES,
    *workdays.ROUTES,
)
"""Every address of the API: one line for each feature, sorted by name."""

METHODS: tuple[Method, ...] = (*notice_receipts.METHODS, *realtime.METHODS)
"""Every RPC method of a connection: one line for each feature, sorted by name."""


class Undeclared(Exception):
    """An endpoint says nothing about who may call it; the hub does not start."""


def audit(routes: Iterable[Route]) -> None:
    """Do nothing if every method of every handler is declared and fits its address.

    Raises:
        Undeclared: One is not, or its parameters are not the groups of its address.
    """
    complaints = [text for route in routes if not route.bare for text in _complaints(route)]
    if complaints:
        raise Undeclared("; ".join(complaints))


def _complaints(route: Route) -> Iterable[str]:
    groups = set(re.compile(route.pattern).groupindex)
    found = False
    for verb in VERBS:
        method = getattr(route.handler, verb)
        if method is getattr(RequestHandler, verb):
            continue
        found = True
        name = f"{route.handler.__name__}.{verb}"
        promise = operation_of(method)
        if promise is None:
            yield f"{name} is not declared"
        elif set(promise.groups) != groups:
            yield f"{name} does not take the groups of {route.template}: {sorted(groups)}"
        elif not inspect.getdoc(method):
            yield f"{name} has no docstring"
    if not found:
        yield f"{route.handler.__name__} answers no method"
