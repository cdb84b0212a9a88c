"""Fossil deltas, compared with the SDK's own patcher."""

from __future__ import annotations

import random

import pytest
from centrifuge.fossil import apply_delta
from hypothesis import given
from hypothesis import strategies as st

from realtime.delta import BadDelta, diff, patch

TEXTS = st.text(alphabet="代表会议abc 𠮷é", max_size=200)


@given(TEXTS, TEXTS, st.booleans())
def test_a_patch_makes_the_target_and_is_shorter(source, target, text):
    old, new = source.encode(), target.encode()
    delta = diff(old, new, text=text)
    if delta is not None:
        assert len(delta) < len(new)
        assert patch(old, delta) == new
        assert bytes(apply_delta(old, delta)) == new


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_bytes_need_no_characters(old, new):
    delta = diff(old, new, text=False)
    assert delta is None or patch(old, delta) == new


def test_three_thousand_edits_of_a_chinese_text_survive_the_way_through_json():
    seed = random.Random(20260305)
    letters = "全国人民代表大会常务委员会关于加强代表工作的决定，听取审议报告。𠮷"
    sizes = []
    for _ in range(3000):
        text = "".join(seed.choices(letters, k=330))
        at = seed.randrange(len(text))
        edited = text[:at] + seed.choice(letters) * seed.randrange(3) + text[at + 1 :]
        delta = diff(text.encode(), edited.encode(), text=True)
        assert delta is not None
        # A patch is a JSON string on the way: anything but whole characters would be lost.
        travelled = delta.decode("utf-8").encode()
        assert patch(text.encode(), travelled).decode() == edited
        sizes.append(len(delta))
    assert sum(sizes) / len(sizes) < 60


def test_what_has_nothing_in_common_is_sent_whole():
    assert diff(b"a" * 100, b"b" * 10, text=True) is None
    assert diff(b"", b"", text=True) is None


@given(st.binary(max_size=60))
def test_a_broken_patch_is_refused(delta):
    try:
        patch(b"source", delta)
    except BadDelta:
        return
    assert bytes(apply_delta(b"source", delta)) == patch(b"source", delta)


def test_a_patch_for_another_source_is_refused():
    old, new = b"x" * 64 + b"one", b"x" * 64 + b"two"
    delta = diff(old, new, text=False)
    with pytest.raises(BadDelta):
        patch(b"y" * 67, delta)
