"""Strings. Upper and lower case know ASCII only, as MongoDB's do."""

from __future__ import annotations

from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.expressions.core import (
    Expression,
    Maker,
    Scope,
    compile_expression,
    function,
    named,
    optional_argument,
)
from storage.embedded.regexes import search
from storage.embedded.values import is_null, is_regex, type_name, whole

_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(65, 91)})
_UPPER = str.maketrans({chr(code + 32): chr(code) for code in range(65, 91)})
_SPACES = "\0\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))


def _text(name: str, value: Any, code: int = 14) -> str:
    if not isinstance(value, str):
        raise Refused(code, f"{name} requires a string argument, found: {type_name(value)}")
    return value


def _index(name: str, value: Any, code: int) -> int:
    number = whole(value)
    if number is None or number < 0:
        raise Refused(code, f"{name} requires a non-negative integer, found: {value!r}")
    return number


def _concat(*values: Any) -> str:
    for value in values:
        if not isinstance(value, str):
            raise Refused(16702, f"$concat only supports strings, not {type_name(value)}")
    return "".join(values)


def _substring(value: Any, start: Any, count: Any) -> str:
    text = _text("$substrCP", value)
    first = _index("$substrCP", start, 34452)
    return text[first : first + _index("$substrCP", count, 34454)]


def _substring_bytes(value: Any, start: Any, count: Any) -> str:
    raw = _text("$substrBytes", value).encode()
    first, size = whole(start), whole(count)
    if first is None or first < 0 or size is None:
        raise Refused(50752, "$substrBytes: starting index must be a non-negative integer")
    part = raw[first:] if size < 0 else raw[first : first + size]
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise Refused(
            28656, "$substrBytes: Invalid range, it starts or ends within a UTF-8 character."
        ) from None


def _split(value: Any, separator: Any) -> list[str]:
    text = _text("$split", value, 40085)
    by = _text("$split", separator, 40086)
    if not by:
        raise Refused(40087, "$split requires a non-empty separator")
    return text.split(by)


def _index_of(value: Any, wanted: Any, *bounds: Any) -> int:
    text = _text("$indexOfCP", value, 40093)
    part = _text("$indexOfCP", wanted, 40094)
    start, *end = [_index("$indexOfCP", bound, 40097) for bound in bounds] or [0]
    return -1 if start > len(text) else text.find(part, start, *end)


def _length(value: Any) -> int:
    return len(_text("$strLenCP", value, 34471))


def _length_bytes(value: Any) -> int:
    return len(_text("$strLenBytes", value, 34473).encode())


def _compare(left: Any, right: Any) -> int:
    first = _text("$strcasecmp", left).translate(_UPPER).encode()
    second = _text("$strcasecmp", right).translate(_UPPER).encode()
    return (first > second) - (first < second)


def _strict(name: str, code: int, maker: tuple[str, Maker]) -> tuple[str, Maker]:
    """An operator for which null is not a string."""
    _, make = maker

    def made(spec: Any) -> Expression:
        evaluate = make(spec)

        def checked(scope: Scope) -> Any:
            result = evaluate(scope)
            if result is None:
                raise Refused(code, f"{name} requires a string argument, found: null")
            return result

        return checked

    return name, made


def _trim(name: str) -> tuple[str, Maker]:
    def make(spec: Any) -> Expression:
        spec = named(name, spec, ("input",), ("chars",))
        value = compile_expression(spec["input"])
        characters = optional_argument(spec, "chars")

        def evaluate(scope: Scope) -> str | None:
            text = value(scope)
            strip = characters(scope) if characters else _SPACES
            if is_null(text) or is_null(strip):
                return None
            text, strip = _text(name, text, 50699), _text(name, strip, 50700)
            if name == "$ltrim":
                return text.lstrip(strip) if strip else text
            if name == "$rtrim":
                return text.rstrip(strip) if strip else text
            return text.strip(strip) if strip else text

        return evaluate

    return name, make


def _replace(name: str, count: int) -> tuple[str, Maker]:
    def make(spec: Any) -> Expression:
        keys = ("input", "find", "replacement")
        spec = named(name, spec, keys)
        parts = [compile_expression(spec[key]) for key in keys]

        def evaluate(scope: Scope) -> str | None:
            values = [part(scope) for part in parts]
            for key, value in zip(keys, values, strict=True):
                if not is_null(value):
                    _text(f"{name} '{key}'", value, 51746)
            if any(map(is_null, values)):
                return None
            text, old, new = values
            return str(text).replace(old, new, count)

        return evaluate

    return name, make


def _regex_match(spec: Any) -> Expression:
    spec = named("$regexMatch", spec, ("input", "regex"), ("options",))
    pattern = spec["regex"]
    if not is_regex(pattern) and (not isinstance(pattern, str) or pattern.startswith("$")):
        raise Refused(51105, "$regexMatch needs 'regex' to be a constant string or regex")
    found = search(pattern, spec.get("options") or "")
    value = compile_expression(spec["input"])

    def evaluate(scope: Scope) -> bool:
        text = value(scope)
        return False if is_null(text) else found(_text("$regexMatch", text, 51104))

    return evaluate


def _lower(value: Any) -> str:
    return _text("$toLower", value).translate(_LOWER)


def _upper(value: Any) -> str:
    return _text("$toUpper", value).translate(_UPPER)


OPERATORS: dict[str, Maker] = dict(
    [
        function("$concat", 0, None, _concat),
        function("$toLower", 1, 1, _lower, on_null=""),
        function("$toUpper", 1, 1, _upper, on_null=""),
        _strict("$strLenCP", 34471, function("$strLenCP", 1, 1, _length)),
        _strict("$strLenBytes", 34473, function("$strLenBytes", 1, 1, _length_bytes)),
        function("$substrCP", 3, 3, _substring, on_null=""),
        function("$substrBytes", 3, 3, _substring_bytes, on_null=""),
        function("$substr", 3, 3, _substring_bytes, on_null=""),
        function("$split", 2, 2, _split),
        function("$indexOfCP", 2, 4, _index_of),
        function("$strcasecmp", 2, 2, _compare),
        _trim("$trim"),
        _trim("$ltrim"),
        _trim("$rtrim"),
        _replace("$replaceOne", 1),
        _replace("$replaceAll", -1),
        ("$regexMatch", _regex_match),
    ]
)
