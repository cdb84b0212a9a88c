"""The face pictures beside the checkout, and what may become of one on its way to the hub.

The pictures are public-domain portraits, known by an id only: 18 people with three files each, 14
people who must stay strangers. They are an easy set: tests of behaviour may stand on it, thresholds
may not. A head is turned by parallax over a depth map, a print by perspective, so that what tells
the two apart is there to be measured.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
import math
from pathlib import Path

import dlib
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from tests.needs import need_folder

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDER = CHECKOUT.parent / "shared" / "faces"

TURNS_WELL = ("A000055", "C001080", "H001058", "R000575", "S001156", "T000472", "V000129")
"""Whose picture ``b`` is frontal enough to be turned by 35 degrees to either side: the yaw then
moves by 0.6 to 0.8 in all, and that of a print turned by 45 degrees by 0.2 to 0.35."""


def folder() -> Path:
    """Answer where the pictures are; without them the test is skipped, or fails if they are
    required."""
    return need_folder("faces", FOLDER)


def people() -> list[str]:
    """Answer the ids of those who may be enrolled."""
    return sorted({it.name.split("-")[0] for it in (folder() / "enrolled").glob("*.jpg")})


def photo(person: str, kind: str = "b") -> Path:
    """Answer a picture of somebody: ``a``, ``b`` (up to ten years later) or ``a-gray``."""
    return folder() / "enrolled" / f"{person}-{kind}.jpg"


def strangers() -> list[Path]:
    """Answer one picture of each of those who are never enrolled."""
    return sorted((folder() / "unenrolled").glob("*.jpg"))


def special(name: str) -> Path:
    """Answer ``two-faces`` or ``astronaut-collins``."""
    return folder() / "special" / f"{name}.jpg"


def good() -> list[Path]:
    """Answer every picture of one face that can be seen well."""
    return [*sorted((folder() / "enrolled").glob("*.jpg")), *strangers()]


def text(picture: bytes | Path) -> str:
    """Answer a picture as it is sent: in base64."""
    content = picture.read_bytes() if isinstance(picture, Path) else picture
    return base64.b64encode(content).decode()


def jpeg(image: Image.Image, **more: object) -> bytes:
    """Answer an image as a JPEG; ``more`` goes to its encoder."""
    kept = io.BytesIO()
    image.save(kept, "JPEG", **{"quality": 92, **more})
    return kept.getvalue()


def blurred(path: Path, radius: float = 4) -> bytes:
    with Image.open(path) as image:
        return jpeg(image.filter(ImageFilter.GaussianBlur(radius)))


def lit(path: Path, factor: float) -> bytes:
    """Answer a picture with every value times ``factor``: 0.25 is dark, 2 is over-exposed."""
    with Image.open(path) as image:
        return jpeg(ImageEnhance.Brightness(image).enhance(factor))


def turned(path: Path, yaw: float) -> bytes:
    """Turn the head of a portrait by ``yaw`` degrees; more than 0 is to the person's own left.

    The head is an ellipsoid, the nose a bump on it, both in proportions of a grown-up measured by
    the distance between the eyes; what is near moves further than what is behind it, and hides it.
    """
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32)
    height, width = pixels.shape[:2]
    here, depth, share = _head(path, width, height)
    turn = math.radians(yaw)
    columns = np.arange(width, dtype=np.float32)
    moved = columns + share * ((columns - here) * (math.cos(turn) - 1) + depth * math.sin(turn))
    # Where the nose passes before the cheek, the cheek is what cannot be seen.
    if yaw >= 0:
        moved = np.maximum.accumulate(moved, axis=1)
    else:
        moved = np.minimum.accumulate(moved[:, ::-1], axis=1)[:, ::-1]
    source = np.stack([np.interp(columns, row, columns) for row in moved])
    return jpeg(Image.fromarray(_sampled(pixels, source)))


def flat_print_turned(path: Path, degrees: float) -> bytes:
    """Turn a print of the portrait, held close to the camera; more than 0 as for ``turned``."""
    with Image.open(path) as image:
        width, height = image.size
        turn, away = math.radians(degrees), 1.5 * width
        # From the print (x right, y down, about its middle) to the picture, before the division.
        forward = np.array(
            [
                [away * math.cos(turn), 0, 0],
                [0, away, 0],
                [math.sin(turn), 0, away],
            ]
        )
        middle = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
        back = middle @ np.linalg.inv(forward) @ np.linalg.inv(middle)
        seen = image.convert("RGB").transform(
            image.size,
            Image.Transform.PERSPECTIVE,
            (back / back[2, 2]).ravel()[:8].tolist(),
            Image.Resampling.BICUBIC,
            fillcolor=(128, 128, 128),
        )
    return jpeg(seen)


def points(path: Path) -> np.ndarray:
    """Answer the five points of the face: corners of the eye to the right of the picture (outer,
    inner), of the one to the left, and below the nose."""
    return _points(path).copy()


@functools.cache
def _points(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    face = next(
        found[0]
        for upsample in (0, 1)
        if (found := dlib.get_frontal_face_detector()(pixels, upsample))
    )
    shape = _predictor()(pixels, face)
    return np.array([(it.x, it.y) for it in shape.parts()], np.float32)


@functools.cache
def _predictor() -> dlib.shape_predictor:
    # Found, not imported: the package cannot be imported everywhere, and here need not be.
    found = importlib.util.find_spec("face_recognition_models")
    assert found is not None
    assert found.submodule_search_locations
    models = Path(found.submodule_search_locations[0]) / "models"
    return dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))


def _head(path: Path, width: int, height: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Answer the column of the head's axis, how near each pixel is, how far it is of the head."""
    at = _points(path)
    right, left, nose = at[0:2].mean(axis=0), at[2:4].mean(axis=0), at[4]
    eyes = float(np.hypot(*(right - left)))
    here, level = (at[0] + at[2]) / 2 + (0, 0.35 * eyes)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = np.hypot((x - here) / (1.25 * eyes), (y - level) / (1.9 * eyes))
    skull = 1.25 * eyes * np.sqrt(np.clip(1 - radius**2, 0, None))
    bump = (
        0.45
        * eyes
        * np.exp(
            -(((x - nose[0]) / (0.27 * eyes)) ** 2)
            - ((y - nose[1] + 0.12 * eyes) / (0.4 * eyes)) ** 2
        )
    )
    share = np.clip((1.6 - radius) / 0.6, 0, 1)
    return float(here), skull + bump, share


def _sampled(pixels: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Answer each row taken at ``source``, between two pixels in proportion."""
    last = pixels.shape[1] - 1
    low = np.clip(np.floor(source).astype(int), 0, last)
    high = np.minimum(low + 1, last)
    part = (source - low)[..., None]
    rows = np.arange(pixels.shape[0])[:, None]
    return np.rint(pixels[rows, low] * (1 - part) + pixels[rows, high] * part).astype(np.uint8)
