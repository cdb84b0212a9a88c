"""What of the SDKs' suites is left out: named on the page with the reason, refused by the hub."""

from __future__ import annotations

import pytest

from tests.conformance.run import EXPECTED, RECORD, expected, left_out
from tests.conformance.run import SUITES as ALL
from tests.unit.realtime.stage import Stage, settle

LEFT_OUT = (EXPECTED / "centrifuge-js.left-out.txt").read_text().splitlines()


def test_every_test_left_out_stands_on_the_page_under_its_reason():
    page = RECORD.read_text()
    assert "\n".join(left_out()) in page
    for line in LEFT_OUT[1:]:
        assert line.removeprefix("# ") in page
    named = [line for line in LEFT_OUT if not line.startswith("#")]
    assert len(named) == len(set(named)) == 72


def test_nothing_is_both_expected_and_left_out():
    names = {name for suite in ALL for name in expected(suite)}
    assert not names & set(LEFT_OUT)
    assert {suite.name: len(expected(suite)) for suite in ALL} == {
        "centrifuge-python": 76,
        "centrifuge-js": 98,
        "pycent": 17,
    }


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
async def test_a_kind_of_subscription_that_is_not_offered_is_refused_and_the_connection_lives(kind):
    async with Stage() as stage:
        client = await stage.open()
        answer = await client.ask(subscribe={"channel": "room:1", "type": kind})
        assert answer["error"]["code"] == 108
        assert "subscribe" in await client.ask(subscribe={"channel": "room:1", "type": 0})


async def test_a_client_that_offers_numeric_ids_is_answered_with_names():
    async with Stage() as stage:
        client = await stage.open()
        answer = await client.ask(subscribe={"channel": "room:1", "flag": 1})
        assert "id" not in answer["subscribe"]
        await stage.hub.publish("room:1", b"1")
        await settle()
        (push,) = [one["push"] for one in client.news() if "push" in one]
        assert push["channel"] == "room:1"
