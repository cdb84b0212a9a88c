"""Redis as a group: a master with a replica and a sentinel that watches, or a small cluster."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

from tests.needs import need

HOST = "127.0.0.1"


def free_port() -> int:
    """Answer a port below those that the kernel hands out, and whose cluster bus is free too."""
    for port in range(21_000, 22_700):
        try:
            for each in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind((HOST, each))
        except OSError:
            continue
        return port
    raise RuntimeError("no port is free")


class Node:
    """One process of a group."""

    def __init__(self, home: Path, name: str, *options: str, config: str | None = None) -> None:
        self._command = need("redis", "redis-server")
        self._home = home / name
        self._home.mkdir()
        self._options = options
        self._config = config
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments: list[str | Path] = []
        if self._config is not None:
            file = self._home / "group.conf"
            file.write_text(self._config, "utf-8")
            arguments = [file]
        arguments += ["--port", str(self.port), "--bind", HOST, "--dir", self._home]
        arguments += ["--loglevel", "warning", *self._options]
        self._process = subprocess.Popen(
            [self._command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.until(lambda: self.ask("PING") == "+PONG")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def ask(self, *words: str) -> str:
        """Answer the first line of a reply; empty if nobody answers."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 2) as line:
            line.settimeout(2)
            line.sendall(
                f"*{len(words)}\r\n".encode()
                + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)
            )
            return line.recv(65_536).decode(errors="replace").rstrip("\r\n")
        return ""

    def until(self, condition, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError("redis-server ended")
            if time.monotonic() > deadline:
                raise RuntimeError("redis-server does not do what was asked")
            time.sleep(0.05)


@contextlib.contextmanager
def watched(home: Path):
    """A master, a replica that is in step, and a sentinel; answers (master, replica, sentinel)."""
    quiet = ("--save", "", "--appendonly", "no")
    nodes: list[Node] = []

    def run(name: str, *options: str, config: str | None = None) -> Node:
        node = Node(home, name, *options, config=config)
        nodes.append(node)
        node.start()
        return node

    try:
        master = run("master", *quiet)
        replica = run(
            "replica", *quiet, "--replicaof", HOST, str(master.port), "--repl-diskless-sync-delay",
            "0",
        )  # fmt: skip
        replica.until(lambda: "master_link_status:up" in replica.ask("INFO", "replication"))
        sentinel = run(
            "sentinel",
            "--sentinel",
            config=f"sentinel monitor hub {HOST} {master.port} 1\n"
            "sentinel down-after-milliseconds hub 500\n"
            "sentinel failover-timeout hub 3000\n",
        )
        # It must know of the replica before there is something to decide.
        sentinel.until(lambda: "slaves=1" in sentinel.ask("INFO", "sentinel"))
        yield master, replica, sentinel
    finally:
        for node in nodes:
            node.kill()


@contextlib.contextmanager
def in_a_cluster(home: Path):
    """One node that runs in cluster mode and has every slot."""
    node = Node(home, "node", "--cluster-enabled", "yes", "--save", "", "--appendonly", "no")
    try:
        node.start()
        node.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        node.until(lambda: "cluster_state:ok" in node.ask("CLUSTER", "INFO"))
        yield node
    finally:
        node.kill()
