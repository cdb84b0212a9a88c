"""Fan-out with a loop turned by hand: pace, portions, urgency, and who gets what."""

from __future__ import annotations

import heapq
import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime.audience import Audience, Item, Turns


class Hand:
    """An event loop that moves when told; every send costs a millisecond."""

    def __init__(self):
        self.clock = 0.0
        self.soon = []
        self.timers = []
        self._count = itertools.count()

    def time(self):
        return self.clock

    def call_soon(self, callback):
        self.soon.append(callback)

    def call_later(self, delay, callback):
        heapq.heappush(self.timers, (self.clock + delay, next(self._count), callback))

    def turn(self):
        calls, self.soon = self.soon, []
        while self.timers and self.timers[0][0] <= self.clock:
            calls.append(heapq.heappop(self.timers)[2])
        for call in calls:
            call()

    def run(self):
        """Turn until nothing is left, moving the clock to the next timer when idle."""
        while self.soon or self.timers:
            if not self.soon:
                self.clock = max(self.clock, self.timers[0][0])
            self.turn()


class Phone:
    def __init__(self, hand: Hand):
        self.hand = hand
        self.heard: list[bytes] = []
        self.when: list[float] = []
        self.pending = 0

    def write(self, frame):
        self.hand.clock += 0.001
        self.heard.append(frame)
        self.when.append(self.hand.clock)


@pytest.fixture
def hand():
    return Hand()


@pytest.fixture
def turns(hand):
    return Turns(hand, portion=4)


def audience(turns, pace=1.0, behind=None):
    return Audience(turns, pace=pace, on_behind=behind or (lambda member, items: None))


def say(hall, text, *variants):
    for variant in variants or hall.variants:
        hall.send(variant, Item(text))


def crowd(hand, hall, count):
    phones = [Phone(hand) for _ in range(count)]
    for phone in phones:
        hall.join(phone, phone, "json")
    return phones


def test_an_idle_channel_sends_in_the_next_turn(hand, turns):
    hall = audience(turns)
    (phone,) = crowd(hand, hall, 1)
    say(hall, b"a")
    hand.turn()
    assert phone.heard == [b"a"]


def test_what_is_published_in_one_turn_is_one_fan_out(hand, turns):
    hall = audience(turns)
    phones = crowd(hand, hall, 3)
    for text in (b"a", b"b", b"c"):
        say(hall, text)
    hand.run()
    assert [phone.heard for phone in phones] == [[b"a", b"b", b"c"]] * 3
    assert (turns.tally.fanouts, turns.tally.deliveries) == (1, 3)


def test_a_busy_room_rests_as_long_as_its_last_fan_out_took(hand, turns):
    hall = audience(turns, pace=2.0)
    phones = crowd(hand, hall, 4)
    say(hall, b"a")
    hand.turn()  # takes 4 ms, so the next may begin 8 ms later
    assert hand.clock == pytest.approx(0.004)
    say(hall, b"b")
    hand.clock = 0.006
    say(hall, b"c")
    hand.turn()
    assert phones[0].heard == [b"a"]
    hand.run()
    assert phones[0].heard == [b"a", b"b", b"c"]
    assert phones[0].when[1] == pytest.approx(0.013)


def test_a_rested_room_sends_at_once_again(hand, turns):
    hall = audience(turns, pace=2.0)
    (phone,) = crowd(hand, hall, 1)
    say(hall, b"a")
    hand.run()
    hand.clock += 1
    say(hall, b"b")
    hand.turn()
    assert phone.heard == [b"a", b"b"]


def test_a_notice_never_waits_for_the_one_before(hand, turns):
    hall = audience(turns, pace=0)
    (phone,) = crowd(hand, hall, 1)
    for text in (b"a", b"b"):
        say(hall, text)
        hand.turn()
    assert phone.heard == [b"a", b"b"]


def test_a_room_that_is_shouted_at_does_not_wait_until_memory_is_full(hand, turns):
    hall = audience(turns, pace=100)
    phones = crowd(hand, hall, 4)
    say(hall, b"a")
    hand.turn()
    for _ in range(3):
        say(hall, bytes(30_000))
    hand.turn()
    assert len(phones[0].heard) == 4


def test_an_overtaken_timer_does_not_shorten_the_next_rest(hand, turns):
    hall = audience(turns, pace=10)
    (phone,) = crowd(hand, hall, 1)
    say(hall, b"a")
    hand.turn()
    say(hall, b"b")  # a timer for 11 ms
    hand.clock = 0.010
    hall.hurry()
    hand.turn()
    assert phone.heard == [b"a", b"b"]
    say(hall, b"c")  # may leave at 21 ms
    hand.clock = 0.012
    hand.turn()
    assert phone.heard == [b"a", b"b"]
    hand.run()
    assert phone.when[2] == pytest.approx(0.022)


def test_a_large_audience_is_told_in_portions_and_the_loop_breathes_between(hand, turns):
    hall = audience(turns)
    phones = crowd(hand, hall, 10)
    say(hall, b"a")
    told = []
    while hand.soon:
        hand.turn()
        told.append(sum(len(phone.heard) for phone in phones))
    assert told == [4, 8, 10]


def test_many_small_audiences_share_a_turn(hand, turns):
    halls = [audience(turns, pace=0) for _ in range(6)]
    phones = [crowd(hand, hall, 1)[0] for hall in halls]
    for hall in halls:
        say(hall, b"a")
    hand.turn()
    assert [len(phone.heard) for phone in phones] == [1, 1, 1, 1, 0, 0]
    hand.turn()
    assert all(phone.heard == [b"a"] for phone in phones)


def test_a_notice_goes_before_the_rest_of_a_large_fan_out(hand, turns):
    hall, notices = audience(turns), audience(turns, pace=0)
    many, (one,) = crowd(hand, hall, 12), crowd(hand, notices, 1)
    say(hall, b"chat")
    hand.turn()
    say(notices, b"notice")
    hand.turn()
    assert one.heard == [b"notice"]
    assert sum(len(phone.heard) for phone in many) == 7


def test_large_rooms_take_turns(hand, turns):
    first, second = audience(turns), audience(turns)
    ones, twos = crowd(hand, first, 8), crowd(hand, second, 8)
    say(first, b"1")
    say(second, b"2")
    hand.turn()
    hand.turn()
    assert sum(len(phone.heard) for phone in ones) == 4
    assert sum(len(phone.heard) for phone in twos) == 4


def test_a_message_never_overtakes_the_one_before_even_in_the_middle_of_a_fan_out(hand, turns):
    hall = audience(turns, pace=0)
    phones = crowd(hand, hall, 10)
    say(hall, b"1")
    hand.turn()
    say(hall, b"2")
    hand.run()
    assert [b"".join(phone.heard) for phone in phones] == [b"12"] * 10


def test_who_joins_hears_nothing_of_what_was_sent_before(hand, turns):
    hall = audience(turns)
    crowd(hand, hall, 5)
    say(hall, b"1")
    late = crowd(hand, hall, 1)[0]  # waits to be sent
    say(hall, b"2")
    hand.turn()
    later = crowd(hand, hall, 1)[0]  # is being sent
    say(hall, b"3")
    hand.run()
    assert b"".join(late.heard) == b"23"
    assert b"".join(later.heard) == b"3"


def test_who_leaves_between_portions_hears_nothing_more(hand, turns):
    hall = audience(turns)
    phones = crowd(hand, hall, 10)
    say(hall, b"1")
    hand.turn()
    hall.leave(phones[8], "json")
    hall.leave(phones[0], "json")
    hand.run()
    assert [len(phone.heard) for phone in phones] == [1] * 8 + [0, 1]
    assert len(hall) == 8


def test_who_leaves_and_comes_back_between_portions_hears_only_the_new(hand, turns):
    hall = audience(turns, pace=0)
    phones = crowd(hand, hall, 6)
    say(hall, b"1")
    hand.turn()
    hall.leave(phones[5], "json")
    hall.join(phones[5], phones[5], "json")
    say(hall, b"2")
    hand.run()
    assert phones[5].heard == [b"2"]


def test_each_variant_gets_its_own_bytes(hand, turns):
    hall = audience(turns)
    plain, other = crowd(hand, hall, 3), Phone(hand)
    hall.join(other, other, "protobuf")
    for variant in hall.variants:
        say(hall, variant.encode(), variant)
    hand.run()
    assert [phone.heard for phone in (*plain, other)] == [[b"json"]] * 3 + [[b"protobuf"]]


def test_a_variant_that_is_told_nothing_gets_nothing(hand, turns):
    hall, filtered = audience(turns), Phone(hand)
    phones = crowd(hand, hall, 1)
    hall.join(filtered, filtered, "filtered")
    say(hall, b"1", "json")
    hand.run()
    assert (phones[0].heard, filtered.heard) == ([b"1"], [])


def test_a_group_that_changes_its_variant_misses_nothing_and_hears_nothing_twice(hand, turns):
    hall = audience(turns)
    old = crowd(hand, hall, 3)
    say(hall, b"1o")
    hall.merge("json", "based")
    say(hall, b"2b", "based")
    new = crowd(hand, hall, 3)
    say(hall, b"3o", "json")
    say(hall, b"3b", "based")
    hand.turn()
    assert list(hall.merge("json", "based")) == new
    say(hall, b"4b", "based")
    hand.run()
    assert {b"".join(phone.heard) for phone in old} == {b"1o2b3b4b"}
    assert {b"".join(phone.heard) for phone in new} == {b"3o4b"}
    assert list(hall.merge("unknown", "based")) == []


def test_who_is_behind_is_named_with_the_frames_and_not_written_to(hand, turns):
    named = []
    hall = audience(turns, behind=lambda member, items: named.append((member, list(items))))
    phones = crowd(hand, hall, 3)
    phones[1].pending = 10
    say(hall, b"1")
    say(hall, b"2")
    hand.run()
    assert named == [(phones[1], [Item(b"1"), Item(b"2")])]
    assert [phone.heard for phone in phones] == [[b"1", b"2"], [], [b"1", b"2"]]


def test_who_is_behind_may_be_sent_away_on_the_spot(hand, turns):
    hall = audience(turns, behind=lambda member, items: hall.leave(member, "json"))
    phones = crowd(hand, hall, 3)
    phones[1].pending = 10
    say(hall, b"1")
    hand.run()
    assert list(hall) == [phones[0], phones[2]]


def test_a_channel_that_fails_does_not_stop_the_others(hand, turns, caplog):
    def fail(member, items):
        raise RuntimeError("no")

    bad, good = audience(turns, behind=fail), audience(turns)
    crowd(hand, bad, 1)[0].pending = 1
    (phone,) = crowd(hand, good, 1)
    say(bad, b"1")
    say(good, b"2")
    hand.run()
    assert phone.heard == [b"2"]
    assert "fan-out failed" in caplog.text


class Comings(RuleBasedStateMachine):
    """Whatever happens between portions, each listener gets exactly its share, in order."""

    @initialize(pace=st.sampled_from([0, 1, 3]), portion=st.integers(1, 5))
    def open(self, pace, portion):
        self.hand = Hand()
        self.hall = Audience(Turns(self.hand, portion=portion), pace=pace, on_behind=self.behind)
        self.here: dict[Phone, str] = {}
        self.due: dict[Phone, list[bytes]] = {}
        self.gone: list[tuple[Phone, list[bytes]]] = []
        self.count = 0

    def behind(self, phone, items):
        phone.write(b"".join(item.frame for item in items))

    @rule(variant=st.sampled_from("jp"))
    def join(self, variant):
        phone = Phone(self.hand)
        self.here[phone], self.due[phone] = variant, []
        self.hall.join(phone, phone, variant)

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data):
        phone = data.draw(st.sampled_from(list(self.here)))
        self.hall.leave(phone, self.here.pop(phone))
        self.gone.append((phone, list(phone.heard)))

    @rule(old=st.sampled_from("jp"), new=st.sampled_from("jpq"))
    def merge(self, old, new):
        if old != new:
            for phone in self.hall.merge(old, new):
                assert self.here[phone] == old
                self.here[phone] = new
            assert old not in self.here.values()

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def stall(self, data):
        phone = data.draw(st.sampled_from(list(self.here)))
        phone.pending = 5 - phone.pending

    @rule()
    def send(self):
        self.count += 1
        for variant in self.hall.variants:
            self.hall.send(variant, Item(b"%d%b," % (self.count, variant.encode())))
        for phone, variant in self.here.items():
            self.due[phone].append(b"%d%b" % (self.count, variant.encode()))

    @rule(passing=st.floats(0, 0.01))
    def turn(self, passing):
        self.hand.clock += passing
        self.hand.turn()

    @invariant()
    def the_gone_hear_nothing(self):
        assert all(phone.heard == then for phone, then in getattr(self, "gone", ()))

    @invariant()
    def nothing_is_out_of_order(self):
        for phone in getattr(self, "here", ()):
            heard = b"".join(phone.heard).split(b",")[:-1]
            assert heard == self.due[phone][: len(heard)]

    def teardown(self):
        if hasattr(self, "hand"):
            self.hand.run()
            for phone in self.here:
                assert b"".join(phone.heard).split(b",")[:-1] == self.due[phone]
            assert len(self.hall) == len(self.here)


Comings.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestComings = Comings.TestCase
