"""The hub with a conformance profile, a cable that can be cut, and the SDK from npm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from server.conformance import conformance_server
from tests.needs import need

JS_PACKAGES = ("centrifuge@^5.5", "ws@^8", "eventsource@^2")


@pytest.fixture(params=["wire", "tornado"])
def wired(request):
    return request.param == "wire"


@pytest.fixture
def serve(wired) -> Callable:
    """Serve a profile; the answer is (hub, port)."""
    return functools.partial(conformance_server, wired=wired)


class Cable:
    """A stretch of network between a client and the hub that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Drop every connection without a word, and take no new ones."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _carry(self, reader, writer) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source, target) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.close()


@pytest.fixture(scope="session")
def node_home(tmp_path_factory) -> Path:
    """A directory with the SDK from npm beside our script."""
    npm = need("npm")
    need("node")
    home = tmp_path_factory.mktemp("js")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefer-offline", *JS_PACKAGES]
    done = subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=110, check=False
    )
    if done.returncode:
        pytest.skip(f"npm cannot install the SDK: {done.stderr.strip().splitlines()[-1:]}")
    shutil.copy(Path(__file__).parent / "js" / "session.mjs", home)
    return home
