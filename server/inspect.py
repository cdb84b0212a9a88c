"""``realtime info|channels|kick``: ask a running hub who is connected, through its server API.

Works from any machine that reaches the hub and holds ``HUB_REALTIME__API_KEY``; the answer covers
every process that meets in the same Redis.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from server.config import Settings

_PATIENCE = 15.0
"""Seconds: a hub that one has to look into may be a busy one."""
_UNAUTHORIZED = 401
_MOST_ROWS = 1000


class NotAnswered(Exception):
    """The hub could not be asked; the sentence says why."""


class Inspector:
    """Asks one hub."""

    def __init__(self, url: str, key: str) -> None:
        """Keep where the hub is.

        Raises:
            NotAnswered: There is no key, or the address is none.
        """
        if not url.startswith(("http://", "https://")):
            raise NotAnswered(f"{url} is not an http address")
        if not key:
            raise NotAnswered("HUB_REALTIME__API_KEY is not set: the server API is closed without")
        self._url = url.rstrip("/")
        self._key = key

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Answer what a method of the server API answers.

        Raises:
            NotAnswered: The hub does not answer, or refuses.
        """
        request = urllib.request.Request(  # noqa: S310 - checked above
            f"{self._url}/api/{method}",
            orjson.dumps(params),
            {"X-API-Key": self._key, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as reply:  # noqa: S310
                answer: dict[str, Any] = orjson.loads(reply.read())
        except urllib.error.HTTPError as refusal:
            refusal.close()
            raise NotAnswered(self._refused(refusal.code)) from refusal
        except (OSError, HTTPException) as error:
            raise NotAnswered(
                f"{self._url} does not answer: {getattr(error, 'reason', error)}"
            ) from error
        except orjson.JSONDecodeError as error:
            raise NotAnswered(f"{self._url} is not a hub: its answer is no JSON") from error
        if "error" in answer:
            raise NotAnswered(f"the hub refuses: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _refused(self, status: int) -> str:
        if status == _UNAUTHORIZED:
            return f"{self._url} does not accept the key in HUB_REALTIME__API_KEY"
        return (
            f"{self._url} has no server API (status {status}); "
            "is HUB_REALTIME__API_KEY set there too?"
        )

    def processes(self) -> Table:
        """Answer a table of the processes, and what each carries."""
        table = Table("process", "version", "clients", "people", "subscriptions", "channels", "up")
        fields = ("num_clients", "num_users", "num_subs", "num_channels")
        for node in sorted(self.ask("info")["nodes"], key=lambda node: str(node["uid"])):
            numbers = (str(node[field]) for field in fields)
            table.add_row(node["uid"], node["version"], *numbers, _span(node["uptime"]))
        return table

    def channels(self, pattern: str) -> Table:
        """Answer a table of the channels somebody listens on, the fullest first."""
        found = self.ask("channels", pattern=pattern)["channels"]
        table = Table("channel", "clients")
        fullest = sorted(found.items(), key=lambda row: (-row[1]["num_clients"], row[0]))
        for channel, row in fullest[:_MOST_ROWS]:
            table.add_row(channel, str(row["num_clients"]))
        if len(fullest) > _MOST_ROWS:
            table.caption = f"{len(fullest) - _MOST_ROWS} more"
        return table

    def listeners(self, channel: str) -> Table:
        """Answer a table of who is on a channel that keeps presence."""
        table = Table("client", "user")
        there = self.ask("presence", channel=channel)["presence"]
        for client, info in sorted(there.items(), key=lambda row: (row[1].get("user", ""), row[0])):
            table.add_row(client, info.get("user", ""))
        return table

    def kick(self, user: str, *, code: int, reason: str) -> None:
        """Close every connection of a user, on every process."""
        self.ask("disconnect", user=user, disconnect={"code": code, "reason": reason})


def show(table: Table) -> None:
    """Print a table; as wide as it needs to be where nobody looks at it on a screen."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def run(
    settings: Settings,
    url: str,
    work: Callable[[Inspector], None],
    leave: Callable[[str], object],
) -> None:
    """Do something with the hub at an address, or say in one sentence why not."""
    host = settings.host if settings.host not in {"", "0.0.0.0", "::"} else "127.0.0.1"
    try:
        work(
            Inspector(
                url or f"http://{host}:{settings.port}",
                settings.realtime.api_key.get_secret_value(),
            )
        )
    except NotAnswered as refusal:
        leave(str(refusal))


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock
