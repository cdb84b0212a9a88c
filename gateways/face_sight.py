"""What is seen in pictures: one face each, its measures, and the vectors that are wanted.

dlib's HOG detector, five landmarks and the residual network, through ``face_recognition``. The
model of 68 points is not for products; it is let go of as soon as the package has loaded it.
"""

from __future__ import annotations

import ctypes
import importlib.resources
import io
import math
import sys
import types
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile

from domain.faces.engine import Flaw, Gates, Look, Want
from gateways.face_pictures import Picture, Pixels, badly_taken, grey, light, sharpness, unpack
from gateways.face_wire import Job

SURE = 0.5
"""A face scores 0.89 and more; a round patch on an astronaut's suit scores 0.07."""
STEADY = 0.1
"""A head held still trembles by less from frame to frame."""
SECOND_LOOKS = 4
"""In how many pictures of one job smaller faces are looked for, at four times the cost: enough to
say "come closer", and not enough for a burst of empty pictures to keep a worker for long."""
CHIP = 256

_UNUSED = ("pose_predictor_68_point", "cnn_face_detector")


class Seen(NamedTuple):
    """A face without a flaw, and where it is.

    Attributes:
        place: dlib's rectangle.
        points: dlib's five landmarks: outer and inner corner of the person's left eye, of the
            right one, and the base of the nose.
    """

    look: Look
    pixels: Pixels
    place: Any
    points: Any


class Sight:
    """The models of one process. Only one thread may use them: the detector keeps a state.

    Raises:
        ImportError: ``face_recognition`` is not installed, or not whole.
    """

    def __init__(self) -> None:
        self._package = _face_recognition()
        self._api = self._package.api
        for name in _UNUSED:
            setattr(self._api, name, None)
        with suppress(OSError, AttributeError):
            # glibc keeps their 45 MB until it is asked.
            ctypes.CDLL(None).malloc_trim(0)

    def look(self, job: Job) -> list[Look]:
        """Answer what is in each picture."""
        seen: list[Seen | Flaw] = []
        second_looks = SECOND_LOOKS
        for text in job.pictures:
            picture = unpack(text)
            if isinstance(picture, Flaw):
                seen.append(picture)
                continue
            it = self._see(picture, job.gates, upsample=0)
            if it is Flaw.NO_FACE and second_looks:
                second_looks -= 1
                it = self._see(picture, job.gates, upsample=1)
            seen.append(it)
        keys = wanted([it.look if isinstance(it, Seen) else None for it in seen], job.want)
        return [
            Look(flaw=it)
            if isinstance(it, Flaw)
            else self._answer(it, vector=at in keys, chip=job.chips)
            for at, it in enumerate(seen)
        ]

    def _see(self, picture: Picture, gates: Gates, *, upsample: int) -> Seen | Flaw:
        try:
            found, scores, _ = self._api.face_detector.run(picture.pixels, upsample, 0.0)
        except MemoryError:
            return Flaw.TOO_LARGE
        faces = [(it, score) for it, score in zip(found, scores, strict=True) if score >= SURE]
        if len(faces) != 1:
            return Flaw.MANY_FACES if faces else Flaw.NO_FACE
        place, score = faces[0]
        size = round(min(place.width(), place.height()) * picture.scale)
        face = grey(picture.pixels, place.left(), place.top(), place.right(), place.bottom())
        lit, sharp = light(face), sharpness(face)
        if flaw := badly_taken(size, lit, sharp, gates):
            return flaw
        points = self._api.pose_predictor_5_point(picture.pixels, place)
        look = Look(
            score=score,
            size=size,
            sharpness=sharp,
            clipped=lit.clipped,
            yaw=yaw([(it.x, it.y) for it in points.parts()]),
        )
        return Seen(look, picture.pixels, place, points)

    def _answer(self, seen: Seen, *, vector: bool, chip: bool) -> Look:
        return seen.look._replace(
            vector=self._vector(seen) if vector else b"", chip=self._chip(seen) if chip else b""
        )

    def _vector(self, seen: Seen) -> bytes:
        it = seen.place
        where = (it.top(), it.right(), it.bottom(), it.left())
        (vector,) = self._package.face_encodings(seen.pixels, [where], model="small")
        return np.asarray(vector, "<f4").tobytes()

    def _chip(self, seen: Seen) -> bytes:
        chip = self._api.dlib.get_face_chip(seen.pixels, seen.points, size=CHIP)
        kept = io.BytesIO()
        Image.fromarray(chip).save(kept, "JPEG", quality=90)
        return kept.getvalue()


def yaw(points: Sequence[tuple[float, float]]) -> float:
    """Answer how far the head is turned, as ``Look.yaw`` says, from the five landmarks."""
    (lx, ly), (lix, liy), (rx, ry), (rix, riy), (nx, ny) = points
    # From the middle of the right eye to that of the left, which is to the right in a picture.
    ax, ay = (lx + lix - rx - rix) / 2, (ly + liy - ry - riy) / 2
    along = (nx - (lx + rx) / 2) * ax + (ny - (ly + ry) / 2) * ay
    return along / max(math.hypot(ax, ay) ** 2, 1e-9)


def wanted(looks: Sequence[Look | None], want: Want) -> set[int]:
    """Answer the places of those whose vectors are made; there is none where there is a flaw."""
    there = {at: look for at, look in enumerate(looks) if look is not None}
    if want is Want.NONE or not there:
        return set()
    if want is Want.ALL:
        return set(there)
    frontal = min(abs(look.yaw) for look in there.values()) + STEADY
    return {
        max(
            (at for at in there if abs(there[at].yaw) <= frontal),
            key=lambda at: there[at].sharpness,
        ),
        max(there, key=lambda at: there[at].yaw),
        min(there, key=lambda at: there[at].yaw),
    }


def _face_recognition() -> Any:
    """Import the package, whatever setuptools there is and whatever becomes of warnings.

    Its models ask ``pkg_resources``, which newer setuptools lack, for their path, and *end the
    program* when that fails.
    """
    stub = types.ModuleType("pkg_resources")
    vars(stub)["resource_filename"] = _resource_filename
    before = sys.modules.get("pkg_resources")
    sys.modules["pkg_resources"] = before or stub
    try:
        import face_recognition
    except SystemExit as why:
        raise ImportError("the models of face_recognition cannot be imported") from why
    finally:
        if before is None:
            del sys.modules["pkg_resources"]
    # The package sets it for the whole process: half a picture would pass for one.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return face_recognition


def _resource_filename(package: str, resource: str) -> str:
    return str(importlib.resources.files(package) / resource)
