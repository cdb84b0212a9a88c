"""Chinese search: people are found by characters, pinyin, initials, in every reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.search import MOST_TERMS, matches, query_terms, search_terms


def found(q: str, text: str) -> bool:
    stored = set(search_terms(text))
    return all(term in stored for term in query_terms(q)) and matches(q, [text])


@pytest.mark.parametrize(
    "q", ["zhq", "章清", "章", "zhangqing", "zhang", "zq", "清", "ZhangQ", "Zhang Qing"]
)
def test_a_name_is_found_by_what_people_type(q):
    assert found(q, "章清")


@pytest.mark.parametrize("q", ["清章", "zhangqingx", "li", "章清明", "qz"])
def test_a_name_is_not_found_by_something_else(q):
    assert not found(q, "章清")


@pytest.mark.parametrize(
    ("name", "usual", "other"),
    [
        ("单仲良", "shanzhongliang", "danzhongliang"),
        ("解文杰", "xiewenjie", "jiewenjie"),
        ("仇小敏", "qiuxiaomin", "chouxiaomin"),
        ("曾国平", "zengguoping", "cengguoping"),
        ("查志远", "zhazhiyuan", "chazhiyuan"),
        ("尉迟明", "yuchiming", "weichiming"),
        ("吕乐山", "lvleshan", "luyueshan"),
    ],
)
def test_a_surname_with_several_readings_is_found_by_each(name, usual, other):
    assert found(usual, name)
    assert found(other, name)


@pytest.mark.parametrize("dot", ["·", "•", "・", ""])
def test_a_name_with_a_dot_is_found_with_any_dot_or_none(dot):
    name = "阿依古丽·买买提"

    for q in (f"阿依古丽{dot}买买提", "买买提", "ayiguli", "aygl"):
        assert found(q, name)


def test_a_title_is_found_by_any_part_of_it():
    title = "关于加快老旧小区加装电梯（第12号）的议案"

    for q in ("电梯", "老旧小区", "12", "第12号", "加装 议案", "议"):
        assert found(q, title)
    assert not found("地铁", title)


def test_two_pairs_that_do_not_stand_together_are_told_apart_by_matches():
    stored = set(search_terms("人大代表大会代"))

    assert all(term in stored for term in query_terms("大会代表"))
    assert not matches("大会代表", ["人大代表大会代"])


def test_nothing_asked_is_no_terms():
    assert query_terms(" ·，。%$*[") == []


@given(st.text(max_size=40))
def test_every_text_is_found_by_itself(text):
    assert found(text, text)


@given(st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=6000))
def test_terms_are_bounded_and_unique(text):
    terms = search_terms(text)

    assert len(terms) == len(set(terms)) <= MOST_TERMS
