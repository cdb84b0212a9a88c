"""Faces, recognised by workers of this host: a few processes, a short line before them.

::

    look ──► line (bounded) ──► worker 1   python -m gateways.face_worker, one job at a time
                          └───► worker 2   lost: its job goes to another, once; it is replaced

Workers start with the first question. One that dies is replaced after a pause that doubles up to
thirty seconds. That they do so is no failure of a task: a hub that cannot recognise faces for a
moment is otherwise well, and stays ready.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.metadata import version

import structlog

from domain.errors import NotConfigured, UpstreamDown
from domain.faces.engine import Gates, Look, Want
from gateways import face_wire
from gateways.face_child import START_SECONDS, Errand, FaceChild, NotReady, WorkerLost

Supervise = Callable[[str, Callable[[], Awaitable[None]]], None]

_UPSTREAM = "face"
_PACKAGES = ("face_recognition", "face_recognition_models", "dlib", "numpy", "PIL")
_TRIES = 2
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
_WELL = 60.0
_END_SECONDS = 5.0

_log = structlog.get_logger("daibiao.face")


class FaceWorkers:
    """Port ``FaceEngine`` over ``face_recognition`` in processes of its own.

    Args:
        supervise: Keeps what watches a worker running, under a name.
        workers: How many processes; each takes one core while it looks, and 110 MB.
        queue: How many jobs may wait for their turn.
        timeout: Seconds that a worker may take for one job; as long again a job may wait.
    """

    installed = True

    def __init__(
        self, supervise: Supervise, *, workers: int = 2, queue: int = 8, timeout: float = 10.0
    ) -> None:
        self.model = f"dlib-resnet-1/face_recognition-{version('face_recognition')}"
        self._supervise = supervise
        self._workers = workers
        self._queue = queue
        self._timeout = timeout
        self._line: deque[Errand] = deque()
        self._staff: set[FaceChild] = set()
        self._idle: deque[FaceChild] = deque()
        self._failing: set[str] = set()
        self._hired = False
        self._first = asyncio.Event()
        self._closed = asyncio.Event()
        self._left = asyncio.Semaphore(0)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers there are."""
        return sorted(it.pid for it in self._staff)

    @property
    def busy(self) -> list[int]:
        """The process ids of those that are looking at something."""
        return sorted(it.pid for it in self._staff if it.errand is not None)

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        return len(self._line)

    @property
    def unable(self) -> bool:
        """Whether no worker could be started when it was last tried."""
        return len(self._failing) == self._workers

    async def start(self) -> None:
        """Start the workers, and wait until one is ready.

        Raises:
            UpstreamDown: None is within a minute, or they are being ended.
        """
        self._hire()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._first.wait()
        except TimeoutError as late:
            raise _down("人脸识别服务未能启动") from late

    async def close(self) -> None:
        """End every worker now; who waits is refused."""
        self._closed.set()
        while self._line:
            self._line.popleft().refuse(_down("人脸识别服务正在停止"))
        for child in self._staff:
            child.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                for _ in range(self._workers if self._hired else 0):
                    await self._left.acquire()

    async def look(
        self,
        pictures: Sequence[str],
        *,
        want: Want,
        chips: bool = False,
        gates: Gates = Gates(),
    ) -> list[Look]:
        """Answer what is in each picture; see the port.

        Raises:
            UpstreamDown: The line is full, two workers were lost over it, it took too long, or
                none can be started.
        """
        self._hire()
        if len(self._line) >= self._queue:
            raise _down("人脸识别繁忙，请稍后再试", retry_after=self._patience())
        if self.unable:
            raise _down("人脸识别服务暂时不可用", retry_after=_LONGEST_PAUSE)
        # What is not ASCII is not base64 either, and some of it cannot even be sent.
        sent = [it if it.isascii() else "" for it in pictures]
        job = face_wire.Job(sent, want, chips, gates)
        errand = Errand(face_wire.framed(job), pictures=len(pictures))
        self._line.append(errand)
        self._dispatch()
        try:
            async with asyncio.timeout(2 * self._timeout):
                return await errand.answer
        except TimeoutError as late:
            raise _down("人脸识别繁忙，请稍后再试", retry_after=self._patience()) from late
        finally:
            with suppress(ValueError):
                self._line.remove(errand)

    def _patience(self) -> float:
        """Answer in how many seconds the line will be shorter: a job takes one, more or less."""
        return 1 + math.ceil(len(self._line) / self._workers)

    def _hire(self) -> None:
        if self._closed.is_set():
            raise _down("人脸识别服务正在停止")
        if not self._hired:
            self._hired = True
            for number in range(1, self._workers + 1):
                name = f"face-worker-{number}"
                self._supervise(name, lambda name=name: self._keep(name))  # type: ignore[misc]

    def _dispatch(self) -> None:
        while self._idle and self._line:
            self._idle.popleft().give(self._line.popleft(), seconds=self._timeout)

    async def _keep(self, name: str) -> None:
        """Have one worker, and another one when it is lost, until the end."""
        pause = _FIRST_PAUSE
        try:
            while not self._closed.is_set():
                began = time.monotonic()
                try:
                    await self._employ(name)
                except (NotReady, WorkerLost, OSError) as error:
                    if self._closed.is_set():
                        return
                    if not isinstance(error, WorkerLost):
                        self._failing.add(name)
                    _log.error("face worker lost", worker=name, reason=str(error))
                if time.monotonic() - began > _WELL:
                    pause = _FIRST_PAUSE
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            self._left.release()

    async def _employ(self, name: str) -> None:
        """Start a worker, and give it jobs until it is lost.

        Raises:
            WorkerLost: It is.
            NotReady: It cannot load its models.
            OSError: It cannot be started.
        """
        child = await FaceChild.start()
        self._staff.add(child)
        try:
            if self._closed.is_set():
                return
            began = time.monotonic()
            await child.ready()
            self._failing.discard(name)
            self._first.set()
            took = round(time.monotonic() - began, 1)
            _log.info("face worker ready", worker=name, pid=child.pid, seconds=took)
            while True:
                self._idle.append(child)
                self._dispatch()
                await child.answer()
        finally:
            await self._dismiss(child)

    async def _dismiss(self, child: FaceChild) -> None:
        """End a worker, and see to the job it leaves behind."""
        self._staff.discard(child)
        with suppress(ValueError):
            self._idle.remove(child)
        errand, child.errand = child.errand, None
        if errand is not None:
            self._left_behind(errand, overdue=child.overdue)
        await child.end()

    def _left_behind(self, errand: Errand, *, overdue: bool) -> None:
        if errand.answer.done():
            return
        if self._closed.is_set():
            errand.refuse(_down("人脸识别服务正在停止"))
        elif overdue:
            errand.refuse(_down("人脸识别超时，请稍后再试"))
        elif errand.tries >= _TRIES:
            errand.refuse(_down("人脸识别暂时失败，请稍后再试"))
        else:
            self._line.appendleft(errand)
            self._dispatch()


class NoFaces:
    """Stands where faces cannot be recognised, and says why."""

    installed = False
    model = ""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def look(
        self,
        pictures: Sequence[str],
        *,
        want: Want,
        chips: bool = False,
        gates: Gates = Gates(),
    ) -> list[Look]:
        """Refuse.

        Raises:
            NotConfigured: Always.
        """
        raise NotConfigured(self._reason, upstream=_UPSTREAM)


def missing() -> list[str]:
    """Answer which packages of the extra ``face`` are not installed; imports none of them."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def _down(msg: str, *, retry_after: float = 5.0) -> UpstreamDown:
    return UpstreamDown(msg, upstream=_UPSTREAM, retry_after=retry_after)
