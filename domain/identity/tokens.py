"""Secrets that a machine keeps for a person: made of 32 random bytes, stored only as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

NewToken = Callable[[], str]
"""Answers a fresh secret: 32 random bytes as 43 characters of base64url."""


def new_token() -> str:
    """Answer a fresh secret from the machine's randomness."""
    return secrets.token_urlsafe(32)


def fingerprint(token: str) -> str:
    """Answer what is stored in the place of a secret: its SHA-256 in hex.

    No key and no salt are needed: nobody guesses 256 random bits.
    """
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
