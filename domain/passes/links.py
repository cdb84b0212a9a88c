"""The one address in which a code travels, and what else of ours an address may be.

``<origin>/h5/#/scan?code=<code>`` stands in every picture that a stranger's scanner may read: the
camera of a phone or WeChat opens the page, which hands the code in; our own scanner takes the code
out and opens nothing. An address of somebody else's is never followed.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode, urlsplit

from domain.identity.wechat_login import H5

SCAN = "/scan"
"""Page of the H5 at which a phone hands a code in."""

# Pages that only show something: one that takes a ticket or a code is never opened from a picture.
_ROUTE = re.compile(
    r"/(meetings|notices|papers)/[0-9A-Z]{26}(/[a-z-]{1,32})?(\?gate=[0-9A-Za-z_-]{0,16})?"
)


class Links:
    """Knows the addresses of this hub."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def to(self, code: str) -> str:
        """Answer the address of the page at which a phone hands a code in."""
        return self.page(f"{SCAN}?code={code}")

    def page(self, route: str) -> str:
        """Answer the address of a page of the H5."""
        return f"{self._origin}{H5}#{route}"

    def ticket(self, page: str, meeting_id: str, token: str) -> str:
        """Answer the address that lets a device in: what follows the hash stays in its browser."""
        return f"{self._origin}/{page}/#{urlencode({'m': meeting_id, 't': token})}"

    def bare(self, text: str) -> str:
        """Answer the code inside an address of ours, or the text itself."""
        text = text.strip()
        if not text.startswith(f"{self._origin}/"):
            return text
        # Pages keep their place behind the hash.
        try:
            parts = urlsplit(text)
            query = parts.fragment.partition("?")[2] or parts.query
            return (parse_qs(query).get("code") or [text])[0]
        except ValueError:
            # Too many fields, or brackets where none belong: no address that we have made.
            return text

    def route(self, text: str) -> str | None:
        """Answer which page of the H5 an address of ours opens, or ``None`` if it is none."""
        start = f"{self._origin}{H5}#"
        route = text.strip().removeprefix(start)
        if not text.strip().startswith(start) or not _ROUTE.fullmatch(route):
            return None
        return route
