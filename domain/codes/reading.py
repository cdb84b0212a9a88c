"""What a scanned text turns out to be: words and a page of ours; nothing is opened."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """Whether a code can be used now; the words are those of ``domain.checkins.scan.Result``."""

    OK = "ok"
    UNKNOWN = "unknown"
    """No code of ours."""
    BAD_SIGNATURE = "bad_signature"
    """It looks like one, and we did not make it, or its key is not believed any more."""
    EXPIRED_WINDOW = "expired_window"
    """It was good, and its time is over."""
    WRONG_MEETING = "wrong_meeting"
    REVOKED = "revoked"
    TAKEN = "taken"
    """A login at a PC that somebody else has scanned, or that is decided."""


class Action(StrEnum):
    """What the phone offers next."""

    NONE = "none"
    OPEN = "open"
    """Open ``page``."""
    CHECK_IN = "check_in"
    """Hand the code in at ``POST /api/v1/scans``."""
    CLAIM = "claim"
    """Hand the code in at ``POST /api/v1/scans/claims``, then log in."""
    SHOW = "show"
    """Show the code to the staff at the door."""
    SCAN = "scan"
    """The caller is of the staff: hand the code in as a scan at the door."""
    CONFIRM_LOGIN = "confirm_login"
    """Open ``page``, where a PC is let in or kept out."""
    BIND = "bind"
    """Open ``page``, where an account is bound."""
    LOG_IN = "log_in"
    """Log in, and come back to ``page``."""


class Fact(NamedTuple):
    """A line that is shown below the text."""

    label: str
    value: str


class Reading(NamedTuple):
    """What a code is and what to do next.

    Attributes:
        kind: Letter of the kind, ``page`` for an address of a page of ours, or empty.
        page: Where to go inside the H5: a route, never an address.
        shown: Of what is none of ours, the text itself, to be shown and never opened.
    """

    kind: str
    outcome: Outcome
    title: str
    text: str
    action: Action = Action.NONE
    page: str | None = None
    facts: tuple[Fact, ...] = ()
    shown: str = ""


_MOST_SHOWN = 200
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,30}:", re.IGNORECASE)


def stranger(text: str) -> Reading:
    """Explain a text that is no code of ours. It may be an address; it is shown and not opened."""
    # What cannot be printed could make an address look like another one.
    plain = "".join(char if char.isprintable() else " " for char in text[: 2 * _MOST_SHOWN])
    shown = plain.strip()[:_MOST_SHOWN]
    if _ADDRESS.match(shown) or shown.lower().startswith("www."):
        says = "这是其他网站或应用的地址，本系统不会打开。请勿轻信来源不明的二维码。"
    else:
        says = "这不是本系统的二维码，不能在这里使用。"
    return Reading("", Outcome.UNKNOWN, "不是本系统的二维码", says, shown=shown)


def forged() -> Reading:
    """Explain a text that looks like a code of ours and is none; which kind it says is no news."""
    return Reading(
        "",
        Outcome.BAD_SIGNATURE,
        "二维码无效",
        "此码不是本系统签发的，或者已被改动、已经作废。请向会务人员索取新的二维码。",
    )


def expired(kind: str, says: str, facts: tuple[Fact, ...] = ()) -> Reading:
    """Explain a code whose time is over."""
    return Reading(kind, Outcome.EXPIRED_WINDOW, "二维码已过期", says, facts=facts)


def wrong_meeting(kind: str) -> Reading:
    """Explain a code of another meeting than the one the caller has in front of them."""
    return Reading(kind, Outcome.WRONG_MEETING, "不是本次会议的二维码", "请核对会议后重新扫码。")


def masked(name: str) -> str:
    """Answer a name of which only the first character is to be read."""
    return name[:1] + "*" * min(4, max(1, len(name) - 1))
