"""One publication to many: deliveries per CPU-second of the server, and how late the last one is.

``python -m tests.bench.bench_fanout [--sizes 100 1000 5000 9900] [--rounds 3] [--peers]``
"""

from __future__ import annotations

import argparse

from tests.bench.contestants import C_LOOP, PEER_LIST, WRITE_MESSAGE, hub
from tests.bench.rig import Contestant, arena, lost, machine, median, table, take_turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 5000, 9900])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    machine()
    contestants = [C_LOOP, hub(), hub(transport="tornado"), WRITE_MESSAGE]
    if given.peers:
        contestants += PEER_LIST
    for size in given.sizes:
        measure(contestants, size, given.rounds)


def measure(contestants: list[Contestant], size: int, rounds: int) -> None:
    messages = max(6, min(200, 60_000 // size))
    with arena(contestants, size) as crowds:
        results = take_turns(crowds, rounds, messages)
    limit = median(results[C_LOOP.name], "per_cpu_s")
    rows = []
    for name, phases in results.items():
        speed = median(phases, "per_cpu_s")
        spread = [phase["per_cpu_s"] / 1000 for phase in phases]
        rows.append(
            [
                name,
                f"{speed:,.0f} [{min(spread):.0f}..{max(spread):.0f}k]",
                f"{speed / limit:.2f}",
                f"{median(phases, 'lat_ms', 'p50'):.1f} / {median(phases, 'lat_ms', 'p99'):.1f}",
                f"{median(phases, 'last_ms', 'p50'):.1f}",
                str(lost(phases)),
            ]
        )
    head = ["server", "deliveries/CPU-s", "ratio", "copy p50 / p99 ms", "last p50 ms", "lost"]
    table(f"One publication to {size} ({messages} × {rounds})", head, rows)


if __name__ == "__main__":
    main()
