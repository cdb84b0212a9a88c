"""The servers that tests run on: the embedded engine always, real ones where an URI says so."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parent.parent
EMBEDDED = "embedded"
URIS = tuple(uri for uri in os.environ.get("HUB_TEST_MONGO_URI", "").split(",") if uri)
ENGINES = (EMBEDDED, *URIS)


class Engine:
    """A server with an address. Only an embedded one can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._socket = home / "hub.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://{quote(str(self._socket), safe='')}/?directConnection=true"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            _command(self._home, self._socket), stdin=subprocess.PIPE, env=_env()
        )
        deadline = time.monotonic() + 20
        while not _answers(self._socket):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the embedded engine did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the process without a word, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process = None


@contextmanager
def embedded(*, on_disk: bool = False) -> Iterator[Engine]:
    """Run an embedded engine of its own, in memory where the machine has room for that."""
    # A unix socket's path may not be longer than about a hundred bytes.
    memory = not on_disk and os.access("/dev/shm", os.W_OK)
    home = Path(tempfile.mkdtemp(prefix="hub-", dir="/dev/shm" if memory else None))
    engine = Engine(home)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(home)


def _command(home: Path, path: Path) -> list[str]:
    module, data = "storage.embedded", str(home / "hub.db")
    return [sys.executable, "-m", module, data, "--unix", str(path), "--parent-stdin"]


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
