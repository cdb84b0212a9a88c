"""The cases that the gate page replays are what the hub decides; see ``tests/gate_cases.py``."""

from __future__ import annotations

import json

from domain.checkins.scan import Result
from tests.gate_cases import FILE, text


def test_what_the_gate_page_replays_is_what_the_doors_decide():
    assert FILE.read_text(encoding="utf-8") == text(), "run: python -m tests.gate_cases"


def test_the_cases_show_every_result_that_a_gate_can_come_to():
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    shown = {it["result"] for it in [*kept["judged"], *kept["sequence"]]}
    # A device has no ticket, its own clock is all it has, and it does not compare faces.
    others = {"claim_used", "offline_unverified", "face_mismatch"}
    assert shown == {it.value for it in Result} - others
    assert {it.get("flaw") for it in kept["codes"]} == {None, "unknown", "bad_signature"}
