"""The queue of a client that does not keep up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.outbox import Entry, Outbox
from realtime.policy import Overflow

ENTRIES = st.lists(
    st.builds(
        Entry,
        frame=st.binary(min_size=1, max_size=20),
        channel=st.sampled_from(["", "a", "b", "c"]),
        overflow=st.sampled_from(Overflow),
        kind=st.sampled_from(["", "k"]),
    )
)


def drain(outbox):
    frames = []
    while frame := outbox.pop():
        frames.append(frame)
    return frames


@given(ENTRIES, st.integers(0, 200))
def test_the_size_is_what_waits_and_room_is_made_until_only_replies_are_left(entries, target):
    outbox = Outbox()
    for entry in entries:
        outbox.put(entry)
    while outbox.size > target:
        dropped = outbox.relieve(target)
        if dropped is None:
            break
        assert dropped or outbox.size <= target
    size = outbox.size
    frames = drain(outbox)
    assert sum(map(len, frames)) == size
    assert (outbox.size, len(outbox)) == (0, 0)
    if size > target:
        assert frames == [entry.frame for entry in entries if not entry.channel]


@given(ENTRIES)
def test_order_is_kept_and_only_older_ones_of_a_kind_are_left_out(entries):
    outbox = Outbox()
    for entry in entries:
        outbox.put(entry)
    expected = [
        entry.frame
        for at, entry in enumerate(entries)
        if not (entry.channel and entry.overflow is Overflow.LATEST)
        or not any(
            (later.channel, later.kind, later.overflow)
            == (entry.channel, entry.kind, entry.overflow)
            for later in entries[at + 1 :]
        )
    ]
    assert drain(outbox) == expected


def test_a_counter_that_changes_for_hours_costs_a_slow_client_one_frame():
    outbox = Outbox()
    for number in range(10_000):
        outbox.put(Entry(b"%d" % number, "quorum", Overflow.LATEST))
    assert len(outbox) == 1
    assert outbox.pop() == b"9999"
