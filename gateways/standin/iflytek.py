"""iFLYTEK's comparison of faces, as its address answers it.

It checks what the vendor checks: the signature and its date (401 and 403 with the gateway's own
body), then the JSON (10160), the application (10313), each parameter (10163), base64 (10161) and
the length of the pictures. What it answers is a likeness that it has looked for in the two pictures
it was sent, by ``likeness``: this hub's own engine, or a plain comparison of their pixels.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import io
import math
import re
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from tornado.web import RequestHandler

from domain.clock import Clock
from domain.errors import UpstreamDown
from domain.faces.engine import FaceEngine, Gates, Want
from gateways.iflytek_face import MOST_BASE64, PATH, SERVICE, IflytekAccount, signed

_SKEW = timedelta(seconds=300)
_ENCODINGS = {"jpg", "jpeg", "png", "bmp"}
_AUTHORIZATION = re.compile(
    r'api_key="([^"]*)", algorithm="hmac-sha256", headers="host date request-line", '
    r'signature="([^"]*)"'
)

_ALIKE, _STEEP = 0.6, 10.0
"""The engine's vectors are of one person up to this distance; that is the vendor's 0.67."""
_OWN = math.log(0.67 / 0.33)

_GATES = Gates(size=30, sharpness=0.0, clipped=1.0, dark=0.0, bright=255.0)
"""The vendor asks for 30 pixels and takes what comes."""

_NO_FACE = -1
"""Of ``ret`` the vendor's document says only that 0 is success."""

_SIDE = 32

Likeness = Callable[[bytes, bytes], Awaitable[float | None]]
"""Answers how alike two pictures are, from 0 to 1, or ``None`` if there is no face in one."""


def by_engine(engine: FaceEngine) -> Likeness:
    """Look at faces with an engine."""

    async def likeness(one: bytes, other: bytes) -> float | None:
        import numpy as np

        pictures = [base64.b64encode(it).decode() for it in (one, other)]
        looks = await engine.look(pictures, want=Want.ALL, gates=_GATES)
        if not all(it.vector for it in looks):
            return None
        first, second = (np.frombuffer(it.vector, "<f4") for it in looks)
        distance = float(np.linalg.norm(first - second))
        return 1 / (1 + math.exp(_STEEP * (distance - _ALIKE) - _OWN))

    return likeness


async def by_pixels(one: bytes, other: bytes) -> float | None:
    """Compare what pictures look like in small and grey; of faces it knows nothing."""
    return await asyncio.to_thread(_correlation, one, other)


def _correlation(one: bytes, other: bytes) -> float | None:
    import numpy as np
    from PIL import Image

    small = []
    for content in (one, other):
        with Image.open(io.BytesIO(content)) as image:
            grey = image.convert("L").resize((_SIDE, _SIDE))
        pixels = np.asarray(grey, np.float64).ravel()
        small.append(pixels - pixels.mean())
    first, second = small
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    # A surface of one colour is nobody's face.
    return max(0.0, float(first @ second) / size) if size else None


@dataclass
class IflytekStandIn:
    """State of the stand-in: one application, and the scores it has answered, newest last."""

    clock: Clock
    account: IflytekAccount
    likeness: Likeness = by_pixels
    faults: deque[int] = field(default_factory=lambda: deque(maxlen=100))
    """Codes that the next calls are refused with."""
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))


class _Compare(RequestHandler):
    def initialize(self, iflytek: IflytekStandIn) -> None:
        self.iflytek = iflytek

    async def post(self) -> None:
        if refusal := self.refusal():
            status, message = refusal
            self.set_status(status)
            self.write(orjson.dumps({"message": message}))
            return
        if self.iflytek.faults:
            self.reply(self.iflytek.faults.popleft(), "planted by the test")
            return
        pictures = self.pictures()
        if pictures is None:
            return
        try:
            score = await self.iflytek.likeness(*pictures)
        except OSError:
            # What Pillow says of bytes that are no picture.
            self.reply(10009, "input invalid data")
            return
        except UpstreamDown:
            self.reply(10010, "service license not enough")
            return
        if score is None:
            self.reply(result={"ret": _NO_FACE, "score": 0})
            return
        self.iflytek.scores.append(score)
        self.reply(result={"ret": 0, "score": score})

    def reply(self, code: int = 0, message: str = "success", result: Any = None) -> None:
        answer: dict[str, Any] = {
            "header": {"code": code, "message": message, "sid": f"ase{secrets.token_hex(12)}"}
        }
        if result is not None:
            text = base64.b64encode(orjson.dumps(result)).decode()
            shape = {"compress": "raw", "encoding": "utf8", "format": "json", "text": text}
            answer["payload"] = {"face_compare_result": shape}
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.write(orjson.dumps(answer))

    def refusal(self) -> tuple[int, str] | None:
        """Answer why the gateway lets nobody in, with its status, or ``None``."""
        host, date, given = (self.get_query_argument(it, "") for it in _SIGNED)
        if not given:
            return 401, "Unauthorized"
        at = _instant(date)
        if at is None or abs(self.iflytek.clock() - at) > _SKEW:
            return 403, (
                "HMAC signature cannot be verified, a valid date or x-date header is required "
                "for HMAC Authentication"
            )
        said = _AUTHORIZATION.fullmatch(_plain(given))
        if said is None or host != self.request.host:
            return 401, "HMAC signature cannot be verified"
        due = _AUTHORIZATION.fullmatch(
            _plain(signed(self.iflytek.account, host=host, at=at)["authorization"])
        )
        same = due is not None and all(
            hmac.compare_digest(one.encode(), other.encode())
            for one, other in zip(said.groups(), due.groups(), strict=True)
        )
        return None if same else (401, "HMAC signature does not match")

    def pictures(self) -> list[bytes] | None:
        """Answer the two pictures, or refuse the request and answer ``None``."""
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            self.reply(10160, "parse request json error")
            return None
        lacking = _lacking(body)
        if lacking:
            self.reply(10163, f"param validate error: '{lacking}'")
            return None
        if body["header"]["app_id"] != self.iflytek.account.app_id:
            self.reply(10313, "invalid appid")
            return None
        try:
            inputs = [body["payload"][name]["image"] for name in _INPUTS]
            return [base64.b64decode(it, validate=True) for it in inputs]
        except binascii.Error:
            self.reply(10161, "parse base64 string error")
            return None


_SIGNED = ("host", "date", "authorization")
_INPUTS = ("input1", "input2")


def _lacking(body: Any) -> str:
    """Answer the first parameter that is missing or wrong, or nothing."""
    wanted: dict[str, Callable[[Any], bool]] = {
        "header/app_id": lambda it: isinstance(it, str) and it != "",
        "header/status": lambda it: it == 3,
        f"parameter/{SERVICE}/service_kind": lambda it: it == "face_compare",
        f"parameter/{SERVICE}/face_compare_result/encoding": lambda it: it == "utf8",
        f"parameter/{SERVICE}/face_compare_result/compress": lambda it: it == "raw",
        f"parameter/{SERVICE}/face_compare_result/format": lambda it: it == "json",
    }
    for name in _INPUTS:
        wanted[f"payload/{name}/encoding"] = lambda it: it in _ENCODINGS
        wanted[f"payload/{name}/status"] = lambda it: it == 3
        wanted[f"payload/{name}/image"] = lambda it: (
            isinstance(it, str) and 0 < len(it) <= MOST_BASE64
        )
    for path, good in wanted.items():
        found = body
        for name in path.split("/"):
            found = found.get(name) if isinstance(found, dict) else None
        if not good(found):
            return path
    return ""


def _plain(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def _instant(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def routes(iflytek: IflytekStandIn) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Answer the stand-in's route table."""
    return [(PATH, _Compare, {"iflytek": iflytek})]
