"""One name per feature in every layer: whoever knows one file of a feature finds the others."""

from __future__ import annotations

import ast
from pathlib import Path

from server.application import ROUTES

ROOT = Path(__file__).parents[2]

# Handlers that are the framework and not a feature.
FRAMEWORK = {
    *("base", "channel", "channels", "csrf", "errors", "limits", "once", "operation", "paging"),
    *("parsing", "routing", "rpc", "text", "upload"),
}
# Transports of the real-time hub; their column is ``realtime/``.
TRANSPORTS = {
    *("emulation", "realtime_routes", "server_api", "socket", "stream", "streaming", "upgrade"),
}


def features() -> set[str]:
    """The features that have an address, by the module that answers there."""
    return {route.handler.__module__.rpartition(".")[2] for route in ROUTES}


def known(layer: str) -> set[str]:
    """The names of a layer's modules and packages."""
    return {path.stem for path in (ROOT / layer).iterdir() if not path.name.startswith("_")}


def test_every_feature_has_rules_of_the_same_name_or_belongs_to_one() -> None:
    names = known("domain") | {path.stem for path in (ROOT / "domain").rglob("*.py")}
    roots = {name.rpartition("_")[2] for name in names} | {name.partition("_")[0] for name in names}
    strangers = {
        feature
        for feature in features()
        if feature not in names
        and feature.rstrip("s") not in names
        and not (set(feature.split("_")) & (names | roots))
    }
    # What stands at a door of ``domain.identity`` is called as the door is.
    assert strangers <= {"wechat", "qr", "session", "sessions", "password", "passwords", "entry"}


def test_every_feature_is_tested_over_http() -> None:
    tested = "".join(
        path.read_text("utf-8") for path in (ROOT / "tests/integration").glob("test_*.py")
    )
    addresses: dict[str, set[str]] = {}
    for route in ROUTES:
        start = route.template.partition("{")[0].rstrip("/")
        addresses.setdefault(route.handler.__module__, set()).add(start)
    untested = {
        module
        for module, starts in addresses.items()
        if not any(start in tested for start in starts)
    }
    assert untested == set()


def test_feature_handlers_share_nothing_but_the_shapes_of_what_they_show() -> None:
    found = []
    for path in (ROOT / "handlers").rglob("*.py"):
        if path.stem in FRAMEWORK | TRANSPORTS | {"entry", "__init__"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            other = node.module.rpartition(".")[2]
            if node.module.startswith("handlers.") and other in features() - {path.stem}:
                found += [
                    f"{path.name} takes {alias.name} from {other}"
                    for alias in node.names
                    if alias.name.endswith("Handler") or not alias.name[0].isupper()
                ]
    assert found == []
