"""Faces that are painted: an engine for tests of what is decided, which needs no model.

A picture is the base64 of a JSON object: whose face it shows (``who``, any text), how far the
vector is from that person's own (``off``), at which moment it was taken (``at``, so that no two are
the same), the ``yaw``, or a ``flaw``. The vectors of different people lie as far apart as those of
real strangers. What the real engine makes of real pictures is tested with real pictures.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from domain.errors import UpstreamDown
from domain.faces.engine import Flaw, Gates, Look, Want

MODEL = "painted-1"


def picture(who: str, *, at: object = 0, off: float = 0.1, **more: Any) -> str:
    """Paint a picture."""
    return base64.b64encode(orjson.dumps({"who": who, "at": str(at), "off": off, **more})).decode()


def pictures(who: str, count: int = 3, *, off: float = 0.1) -> list[str]:
    """Pictures for an enrolment."""
    return [picture(who, at=f"enrol-{n}", off=off) for n in range(count)]


def burst(who: str, steps: Sequence[str], *, at: object = 0, off: float = 0.1) -> list[str]:
    """The answer to a challenge: the head turns as it was told."""
    yaws = [0.0, 0.0]
    for step in steps:
        if step != "front":
            yaws += [0.1, 0.3, 0.3, 0.0] if step == "left" else [-0.1, -0.3, -0.3, 0.0]
    return [picture(who, at=f"{at}-{place}", off=off, yaw=yaw) for place, yaw in enumerate(yaws)]


def vector(who: str, *, at: str, off: float) -> bytes:
    """The vector of a painted picture."""
    own = _random(who).normal(0, 0.09, 128)
    step = _random(f"{who} {at}").normal(0, 1, 128)
    return (own + step / np.linalg.norm(step) * off).astype("<f4").tobytes()


def _random(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))


class PaintedEngine:
    """Implements ``domain.faces.engine.FaceEngine``."""

    installed = True

    def __init__(self, model: str = MODEL) -> None:
        self.model = model
        self.busy = False
        self.looked = 0

    async def look(
        self, pictures: Sequence[str], *, want: Want, gates: Gates, chips: bool = False
    ) -> list[Look]:
        """Read what is painted."""
        if self.busy:
            raise UpstreamDown("人脸识别繁忙，请稍后再试", upstream="face", retry_after=2)
        self.looked += len(pictures)
        return [_look(one, chips=chips) for one in pictures]


def _look(text: str, *, chips: bool) -> Look:
    try:
        said = orjson.loads(base64.b64decode(text))
    except ValueError:
        return Look(Flaw.NOT_AN_IMAGE)
    if "flaw" in said:
        return Look(Flaw(said["flaw"]))
    raw = vector(said["who"], at=said["at"], off=said["off"])
    chip = f"chip of {said['who']}".encode() if chips else b""
    return Look(None, 2.0, 200, 400.0, 0.0, said.get("yaw", 0.0), raw, chip)
