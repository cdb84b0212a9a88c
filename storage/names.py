"""How names of people are ordered: by the pinyin of their real reading.

A surname has its own reading (单 is Shàn as a surname, dān elsewhere). Lists use it; a search may
use any reading, see ``storage.search``.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from pypinyin import Style, pinyin

SURNAMES = {
    "万俟": "mo qi", "令狐": "ling hu", "单于": "chan yu", "宇文": "yu wen", "尉迟": "yu chi",
    "慕容": "mu rong", "欧阳": "ou yang", "澹台": "tan tai", "皇甫": "huang fu",
    "上官": "shang guan", "司徒": "si tu", "司马": "si ma", "诸葛": "zhu ge",
    "长孙": "zhang sun", "东方": "dong fang", "仇": "qiu", "任": "ren", "华": "hua",
    "单": "shan", "召": "shao", "员": "yun", "尉": "wei", "区": "ou", "折": "she", "曾": "zeng",
    "朴": "piao", "查": "zha", "洗": "xian", "燕": "yan", "盖": "ge", "种": "chong", "秘": "bi",
    "繁": "po", "纪": "ji", "缪": "miao", "翟": "zhai", "葛": "ge", "覃": "qin", "解": "xie",
    "费": "fei", "那": "na", "隗": "wei", "黑": "he", "乐": "yue", "宁": "ning", "卜": "bu",
    "沈": "shen", "宓": "mi", "晁": "chao", "逄": "pang", "祭": "zhai",
}  # fmt: skip
"""Surnames whose reading differs from, or is not certain in, the general dictionary."""

_LATIN = re.compile(r"[a-z0-9]+")
_SILENT = re.compile(r"['’`·•・.\-]")


class NameKeys(NamedTuple):
    """Keys of a name: ``sort_key`` orders, ``py`` and ``initials`` are shown and matched."""

    sort_key: str
    py: str
    initials: str


def name_keys(name: str) -> NameKeys:
    """Answer the keys of a name in its usual reading."""
    syllables = _syllables(_plain(name))
    return NameKeys(
        sort_key=" ".join(syllables) + "|" + name,
        py="".join(syllables),
        initials="".join(syllable[0] for syllable in syllables),
    )


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _SILENT.sub("", "".join(folded.split()))


def _syllables(plain: str) -> list[str]:
    """Answer the usual reading of each syllable."""
    usual = pinyin(plain, style=Style.NORMAL)
    syllables = [readings[0].replace("ü", "v").lower() for readings in usual]
    surname = next((plain[:n] for n in (2, 1) if plain[:n] in SURNAMES and len(plain) > n), "")
    if surname and not _LATIN.search(plain):
        syllables[: len(surname)] = SURNAMES[surname].split()
    return syllables
