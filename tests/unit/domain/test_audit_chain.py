"""The chain: one canonical form, the same before storing and after reading back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from domain.audit_chain import GENESIS, canonical, chain_hash, storable

KEYS = st.text(min_size=1, max_size=8).filter(
    lambda key: not key.startswith("$") and "." not in key and "\0" not in key
)
INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=5))]),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=20)
    | INSTANTS
    | st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
READ = CodecOptions(tz_aware=True, tzinfo=UTC)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_an_entry_hashes_the_same_before_it_is_stored_and_after_it_is_read(detail):
    kept = storable(detail)

    read = bson.decode(bson.encode(kept), READ)

    assert read == kept
    assert chain_hash(GENESIS, read) == chain_hash(GENESIS, kept)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_the_order_of_keys_does_not_matter_and_storing_twice_changes_nothing(detail):
    kept = storable(detail)

    assert canonical(dict(reversed(kept.items()))) == canonical(kept)
    assert storable(kept) == kept


@given(VALUES, VALUES)
def test_values_that_differ_hash_differently(one, other):
    same = repr(storable(one)) == repr(storable(other))
    if not same and canonical({"x": storable(one)}) == canonical({"x": storable(other)}):
        # Only the order of keys inside may differ then.
        assert storable(one) == storable(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, False), ("1", 1), (None, "null"), ([], {}), ("", None)]
)
def test_types_that_look_alike_hash_differently(one, other):
    assert canonical({"x": one}) != canonical({"x": other})


def test_the_canonical_form_is_the_one_the_chain_was_begun_with():
    entry = storable(
        {"b": [1, None, True], "a": {"时": datetime(2026, 2, 1, 1, 0, 0, 5999, tzinfo=UTC)}}
    )

    assert canonical(entry).decode() == ('{"a":{"时":{"$ms":1769907600005}},"b":[1,null,true]}')
    assert chain_hash(GENESIS, entry) == (
        "1dd454510d2f4b6ae7bb80904376f8956cbc2304c995ff550301b808ed45dbf8"
    )
