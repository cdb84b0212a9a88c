"""An endpoint is what its annotations say."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from domain.errors import BadState, NotFound, RuleViolation, UpstreamDown
from domain.people import AccountState
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import (
    PUBLIC,
    SELF_SERVICE_WHEN_SUSPENDED,
    SIGNED_IN,
    Written,
    operation,
    operation_of,
)
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Name
from tests.unit.handlers.conftest import PEOPLE, Serve


class ThingDraft(Draft):
    name: Name
    size: Annotated[int, Field(ge=1, le=9)] = 1
    tags: tuple[Name, ...] = ()


class ThingView(BaseModel):
    name: str
    owner: str


class ThingQuery(PageQuery):
    sort: str = "name"
    tag: tuple[str, ...] = ()


class ThingsHandler(ApiHandler):
    @operation(Permission.DIRECTORY_READ, status=201)
    async def post(self, body: ThingDraft) -> ThingView:
        """Make a thing."""
        if body.name == "破产":
            raise RuleViolation("不行", rule="thing.rule", source="条例第一条")
        return ThingView(name=body.name, owner=self.user.name)

    @operation(SIGNED_IN)
    async def get(self, query: ThingQuery) -> Page[ThingView]:
        """List things.

        A long explanation.
        """
        start = (self.after(query) or [0])[0]
        items = [ThingView(name=f"{query.sort}{n}", owner="") for n in range(start, start + 2)]
        return self.page(items, [start + 2] if start < 4 else None)

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self) -> None:
        """Remove everything."""


class ThingHandler(ApiHandler):
    @operation(Permission.AUDIT_READ)
    async def get(self, thing_id: str, number: int) -> ThingView:
        """Show a thing."""
        return ThingView(name=thing_id, owner=str(number))


class FailingHandler(ApiHandler):
    @operation(PUBLIC)
    async def get(self, how: str) -> Written:
        """Fail."""
        refusals = {
            "missing": NotFound(),
            "state": BadState("不行", allowed={"b", "a"}),
            "down": UpstreamDown("数据库无法访问", upstream="mongodb", retry_after=7),
            "crash": ZeroDivisionError("the secret of the house"),
        }
        raise refusals[how]


ROUTES = [
    route(r"/things", ThingsHandler),
    route(r"/things/(?P<thing_id>[A-Z]+)/(?P<number>[^/]+)", ThingHandler),
    route(r"/fail/(?P<how>[a-z]+)", FailingHandler),
]


def test_the_annotations_are_read_at_decoration() -> None:
    promise = operation_of(ThingsHandler.post)
    assert promise is not None
    assert promise.body is ThingDraft
    assert promise.query is None
    assert promise.status == 201
    assert promise.idempotent
    listing = operation_of(ThingsHandler.get)
    assert listing is not None
    assert (listing.summary, listing.description) == ("List things.", "A long explanation.")
    assert operation_of(ThingsHandler.delete).status == 204
    assert list(operation_of(ThingHandler.get).groups) == ["thing_id", "number"]


def test_a_method_that_does_not_say_what_it_answers_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="does not say what it answers"):

        @operation(PUBLIC)
        async def get(self): ...


async def test_a_request_is_parsed_and_the_answer_rendered(serve: Serve) -> None:
    deputy = (await serve(*ROUTES)).caller("deputy")
    reply = await deputy.call("POST", "/things", {"name": "  甲\u0007 乙 ", "size": 3})
    assert reply.status == 201
    assert reply.json == {"name": "甲 乙", "owner": "周明华"}
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_nothing_is_answered_with_204_and_no_body(serve: Serve) -> None:
    reply = await (await serve(*ROUTES)).caller("deputy").call("DELETE", "/things")
    assert (reply.status, reply.body) == (204, b"")
    assert "Content-Type" not in reply.headers


async def test_path_groups_are_typed_and_what_does_not_fit_is_not_found(serve: Serve) -> None:
    toy = await serve(*ROUTES)
    toy.tokens.people["auditor"] = PEOPLE["admin"]
    admin = toy.caller("admin")
    assert (await admin.call("GET", "/things/ABC/17")).json == {"name": "ABC", "owner": "17"}
    for strange in ("x", "1.5", "%00", "%2F", "%EF%BB%BF"):
        assert (await admin.call("GET", f"/things/ABC/{strange}")).status == 404


async def test_who_is_asked_before_what(serve: Serve) -> None:
    toy = await serve(*ROUTES)
    for caller in (toy.caller(), toy.caller("nobody")):
        reply = await caller.call("POST", "/things", body=b"not even json")
        assert (reply.status, reply.code) == (401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    reply = await toy.caller("deputy").call("GET", "/things/ABC/1")
    assert (reply.status, reply.code) == (403, "forbidden")
    assert reply.json["detail"] == {"permission": "audit.read"}


async def test_two_subclasses_of_one_handler_are_judged_each_by_its_own_permission(
    serve: Serve,
) -> None:
    class Base(ApiHandler):
        async def show(self) -> ThingView:
            return ThingView(name=type(self).__name__, owner="")

    class Open(Base):
        @operation(Permission.DIRECTORY_READ)
        async def get(self) -> ThingView:
            """Show."""
            return await self.show()

    class Closed(Base):
        @operation(Permission.AUDIT_READ)
        async def get(self) -> ThingView:
            """Show."""
            return await self.show()

    deputy = (await serve(route(r"/open", Open), route(r"/closed", Closed))).caller("deputy")
    assert (await deputy.call("GET", "/open")).status == 200
    assert (await deputy.call("GET", "/closed")).status == 403
    assert (await deputy.call("GET", "/open")).status == 200


async def test_a_suspended_account_may_look_and_mind_its_own_affairs(serve: Serve) -> None:
    toy = await serve(*ROUTES)
    toy.tokens.people["s"] = PEOPLE["deputy"].model_copy(update={"state": AccountState.SUSPENDED})
    toy.tokens.people["e"] = PEOPLE["deputy"].model_copy(update={"state": AccountState.ENDED})
    suspended, ended = toy.caller("s"), toy.caller("e")
    assert (await suspended.call("GET", "/things")).status == 200
    assert (await suspended.call("DELETE", "/things")).status == 204
    assert (await ended.call("GET", "/things")).status == 403
    assert (await ended.call("DELETE", "/things")).status == 204


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("missing", 404, "not_found"),
        ("state", 409, "bad_state"),
        ("down", 503, "upstream_down"),
        ("crash", 500, "internal"),
    ],
)
async def test_refusals_have_the_status_of_the_table(
    serve: Serve, how: str, status: int, code: str
) -> None:
    toy = await serve(*ROUTES)
    reply = await toy.caller().call("GET", f"/fail/{how}")
    assert (reply.status, reply.code) == (status, code)
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]
    assert toy.seen == [("/fail/{how}", status)]


async def test_what_went_wrong_inside_is_for_the_log_and_not_for_the_caller(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await (await serve(*ROUTES)).caller().call("GET", "/fail/crash")
    assert b"secret" not in reply.body
    record = next(it for it in caplog.records if it.name == "daibiao.http")
    assert record.request_id == reply.json["request_id"]
    assert "the secret of the house" in caplog.text


async def test_a_neighbour_that_is_down_says_when_to_try_again(serve: Serve) -> None:
    reply = await (await serve(*ROUTES)).caller().call("GET", "/fail/down")
    assert reply.headers["Retry-After"] == "7"
    assert reply.json["detail"] == {"upstream": "mongodb"}


async def test_a_rule_that_says_no_names_itself_and_its_source(serve: Serve) -> None:
    reply = await (await serve(*ROUTES)).caller("deputy").call("POST", "/things", {"name": "破产"})
    assert (reply.status, reply.code) == (422, "rule_violation")
    assert reply.json["detail"] == {"rule_param": "thing.rule", "source": "条例第一条"}


async def test_a_fresh_proof_of_identity_is_asked_for_where_it_is_due(serve: Serve, clock) -> None:
    class Safe(ApiHandler):
        @operation(SIGNED_IN, step_up=True)
        async def get(self) -> None:
            """Open the safe."""

    toy = await serve(route(r"/safe", Safe))
    reply = await toy.caller("deputy").call("GET", "/safe")
    assert (reply.status, reply.code) == (403, "step_up_required")
    assert reply.json["detail"]["methods"]
    fresh = clock.now.replace(minute=5)
    toy.tokens.people["fresh"] = PEOPLE["deputy"].model_copy(update={"step_up_until": fresh})
    assert (await toy.caller("fresh").call("GET", "/safe")).status == 204
    clock.advance(minutes=5)
    assert (await toy.caller("fresh").call("GET", "/safe")).status == 403


async def test_pages_follow_each_other_and_their_cursor_cannot_be_forged_or_carried_away(
    serve: Serve,
) -> None:
    toy = await serve(*ROUTES)
    deputy = toy.caller("deputy")
    names, cursor = [], ""
    while cursor is not None:
        path = "/things?sort=n" + (f"&cursor={cursor}" if cursor else "")
        page = (await deputy.call("GET", path)).json
        names += [it["name"] for it in page["items"]]
        cursor, last = page["next"], cursor or page["next"]
    assert names == [f"n{n}" for n in range(6)]
    for forged in (last[:-2] + "AA", "AAAA", "%00", "x" * 2000, "é"):
        reply = await deputy.call("GET", f"/things?cursor={forged}")
        assert (reply.status, reply.json["field"]) == (422, "cursor")
    # Another person's list is another list.
    assert (await toy.caller("admin").call("GET", f"/things?cursor={last}")).status == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=51", "limit=x", "limit=%ff", "limit="])
async def test_a_query_string_that_is_not_acceptable_names_its_parameter(
    serve: Serve, query: str
) -> None:
    reply = await (await serve(*ROUTES)).caller("deputy").call("GET", f"/things?{query}")
    assert (reply.status, reply.code, reply.json["field"]) == (422, "invalid", "limit")
