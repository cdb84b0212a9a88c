"""One caller cannot take the whole process, and is told when to come back."""

from __future__ import annotations

import pytest

from domain.errors import RateLimited
from handlers.base import ApiHandler
from handlers.limits import Rate
from handlers.operation import PUBLIC, SIGNED_IN, operation
from handlers.routing import route
from server.throttle import Throttle
from tests.unit.handlers.conftest import Serve

RATES = {"public": Rate(2, 60), "read": Rate(3, 60), "write": Rate(1, 60)}


class RoomHandler(ApiHandler):
    @operation(SIGNED_IN)
    async def get(self) -> None:
        """Look."""

    @operation(SIGNED_IN)
    async def post(self) -> None:
        """Say."""

    @operation(PUBLIC)
    async def put(self) -> None:
        """Knock."""


async def test_each_caller_and_each_kind_of_endpoint_has_its_own_count(serve: Serve) -> None:
    toy = await serve(route(r"/room", RoomHandler), rates=RATES)
    deputy, admin = toy.caller("deputy"), toy.caller("admin")
    assert [(await deputy.call("GET", "/room")).status for _ in range(4)] == [204] * 3 + [429]
    assert (await deputy.call("POST", "/room")).status == 204
    assert (await admin.call("GET", "/room")).status == 204
    assert [(await deputy.call("PUT", "/room")).status for _ in range(3)] == [204, 204, 429]


async def test_the_refusal_says_when_to_come_back(serve: Serve) -> None:
    toy = await serve(route(r"/room", RoomHandler), rates=RATES)
    await toy.caller("deputy").call("POST", "/room")
    reply = await toy.caller("deputy").call("POST", "/room")
    assert (reply.status, reply.code) == (429, "rate_limited")
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    assert reply.json["detail"]["retry_after"] == int(reply.headers["Retry-After"])


async def test_a_throttle_allows_a_burst_and_then_the_rate() -> None:
    now = [100.0]
    throttle = Throttle(now=lambda: now[0])

    async def allowed() -> bool:
        try:
            await throttle.hit("k", limit=10, seconds=5)
        except RateLimited:
            return False
        return True

    assert [await allowed() for _ in range(11)] == [True] * 10 + [False]
    now[0] += 0.5
    assert [await allowed(), await allowed()] == [True, False]
    now[0] += 5
    assert [await allowed() for _ in range(11)] == [True] * 10 + [False]


async def test_a_throttle_forgets_the_callers_it_has_not_seen_for_longest() -> None:
    throttle = Throttle(keys=2, now=lambda: 0.0)
    for key in ("a", "b", "c", "b", "a"):
        if key == "b" and len(throttle._paid_off) == 2 and "b" in throttle._paid_off:
            with pytest.raises(RateLimited):
                await throttle.hit(key, limit=1, seconds=60)
        else:
            await throttle.hit(key, limit=1, seconds=60)
    assert len(throttle._paid_off) == 2
