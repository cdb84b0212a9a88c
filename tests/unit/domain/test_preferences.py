"""Quiet hours (PRODUCT.md §2.6) go over midnight, or are none at all."""

from datetime import time

import pytest

from domain.preferences import Preferences


@pytest.mark.parametrize(
    ("quiet_from", "quiet_until", "local", "quiet"),
    [
        ("22:00", "07:00", "21:59", False), ("22:00", "07:00", "22:00", True),
        ("22:00", "07:00", "00:30", True), ("22:00", "07:00", "07:00", False),
        ("12:00", "14:00", "13:00", True), ("12:00", "14:00", "14:00", False),
        ("08:00", "08:00", "08:00", False), ("08:00", "08:00", "23:00", False),
    ],
)  # fmt: skip
def test_quiet_hours(quiet_from, quiet_until, local, quiet):
    wanted = Preferences(
        person_id="p",
        quiet_from=time.fromisoformat(quiet_from),
        quiet_until=time.fromisoformat(quiet_until),
    )
    assert wanted.quiet(time.fromisoformat(local)) is quiet
