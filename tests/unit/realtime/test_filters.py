"""Tag filters and channel names."""

from __future__ import annotations

import pytest

from realtime import codes
from realtime.codec.messages import FilterNode
from realtime.filters import read_filter
from realtime.policy import Policies, Policy, namespace_of, user_list, well_named

TAGS = {"role": "screen-1", "n": "5"}


@pytest.mark.parametrize(
    ("cmp", "key", "val", "vals", "wanted"),
    [
        ("eq", "role", "screen-1", [], True),
        ("neq", "role", "screen-1", [], False),
        ("neq", "none", "x", [], True),
        ("in", "role", "", ["a", "screen-1"], True),
        ("nin", "role", "", ["a"], True),
        ("ex", "none", "", [], False),
        ("nex", "none", "", [], True),
        ("sw", "role", "screen", [], True),
        ("ew", "role", "-1", [], True),
        ("ct", "role", "een", [], True),
        ("sw", "none", "", [], False),
        ("lt", "n", "5", [], False),
        ("lte", "n", "5.0", [], True),
        ("gt", "n", "10", [], False),
        ("gte", "n", "-3", [], True),
        ("gt", "role", "1", [], False),
    ],
)
def test_comparisons(cmp, key, val, vals, wanted):
    node = FilterNode(key=key, cmp=cmp, val=val, vals=vals)
    assert read_filter(node).matches(TAGS) is wanted
    inverse = FilterNode(op="not", nodes=[node])
    assert read_filter(inverse).matches(TAGS) is not wanted


def test_combinations():
    yes, no = FilterNode(key="n", cmp="ex"), FilterNode(key="n", cmp="nex")
    assert read_filter(FilterNode(op="and", nodes=[yes, yes])).matches(TAGS)
    assert not read_filter(FilterNode(op="and", nodes=[yes, no])).matches(TAGS)
    assert read_filter(FilterNode(op="or", nodes=[no, yes])).matches(TAGS)
    assert not read_filter(FilterNode(op="or", nodes=[no, no])).matches(TAGS)


def test_equal_filters_are_one_value():
    one = FilterNode(key="role", cmp="in", vals=["a", "b"])
    two = FilterNode(key="role", cmp="in", vals=["b", "a"])
    assert read_filter(one) == read_filter(two)
    assert hash(read_filter(one)) == hash(read_filter(two))


def nested(depth):
    node = FilterNode(key="a", cmp="ex")
    for _ in range(depth):
        node = FilterNode(op="not", nodes=[node])
    return node


@pytest.mark.parametrize(
    "node",
    [
        FilterNode(),
        FilterNode(key="a", cmp="like"),
        FilterNode(cmp="eq"),
        FilterNode(op="and"),
        FilterNode(op="not", nodes=[nested(0), nested(0)]),
        FilterNode(op="xor", nodes=[nested(0)]),
        FilterNode(key="a", cmp="ex", nodes=[nested(0)]),
        nested(20),
        FilterNode(op="or", nodes=[nested(0)] * 100),
    ],
)
def test_what_is_no_filter_is_refused(node):
    with pytest.raises(codes.Refused):
        read_filter(node)


def test_namespaces_and_names():
    assert [namespace_of(one) for one in ("a", "ns:a", "$ns:a:b", "ns:#1")] == [
        "",
        "ns",
        "ns",
        "ns",
    ]
    assert user_list("dialog:#1,2") == {"1", "2"}
    assert user_list("dialog:1") is None
    assert well_named("room:#1,2")
    for bad in ("", "a" * 256, "会", "a*", "a/b", "a&b", "a\nb"):
        assert not well_named(bad)
    assert Policies({"ns": Policy()}).find("other:1") is None
    with pytest.raises(ValueError, match="namespace"):
        Policies({"a": Policy()})
