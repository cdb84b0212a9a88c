"""The page of acceptance checks tells the truth about the test suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "reference" / "acceptance.md").read_text("utf-8")
ROWS = [
    [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
    for line in PAGE.splitlines()
    if re.match(r"\| [AFMO]\d*-\d+ \|", line)
]


def test_every_check_of_the_sections_in_hand_is_on_the_page():
    due = {
        "A1": 6, "F01": 6, "F02": 6, "F05": 5, "F12": 6, "F13": 5, "F15": 5, "M01": 4, "M04": 5,
        "M10": 5,
    }  # fmt: skip
    wanted = {f"{section}-{n}" for section, many in due.items() for n in range(1, many + 1)}
    assert wanted <= {check for check, *_ in ROWS}


@pytest.mark.parametrize(("check", "state", "file", "reason"), ROWS, ids=lambda it: str(it)[:12])
def test_a_check_is_in_the_file_that_the_page_names(check, state, file, reason):
    if state == "waits":
        assert reason
        return
    text = (ROOT / file).read_text("utf-8")
    spellings = (check, check.replace("-", "_"), check.replace("-", "_").lower())
    assert any(spelling in text for spelling in spellings)
    assert reason or state == "passes"
