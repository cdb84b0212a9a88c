"""The one table of status codes, and the envelope every refusal is sent in.

The envelope is ``{"code", "msg", "field"?, "detail"?, "request_id"}``, on REST and RPC alike and
on every path: unknown addresses, wrong methods and errors inside the web framework included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from tornado.web import HTTPError

from domain import errors

STATUS: Mapping[type[errors.DomainError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.StepUpRequired: 403,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.TypeRefused: 415,
    errors.Invalid: 422,
    errors.ContentRefused: 422,
    errors.RateLimited: 429,
    errors.UpstreamDown: 503,
    errors.StorageFull: 507,
}

SERVER_ERROR = "服务器内部错误，请稍后再试"

# What the web framework itself refuses, in the words of the house.
_FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "请求无法解析"),
    401: ("unauthenticated", "请先登录"),
    403: ("forbidden", "没有权限"),
    404: ("not_found", "未找到"),
    405: ("method_not_allowed", "该地址不支持此方法"),
    413: ("too_large", "内容过大"),
    416: ("range_not_satisfiable", "请求的范围超出文件大小"),
}


def status_of(refusal: errors.DomainError) -> int:
    """Answer the HTTP status of a refusal: that of the nearest class in ``STATUS``."""
    return next((STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS), 400)


def envelope(refusal: errors.DomainError, request_id: str) -> bytes:
    """Answer the JSON text in which a refusal is sent."""
    return _render(refusal.code, refusal.msg, refusal.field, refusal.detail, request_id)


def unexpected(error: BaseException | None, status: int, request_id: str) -> tuple[int, bytes]:
    """Answer status and envelope for what is not a refusal of the house.

    A refusal of the web framework keeps its status. Everything else is a 500 with a fixed text:
    what went wrong inside is for the log, never for the caller.
    """
    if isinstance(error, HTTPError):
        status = error.status_code
    if not isinstance(error, HTTPError | None) or status >= 500:
        return 500, _render("internal", SERVER_ERROR, None, {}, request_id)
    code, msg = _FRAMEWORK.get(status, _FRAMEWORK[400])
    return status, _render(code, msg, None, {}, request_id)


def retry_after(refusal: errors.DomainError) -> int | None:
    """Answer after how many seconds it makes sense to ask again, or ``None``."""
    if isinstance(refusal, errors.RateLimited | errors.UpstreamDown):
        return refusal.retry_after
    return None


def _render(
    code: str, msg: str, field: str | None, detail: Mapping[str, Any], request_id: str
) -> bytes:
    body: dict[str, Any] = {"code": code, "msg": msg}
    if field is not None:
        body["field"] = field
    if detail:
        body["detail"] = detail
    body["request_id"] = request_id
    # ``default=str`` because a detail may hold an instant or a set, and a refusal must get out.
    return orjson.dumps(body, default=str)
