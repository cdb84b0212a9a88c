"""What was sent is read, or refused with the field at fault; it never breaks the reader."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from domain.errors import DomainError, Invalid, Malformed
from handlers.errors import envelope, status_of
from handlers.parsing import read_json, read_query
from handlers.text import Body, Draft, Name


class Inner(Draft):
    count: int


class Sample(Draft):
    name: Name
    text: Body = "x"
    kind: Literal["a", "b"] = "a"
    at: datetime | None = None
    inner: Inner | None = None
    numbers: Annotated[tuple[int, ...], Field(max_length=3)] = ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x00",
    ],
)
def test_what_is_not_json_is_bad_json(body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read_json(Sample, body)
    assert caught.value.code == "bad_json"
    assert status_of(caught.value) == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", ""),
        (b"null", ""),
        (b'{"name": 5}', "name"),
        (b'{"name": null}', "name"),
        (b'{"name": "n", "inner": []}', "inner"),
        (b'{"name": "n", "inner": {"count": "many"}}', "inner.count"),
        (b'{"name": "n", "numbers": [1, {}]}', "numbers.1"),
        (b'{"name": "n", "at": []}', "at"),
        (b'{"name": "n", "inner": {"count": 1.5}}', "inner.count"),
    ],
)
def test_a_wrong_json_type_is_bad_type_with_its_field(body: bytes, field: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_json(Sample, body)
    assert (caught.value.code, caught.value.field) == ("bad_type", field)


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        (b"{}", "name", "缺少此项"),
        (b'{"name": ""}', "name", "至少 1 个字"),
        ('{"name": "' + "名" * 41 + '"}', "name", "最多 40 个字"),
        ('{"name": "周\u200b明"}', "name", "不能含有不可见字符"),
        (b'{"name": "n", "kind": "c"}', "kind", "只能是"),
        (b'{"name": "n", "numbers": [1,2,3,4]}', "numbers", "最多 3 项"),
        (b'{"name": "n", "more": 1}', "more", "不认识的字段"),
        (b'{"name": "n", "at": "yesterday"}', "at", "内容不正确"),
    ],
)
def test_what_is_missing_or_not_acceptable_is_invalid_with_its_field(
    body: bytes | str, field: str, says: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read_json(Sample, body if isinstance(body, bytes) else body.encode())
    assert (caught.value.code, caught.value.field) == ("invalid", field)
    assert says in caught.value.msg
    assert caught.value.detail["errors"][0]["field"] == field


def test_every_complaint_is_listed_up_to_twenty() -> None:
    body = orjson.dumps({f"odd{n}": n for n in range(500)})
    with pytest.raises(Invalid) as caught:
        read_json(Sample, body)
    assert len(caught.value.detail["errors"]) == 20


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb"a\u0000b", "ab"),
        (rb"a\u001Bb\u007fc\u0085", "abc"),
        (rb"a\u0009b\u000ac", "a\tb\nc"),
        (rb"a\\u0000b", r"a\u0000b"),
        (rb"a\\\u0000b", "a\\b"),
        (rb"\u0000\u0000x\u0001", "x"),
        ("a\u0085b\u009fc".encode(), "abc"),
        ("👨‍👩‍👧".encode(), "👨‍👩‍👧"),
    ],
)
def test_control_characters_are_stripped_and_nothing_else(sent: bytes, kept: str) -> None:
    read = read_json(Sample, b'{"name": "n", "text": "' + sent + b'"}')
    assert read.text == kept


def test_lengths_count_code_points() -> None:
    assert read_json(Sample, ('{"name": "' + "😀" * 40 + '"}').encode()).name == "😀" * 40


class Filters(Draft):
    limit: Annotated[int, Field(ge=1)] = 10
    state: tuple[str, ...] = ()


def test_a_repeated_parameter_is_a_list_or_its_last_value_counts() -> None:
    read = read_query(Filters, {"limit": [b"3", b"4"], "state": [b"a", b"b"]})
    assert (read.limit, read.state) == (4, ("a", "b"))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    refusal = refused(lambda: read_json(Sample, body))
    if refusal is not None:
        assert orjson.loads(envelope(refusal, "r"))["code"] in {"bad_json", "bad_type", "invalid"}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "text", "kind", "at", "inner", "x"]), JSON))
def test_no_json_breaks_the_reader(value: dict) -> None:
    refusal = refused(lambda: read_json(Sample, orjson.dumps(value)))
    if refusal is not None:
        assert status_of(refusal) in {400, 422}
    else:
        read = read_json(Sample, orjson.dumps(value))
        assert not any(ord(c) < 32 and c not in "\t\n" for c in read.name + read.text)


@given(st.dictionaries(st.sampled_from(["limit", "state", "é"]), st.lists(st.binary(), min_size=1)))
def test_no_query_string_breaks_the_reader(arguments: dict) -> None:
    refusal = refused(lambda: read_query(Filters, arguments))
    if refusal is not None:
        assert status_of(refusal) == 422
        assert envelope(refusal, "r")


def refused(read: Callable[[], object]) -> DomainError | None:
    try:
        read()
    except DomainError as refusal:
        return refusal
    return None
