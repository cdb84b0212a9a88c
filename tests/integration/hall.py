"""A meeting in session, and the people there."""

from __future__ import annotations

from typing import Any

from domain.permissions import Role
from tests.integration.people import person, ulid
from tests.snapshots import parts

MEETING, OTHER = ulid(701), ulid(702)
ITEMS = [ulid(711), ulid(712), ulid(713)]
URL = f"/api/v1/meetings/{MEETING}"

zhuo = person(ulid(721), "卓慕青", Role.MTG_STAFF, f"mtg:{MEETING}")
lu = person(ulid(722), "陆行之", Role.MTG_STAFF, f"mtg:{MEETING}")
elsewhere = person(ulid(723), "方既白", Role.MTG_STAFF, f"mtg:{OTHER}")
stranger = person(ulid(724), "路人甲", Role.DEPUTY, delegation_id="chongming")


def member(number: int, **fields: Any):
    """Somebody who takes part."""
    return person(ulid(800 + number), f"代表{number}", Role.DEPUTY, **fields)


_PARTS = parts(
    {
        "agenda.pointer": "pointer",
        "countdown": "countdown",
        "screen.scene": "scene",
        "quorum": "quorum",
        "quorum.count": "quorum",
        "speech.queue": "speakers",
        "speech.now": "speaking",
    }
)


def REDUCE(state, event):
    """The reducer of the live state: its parts, and the meeting's own state."""
    if event["type"] not in {"mtg.state", "meeting.changed"}:
        return _PARTS(state, event)
    if event["v"] <= state["meeting_v"]:
        return state
    return {**state, "state": event["state"], "meeting_v": event["v"]}


async def convene(
    db, *, members: int = 3, meeting_id: str = MEETING, kind: str = "npcsc", **fields: Any
) -> None:
    """Put a meeting in session into the database, with an agenda and members."""
    await db["meeting"].insert_one(
        {"_id": meeting_id, "kind": kind, "state": "in_session", "title": "第一次全体会议", "v": 1}
        | fields
    )
    await db["agenda_item"].insert_many(
        [
            {"_id": item, "meeting_id": meeting_id, "no": no, "title": f"第{no}项", "v": 1}
            for no, item in enumerate(ITEMS, 1)
        ]
        if meeting_id == MEETING
        else []
    )
    await enrol(db, range(1, members + 1), meeting_id=meeting_id)


async def enrol(db, numbers, *, meeting_id: str = MEETING, capacity: str = "member") -> None:
    """Let people take part."""
    rows = []
    for number in numbers:
        person_id = ulid(800 + number)
        rows.append(
            {
                "_id": f"{meeting_id}:{person_id}",
                "m": meeting_id,
                "p": person_id,
                "capacity": capacity,
                "state": "confirmed",
            }
        )
    await db["participant"].insert_many(rows)
