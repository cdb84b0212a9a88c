"""The door of the process: plain WebSocket handshakes go straight in, everything else to Tornado.

After a restart ten thousand phones come back within seconds, and reading HTTP is most of what each
of them costs. So the door looks at the first bytes of a connection without taking them. If they are
one whole, ordinary handshake for the hub's own address, it is answered here. Anything else (another
address, half a request, a header that is unusual or forbidden, a handshake to be refused) is left
as it is for Tornado, which has the last word on everything that is not plainly right; only who
comes while there are too many is told so here.
"""

from __future__ import annotations

import contextlib
import re
import socket
from typing import Any, Final, NamedTuple

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import is_valid_ip

from handlers.upgrade import BUSY, PATH, Entrance

_MOST: Final = 8_192
_DEFER: Final = 5
"""Seconds the kernel keeps a connection that has said nothing yet."""

_REQUEST: Final = re.compile(rf"GET {re.escape(PATH)}(?:\?([!-~]*))? HTTP/1\.1")
_FIELD: Final = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~\x80-\xff]?[\t -~\x80-\xff]*)"
)
_COME_BACK: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)
_START: Final = f"GET {PATH}".encode()
# A body, or a wish the door does not understand.
_UNUSUAL: Final = frozenset({"content-length", "transfer-encoding", "expect", "trailer"})


class Doorway(HTTPServer):
    """Tornado's HTTP server behind a door; made like it, with ``entrance`` and ``xheaders``."""

    def initialize(self, *args: Any, entrance: Entrance | None = None, **kwargs: Any) -> None:
        """Take what the server needs; without an entrance it is an ordinary one."""
        self._entrance = entrance
        self._forwarded = bool(kwargs.get("xheaders"))
        super().initialize(*args, **kwargs)

    def add_sockets(self, sockets: Any) -> None:
        """Listen; the kernel tells of a connection when its first bytes are there."""
        if self._entrance is not None and hasattr(socket, "TCP_DEFER_ACCEPT"):
            for each in sockets:
                if each.family != getattr(socket, "AF_UNIX", None):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER)
        super().add_sockets(sockets)

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Let a newcomer in, or leave it to Tornado."""
        if self._entrance is None or not self._let_in(self._entrance, stream, address):
            super().handle_stream(stream, address)

    def _let_in(self, entrance: Entrance, stream: IOStream, address: tuple[Any, ...]) -> bool:
        if type(stream) is not IOStream:  # TLS
            return False
        try:
            peeked = stream.socket.recv(_MOST, socket.MSG_PEEK)
        except OSError:  # nothing yet, or gone already
            return False
        request = _read(peeked) if peeked.startswith(_START) else None
        if request is None:
            return False
        refusal = entrance.refusal(request.headers)
        if refusal is not None and refusal is not BUSY:
            return False
        # Exactly the request is taken; what comes behind it stays for the hub to read.
        stream.socket.recv(request.size)
        if refusal is not None:
            # In a storm most are sent away, so that must be cheap above all.
            with contextlib.suppress(OSError):
                stream.socket.send(_COME_BACK)
            stream.close()
            return True
        sock = stream.socket.dup()
        stream.close()
        remote = _remote(request.headers, address, forwarded=self._forwarded)
        entrance.admit(sock, request.headers, query=request.query, remote=remote)
        return True


class _Request(NamedTuple):
    query: str
    headers: dict[str, str]
    size: int


def _read(peeked: bytes) -> _Request | None:
    """Read a whole and ordinary request; ``None`` for any other."""
    head, end, _ = peeked.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    request = _REQUEST.fullmatch(first)
    if request is None:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name = field[1].lower()
        # A header that comes twice may mean two things to two readers.
        if name in headers or name in _UNUSUAL:
            return None
        headers[name] = field[2].rstrip(" \t")
    if "host" not in headers:
        return None
    return _Request(request[1] or "", headers, len(head) + len(end))


def _remote(headers: dict[str, str], address: tuple[Any, ...], *, forwarded: bool) -> str:
    """Answer the address of the client, as Tornado's ``xheaders`` does behind a trusted proxy."""
    peer = str(address[0]) if address else ""
    if not forwarded:
        return peer
    said = headers.get("x-forwarded-for", peer).split(",")[-1].strip()
    said = headers.get("x-real-ip", said)
    return said if is_valid_ip(said) else peer
