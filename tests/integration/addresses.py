"""An address of any route, with something in each group that its pattern takes."""

from __future__ import annotations

import re

from handlers.routing import Route
from tests.integration.people import ulid

FILLINGS = (
    ulid(99), "2026-10-12", "2026-10", "2027", "a" * 64, "key", "1", "sms", "3-12", "attend",
    f"{ulid(99)}-{ulid(98)}",
)  # fmt: skip
_GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)")


def address(route: Route, **known: str) -> str:
    """Answer an address that the route takes; ``known`` says what stands in some groups."""
    patterns = dict(_GROUP.findall(route.pattern))

    def filled(group: re.Match[str]) -> str:
        name = group[1]
        if name in known:
            return known[name]
        return next(it for it in FILLINGS if re.fullmatch(patterns[name], it))

    path = re.sub(r"\{(\w+)\}", filled, route.template)
    assert route.regex.fullmatch(path), path
    return path
