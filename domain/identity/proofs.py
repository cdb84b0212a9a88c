"""The ways to prove who one is, and the lock that guards them all."""

from __future__ import annotations

from dataclasses import dataclass

from domain.identity.lockout import Lockout
from domain.identity.passwords import Hasher
from domain.identity.sms_codes import SmsCodes
from domain.identity.tickets import Tickets
from domain.identity.totp import Totp


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """What a login may be built from; sorted by name."""

    codes: SmsCodes
    hasher: Hasher
    lockout: Lockout
    tickets: Tickets
    totp: Totp
