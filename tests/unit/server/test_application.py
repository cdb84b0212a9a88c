"""The hub does not start with an endpoint that says nothing about who may call it."""

from __future__ import annotations

import pytest
from tornado.web import RequestHandler

from handlers.base import ApiHandler
from handlers.operation import PUBLIC, operation
from handlers.routing import Routes, route
from server.application import ROUTES, Undeclared, audit


class Good(ApiHandler):
    @operation(PUBLIC)
    async def get(self, thing: str) -> None:
        """Show a thing."""


class Forgotten(Good):
    async def post(self, thing: str) -> None:
        """Change a thing, and forget to say who may."""


class Silent(ApiHandler):
    @operation(PUBLIC)
    async def get(self) -> None: ...


class Foreign(RequestHandler):
    def get(self) -> None:
        """Answer something."""


class Empty(ApiHandler):
    """Answers nothing."""


THING = r"/things/(?P<thing>[a-z]+)"


def test_a_declared_endpoint_passes() -> None:
    audit([route(THING, Good)])


@pytest.mark.parametrize(
    ("pattern", "handler", "complaint"),
    [
        (THING, Forgotten, "Forgotten.post is not declared"),
        (r"/x", Foreign, "Foreign.get is not declared"),
        (r"/x", Silent, "Silent.get has no docstring"),
        (r"/x", Empty, "Empty answers no method"),
        (r"/things/(?P<other>[a-z]+)", Good, "does not take the groups"),
        (r"/things", Good, "does not take the groups"),
    ],
)
def test_what_is_not_declared_keeps_the_hub_from_starting(pattern, handler, complaint) -> None:
    with pytest.raises(Undeclared, match=complaint):
        audit([route(pattern, handler)])


def test_every_endpoint_of_the_hub_is_declared_and_no_address_is_claimed_twice() -> None:
    audit(ROUTES)
    assert len(Routes(ROUTES).all) == len(ROUTES)
