"""Reading what was sent: JSON bodies, query strings and path groups, checked by pydantic.

Malformed JSON is ``bad_json``; a value of the wrong JSON type is ``bad_type`` with its field; what
is missing or not acceptable is ``invalid`` with its field. ``detail.errors`` lists every complaint
(at most twenty). The texts are ours: what pydantic says is English and for programmers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import Invalid, Malformed, NotFound

MAX_BODY = 1024 * 1024
"""Bytes a JSON body may have."""

_MAX_COMPLAINTS = 20

# An escaped control character (not tab, line feed or carriage return) inside a JSON string, with
# the even number of backslashes before it that proves the last one is the escape.
_ESCAPED_CONTROL = re.compile(
    rb"((?<!\\)(?:\\\\)*)\\u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])"
)

_WRONG_TYPE = frozenset({"int_from_float", "int_parsing", "float_parsing", "bool_parsing"})

_SAYS: Mapping[str, str] = {
    "missing": "缺少此项",
    "extra_forbidden": "不认识的字段",
    "string_too_long": "最多 {max_length} 个字",
    "string_too_short": "至少 {min_length} 个字",
    "string_pattern_mismatch": "格式不正确",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "greater_than": "必须大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "必须小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "enum": "只能是 {expected} 之一",
    "literal_error": "只能是 {expected} 之一",
    "union_tag_invalid": "只能是 {expected_tags} 之一",
    "timezone_aware": "时间必须带时区",
}


def read_json(model: type[BaseModel], body: bytes) -> BaseModel:
    """Answer the body as a model.

    Raises:
        Malformed: It is not JSON, is nested too deeply, or a value has the wrong JSON type.
        Invalid: A field is missing or not acceptable.
    """
    if b"\\u00" in body:
        body = _ESCAPED_CONTROL.sub(rb"\1", body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_input=False)
    raise _refusal(complaints)


def read_query(model: type[BaseModel], arguments: Mapping[str, Sequence[bytes]]) -> BaseModel:
    """Answer the query string as a model; a repeated name is a list, or its last value counts.

    Raises:
        Invalid: A parameter is missing or not acceptable.
    """
    values: dict[str, Any] = {}
    for name, raw in arguments.items():
        try:
            texts = [value.decode() for value in raw]
        except UnicodeDecodeError:
            raise Invalid("不是有效的文字", field=_printable(name)) from None
        field = model.model_fields.get(name)
        several = field is not None and _is_list(field.annotation)
        values[name] = texts if several else texts[-1]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_input=False)
    raise _refusal(complaints, wrong_type=Invalid)


def read_group(adapter: TypeAdapter[Any] | None, value: str) -> Any:
    """Answer a path group as the parameter's type; text only has its shape checked.

    Raises:
        NotFound: No address has such a group.
    """
    if not value.isprintable():
        raise NotFound
    if adapter is None:
        return value
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise NotFound from None


def _refusal(
    complaints: Sequence[ErrorDetails], *, wrong_type: type[Malformed | Invalid] = Malformed
) -> Malformed | Invalid:
    if complaints[0]["type"] == "json_invalid":
        return Malformed("请求不是有效的 JSON", code="bad_json")
    wrong = next((it for it in complaints if _is_type_error(it["type"])), None)
    first = wrong or complaints[0]
    listed = [
        {"field": _dotted(it["loc"]), "msg": _say(it), "type": it["type"]}
        for it in complaints[:_MAX_COMPLAINTS]
    ]
    kind, code = (wrong_type, "bad_type") if wrong else (Invalid, "invalid")
    return kind(
        _say(first),
        code="invalid" if kind is Invalid else code,
        field=_dotted(first["loc"]),
        detail={"errors": listed},
    )


def _is_type_error(kind: str) -> bool:
    return kind.endswith("_type") or kind in _WRONG_TYPE


def _say(complaint: ErrorDetails) -> str:
    kind = complaint["type"]
    context = complaint.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in _SAYS:
        return _SAYS[kind].format_map(context)
    if _is_type_error(kind):
        return "类型不正确"
    # Our own validators raise PydanticCustomError with a sentence in Chinese.
    return complaint["msg"] if not complaint["msg"].isascii() else "内容不正确"


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(_printable(str(step)) for step in location)


def _printable(name: str) -> str:
    # A key comes from the caller: shorten it, and make sure it can be encoded again.
    return name[:64].encode(errors="replace").decode()


def _is_list(annotation: Any) -> bool:
    text = str(annotation)
    return "list[" in text or "tuple[" in text or "set[" in text
