"""A livestream's chat: fifty messages a second into one room, for five seconds.

``python -m tests.bench.bench_chat [--sizes 1000 5000] [--rounds 2] [--peers]``: the publisher does
not wait, so whoever cannot keep up falls behind and is seen to.
"""

from __future__ import annotations

import argparse

from tests.bench.contestants import C_LOOP, PEER_LIST, WRITE_MESSAGE, hub
from tests.bench.rig import Contestant, arena, lost, machine, median, table, take_turns

RATE, SECONDS = 50, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    machine()
    contestants = [
        C_LOOP,
        hub(name="hub, room (pace 1)"),
        hub(channel="live:1", name="hub, live (pace 3)"),
        hub(transport="tornado", name="hub on Tornado, room"),
        WRITE_MESSAGE,
    ]
    if given.peers:
        contestants += PEER_LIST
    for size in given.sizes:
        measure(contestants, size, given.rounds)


def measure(contestants: list[Contestant], size: int, rounds: int) -> None:
    with arena(contestants, size, "--drain", "10") as crowds:
        results = take_turns(crowds, rounds, RATE * SECONDS, rate=RATE)
    rows = [
        [
            name,
            f"{median(phases, 'per_cpu_s'):,.0f}",
            f"{median(phases, 'srv_cpu_s') / SECONDS:.2f}",
            f"{median(phases, 'last_ms', 'p50'):.0f} / {median(phases, 'last_ms', 'p99'):.0f}",
            str(lost(phases)),
        ]
        for name, phases in results.items()
    ]
    head = ["server", "deliveries/CPU-s", "cores it took", "last p50 / p99 ms", "not in time"]
    table(f"{RATE} messages a second to {size}", head, rows)


if __name__ == "__main__":
    main()
