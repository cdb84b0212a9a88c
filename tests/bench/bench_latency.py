"""An unrelated request during a fan-out to ten thousand: how long does it take?

``python -m tests.bench.bench_latency [--size 9900] [--rounds 3]``: two publications a second, and a
GET every two milliseconds on one connection. The greatest figure is the honest one: the probe waits
for its answer before it asks again.
"""

from __future__ import annotations

import argparse

from tests.bench.contestants import WRITE_MESSAGE, hub
from tests.bench.rig import arena, lost, machine, median, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=9900)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    machine()
    rows = []
    probe = ("--probe", "{port}", "--probe-path", "/ping", "--probe-ms", "2", "--drain", "6")
    for contestant in (hub(channel="notice:1", name="hub, notice"), hub(), WRITE_MESSAGE):
        # One after the other: ten thousand sockets of each at once would be too many descriptors.
        with arena([contestant], given.size, *probe) as crowds:
            for name, crowd in crowds.items():
                phases = [crowd.phase(10, rate=2) for _ in range(given.rounds)]
                rows.append(
                    [
                        name,
                        *(
                            f"{median(phases, 'probe_ms', key):.1f}"
                            for key in ("p50", "p99", "max")
                        ),
                        f"{median(phases, 'last_ms', 'p50'):.0f}",
                        f"{median(phases, 'per_cpu_s'):,.0f}",
                        str(lost(phases)),
                    ]
                )
    head = ["server", "p50 ms", "p99 ms", "max ms", "last copy ms", "deliveries/CPU-s", "lost"]
    table(f"A request beside a fan-out to {given.size} (2 a second)", head, rows)


if __name__ == "__main__":
    main()
