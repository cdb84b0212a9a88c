"""The hub beside other servers of the field, as far as they are installed here.

``python -m tests.bench.bench_peers [--sizes 1000 5000] [--rounds 2]``; ``scripts/bench --peers``
fetches them first. Each runs on one core and does what its own documentation calls broadcast.
"""

from __future__ import annotations

import argparse

from tests.bench import bench_chat, bench_fanout
from tests.bench.contestants import C_LOOP, PEER_LIST, WRITE_MESSAGE, hub
from tests.bench.rig import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    machine()
    everybody = [C_LOOP, hub(), WRITE_MESSAGE, *PEER_LIST]
    for size in given.sizes:
        bench_fanout.measure(everybody, size, given.rounds)
    bench_chat.measure(everybody, 1000, 1)


if __name__ == "__main__":
    main()
