"""Which features are on, for every client: ``/api/v1/flags``."""

from __future__ import annotations

from pydantic import BaseModel

from handlers.base import ApiHandler
from handlers.operation import PUBLIC, operation
from handlers.routing import route


class FlagsView(BaseModel):
    """Every feature that can be switched, by key; ``false`` means: do not offer it."""

    flags: dict[str, bool]


class FlagsHandler(ApiHandler):
    """``/api/v1/flags``."""

    @operation(PUBLIC)
    async def get(self) -> FlagsView:
        """Show which features are on; before the login too, for it is one of them.

        A change is announced as ``flag`` on the channel ``sys``.
        """
        states = await self.services.administration.flags.states()
        return FlagsView(flags={key: state.on for key, state in states.items()})


ROUTES = [route(r"/api/v1/flags", FlagsHandler)]
