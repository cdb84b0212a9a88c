"""The pace of counting: within a second, and slower where the database is slow."""

from __future__ import annotations

from domain.hall.meeting import Meeting
from domain.hall.quorum import PACE, QuorumCounter
from domain.hall.state import Quorum


class House:
    """A meeting without a quorum, in a database that takes ``seconds`` for a count."""

    def __init__(self, *, seconds):
        self.seconds = seconds
        self.time = 100.0
        self.counted = []

    async def get(self, meeting_id):
        return Meeting(id=meeting_id, kind="briefing", state="in_session")

    async def members(self, meeting_id):
        return 10

    async def ticket(self, meeting_id):
        self.counted.append(self.time)
        return Quorum()

    async def present(self, meeting_id):
        self.time += self.seconds
        return 0

    async def settle(self, meeting_id, quorum, flip):
        return False


async def counts(house, clock, *, seconds):
    """When a meeting is counted whose records change all the time."""
    counter = QuorumCounter(
        house, house, None, bus=None, clock=clock, new_id=lambda: "e", timer=lambda: house.time
    )
    while house.time < 100 + seconds:
        counter.soon("m1")
        await counter.beat()
        house.time += PACE
    return house.counted


async def test_a_count_that_is_quick_is_made_every_second(clock):
    assert await counts(House(seconds=0), clock, seconds=5) == [100, 101, 102, 103, 104]


async def test_counting_takes_a_slow_database_a_fifth_of_its_time(clock):
    assert await counts(House(seconds=1), clock, seconds=20) == [100, 105, 110, 115]
