"""What the hub and a worker say to each other: MessagePack, each message after its length.

::

    worker ──► hub   ready, an empty message, once its models are loaded
    hub ──► worker   Job
    worker ──► hub   [Look, …] in the order of the job's pictures
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from domain.faces.engine import Gates, Look, Want

HEAD = struct.Struct(">I")
READY = HEAD.pack(0)


class Job(msgspec.Struct, frozen=True, array_like=True):
    """One question; see ``FaceEngine.look``."""

    pictures: Sequence[str]
    want: Want
    chips: bool
    gates: Gates


def framed(message: Job | list[Look]) -> bytes:
    """Answer a message as it travels."""
    body = msgspec.msgpack.encode(message)
    return HEAD.pack(len(body)) + body


def job(body: bytes) -> Job:
    """Read a question."""
    return msgspec.msgpack.decode(body, type=Job)


def looks(body: bytes) -> list[Look]:
    """Read an answer."""
    return msgspec.msgpack.decode(body, type=list[Look])
