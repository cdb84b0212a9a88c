"""Another site cannot use the cookie of one of our people."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.base import ApiHandler
from handlers.operation import PUBLIC, SIGNED_IN, operation
from handlers.routing import route
from tests.unit.handlers.conftest import Serve, Toy


class DoorHandler(ApiHandler):
    @operation(SIGNED_IN)
    async def get(self) -> None:
        """Look."""

    @operation(SIGNED_IN)
    async def post(self) -> None:
        """Change something."""

    @operation(PUBLIC)
    async def put(self) -> None:
        """Log in."""
        self.open_session("deputy", seconds=3600)

    @operation(SIGNED_IN)
    async def delete(self) -> None:
        """Log out."""
        self.close_session()


def ours(toy: Toy, **more: str) -> dict[str, str]:
    """The headers of a page of ours."""
    return {
        "Cookie": "daibiao_session=deputy",
        "X-CSRF-Token": toy.web.csrf.token("deputy"),
        "Sec-Fetch-Site": "same-origin",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


@pytest.fixture
async def toy(serve: Serve) -> Toy:
    return await serve(route(r"/door", DoorHandler))


async def test_a_page_of_ours_may_change_something(toy: Toy) -> None:
    assert (await toy.caller().call("POST", "/door", headers=ours(toy))).status == 204


async def test_an_old_browser_that_says_only_its_origin_may_too(toy: Toy) -> None:
    for origin in ("http://hub.test", toy.url):
        headers = ours(toy, Origin=origin)
        del headers["Sec-Fetch-Site"]
        assert (await toy.caller().call("POST", "/door", headers=headers)).status == 204


@pytest.mark.parametrize(
    "change",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_CSRF_Token": ""},
        {"X_CSRF_Token": "wrong"},
        {"X_CSRF_Token": "ÿÿ"},
    ],
)
async def test_a_page_of_somebody_else_may_not(toy: Toy, change: dict[str, Any]) -> None:
    reply = await toy.caller().call("POST", "/door", headers=ours(toy, **change))
    assert (reply.status, reply.code) == (403, "csrf")


async def test_a_foreign_origin_is_refused_even_with_the_right_token(toy: Toy) -> None:
    headers = ours(toy, Origin="https://evil.test")
    del headers["Sec-Fetch-Site"]
    assert (await toy.caller().call("POST", "/door", headers=headers)).status == 403


async def test_the_token_of_one_session_is_no_good_for_another(toy: Toy) -> None:
    headers = ours(toy, X_CSRF_Token=toy.web.csrf.token("admin"))
    assert (await toy.caller().call("POST", "/door", headers=headers)).status == 403


async def test_looking_needs_no_proof_and_neither_does_a_bearer_token(toy: Toy) -> None:
    cookie = {"Cookie": "daibiao_session=deputy"}
    assert (await toy.caller().call("GET", "/door", headers=cookie)).status == 204
    assert (await toy.caller("deputy").call("POST", "/door")).status == 204


async def test_a_bad_bearer_token_beside_a_good_cookie_does_not_get_past(toy: Toy) -> None:
    headers = {"Cookie": "daibiao_session=deputy", "Authorization": "Basic x"}
    assert (await toy.caller().call("POST", "/door", headers=headers)).status == 401


async def test_the_session_cookie_is_hidden_from_scripts_and_the_proof_is_not(
    serve: Serve,
) -> None:
    toy = await serve(route(r"/door", DoorHandler), secure=True)
    reply = await toy.caller().call("PUT", "/door", body=b"")
    session, proof = sorted(reply.headers.get_list("Set-Cookie"), key=lambda it: "csrf" in it)
    assert session.startswith("daibiao_session=deputy;")
    for flag in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=3600"):
        assert flag in session
    assert "HttpOnly" not in proof
    assert "Secure" in proof
    assert toy.web.csrf.token("deputy") in proof
    assert "max-age" in reply.headers["Strict-Transport-Security"]
