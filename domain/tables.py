"""Tables that people hand in: headings in any order, cells cleaned, faults named by cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from domain.errors import Invalid

Columns = Mapping[str, tuple[str, ...]]
"""Field → headings under which it may stand."""

MOST_ROWS = 5_000

INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class Fault(BaseModel):
    """What is wrong with one cell; ``field`` is empty where it is the whole line."""

    model_config = ConfigDict(frozen=True)

    field: str
    msg: str


def headings(row: Sequence[str], columns: Columns) -> tuple[dict[str, int], list[str]]:
    """Answer in which column each field stands, and the headings that nobody knows.

    Raises:
        Invalid: A heading is there twice.
    """
    by_heading = {heading: field for field, names in columns.items() for heading in names}
    places: dict[str, int] = {}
    unknown = []
    for at, cell in enumerate(row):
        heading = cleaned(cell).rstrip("*＊")
        field = by_heading.get(heading)
        if field is None:
            if heading:
                unknown.append(heading[:40])
        elif field in places:
            raise Invalid(f"“{heading}”列重复", field="content")
        else:
            places[field] = at
    return places, unknown


def cleaned(cell: str) -> str:
    """Answer what a cell says, without what cannot be seen."""
    return INVISIBLE.sub("", unicodedata.normalize("NFC", cell)).strip()
