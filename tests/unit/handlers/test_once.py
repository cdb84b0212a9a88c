"""A creating request that is repeated with its key does its work once."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from domain.errors import Conflict
from handlers.base import ApiHandler
from handlers.operation import PUBLIC, SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft
from tests.unit.handlers.conftest import Serve, Toy


class Order(Draft):
    what: str


class Made(BaseModel):
    count: int


class Works:
    def __init__(self) -> None:
        self.count = 0

    def make(self, what: str) -> int:
        if what == "late":
            raise Conflict("太迟了")
        if what == "crash":
            raise ZeroDivisionError
        self.count += 1
        return self.count


class OrdersHandler(ApiHandler):
    @operation(SIGNED_IN, status=201)
    async def post(self, body: Order) -> Made:
        """Make something."""
        return Made(count=self.services.works.make(body.what))

    @operation(SIGNED_IN, status=201, idempotent=False)
    async def put(self, body: Order) -> Made:
        """Make a secret."""
        return Made(count=self.services.works.make(body.what))

    @operation(PUBLIC, status=201)
    async def patch(self, body: Order) -> Made:
        """Make something for anybody."""
        return Made(count=self.services.works.make(body.what))


@pytest.fixture
async def toy(serve: Serve) -> Toy:
    return await serve(route(r"/orders", OrdersHandler), works=Works())


KEY = {"Idempotency-Key": "8f0c-1"}


async def test_the_second_request_hears_the_first_answer(toy: Toy) -> None:
    deputy = toy.caller("deputy")
    first = await deputy.call("POST", "/orders", {"what": "a"}, headers=KEY)
    second = await deputy.call("POST", "/orders", {"what": "a"}, headers=KEY)
    assert (first.status, first.body) == (second.status, second.body) == (201, b'{"count":1}')
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_without_a_key_each_request_works(toy: Toy) -> None:
    deputy = toy.caller("deputy")
    replies = [await deputy.call("POST", "/orders", {"what": "a"}) for _ in range(2)]
    assert [it.json["count"] for it in replies] == [1, 2]


async def test_the_same_key_for_something_else_is_refused(toy: Toy) -> None:
    deputy = toy.caller("deputy")
    await deputy.call("POST", "/orders", {"what": "a"}, headers=KEY)
    reply = await deputy.call("POST", "/orders", {"what": "b"}, headers=KEY)
    assert (reply.status, reply.json["field"]) == (422, "Idempotency-Key")


async def test_keys_of_two_people_never_meet(toy: Toy) -> None:
    for count, who in enumerate(("deputy", "admin"), 1):
        reply = await toy.caller(who).call("POST", "/orders", {"what": "a"}, headers=KEY)
        assert reply.json["count"] == count


@pytest.mark.parametrize(("what", "status"), [("late", 409), ("crash", 500)])
async def test_a_request_that_was_refused_may_be_tried_again(
    toy: Toy, what: str, status: int
) -> None:
    deputy = toy.caller("deputy")
    for _ in range(2):
        reply = await deputy.call("POST", "/orders", {"what": what}, headers=KEY)
        assert reply.status == status
    assert toy.rows.rows == {}


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é"])
async def test_a_key_that_is_none_is_refused(toy: Toy, key: str) -> None:
    reply = await toy.caller("deputy").call(
        "POST", "/orders", {"what": "a"}, headers={"Idempotency-Key": key}
    )
    assert (reply.status, reply.code) == (422, "invalid")


async def test_answers_with_secrets_and_answers_to_anybody_are_not_kept(toy: Toy) -> None:
    await toy.caller("deputy").call("PUT", "/orders", {"what": "a"}, headers=KEY)
    await toy.caller().call("PATCH", "/orders", {"what": "a"}, headers=KEY)
    assert toy.rows.rows == {}
