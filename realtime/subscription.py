"""One client on one channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from realtime.broker import ClientInfo, Publication
from realtime.codes import End
from realtime.policy import Policy
from realtime.render import Variant

if TYPE_CHECKING:
    from realtime.connection import Connection

MAX_BUFFERED = 1000
"""Publications kept for a client that is still joining; more, and it must start anew."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One client on one channel; compared by identity.

    Attributes:
        variant: What it must be sent; changes once when a delta subscription has its first base.
        server_side: Attached by the server: the client cannot leave it nor come back to it alone.
        offset: Last publication it holds; only watched while ``positioned``.
        expire_at: Seconds since 1970, 0 for never.
        joining: Publications that arrived while history is being read, or ``None`` once live.
        revoked: Why it must end as soon as it is live.
    """

    connection: Connection
    channel: str
    policy: Policy
    info: ClientInfo
    variant: Variant
    server_side: bool = False
    positioned: bool = False
    offset: int = 0
    expire_at: float = 0
    joining: list[tuple[Publication, str]] | None = field(default_factory=list)
    overrun: bool = False
    revoked: End | None = None

    def keep(self, publication: Publication, epoch: str) -> None:
        """Note what arrives before the subscription is live."""
        if self.joining is None or not self.positioned:
            return
        if len(self.joining) < MAX_BUFFERED:
            self.joining.append((publication, epoch))
        else:
            self.overrun = True
