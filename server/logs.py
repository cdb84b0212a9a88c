"""Logs: one JSON object a line on standard error, with what must not be known taken out.

Everything goes through here, the libraries' own logging included. Values of telling names are
replaced, and texts are searched for phone numbers, identity numbers, bearer tokens, connection
tokens and query strings.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import orjson
import structlog

HIDDEN = "[hidden]"

_TELLING = re.compile(
    r"(?i)passw|secret|token|authorization|cookie|api_?key|openid|phone|mobile|id_?no|id_?card"
    r"|cf_connect|^code$|^pin$|otp|ticket"
)
# Order matters: an identity number contains what looks like a phone number.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)"), HIDDEN),
    (re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)"), r"\1****\2"),
    (re.compile(r"(?i)\b(bearer|apikey)\s+[\w.~+/=-]+"), r"\1 " + HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (
        re.compile(r"(?i)\b(cf_connect|access_token|secret|password|token)=[^&\s\"']+"),
        r"\1=" + HIDDEN,
    ),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), r"\1:" + HIDDEN + "@"),
    (re.compile(r"(/[\w./%-]+)\?[^\s\"']+"), r"\1?" + HIDDEN),
)

Event = MutableMapping[str, Any]


def redact(text: str) -> str:
    """Answer a text without what must not be known."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def _redact_event(_logger: Any, _name: str, event: Event) -> Event:
    for key, value in event.items():
        event[key] = _hidden(key, value)
    return event


def _hidden(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return HIDDEN if value and _TELLING.search(key) else redact(value)
    if isinstance(value, dict):
        return {name: _hidden(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(key, inner) for inner in value]
    return HIDDEN if isinstance(value, bytes) else value


def _as_json(_logger: Any, _name: str, event: Event) -> str:
    return orjson.dumps(event, default=str).decode()


def configure(*, level: str = "info", style: str = "json", stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process through one pipe.

    Args:
        level: Least level that is logged.
        style: ``json`` for machines, ``text`` for people.
        stream: Where to; standard error if not said.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    render: structlog.typing.Processor = (
        _as_json if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These say in many lines what the hub says in one.
    for chatty in ("tornado.access", "tornado.general", "pymongo", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class AccessLog:
    """One line for each request, written without the general pipe because it is on every path.

    It holds nothing that could need hiding: the pattern of the route, never the address as it
    came, and no header.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line; a full disk or a closed pipe stops no request."""
        with contextlib.suppress(OSError):
            self._stream.write(orjson.dumps(line).decode() + "\n")
