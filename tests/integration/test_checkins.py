"""The opening of a congress (PRODUCT.md §10.8, 1): 860 arrivals at six gates, and the truth."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.integration.hall import MEETING, REDUCE, URL, convene, member, zhuo
from tests.integration.test_scans import SCANS, device, who
from tests.snapshots import following

PEOPLE, GATES = 860, 6
OFFLINE_GATE, OFFLINE = 3, (timedelta(minutes=12), timedelta(minutes=16))


@pytest.mark.slow
@pytest.mark.acceptance("F07-1")
async def test_the_opening_ends_with_the_attendance_of_the_truth(hub):
    """§10.8-1, F07-1: the record of each is one, whatever the gates have been through."""
    chance = random.Random(830)
    begun = hub.clock()
    times = {"starts_at": begun + timedelta(minutes=31), "ends_at": begun + timedelta(hours=4)}
    await convene(hub.db, members=PEOPLE, kind="npc", **times)
    staff = await hub.sign_in(zhuo)
    made = (await staff.call("POST", f"{URL}/badges", {})).json["badges"]
    badges = {it["person_id"]: it for it in made}
    gates = [(await device(hub))[0] for _ in range(GATES)]
    coming = chance.sample(range(1, PEOPLE + 1), 803)
    revoked = set(coming[:3])
    for number in revoked:
        path = f"{URL}/badges/{badges[who(number)]['id']}/revocation"
        assert (await staff.call("POST", path, {"reason": "遗失"})).status == 200
    # Arrivals crowd towards the middle of the half hour; nine come twice, one shows a forged code.
    arrivals = [
        (timedelta(seconds=round(chance.triangular(0, 1800, 900))), number) for number in coming
    ]
    arrivals += [
        (at + timedelta(seconds=30), number)
        for at, number in chance.sample([it for it in arrivals if it[1] not in revoked], 9)
    ]
    arrivals.sort()
    truth: dict[str, object] = {}
    waiting: list[list[dict]] = [[] for _ in gates]
    offline: list[dict] = []
    results: list[str] = []

    async def hand_in(gate: int, rows: list[dict]) -> None:
        sent = hub.clock().isoformat()
        reply = await gates[gate].call("POST", SCANS, {"sent_at": sent, "scans": rows})
        assert (reply.status, reply.json["faults"]) == (200, [])
        results.extend(it["result"] for it in reply.json["results"])

    deputy = await hub.sign_in(member(coming[5]))
    async with following(hub, deputy, f"{URL}/state", REDUCE) as phone:
        for place, (at, number) in enumerate(arrivals):
            gate = chance.randrange(GATES)
            cut = gate == OFFLINE_GATE and OFFLINE[0] <= at < OFFLINE[1]
            row = {
                "nonce": f"n{place}",
                "code": badges[who(number)]["code"],
                "meeting_id": MEETING,
                "at": (begun + at).isoformat(),
                "offline": cut,
            }
            (offline if cut else waiting[gate]).append(row)
            if number not in revoked:
                truth.setdefault(who(number), begun + at)
            if place % 60 == 59 or place == len(arrivals) - 1:
                hub.clock.now = begun + at
                rows = sorted(
                    (
                        (row["at"], at_gate, row)
                        for at_gate in range(GATES)
                        for row in waiting[at_gate]
                    ),
                    key=lambda it: (it[0], it[1]),
                )
                for at_gate in range(GATES):
                    some = [row for _, of, row in rows if of == at_gate]
                    if some:
                        await hand_in(at_gate, some)
                waiting = [[] for _ in gates]
                await hub.services.hall.quorum.flush()
        forged = badges[who(1)]["code"]
        forged = forged[:-8] + ("A" if forged[-8] != "A" else "B") + forged[-7:]
        await hand_in(0, [{"nonce": "forged", "code": forged, "meeting_id": MEETING}])
        await hand_in(OFFLINE_GATE, offline)
        await hub.services.hall.quorum.flush()
        state = await phone.agrees()
        flips = [it for it in phone.events if it["type"] == "quorum"]
    assert offline
    assert {it: results.count(it) for it in set(results)} == {
        "ok": 800, "already_in": 9, "revoked": 3, "bad_signature": 1,
    }  # fmt: skip
    assert {it["reached"] for it in flips} == {True}
    assert len(flips) == 1
    assert (state["quorum"]["needed"], state["quorum"]["present"]) == (574, 800)
    kept = await hub.db["attendance"].find({"m": MEETING})
    assert {row["p"] for row in kept} == set(truth)
    assert len(kept) == 800
    assert {row["v"] for row in kept} == {1}
    duplicates = {number for _, number in arrivals if [n for _, n in arrivals].count(number) > 1}
    once = {row["p"]: row["at"] for row in kept if row["p"] not in {who(n) for n in duplicates}}
    assert once == {it: at for it, at in truth.items() if it in once}
