"""A worker that looks at faces: ``python -m gateways.face_worker``, one job after the other.

Jobs come on stdin and answers go to stdout (``gateways.face_wire``). It ends when stdin does, so
that nothing is left of a hub that was killed. It is a process of its own because the encoder holds
the interpreter's lock for 100 ms a face, and because what strangers send may crash a decoder: here
that costs one worker, which has no secrets, little memory and a low priority.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import BinaryIO

from gateways import face_wire
from gateways.face_sight import Sight

NICENESS = 10
MOST_MEMORY = 1536 * 1024 * 1024
"""Bytes of address space. Models take 230 MB of it, the largest picture allowed 850 MB more; a
picture that wants even more is refused as too large."""
GIVE_UP = 90
"""Seconds after which a job ends its worker, should nobody be left to do so."""


def main() -> None:
    """Serve the hub that started this."""
    _restrain()
    jobs, answers = _pipes()
    sight = Sight()
    try:
        answers.write(face_wire.READY)
        answers.flush()
        while (body := _next(jobs)) is not None:
            signal.alarm(GIVE_UP)
            answers.write(face_wire.framed(sight.look(face_wire.job(body))))
            answers.flush()
            signal.alarm(0)
    except BrokenPipeError:
        # The hub is gone; there is nobody to tell.
        os._exit(0)


def _restrain() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    # A core would hold somebody's face.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Answer where jobs come from and answers go; whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def _next(jobs: BinaryIO) -> bytes | None:
    """Answer the next message, or ``None`` when there will be none."""
    head = jobs.read(face_wire.HEAD.size)
    if len(head) < face_wire.HEAD.size:
        return None
    (length,) = face_wire.HEAD.unpack(head)
    body = jobs.read(length)
    return body if len(body) == length else None


if __name__ == "__main__":
    main()
