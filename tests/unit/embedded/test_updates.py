"""Operands that cannot be used are refused when the update is read, matched or not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.embedded.errors import Refused
from storage.embedded.update import Update

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"$inc": {"a.b": "x"}}, 14),
        ({"$inc": {"list.$[].n": None}}, 14),
        ({"$mul": {"a": []}}, 14),
        ({"$pop": {"a": "first"}}, 9),
        ({"$pullAll": {"a": 1}}, 2),
        ({"$push": {"a": {"$each": 1}}}, 2),
        ({"$addToSet": {"a": {"$each": 1}}}, 14),
        ({"$bit": {"a": {"nand": 1}}}, 2),
    ],
)
def test_a_wrong_operand_is_refused_before_anything_is_matched(spec, code):
    with pytest.raises(Refused) as refusal:
        Update(spec, query={}, array_filters=None, now=NOW)
    assert refusal.value.code == code


def test_right_ones_are_tried_without_leaving_a_trace():
    spec = {"$inc": {"a": 1}, "$push": {"b": {"$each": [1, 2]}}, "$pop": {"c": 1}}
    update = Update(spec, query={}, array_filters=None, now=NOW)

    assert update.apply({"_id": 1, "c": [1, 2]}) == {"_id": 1, "a": 1, "b": [1, 2], "c": [1]}
    assert update.apply({"_id": 2}) == {"_id": 2, "a": 1, "b": [1, 2]}
