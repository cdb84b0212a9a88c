"""Invented people: names put together from two lists, never twice, never a well-known person's.

About six in a hundred surnames have more than one reading, and two in a hundred names are long ones
with “·”, because sorting and searching must get those right.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from random import Random

POLYPHONIC = ("单", "解", "仇", "曾", "查", "尉迟", "区", "盖", "缪", "乐")
"""Surnames whose reading as a surname differs from the usual one, or has several."""


def _words(name: str) -> list[str]:
    return files("demo").joinpath(name).read_text("utf-8").split()


SURNAMES = (*_words("surnames.txt"), *POLYPHONIC)
"""Eighty surnames."""

GIVEN = tuple(_words("given_names.txt"))
"""One hundred and twenty given names of two characters, mildly rare."""

LONG = (
    "阿依慕·努尔", "古丽娜·艾山", "迪丽拜尔·吐逊", "巴特尔·乌云", "格桑·卓玛措", "扎西·平措顿",
    "帕提古丽·海米", "萨仁·托娅", "娜仁·其木格", "多吉·旺堆", "木拉提·叶尔", "阿孜古丽·肉孜",
    "央金·拉姆措", "乌兰·巴雅尔", "热娜·买买江", "苏和·阿古拉", "其其格·娜日", "达瓦·次仁拉",
    "布加·哈里木", "玛依拉·阿合",
)  # fmt: skip


def excluded() -> frozenset[str]:
    """Answer the names that must not come up, from ``names_exclude.txt``."""
    text = files("demo").joinpath("names_exclude.txt").read_text("utf-8")
    return frozenset(
        line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")
    )


def names(random: Random, taken: set[str]) -> Iterator[str]:
    """Yield fresh names without end of the lists; each is added to ``taken``."""
    barred = excluded()
    plain = [
        surname + given
        for surname in SURNAMES
        for given in GIVEN
        if surname not in POLYPHONIC and surname + given not in barred
    ]
    polyphonic = [s + g for s in POLYPHONIC for g in GIVEN if s + g not in barred]
    random.shuffle(plain)
    random.shuffle(polyphonic)
    long = [name for name in LONG if name not in barred]
    while plain and polyphonic:
        draw = random.random()
        pool = long if draw < 0.02 and long else polyphonic if draw < 0.08 else plain
        name = pool.pop()
        if name not in taken:
            taken.add(name)
            yield name
