"""The numbers of logging in: how long things last, how often they may be tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class LoginPolicy:
    """Limits of PRODUCT.md F01; an installation may be stricter.

    Attributes:
        idle: A session ends when nothing was asked for so long.
        absolute: A session ends after so long, whatever happens.
        seen_every: ``seen_at`` of a session is at most this much behind the truth.
        per_account: Sessions at once; a further login ends the one that was used least recently.
        tries: Wrong passwords, PINs, TOTP codes or SMS codes before the lock.
        lock: How long the lock holds.
        password_life: After so long a password must be changed; at the administrators' only.
        archive: How long the owner of an ended account may still read.
        step_up: How long a fresh proof of identity counts.
        oauth: How long somebody may take to come back from WeChat.
        ticket: How long a ticket for binding, enrolment or a password change is good.
        sms_code: How long an SMS code is good.
        qr: How long a code on a PC's screen waits to be scanned and confirmed.
    """

    idle: timedelta = timedelta(hours=12)
    absolute: timedelta = timedelta(days=30)
    seen_every: timedelta = timedelta(minutes=5)
    per_account: int = 10
    tries: int = 5
    lock: timedelta = timedelta(minutes=15)
    password_life: timedelta = timedelta(days=90)
    archive: timedelta = timedelta(days=90)
    step_up: timedelta = timedelta(minutes=5)
    oauth: timedelta = timedelta(minutes=10)
    ticket: timedelta = timedelta(minutes=15)
    sms_code: timedelta = timedelta(minutes=5)
    qr: timedelta = timedelta(seconds=120)
