"""Keys order values as MongoDB does, decimals to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from storage.embedded.keys import after, encode

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6
    ),
)


def _stored(number: object) -> object:
    return Decimal128(number) if isinstance(number, Decimal) else number


@given(NUMBERS, NUMBERS)
def test_numbers_of_any_kind_compare_by_value(left, right) -> None:
    first, second = encode(_stored(left)), encode(_stored(right))
    exact = (Decimal(left), Decimal(right))
    assert (first < second) == (exact[0] < exact[1])
    assert (first == second) == (exact[0] == exact[1])


@given(st.text(), st.text())
def test_strings_compare_by_their_bytes_and_no_key_continues_another(left, right) -> None:
    first, second = encode(left), encode(right)
    assert (first < second) == (left.encode() < right.encode())
    if left != right:
        assert not second.startswith(first)


def test_types_come_in_mongodbs_order() -> None:
    values = [
        MinKey(),
        None,
        float("nan"),
        float("-inf"),
        -1,
        Decimal128("-0.5"),
        0,
        Int64(2**53),
        2**53 + 1,
        float("inf"),
        "",
        "a",
        {},
        {"a": 1},
        [],
        b"",
        ObjectId(),
        False,
        True,
        datetime(1950, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        MaxKey(),
    ]
    keys = [encode(value) for value in values]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("same", [(1, 1.0, Int64(1), Decimal128("1.00")), (0.0, -0.0, 0)])
def test_equal_numbers_have_one_key(same) -> None:
    assert len({encode(value) for value in same}) == 1


def test_decimals_differ_in_the_last_of_34_digits() -> None:
    near = [f"0.{'1' * 33}{last}" for last in (1, 2, 3)]
    keys = [encode(Decimal128(text)) for text in near]
    assert keys == sorted(set(keys))
    assert encode(Decimal128("1E+6000")) < encode(float("inf"))
    assert encode(Decimal128("1E+6000")) > encode(1e308)


def test_a_key_ends_before_what_comes_after_it() -> None:
    assert encode("a") + encode(MaxKey()) < after(encode("a")) < encode("b")
