"""A Redis of our own on a unix socket, that a test can kill, freeze and start again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.needs import need


class RedisServer:
    def __init__(self, home: Path) -> None:
        self._command = need("redis", "redis-server")
        self._home = home
        self._socket = home / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                self._command, "--port", "0", "--unixsocket", self._socket, "--dir", self._home,
                "--save", "", "--appendonly", "no", "--loglevel", "warning",
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)
        self._process = None
        self._socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open and nothing comes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self.thaw()
            self.kill()

    def flush(self) -> None:
        """Forget everything; who is connected stays connected."""
        with socket.socket(socket.AF_UNIX) as each:
            each.connect(str(self._socket))
            each.sendall(b"FLUSHALL\r\n")
            assert each.recv(16).startswith(b"+OK")

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False
