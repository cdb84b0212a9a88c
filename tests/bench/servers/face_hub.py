"""The real hub with workers that look at faces: ``face_hub.py PORT DATA API_KEY BURST``.

It says ``ready`` when both workers are. On SIGUSR1 three people sign in at a time, one burst after
the other, until SIGUSR2; then it says how many did.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from pydantic import SecretStr

from demo.load import Loader
from domain.faces.engine import Gates, Want
from gateways.face import FaceWorkers
from server.assembly import Hub
from server.config import Limit, Log, Realtime, Settings
from server.lifecycle import run

AT_ONCE = 3


async def main(port: str, data: str, api_key: str, burst: str) -> None:
    pictures = json.loads(Path(burst).read_text("utf-8"))
    settings = Settings(
        _env_file=None,
        port=int(port),
        data_dir=Path(data),
        drain=0,
        limit=Limit(**dict.fromkeys(Limit.model_fields, 1_000_000)),
        log=Log(access=False, level="warning"),
        realtime=Realtime(api_key=SecretStr(api_key)),
    )

    async def prepare(hub: Hub) -> None:
        loader = Loader(hub.db, hub.ground.vault, hub.ground.audit, clock=hub.ground.clock)
        await loader.load(full=False)
        engine = FaceWorkers(hub.supervisor.supervise, workers=2, timeout=60)
        await engine.look(pictures[:1], want=Want.ALL)
        on, off = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, on.set)
        loop.add_signal_handler(signal.SIGUSR2, off.set)
        hub.supervisor.supervise("crowd", lambda: crowd(engine, pictures, on, off))

    await run(settings, prepare=prepare, announce=lambda *_: print("ready", flush=True))


async def crowd(
    engine: FaceWorkers, pictures: list[str], on: asyncio.Event, off: asyncio.Event
) -> None:
    """Sign in while it is on."""
    done = 0

    async def somebody() -> None:
        nonlocal done
        while not off.is_set():
            await engine.look(pictures, want=Want.KEYS, gates=Gates())
            done += 1

    while True:
        await on.wait()
        done = 0
        off.clear()
        await asyncio.gather(*(somebody() for _ in range(AT_ONCE)))
        on.clear()
        print("done", done, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
