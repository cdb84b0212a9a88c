"""Pictures as strangers send them: unpacked only when they are what they say, and measured.

What is wrong is found out in the order of what it costs: the length, the first bytes, the header,
and only then the pixels. Needs the extra ``face``; imported by workers alone.
"""

from __future__ import annotations

import base64
import io
import warnings
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from domain.faces.engine import Flaw, Gates

Pixels: TypeAlias = npt.NDArray[np.uint8]

MOST_BYTES = 10_000_000
MOST_PIXELS = 50_000_000
"""What the largest cameras of phones make, and a quarter of what fills a worker."""
LONGEST_SIDE = 960
"""A face across a tenth of it is still 96 pixels wide, and the detector takes 0.1 s."""

_SIGNS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF"}
"""The first bytes of what Pillow may open. GIF is opened only to see whether it moves."""
_OTHER_PICTURES = (b"BM", b"II*\x00", b"MM\x00*")
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_DEEP_MODES = ("I", "F")
"""Pillow's modes of more than eight bits a pixel begin with these; its conversion clips them."""

_CHIP = 150
"""What the sharpness of faces of all sizes is measured at; the encoder sees them at it too."""
_BLACK, _WHITE = 4, 251
"""A JPEG scatters what is all black or all white by a few steps."""


class Picture(NamedTuple):
    """One that can be looked at.

    Attributes:
        pixels: Upright, RGB, at most ``LONGEST_SIDE`` to a side.
        scale: How many pixels of the picture as it was sent go on one of these.
    """

    pixels: Pixels
    scale: float


class Light(NamedTuple):
    """How a face is lit; both from its grey values.

    Attributes:
        mean: From 0 to 255.
        clipped: Share of pixels that are all black or all white.
    """

    mean: float
    clipped: float


def unpack(text: str) -> Picture | Flaw:
    """Answer the picture in base64, or why it cannot be looked at."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    if len(text) > MOST_BYTES * 4 // 3 + 4:
        return Flaw.TOO_LARGE
    try:
        return opened(base64.b64decode(text, validate=True))
    except ValueError:
        return Flaw.NOT_AN_IMAGE


def opened(content: bytes) -> Picture | Flaw:
    """Answer the picture in a file's content, or why it cannot be looked at."""
    if len(content) > MOST_BYTES:
        return Flaw.TOO_LARGE
    kind = _kind(content)
    if isinstance(kind, Flaw):
        return kind
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=(kind,)) as image:
                return _flaw(image, kind) or _decoded(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        return Flaw.TOO_LARGE
    except Exception:  # noqa: BLE001 - decoders raise whatever they like about broken files
        return Flaw.CORRUPT


def grey(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> Pixels:
    """Answer a part of a picture in grey, as far as it is in the picture."""
    part = Image.fromarray(pixels[max(0, top) : bottom, max(0, left) : right])
    return np.asarray(part.convert("L"))


def light(face: Pixels) -> Light:
    """Measure how a face is lit."""
    extreme = np.count_nonzero(face <= _BLACK) + np.count_nonzero(face >= _WHITE)
    return Light(float(face.mean()), float(extreme / face.size))


def sharpness(face: Pixels) -> float:
    """Answer the variance of the Laplacian over a face brought to 150 pixels."""
    scaled = Image.fromarray(face).resize((_CHIP, _CHIP), Image.Resampling.BICUBIC)
    it = np.asarray(scaled, np.float32)
    edges = it[:-2, 1:-1] + it[2:, 1:-1] + it[1:-1, :-2] + it[1:-1, 2:] - 4 * it[1:-1, 1:-1]
    return float(edges.var())


def badly_taken(size: int, lit: Light, sharp: float, gates: Gates) -> Flaw | None:
    """Answer what is wrong with a face, the plainest advice first: a dark face is never sharp."""
    if size < gates.size:
        return Flaw.TOO_SMALL
    if lit.mean < gates.dark:
        return Flaw.TOO_DARK
    if lit.mean > gates.bright:
        return Flaw.TOO_BRIGHT
    if lit.clipped > gates.clipped:
        return Flaw.TOO_BRIGHT if lit.mean >= 128 else Flaw.TOO_DARK
    return Flaw.BLURRED if sharp < gates.sharpness else None


def _kind(content: bytes) -> str | Flaw:
    """Answer Pillow's name of the format by the first bytes, or the flaw that it is."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        return Flaw.HEIC if content[8:12] in _HEIC_BRANDS else Flaw.UNSUPPORTED
    if content.startswith(_OTHER_PICTURES):
        return Flaw.UNSUPPORTED
    found = (kind for sign, kind in _SIGNS.items() if content.startswith(sign))
    return next(found, Flaw.NOT_AN_IMAGE)


def _flaw(image: Image.Image, kind: str) -> Flaw | None:
    """Answer what the header gives away."""
    if image.width * image.height > MOST_PIXELS:
        return Flaw.TOO_LARGE
    # Not asked of a JPEG: phones put a second picture behind the first, and nothing moves.
    if kind != "JPEG" and getattr(image, "is_animated", False):
        return Flaw.ANIMATED
    deep = image.mode.startswith(_DEEP_MODES)
    return Flaw.UNSUPPORTED if deep or kind == "GIF" else None


def _decoded(image: Image.Image) -> Picture:
    longest = max(image.size)
    # A JPEG is decoded at an eighth, a quarter or half of its size where that is enough.
    image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
    image.load()
    clear = image.has_transparency_data
    mode = "RGBA" if clear else "RGB"
    plain = image if image.mode == mode else image.convert(mode)
    plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    upright = ImageOps.exif_transpose(plain)
    if clear:
        white = Image.new("RGB", upright.size, "white")
        white.paste(upright, mask=upright.getchannel("A"))
        upright = white
    return Picture(np.ascontiguousarray(upright), longest / max(upright.size))
