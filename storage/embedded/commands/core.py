"""What all commands have in common: their kinds, their options, who may not be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from storage.embedded.context import Context
from storage.embedded.cursors import Cursors
from storage.embedded.documents import Writer
from storage.embedded.errors import Refused, unsupported
from storage.embedded.values import Doc, decode


class Kind(Enum):
    """How a command is run."""

    PLAIN = "plain"  # needs no data
    READ = "read"  # on the main connection while it is short, else on a reader's
    LONG = "long"  # always on a reader's
    WRITE = "write"  # in the transaction that all writes of this turn share
    SHRINK = "shrink"  # a write that is allowed when the disk is nearly full


@dataclass
class Request:
    """A command as it came in.

    Attributes:
        body: The command document.
        sequences: Documents sent beside it, still as bytes.
    """

    body: Doc
    sequences: Mapping[str, list[bytes]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The command's name."""
        return next(iter(self.body), "")

    def documents(self, key: str) -> list[Doc]:
        """The statements of a write command, wherever they are."""
        if key in self.sequences:
            return [decode(raw) for raw in self.sequences[key]]
        found = self.body.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise Refused(14, f"BSON field '{self.name}.{key}' must be an array of objects")
        return found


@dataclass
class Engine:
    """What commands need beside their context."""

    cursors: Cursors
    writer: Writer | None
    status: Callable[[], Doc]


Run = Callable[[Context, Request, Engine], Doc]


@dataclass(frozen=True)
class Command:
    """A command: how it is run, by what, and which options it knows.

    Attributes:
        options: Names that are understood.
        empty: Names that MongoDB knows and the engine takes only if they are false or empty.
    """

    run: Run
    kind: Kind = Kind.READ
    options: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()


commands: dict[str, Command] = {}

# Understood everywhere; none of them changes what a single server with one file does.
_COMMON = frozenset(
    {
        "$db",
        "lsid",
        "$clusterTime",
        "$readPreference",
        "writeConcern",
        "readConcern",
        "maxTimeMS",
        "comment",
        "apiVersion",
        "apiStrict",
        "apiDeprecationErrors",
    }
)
_READ_CONCERNS = ("local", "available", "majority")


def command_of(name: str) -> Command:
    """The command of this name.

    Raises:
        Refused: 59.
    """
    found = commands.get(name)
    if found is None:
        raise Refused(59, f"no such command: '{name}'")
    return found


def kind_of(request: Request) -> Kind:
    """How this request has to be run; an unknown command needs no data."""
    found = commands.get(request.name)
    if found is None:
        return Kind.PLAIN
    if found.kind is not Kind.LONG:
        return found.kind
    pipeline = request.body.get("pipeline")
    last = pipeline[-1] if isinstance(pipeline, list) and pipeline else None
    writes = isinstance(last, dict) and ("$out" in last or "$merge" in last)
    return Kind.WRITE if writes else _reading(pipeline)


def _reading(pipeline: Any) -> Kind:
    """A pipeline that only filters and counts may be short."""
    if not isinstance(pipeline, list) or len(pipeline) > 4:
        return Kind.LONG
    names = [name for stage in pipeline if isinstance(stage, dict) for name in stage]
    short = {"$match", "$group", "$count", "$limit", "$skip", "$sort", "$project"}
    return Kind.READ if set(names) <= short else Kind.LONG


def common_checks(request: Request, command: Command) -> None:
    """Refuse transactions and everything the command does not understand.

    Raises:
        Refused: 20 transactions, 40415 an unknown field, 238 a known one that is not supported.
    """
    body = request.body
    if {"txnNumber", "startTransaction", "autocommit"} & body.keys():
        raise Refused(20, "Transaction numbers are only allowed on a replica set member or mongos")
    # Drivers tell about themselves in ``hello``, and more with every version.
    for name, value in () if command.kind is Kind.PLAIN else body.items():
        if name == request.name or name in _COMMON or name in command.options:
            continue
        if name not in command.empty:
            raise Refused(40415, f"BSON field '{request.name}.{name}' is an unknown field.")
        if value not in (None, False, {}, []):
            raise unsupported(f"option {name} of {request.name}")
    _check_concerns(body)


def _check_concerns(body: Doc) -> None:
    written = (body.get("writeConcern") or {}).get("w", 1)
    if isinstance(written, int) and written > 1:
        raise Refused(2, "cannot use 'w' > 1 when a host is not replicated")
    level = (body.get("readConcern") or {}).get("level", "local")
    if level not in _READ_CONCERNS:
        raise unsupported(f"readConcern {level}")


def check_fields(where: str, statement: Doc, known: set[str], empty: set[str]) -> None:
    """Refuse fields of one statement that are not understood."""
    for name, value in statement.items():
        if name in known:
            continue
        if name not in empty:
            raise Refused(40415, f"BSON field '{where}.{name}' is an unknown field.")
        if value not in (None, False, {}, []):
            raise unsupported(f"option {name} of {where}")


def integer(body: Doc, name: str, default: int = 0) -> int:
    """A non-negative number among the options.

    Raises:
        Refused: 14 it is not a number, 2 it is negative.
    """
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(14, f"BSON field '{name}' is the wrong type, expected a number")
    if value < 0:
        raise Refused(2, f"BSON field '{name}' value must be >= 0, actual value '{value}'")
    return int(value)
