"""Addresses are found in constant time, and two handlers never claim the same one."""

from __future__ import annotations

import pytest
from tornado.web import RequestHandler

from handlers.routing import Routes, route

ID = r"(?P<id>[0-9A-Z]{26})"
ULID = "01HV0000000000000000000000"


def found(routes: Routes, path: str) -> tuple[str, dict[str, bytes]] | None:
    hit = routes.match(path)
    return (hit[0].template, dict(hit[1])) if hit else None


ROUTES = Routes(
    [
        route(r"/api/v1/people", RequestHandler),
        route(r"/api/v1/people/me", RequestHandler),
        route(rf"/api/v1/people/{ID}", RequestHandler),
        route(rf"/api/v1/people/{ID}/grants/(?P<role>(?:a|b)+)", RequestHandler),
        route(r"/assets/(?P<name>[^/]+)", RequestHandler),
        route(r"/(?P<any>[a-z]+)\.txt", RequestHandler),
    ]
)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/v1/people", ("/api/v1/people", {})),
        ("/api/v1/people/me", ("/api/v1/people/me", {})),
        (f"/api/v1/people/{ULID}", ("/api/v1/people/{id}", {"id": ULID.encode()})),
        (
            f"/api/v1/people/{ULID}/grants/ab",
            ("/api/v1/people/{id}/grants/{role}", {"id": ULID.encode(), "role": b"ab"}),
        ),
        ("/assets/%E4%B8%AD.css", ("/assets/{name}", {"name": "中.css".encode()})),
        ("/robots.txt", ("/{any}.txt", {"any": b"robots"})),
        ("/api/v1/people/", None),
        ("/api/v1/people/xyz", None),
        (f"/api/v1/people/{ULID}/grants/c", None),
        ("/assets/a/b", None),
        ("", None),
        ("/", None),
        ("/" * 500, None),
    ],
)
def test_a_path_finds_its_route(path: str, answer: tuple[str, dict[str, bytes]] | None) -> None:
    assert found(ROUTES, path) == answer


def test_two_routes_cannot_claim_the_same_address() -> None:
    with pytest.raises(ValueError, match="two routes claim"):
        Routes([route(rf"/x/{ID}", RequestHandler), route(r"/x/(?P<n>\d+)", RequestHandler)])
