"""Memory of an idle connection, and what pings cost.

``python -m tests.bench.bench_memory [--size 5000] [--peers]``: growth of the resident set from the
start of the server until every client is connected and subscribed, divided by their number; then
the share of a core that idling takes, for the hub with a ping every five seconds.
"""

from __future__ import annotations

import argparse

from tests.bench.contestants import PEER_LIST, WRITE_MESSAGE, hub
from tests.bench.rig import Contestant, arena, machine, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=5000)
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    machine()
    contestants = [hub(), hub(transport="tornado"), WRITE_MESSAGE]
    if given.peers:
        contestants += PEER_LIST
    rows = [row for each in contestants for row in memory(each, given.size)]
    table(f"{given.size} connections, subscribed and idle", ["server", "kB a connection"], rows)
    pinged = [hub(transport=kind, ping=5) for kind in ("door", "tornado")]
    rows = [row for each in pinged for row in pings(each, given.size)]
    head = ["server", "share of a core", "µs for ping and pong"]
    table(f"{given.size} connections, a ping every 5 s", head, rows)


def memory(contestant: Contestant, size: int) -> list[list[str]]:
    with arena([contestant], size) as crowds:
        return [
            [name, f"{crowd.phase(1)['rss_kb']['per_conn']:.2f}"] for name, crowd in crowds.items()
        ]


def pings(contestant: Contestant, size: int) -> list[list[str]]:
    rows = []
    # The first ping comes within five seconds; the hold covers two more whole rounds.
    with arena([contestant], size, "--settle", "5", "--hold", "10") as crowds:
        for name, crowd in crowds.items():
            share = crowd.phase(1)["idle_cpu"]
            rows.append([name, f"{share:.2%}", f"{share * 5 / size * 1e6:.1f}"])
    return rows


if __name__ == "__main__":
    main()
