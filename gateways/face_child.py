"""One worker's process as the hub sees it: started, given one job at a time, read until it ends.

The hub reads all the time, also while the worker has nothing to do, so that its end is noticed at
once whatever it dies of.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path

import msgspec

from domain.faces.engine import Look
from gateways import face_wire

ROOT = Path(__file__).resolve().parents[1]

START_SECONDS = 60.0
"""Loading the models takes two to four seconds, on a machine that is busy several times that."""
END_SECONDS = 3.0
LARGEST_ANSWER = 16_000_000


class WorkerLost(Exception):
    """The process has ended, or says what cannot be understood."""


class NotReady(Exception):
    """The process was started, but never got as far as its first job."""


class Errand:
    """A job on its way through workers, and who waits for it.

    Attributes:
        frame: The job as it travels.
        tries: How many workers have been given it.
    """

    def __init__(self, frame: bytes, *, pictures: int) -> None:
        self.frame = frame
        self.pictures = pictures
        self.tries = 0
        self.answer: asyncio.Future[list[Look]] = asyncio.get_running_loop().create_future()

    def refuse(self, error: Exception) -> None:
        """End it with a refusal, unless nobody waits any more."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def fulfil(self, looks: list[Look]) -> None:
        """End it with an answer, unless nobody waits any more."""
        if not self.answer.done():
            self.answer.set_result(looks)


class FaceChild:
    """A worker that is ready."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False
        self.errand: Errand | None = None
        self.overdue = False
        """Whether it was killed because its job took too long."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    async def start(cls) -> FaceChild:
        """Start a process; it is not ready before ``ready`` has said so.

        Raises:
            OSError: There are no processes left, or no memory.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateways.face_worker",
            stdin=PIPE,
            stdout=PIPE,
            env=_environment(),
            # Ctrl-C in a terminal must reach the hub alone; it ends us when it is done.
            start_new_session=True,
        )
        return cls(process)

    async def ready(self) -> None:
        """Wait until its models are loaded.

        Raises:
            NotReady: It ended instead, or took too long.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._read()
        except TimeoutError as late:
            raise NotReady(f"not ready within {START_SECONDS:.0f} s") from late
        except WorkerLost as lost:
            raise NotReady("ended while it loaded its models") from lost

    def give(self, errand: Errand, *, seconds: float) -> None:
        """Send it a job; unless it answers within ``seconds``, it is killed."""
        errand.tries += 1
        self.errand = errand
        self._timer = asyncio.get_running_loop().call_later(seconds, self._too_late)
        if self._process.stdin is not None:
            # Not drained: one job is all there ever is, and if it is dead, reading will tell.
            self._process.stdin.write(errand.frame)

    async def answer(self) -> None:
        """Wait for the answer to the job it has been given, or will be.

        Raises:
            WorkerLost: It ended, or its answer makes no sense.
        """
        body = await self._read()
        errand = self.errand
        if errand is None:
            raise WorkerLost("an answer to nothing")
        try:
            looks = face_wire.looks(body)
        except msgspec.DecodeError as error:
            raise WorkerLost("an answer that cannot be read") from error
        if len(looks) != errand.pictures:
            raise WorkerLost("an answer to something else")
        self.errand = None
        if self._timer is not None:
            self._timer.cancel()
        errand.fulfil(looks)

    def kill(self) -> None:
        """End it now, whatever it is doing."""
        # Not twice, and not where it has ended by itself: ``Popen`` looks before it kills, and
        # takes the exit code away from asyncio, which then warns of an unknown child.
        if not self._ending:
            self._ending = True
            with suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> int:
        """End it, and wait until it has; answers its exit code."""
        if self._timer is not None:
            self._timer.cancel()
        self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            # It has closed its pipe and lives on, as none of ours does.
            self._process.kill()
            return await self._process.wait()

    async def _read(self) -> bytes:
        out = self._process.stdout
        if out is None:
            raise WorkerLost("no pipe")
        try:
            (length,) = face_wire.HEAD.unpack(await out.readexactly(face_wire.HEAD.size))
            if length > LARGEST_ANSWER:
                raise WorkerLost("an answer without an end")
            return await out.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self._ending = True
            raise WorkerLost("ended") from error

    def _too_late(self) -> None:
        self.overdue = True
        self.kill()


def _environment() -> dict[str, str]:
    """Answer ours without its secrets: what unpacks strangers' pictures has no use for them."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: it for name, it in os.environ.items() if not name.startswith("HUB_")}
    # One core a worker: how many there are is the operator's choice, not a library's.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**kept, **single, "PYTHONPATH": os.pathsep.join(paths)}
