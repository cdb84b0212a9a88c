"""Writes what is generated (pages of ``docs/reference``, the front end's event types), or compares.

``scripts/generate`` writes them; ``scripts/generate --check``, and a test, compare.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from server import asyncapi, commands
from server.config import Settings
from server.event_types import event_types

ROOT = Path(__file__).parent.parent


def pages() -> Mapping[str, str]:
    """Answer every generated file by its path."""
    catalogue = asyncapi.document()
    return {
        "docs/reference/asyncapi.json": _json(catalogue),
        "docs/reference/configuration.md": configuration(),
        "docs/reference/openapi.json": commands.openapi().decode(),
        "static/shared/src/events.ts": event_types(catalogue),
    }


def stale() -> list[str]:
    """Answer the paths of files that are not as they would be written now."""
    return [
        name
        for name, text in pages().items()
        if not (ROOT / name).exists() or (ROOT / name).read_text("utf-8") != text
    ]


def write() -> list[str]:
    """Write what is out of step, and answer the paths."""
    written = stale()
    current = pages()
    for name in written:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(current[name], "utf-8")
    return written


def configuration() -> str:
    """Answer the page of all settings."""
    lines = [
        "# Configuration",
        "",
        "Generated from `server/config.py`. Every setting is an environment variable, or a line in",
        "`.env`.",
        "Secrets are never printed; `python main.py check` shows the rest as it is in effect.",
        "",
        "| variable | type | default |",
        "| --- | --- | --- |",
        *_rows(Settings, "HUB_"),
    ]
    for model in _groups():
        lines += ["", f"## {model.__name__}", "", _about(model)]
    return "\n".join(lines) + "\n"


def _groups() -> Iterator[type[BaseModel]]:
    yield Settings
    for field in Settings.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield field.annotation


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{variable}__")
        else:
            yield f"| `{variable}` | {_kind(kind)} | {_default(field)} |"


def _kind(kind: Any) -> str:
    if kind is SecretStr:
        return "secret"
    return str(getattr(kind, "__name__", kind)).replace("|", "or")


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr) or value in ("", ()):
        return ""
    if isinstance(value, dict):
        return f"`{json.dumps(value, ensure_ascii=False)}`"
    return f"`{getattr(value, 'value', value)}`"


def _about(model: type[BaseModel]) -> str:
    text = (model.__doc__ or "").replace("``", "`")
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(f"- {line}" if _is_entry(line) else line for line in lines)


def _is_entry(line: str) -> bool:
    word, colon, _ = line.partition(": ")
    return bool(colon) and word.isidentifier()


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Write, or with ``--check`` compare."""
    if "--check" in sys.argv[1:]:
        if names := stale():
            print(f"out of step, run scripts/generate: {', '.join(names)}", file=sys.stderr)
            raise SystemExit(1)
        return
    for name in write():
        print(name)


if __name__ == "__main__":
    main()
