"""What an engine is asked: to look at pictures, and say what it sees. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class Flaw(StrEnum):
    """Why a picture cannot be used; the value is the code of the refusal."""

    TOO_LARGE = "too_large"
    """More bytes or more pixels than are looked at; found out before it is unpacked."""
    NOT_AN_IMAGE = "not_an_image"
    HEIC = "heic"
    """An iPhone's own format; the phone can send a JPEG."""
    ANIMATED = "animated"
    UNSUPPORTED = "unsupported"
    """A picture of a kind that loses what matters here, such as 16-bit grey."""
    CORRUPT = "corrupt"
    NO_FACE = "no_face"
    MANY_FACES = "many_faces"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"


class Want(StrEnum):
    """Of which pictures the vector is worth its time (about 100 ms of CPU each)."""

    ALL = "all"
    KEYS = "keys"
    """Of three: the sharpest frontal one, and those that turn furthest to either side."""
    NONE = "none"


class Gates(NamedTuple):
    """What a face must have to be used: rules of the house, which go with each question.

    The defaults for sharpness and light lie between 68 good portraits (sharpness 10 and more, mean
    77 to 167, at most 5 % clipped) and the same ones blurred by 4 pixels (6 at most), darkened to a
    quarter (41 at most) and over-exposed twofold (mean 195 and more, or 14 % clipped, but for a
    face that was dark enough to bear it).

    Attributes:
        size: Least ``Look.size``; below 100 pixels the recogniser gets worse.
        sharpness: Least ``Look.sharpness``.
        clipped: Greatest ``Look.clipped``.
        dark: Least mean brightness of the face, from 0 to 255.
        bright: Greatest mean brightness of the face.
    """

    size: int = 100
    sharpness: float = 8.0
    clipped: float = 0.1
    dark: float = 45.0
    bright: float = 190.0


class Look(NamedTuple):
    """What an engine makes of one picture; measures are 0 and bytes empty where it has a flaw.

    Attributes:
        score: How sure the detector is; 0.5 and more is a face.
        size: Shorter side of the face in pixels, in the picture as it was sent.
        sharpness: Variance of the Laplacian over the face, brought to 150 pixels.
        clipped: Share of its pixels that are all black or all white, from 0 to 1.
        yaw: How far the head is turned: where the nose stands between the outer corners of the
            eyes, as a share of the distance between their middles. 0 looks straight ahead, more
            than 0 is turned to the person's own left.
        vector: 128 numbers, float32 little-endian, or empty. Distances between two of them are
            Euclidean; they are not of unit length.
        chip: The face alone as a JPEG of 256 pixels; only where it was asked for.
    """

    flaw: Flaw | None = None
    score: float = 0.0
    size: int = 0
    sharpness: float = 0.0
    clipped: float = 0.0
    yaw: float = 0.0
    vector: bytes = b""
    chip: bytes = b""


class FaceEngine(Protocol):
    """Looks at pictures, elsewhere than in the event loop."""

    @property
    def model(self) -> str:
        """Name and version of what makes vectors; those of two models cannot be compared."""

    async def look(
        self,
        pictures: Sequence[str],
        *,
        want: Want,
        chips: bool = False,
        gates: Gates = Gates(),
    ) -> list[Look]:
        """Answer what is in each picture, in their order. Nothing of them is kept.

        Args:
            pictures: JPEG, PNG or WebP in base64; a ``data:`` prefix is taken off.
            want: Of which pictures vectors are made.
            chips: Whether faces are answered as pictures of their own.
            gates: What a face must have not to be a flaw.

        Raises:
            UpstreamDown: Too much is being looked at already, or a worker was lost twice; ask
                again after ``retry_after`` seconds.
            NotConfigured: This installation cannot recognise faces.
        """


class Comparer(Protocol):
    """Compares two pictures of faces at a vendor's, who is named in a consent of its own."""

    @property
    def vendor(self) -> str:
        """Who it is, as the consent names them."""

    async def compare(self, reference: bytes, probe: bytes) -> float:
        """Answer how alike two JPEGs of one face each are, from 0 to 1.

        Raises:
            UpstreamDown: The vendor does not answer, or refuses.
            NotConfigured: There is no vendor.
            Invalid: The vendor finds no face in one of them.
        """
