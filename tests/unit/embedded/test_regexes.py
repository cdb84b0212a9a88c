"""Patterns that could take for ever are refused, the others mean what PCRE means."""

from __future__ import annotations

import re

import pytest

from storage.embedded.errors import Refused
from storage.embedded.regexes import search


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|b|cd)*x", "(a*)*", "(?:a?){9}b", r"(\w+\s*)*$", "x" * 1001, "("]
)
def test_a_hostile_or_broken_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Refused) as refused:
        search(pattern)
    assert refused.value.code == 51091


@pytest.mark.parametrize("pattern", [r"a\Z", "[[:alpha:]]", "a{,3}"])
def test_what_pcre_reads_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(Refused) as refused:
        search(pattern)
    assert refused.value.code == 238


def test_several_repetitions_are_tried_on_short_texts_only() -> None:
    find = search("议.*案.*年")
    assert find("议一个案在二〇二六年")
    with pytest.raises(Refused, match="too slow"):
        find("议" * 100_000)


def test_digits_and_words_are_ascii_as_in_pcre() -> None:
    assert search(r"^\d+$")("2026")
    assert not search(r"^\d+$")("２０２６")
    assert search(re.compile("^教育$"))("教育")
    with pytest.raises(Refused):
        search(r"É\w", "i")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        search("a", "q")
    assert refused.value.code == 51108
