"""Making an administrator from the command line, beside a running hub or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

from domain.identity.first_admin import Created
from server.assembly import build
from server.config import Settings
from server.ground import lay
from server.neighbours import reach


async def create_admin(settings: Settings, name: str, login: str, *, force: bool) -> Created:
    """Make an administrator, with a password and an authenticator that are shown once.

    Raises:
        Conflict: There is one already and ``force`` was not said, or the login name is taken.
    """
    async with AsyncExitStack() as stack:
        ground = await lay(settings, stack, join=True)
        services = build(ground, reach(ground, stack))
        return await services.identity.first_admin.create(name, login, force=force)


def told(created: Created) -> Iterator[str]:
    """Yield what the command prints; none of it is kept anywhere."""
    yield f"login name: {created.login_name}"
    yield f"password, to be changed at the first login: {created.password}"
    yield f"for the authenticator app: {created.totp_uri}"
