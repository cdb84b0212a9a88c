"""Codes of the protocol: errors in replies, and why subscriptions and connections end.

Close codes 3000–3499 and 4000–4499 make an SDK come back, 3500–3999 and 4500–4999 make it stop;
unsubscribe codes from 2500 on make it subscribe again. A reason is a short ASCII word that is not
JSON: an SDK believes a terminal code only with a reason, and a close frame holds 123 bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from realtime.codec.messages import Error


class End(NamedTuple):
    """Why something ended."""

    code: int
    reason: str


# Replies.
INTERNAL: Final = Error(100, "internal server error", temporary=True)
UNAUTHORIZED: Final = Error(101, "unauthorized")
UNKNOWN_CHANNEL: Final = Error(102, "unknown channel")
PERMISSION_DENIED: Final = Error(103, "permission denied")
METHOD_NOT_FOUND: Final = Error(104, "method not found")
ALREADY_SUBSCRIBED: Final = Error(105, "already subscribed")
LIMIT_EXCEEDED: Final = Error(106, "limit exceeded")
BAD_REQUEST: Final = Error(107, "bad request")
NOT_AVAILABLE: Final = Error(108, "not available")
TOKEN_EXPIRED: Final = Error(109, "token expired")
EXPIRED: Final = Error(110, "expired")
TOO_MANY_REQUESTS: Final = Error(111, "too many requests", temporary=True)
UNRECOVERABLE: Final = Error(112, "unrecoverable position")
CONFLICT: Final = Error(113, "conflict")

# A subscription ends.
UNSUBSCRIBED: Final = End(2000, "server unsubscribe")
INSUFFICIENT: Final = End(2500, "insufficient state")
SUBSCRIPTION_EXPIRED: Final = End(2501, "subscription expired")
STATE_INVALIDATED: Final = End(2502, "state invalidated")

# A connection ends, and the client comes back.
CLOSED: Final = End(3000, "connection closed")
SHUTDOWN: Final = End(3001, "shutdown")
SERVER_ERROR: Final = End(3004, "internal server error")
CONNECTION_EXPIRED: Final = End(3005, "connection expired")
SUBSCRIPTION_ENDED: Final = End(3006, "subscription expired")
SLOW: Final = End(3008, "slow")
WRITE_ERROR: Final = End(3009, "write error")
INSUFFICIENT_STATE: Final = End(3010, "insufficient state")
RECONNECT: Final = End(3011, "force reconnect")
NO_PONG: Final = End(3012, "no pong")
FLOODING: Final = End(3013, "too many requests")
INVALIDATED: Final = End(3014, "state invalidated")

# A connection ends for good.
INVALID_TOKEN: Final = End(3500, "invalid token")
BAD_PROTOCOL: Final = End(3501, "bad request")
STALE: Final = End(3502, "stale")
DISCONNECTED: Final = End(3503, "force disconnect")
CONNECTION_LIMIT: Final = End(3504, "connection limit")
CHANNEL_LIMIT: Final = End(3505, "channel limit")
WRONG_PROTOCOL: Final = End(3506, "inappropriate protocol")
NO_PERMISSION: Final = End(3507, "permission denied")
NO_HANDLER: Final = End(3508, "not available")
SUSPENDED: Final = End(4501, "suspended")
REPLACED: Final = End(4502, "replaced")


def presentable(reason: str) -> bool:
    """Tell whether a reason may go into a close frame: short, ASCII, and not JSON."""
    return 0 < len(reason) <= 123 and reason.isascii() and reason.isprintable() and _is_word(reason)


def _is_word(reason: str) -> bool:
    # SDKs read a reason that begins like JSON as advice of an older protocol.
    return reason[0].isalpha() and reason not in {"true", "false", "null"}


class Refused(Exception):
    """A command is answered with an error; the connection lives on."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class HangUp(Exception):
    """The connection must end."""

    def __init__(self, end: End) -> None:
        super().__init__(end.reason)
        self.end = end
