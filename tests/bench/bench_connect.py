"""How fast clients come, and how fast a thousand come back for what they missed.

``python -m tests.bench.bench_connect [--size 3000] [--rounds 3] [--peers]``: upgrade, and for the
hub connect and subscribe too, per CPU-second of the server. Then one thousand clients at once
recover twenty publications each.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from typing import Any

from websockets.sync.client import connect

from tests.bench.contestants import C_LOOP, PEER_LIST, WRITE_MESSAGE, hub
from tests.bench.rig import Contestant, Crowd, Server, arena, machine, median, table

MISSED = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    machine()
    contestants = [C_LOOP, hub(), hub(transport="wire"), hub(transport="tornado"), WRITE_MESSAGE]
    if given.peers:
        contestants += PEER_LIST
    seen: dict[str, list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for contestant in contestants:
            with arena([contestant], given.size) as crowds:
                for name, crowd in crowds.items():
                    seen.setdefault(name, []).append(crowd.phase(1))
    rows = [
        [
            name,
            f"{median(phases, 'connect', 'per_cpu_s'):,.0f}",
            f"{given.size / median(phases, 'connect', 'with_subscribe_cpu_s'):,.0f}",
            f"{median(phases, 'connect', 'per_s'):,.0f}",
        ]
        for name, phases in seen.items()
    ]
    head = ["server", "upgrades/CPU-s", "ready clients/CPU-s", "upgrades/s"]
    table(f"{given.size} clients connect", head, rows)
    rows = [recovery(each) for each in (hub(), hub(transport="tornado"))]
    head = ["server", "all recovered after s", "CPU s", "clients/CPU-s"]
    table(f"1000 clients at once recover {MISSED} publications each", head, rows)


def recovery(contestant: Contestant) -> list[str]:
    server = Server(contestant)
    try:
        with connect(f"ws://127.0.0.1:{server.port}/connection/websocket") as phone:
            phone.send('{"id":1,"connect":{}}')
            phone.recv()
            phone.send('{"id":2,"subscribe":{"channel":"room:1"}}')
            epoch = json.loads(phone.recv())["subscribe"]["epoch"]
        for number in range(MISSED):
            body = json.dumps({"text": "x" * 100, "number": number}).encode()
            url = f"http://127.0.0.1:{server.port}/publish?channel=room:1"
            with urllib.request.urlopen(urllib.request.Request(url, body)):
                pass
        time.sleep(0.2)
        subscribe = {"channel": "room:1", "recover": True, "epoch": epoch, "offset": 0}
        client = [
            *("--path", "/connection/websocket", "--heartbeat", "centrifugo", "--inflight", "1000"),
            *(
                "--open",
                '{"id":1,"connect":{}}',
                "--open",
                json.dumps({"id": 2, "subscribe": subscribe}),
            ),
            *("--ready", '"recovered":true', "--settle", "0"),
        ]
        crowd = Crowd(server, 1000, client=client)
        cpu = crowd.phase(1)["connect"]["with_subscribe_cpu_s"]
        crowd.stop()
    finally:
        server.stop()
    return [contestant.name, f"{crowd.ready_after:.2f}", f"{cpu:.2f}", f"{1000 / cpu:,.0f}"]


if __name__ == "__main__":
    main()
