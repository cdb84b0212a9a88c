"""What every service of a login needs from outside, in one bag."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.clock import Clock, NewId
from domain.identity.policy import LoginPolicy
from domain.identity.tokens import NewToken, new_token
from domain.ports import AuditLog, Bus


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Ports, time and randomness.

    Attributes:
        make_token: Makes secrets.
        timer: Seconds on a clock that never jumps; ages what a process remembers.
    """

    bus: Bus
    audit: AuditLog
    clock: Clock
    new_id: NewId
    policy: LoginPolicy = field(default_factory=LoginPolicy)
    make_token: NewToken = new_token
    timer: Callable[[], float] = time.monotonic
