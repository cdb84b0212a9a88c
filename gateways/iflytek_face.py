"""Faces compared by iFLYTEK (讯飞开放平台 人脸比对), service ``s67c9c78c``.

https://www.xfyun.cn/doc/face/xffaceComparisonRecg/API.html. A request is signed in its address:
HMAC-SHA256 over host, date and request line. The answer says in ``header.code`` whether it was
taken, and holds the result as JSON in base64: ``{"ret": 0, "score": 0.83}``. The vendor takes
pictures of a score of 0.67 and more for one person's. Pictures stand in the body only, which is
logged nowhere; the vendor keeps none by its terms, and who agrees to it is told its name.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson

from domain.clock import Clock
from domain.errors import Invalid, NotConfigured, UpstreamDown, UpstreamRefused
from gateways.http import JsonClient

_log = logging.getLogger(__name__)

_UPSTREAM = "iflytek"
SERVICE = "s67c9c78c"
PATH = f"/v1/private/{SERVICE}"
MOST_BASE64 = 4 * 1024 * 1024
"""Longest picture that is taken, in base64."""

_LARGEST_RESULT = 64 * 1024
_BUSY = {10010, 10019, 10114, 10200, 10222, 10223, 11202, 11203}
"""Out of places or out of time there: asking again helps."""
_PAUSE = 5.0


class IflytekAccount(NamedTuple):
    """What the vendor knows us by."""

    app_id: str
    api_key: str
    api_secret: str


class IflytekFace:
    """Implements ``domain.faces.engine.Comparer``."""

    vendor = "科大讯飞股份有限公司（讯飞开放平台）"

    def __init__(
        self, http: JsonClient, account: Callable[[], IflytekAccount], *, clock: Clock
    ) -> None:
        self._http = http
        self._account = account
        self._clock = clock

    def close(self) -> None:
        """Let go of open connections."""
        self._http.close()

    async def compare(self, reference: bytes, probe: bytes) -> float:
        """Answer how alike two JPEGs of one face each are, from 0 to 1.

        Raises:
            UpstreamDown: The vendor does not answer, or refuses.
            NotConfigured: There is no key.
            Invalid: The vendor finds no face in one of them, or one is too large for it.
        """
        account = self._account()
        if not (account.api_key and account.api_secret):
            raise NotConfigured("未配置讯飞人脸比对密钥", upstream=_UPSTREAM)
        pictures = [base64.b64encode(it).decode() for it in (reference, probe)]
        if any(len(it) > MOST_BASE64 for it in pictures):
            raise Invalid("照片过大，请重新拍摄", field="pictures")
        query = signed(account, host=self._http.host, at=self._clock())
        body = orjson.dumps(_request(account.app_id, *pictures))
        answer = await self._http.post(f"{PATH}?{urlencode(query)}", body)
        return _score(_accepted(answer))


def signed(account: IflytekAccount, *, host: str, at: datetime) -> dict[str, str]:
    """Answer the query that signs a request; the vendor accepts five minutes of skew."""
    date = format_datetime(at, usegmt=True)
    text = f"host: {host}\ndate: {date}\nPOST {PATH} HTTP/1.1"
    mac = hmac.digest(account.api_secret.encode(), text.encode(), "sha256")
    authorization = (
        f'api_key="{account.api_key}", algorithm="hmac-sha256", '
        f'headers="host date request-line", signature="{base64.b64encode(mac).decode()}"'
    )
    return {
        "host": host,
        "date": date,
        "authorization": base64.b64encode(authorization.encode()).decode(),
    }


def _request(app_id: str, reference: str, probe: str) -> dict[str, Any]:
    result = {"encoding": "utf8", "compress": "raw", "format": "json"}
    return {
        "header": {"app_id": app_id, "status": 3},
        "parameter": {SERVICE: {"service_kind": "face_compare", "face_compare_result": result}},
        "payload": {
            name: {"encoding": "jpg", "status": 3, "image": picture}
            for name, picture in (("input1", reference), ("input2", probe))
        },
    }


def _accepted(answer: dict[str, Any]) -> str:
    """Answer the result as it was sent, or raise what the vendor says."""
    header, payload = answer.get("header"), answer.get("payload")
    code = header.get("code") if isinstance(header, dict) else None
    if not isinstance(header, dict) or not isinstance(code, int) or isinstance(code, bool):
        raise _unintelligible()
    if code in _BUSY:
        raise UpstreamDown("人脸比对服务繁忙", upstream=_UPSTREAM, retry_after=_PAUSE)
    if code != 0:
        _log.warning(
            "iFLYTEK refused a comparison: %s %s (%s)",
            code, str(header.get("message", ""))[:200], str(header.get("sid", ""))[:64],
        )  # fmt: skip
        raise UpstreamRefused(f"人脸比对服务拒绝了请求：{code}", upstream=_UPSTREAM)
    result = payload.get("face_compare_result") if isinstance(payload, dict) else None
    text = result.get("text") if isinstance(result, dict) else None
    if not isinstance(text, str) or len(text) > _LARGEST_RESULT:
        raise _unintelligible()
    return text


def _score(text: str) -> float:
    try:
        result = orjson.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise _unintelligible() from error
    ret = result.get("ret") if isinstance(result, dict) else None
    if not isinstance(ret, int) or isinstance(ret, bool):
        raise _unintelligible()
    if ret != 0:
        # Taken, and nothing to compare; the vendor does not say in which of the two.
        raise Invalid("未能在照片中检测到人脸，请重新拍摄", field="pictures", detail={"ret": ret})
    score = result.get("score")
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
        raise _unintelligible()
    return float(score)


def _unintelligible() -> UpstreamDown:
    return UpstreamDown("人脸比对服务返回了无法识别的内容", upstream=_UPSTREAM)
