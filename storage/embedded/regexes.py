"""Regular expressions that cannot hang the engine and mean what PCRE means.

Python's engine backtracks while holding the interpreter, so a hostile pattern would stop everybody.
A pattern is therefore parsed first: repetition, alternatives and back-references inside repetition
are refused, and what remains is polynomial, so that the length of the text it may be tried on can
be bounded. Syntax that PCRE reads differently is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from bson import Regex

from storage.embedded.errors import Refused, unsupported

MAX_PATTERN = 1000
# A repetition with more rounds than this counts as endless.
MANY = 64
MAX_STEPS = 100_000_000

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "u": re.NOFLAG}
_OTHER_MEANING = ("[:", "\\Z", "{,", "(?P>", "(?L", "(?a", "(?u")


def search(pattern: Any, options: str = "") -> Callable[[str], bool]:
    """A test whether a string contains the pattern.

    Raises:
        Refused: 51091 not a regular expression, 51108 unknown option, 2 it could take for ever.
    """
    source, flags = _source(pattern)
    compiled, degree = _compiled(source, flags | _parse_options(options))
    find = compiled.search
    if degree < 2:
        return lambda text: find(text) is not None
    longest = int(MAX_STEPS ** (1 / degree))

    def bounded(text: str) -> bool:
        if len(text) > longest:
            raise Refused(2, f"regular expression is too slow for a text of {len(text)} characters")
        return find(text) is not None

    return bounded


def _source(pattern: Any) -> tuple[str, int]:
    if isinstance(pattern, Regex | re.Pattern):
        text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
        if pattern.flags & re.LOCALE:
            raise Refused(51108, "invalid flag in regex options: l")
        return text, pattern.flags & ~re.UNICODE
    if not isinstance(pattern, str):
        raise Refused(2, "$regex has to be a string")
    return pattern, 0


def _parse_options(options: str) -> int:
    if not isinstance(options, str):
        raise Refused(2, "$options has to be a string")
    flags = 0
    for letter in options:
        if letter not in _FLAGS:
            raise Refused(51108, f"invalid flag in regex options: {letter}")
        flags |= _FLAGS[letter]
    return flags


@lru_cache(maxsize=256)
def _compiled(source: str, flags: int) -> tuple[re.Pattern[str], int]:
    if len(source) > MAX_PATTERN:
        raise Refused(51091, f"Regular expression is too long: more than {MAX_PATTERN} characters")
    if "\0" in source:
        raise Refused(2, "Regular expression cannot contain an embedded null byte")
    for strange in _OTHER_MEANING:
        if strange in source:
            raise unsupported(f"{strange!r} in a regular expression")
    try:
        tree = parser.parse(source, flags)
        flags = _ascii_classes(tree, source, flags)
        compiled = re.compile(source, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise Refused(51091, f"Regular expression is invalid: {error}") from None
    endless = _endless(tree)
    anchored = bool(tree) and tree[0] == (codes.AT, codes.AT_BEGINNING) and not flags & re.MULTILINE
    return compiled, endless + (0 if anchored or not endless else 1)


def _ascii_classes(tree: Any, source: str, flags: int) -> int:
    r"""PCRE's ``\d``, ``\w``, ``\s`` and ``\b`` know ASCII only, its ``i`` knows every script."""
    if not any(op is codes.CATEGORY or _is_boundary(op, of) for op, of in _nodes(tree)):
        return flags
    if flags & re.IGNORECASE and not source.isascii():
        raise unsupported(r"\d, \w, \s or \b together with option i and letters beyond ASCII")
    return flags | re.ASCII


def _is_boundary(op: Any, of: Any) -> bool:
    return op is codes.AT and of in {codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY}


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    for op, of in tree:
        yield op, of
        for inner in _inside(op, of):
            yield from _nodes(inner)


def _inside(op: Any, of: Any) -> list[Any]:
    """The trees within one node."""
    if op in {codes.IN, codes.ATOMIC_GROUP}:
        return [of]
    if op is codes.BRANCH:
        return list(of[1])
    if op is codes.GROUPREF_EXISTS:
        return [tree for tree in of[1:] if tree]
    at = _BODIES.get(op)
    return [] if at is None else [of[at]]


_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
_BODIES = {
    **dict.fromkeys(_REPEATS, 2),
    codes.SUBPATTERN: 3,
    codes.ASSERT: 1,
    codes.ASSERT_NOT: 1,
}


def _varies(op: Any, of: Any) -> bool:
    """Whether a node may match in more than one way, so that repeating it multiplies."""
    if op in _REPEATS:
        return bool(of[0] != of[1])
    return op in {codes.BRANCH, codes.GROUPREF, codes.GROUPREF_EXISTS}


def _endless(tree: Any) -> int:
    """How many endless repetitions follow one another: the exponent of the worst case."""
    total = 0
    for op, of in tree:
        if op in _REPEATS:
            low, high, body = of
            if high > 1 and any(_varies(*node) for node in _nodes(body)):
                raise Refused(51091, "Regular expression is refused: repetition within repetition")
            total += 1 if high > MANY and high != low else _endless(body)
        elif op is codes.BRANCH:
            total += max(map(_endless, of[1]), default=0)
        else:
            total += sum(map(_endless, _inside(op, of))) if op is not codes.IN else 0
    return total
