"""Is this the person they say they are? The one place that decides, and writes down why.

Every try is kept with what was measured and the limits that were in force, so that the limits can
be set anew on what happened here; a picture is never part of it, and nobody but the auditor's
query sees more of it than the band.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.faces.engine import Comparer, FaceEngine, Look, Want
from domain.faces.galleries import Galleries
from domain.faces.limits import Limits
from domain.faces.liveness import Seen, Step, judge
from domain.faces.matching import WIDTH, Match, vector
from domain.faces.module import FaceModule
from domain.faces.templates import FaceStore, Template, TemplateState

_NEAR = 0.05
_CLEAR = 0.10
_NOBODY = bytes(4 * WIDTH)


class Band(StrEnum):
    """How near it was, as coarse as people may know it."""

    CLEAR = "clear"
    WITHIN = "within"
    NEAR = "near"
    """Not within, but little was missing."""
    FAR = "far"
    NONE = "none"
    """It never came to a comparison."""


class Verdict(NamedTuple):
    """What was decided; ``reason`` is a stable word, empty where it passed."""

    passed: bool
    reason: str
    band: Band = Band.NONE
    match: Match | None = None
    vendor_score: float | None = None


class FaceAttempt(BaseModel):
    """One try, as it is kept.

    Attributes:
        purpose: ``step_up``, ``sign_in`` or ``gate``.
        person_id: Who they said they are; empty where that was nobody we know.
        distance: To the claimed person only; ``norm`` alike.
        limits: What was allowed then, by name.
        steps: The challenge; empty where there was none and a person stood by.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    purpose: str
    person_id: str
    passed: bool
    reason: str
    band: Band
    distance: float | None
    norm: float | None
    vendor_score: float | None
    limits: dict[str, float]
    model: str
    steps: tuple[Step, ...]
    device: str
    at: datetime


class AttemptLog(Protocol):
    """Keeps tries."""

    async def add(self, attempt: FaceAttempt) -> None:
        """Keep one."""

    async def unseen(self, prints: Iterable[str], *, at: datetime) -> bool:
        """Note what was shown; ``False`` if any of it was shown before."""


class RecogniserPorts(NamedTuple):
    """What the recogniser needs."""

    engine: FaceEngine
    comparer: Comparer | None
    store: FaceStore
    galleries: Galleries
    module: FaceModule
    log: AttemptLog


class Recogniser:
    """Looks, judges, compares."""

    def __init__(self, ports: RecogniserPorts, *, clock: Clock, new_id: NewId) -> None:
        self._engine, self._comparer, self._store, self._galleries, self._module, self._log = ports
        self._clock = clock
        self._new_id = new_id

    @property
    def model(self) -> str:
        """The engine's name and version."""
        return self._engine.model

    async def look(self, frames: Sequence[str], limits: Limits) -> list[Look]:
        """Answer what is in the frames of a burst.

        Raises:
            UpstreamDown: The engine is busy.
            NotConfigured: There is none.
        """
        chips = self._comparer is not None
        return await self._engine.look(frames, want=Want.KEYS, gates=limits.gates, chips=chips)

    async def judge(
        self, looks: Sequence[Look], steps: Sequence[Step], limits: Limits
    ) -> tuple[Verdict | None, Look | None]:
        """Answer why a burst is no answer to a challenge, or the frame that shows who it is."""
        seen: Seen = judge(looks, steps, frames=limits.frames, turn=limits.turn)
        if seen.failure is not None:
            return Verdict(passed=False, reason=seen.failure.value), None
        best = looks[seen.best]
        keys = [vector(look.vector) for look in looks if look.vector]
        probe = vector(best.vector)
        if any(float(((key - probe) ** 2).sum()) ** 0.5 > limits.steady for key in keys):
            return Verdict(passed=False, reason="face_changed"), None
        if not await self.unseen(looks):
            return Verdict(passed=False, reason="replayed"), None
        return None, best

    async def unseen(self, looks: Sequence[Look]) -> bool:
        """Tell whether none of these pictures was shown before; from now on they were.

        Two pictures that a camera takes never give the same vector to the last bit.
        """
        prints = {hashlib.sha256(it.vector).hexdigest() for it in looks if it.vector}
        return await self._log.unseen(sorted(prints), at=self._clock())

    async def compare(self, person_id: str, probe: Look, limits: Limits) -> Verdict:
        """Compare a face with who it is said to be; whoever that is, it takes as long."""
        template = await self._store.get(person_id) if person_id else None
        gallery = await self._galleries.current()
        mine = template if template and self._usable(template) else None
        vectors = self._galleries.opened(mine) if mine else ()
        compared = vectors or (vector(_NOBODY),)
        match = gallery.match(person_id, compared, vector(probe.vector), cohort=limits.cohort)
        if mine is None or not vectors:
            return Verdict(passed=False, reason="face_mismatch", band=Band.FAR)
        if self._comparer is not None and mine.reference and probe.chip:
            return await self._by_vendor(self._comparer, mine, probe, match, limits)
        return decide(match, limits)

    async def record(
        self,
        verdict: Verdict,
        *,
        purpose: str,
        person_id: str,
        limits: Limits,
        steps: Sequence[Step] = (),
        device: str = "",
    ) -> None:
        """Keep a try."""
        match = verdict.match
        await self._log.add(
            FaceAttempt(
                id=self._new_id(),
                purpose=purpose,
                person_id=person_id,
                passed=verdict.passed,
                reason=verdict.reason,
                band=verdict.band,
                distance=match.distance if match else None,
                norm=match.norm if match else None,
                vendor_score=verdict.vendor_score,
                limits={
                    "distance": limits.distance, "norm": limits.norm, "alone": limits.alone,
                    "vendor_score": limits.vendor_score,
                },
                model=self._engine.model,
                steps=tuple(steps),
                device=device,
                at=self._clock(),
            )
        )  # fmt: skip

    def _usable(self, template: Template) -> bool:
        return (
            template.state is TemplateState.ACTIVE
            and template.model == self._engine.model
            and self._clock() < template.until
        )

    async def _by_vendor(
        self, comparer: Comparer, mine: Template, probe: Look, match: Match, limits: Limits
    ) -> Verdict:
        if not await self._module.vendor_for(mine.person_id):
            return decide(match, limits)
        score = await comparer.compare(self._galleries.reference(mine), probe.chip)
        passed = score >= limits.vendor_score
        band = Band.WITHIN if passed else Band.FAR
        return Verdict(passed, "" if passed else "face_mismatch", band, match, score)


def decide(match: Match, limits: Limits) -> Verdict:
    """Decide on a comparison: near enough, and nearer than anybody else would be."""
    limit = limits.distance if match.norm is not None else limits.alone
    over = match.distance - limit
    alike = match.norm is None or match.norm <= limits.norm
    passed = over <= 0 and alike
    if passed:
        band = Band.CLEAR if over <= -_CLEAR else Band.WITHIN
    else:
        band = Band.NEAR if over <= _NEAR else Band.FAR
    return Verdict(passed, "" if passed else "face_mismatch", band, match)
