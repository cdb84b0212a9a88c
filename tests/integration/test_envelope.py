"""Every refusal on every path leaves in the envelope, and bad input never gives a 5xx."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import orjson
import pytest

from tests.integration.conftest import RunningHub

STRANGE = [
    "/nowhere",
    "/api/v1/nothing/here",
    "/api/v1/%00",
    "/api/v1/%ff%fe",
    "/%F0%28%8C%28",
    "/../../etc/passwd",
    "/api/v1/people/" + "A" * 5000,
    "/livez/",
    "//livez",
]


@pytest.mark.parametrize("path", STRANGE)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_an_unknown_address_answers_in_the_envelope(
    hub: RunningHub, method: str, path: str
) -> None:
    reply = await hub.anybody.call(method, path, body=b"{}" if method[0] == "P" else None)
    assert reply.status == 404
    assert reply.code == "not_found"
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]


async def test_a_wrong_method_answers_in_the_envelope_and_says_which_are_right(
    hub: RunningHub,
) -> None:
    reply = await hub.anybody.call("DELETE", "/livez")
    assert reply.status == 405
    assert reply.code == "method_not_allowed"
    assert reply.headers["Allow"] == "GET"


async def test_an_overlong_body_is_refused_with_413(hub: RunningHub) -> None:
    reply = await hub.anybody.call("POST", "/livez", body=b"x" * (2 * 1024 * 1024))
    assert reply.status == 413
    assert reply.code == "too_large"
    assert reply.json["detail"]["limit"] == 1024 * 1024


async def test_an_absurd_content_length_is_refused_before_a_byte_is_read(hub: RunningHub) -> None:
    head, body = await raw(
        hub, b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n"
    )
    assert head.startswith(b"HTTP/1.1 413 ")
    assert orjson.loads(body)["code"] == "too_large"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\nHost: a,b\r\n",
        b"GET /livez?" + b"&".join(b"a%d=1" % n for n in range(2000)) + b" HTTP/1.1\r\nHost: a\r\n",
        b"GET /livez HTTP/1.1\r\n",
    ],
    ids=["two hosts", "too many parameters", "no host"],
)
async def test_what_the_framework_would_hang_up_on_is_answered_in_the_envelope(
    hub: RunningHub, head: bytes
) -> None:
    status, body = await raw(hub, head)
    assert status.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(body)["code"] == "bad_request"


async def test_every_reply_carries_the_security_headers(hub: RunningHub) -> None:
    for path in ("/livez", "/nowhere"):
        headers = (await hub.anybody.call("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Permissions-Policy" in headers
        assert "Strict-Transport-Security" not in headers  # the hub under test is not on https
        assert "Tornado" not in headers["Server"]


async def test_a_proxy_may_name_the_request_and_nonsense_is_ignored(hub: RunningHub) -> None:
    named = await hub.anybody.call("GET", "/livez", headers={"X-Request-Id": "from-nginx-0001"})
    assert named.headers["X-Request-Id"] == "from-nginx-0001"
    odd = await hub.anybody.call("GET", "/livez", headers={"X-Request-Id": '"><script>'})
    assert "script" not in odd.headers["X-Request-Id"]


async def raw(hub: RunningHub, head: bytes) -> tuple[bytes, bytes]:
    """Send a request as it stands and answer status line and body."""
    where = urlsplit(hub.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(head + b"\r\n")
    await writer.drain()
    status = await reader.readline()
    length = 0
    while (line := await reader.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return status, body
