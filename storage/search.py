"""Finding Chinese text: terms to store in ``_t``, and the terms a query needs to find it.

``search_terms`` answers single characters, pairs of neighbouring characters, Latin words with their
beginnings, and, for what may be a person's name (2 to 4 characters), pinyin with initials in every
reading. ``query_terms`` answers what a document must have: ``{"_t": {"$all": query_terms(q)}}``.
A pair matches wherever the two stand together, so the caller verifies the text with ``matches``.
The same on both engines: neither splits Chinese into words.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from pypinyin import Style, pinyin

from storage.names import SURNAMES

MOST_TERMS = 2_000
"""Terms kept for one text. A title has some hundred; a body is found by its first pages."""

_MOST_READINGS = 16
_LONGEST_LATIN = 24
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_PIECE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[a-z0-9]+")
_JOINS = re.compile(r"['’`·•・‧\u00ad\u200b-\u200d\ufeff]")


def search_terms(text: str) -> list[str]:
    """Answer everything that ``text`` is found by, without duplicates, at most ``MOST_TERMS``."""
    return list(itertools.islice(dict.fromkeys(_terms(folded(text))), MOST_TERMS))


def query_terms(q: str) -> list[str]:
    """Answer the terms a text must have to be found by ``q``; empty if nothing was asked."""
    terms: dict[str, None] = {}
    for piece in _PIECE.findall(folded(q)):
        if _HAN.match(piece):
            pairs = [piece[i : i + 2] for i in range(len(piece) - 1)]
            terms.update(dict.fromkeys(pairs or [piece]))
        else:
            terms[piece[:_LONGEST_LATIN]] = None
    return list(terms)


def matches(q: str, texts: Iterable[str]) -> bool:
    """Tell whether every piece of ``q`` stands in one of the texts, or in the pinyin of a name."""
    texts = [folded(text) for text in texts]
    return all(
        any(piece in text or piece in set(_spoken(text)) for text in texts)
        for piece in _PIECE.findall(folded(q))
    )


def folded(text: str) -> str:
    """Answer the text as it is compared: compatible forms, small letters, no dots inside names."""
    return _JOINS.sub("", unicodedata.normalize("NFKC", text).casefold())


def _terms(text: str) -> Iterator[str]:
    # Short things first: they are what people type, should the text be too long for all.
    pieces = _PIECE.findall(text)
    yield from _spoken(text)
    for piece in pieces:
        if _HAN.match(piece):
            yield from (piece[i : i + 2] for i in range(len(piece) - 1))
            yield from piece
        else:
            short = piece[:_LONGEST_LATIN]
            yield from (short[:end] for end in range(1, len(short) + 1))


def _spoken(text: str) -> Iterator[str]:
    """Yield the pinyin of a text that may be a name: whole, beginnings, given name, initials."""
    whole = "".join(text.split())
    if not 1 <= len(whole) <= 12 or not _HAN.fullmatch(whole):
        return
    for syllables in _readings(whole):
        for start in range(len(syllables)):
            rest = syllables[start:]
            full = "".join(rest)
            yield from (full[:end] for end in range(1, len(full) + 1))
            yield from _initials(rest)


def _initials(syllables: Sequence[str]) -> Iterator[str]:
    """Yield what is typed in a hurry: ``zq``, ``zhq``, and the surname in full with initials."""
    short = "".join(syllable[0] for syllable in syllables)
    long = "".join(
        syllable[:2] if syllable[:2] in {"zh", "ch", "sh"} else syllable[0]
        for syllable in syllables
    )
    mixed = syllables[0] + short[1:]
    for word in dict.fromkeys((short, long, mixed)):
        yield from (word[:end] for end in range(1, len(word) + 1))


@lru_cache(maxsize=8192)
def _readings(name: str) -> tuple[tuple[str, ...], ...]:
    """Answer the readings of a name, the one as a surname first, at most ``_MOST_READINGS``."""
    places = [list(_heard(character)) for character in name]
    surname = next((name[:n] for n in (2, 1) if name[:n] in SURNAMES and len(name) > n), "")
    for place, usual in enumerate(SURNAMES[surname].split() if surname else ()):
        places[place] = [usual, *(other for other in places[place] if other != usual)]
    combined = list(itertools.islice(itertools.product(*places), _MOST_READINGS + 1))
    if len(combined) <= _MOST_READINGS:
        return tuple(combined)
    # Too many together: one place varies at a time, the others keep the usual reading.
    usual_reading = tuple(place[0] for place in places)
    varied = [
        (*usual_reading[:i], other, *usual_reading[i + 1 :])
        for i, place in enumerate(places)
        for other in place
    ]
    return tuple(dict.fromkeys([usual_reading, *varied]))


@lru_cache(maxsize=32_768)
def _heard(character: str) -> tuple[str, ...]:
    """Answer every reading of one character without tones, itself if unknown.

    ``ü`` is typed as ``v`` by those who learnt it at a keyboard and as ``u`` by the others.
    """
    readings = pinyin(character, style=Style.NORMAL, heteronym=True)[0]
    plain = [reading.replace("ü", "v").lower() for reading in readings if reading]
    typed = [form for reading in plain for form in (reading, reading.replace("v", "u"))]
    return tuple(dict.fromkeys(typed)) or (character,)
