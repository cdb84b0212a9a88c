"""Passwords and PINs: hashed with argon2id, off the event loop, a few at a time.

A verification takes tens of milliseconds and 64 MiB on purpose. More than ``waiting`` at once are
refused: a flood of logins must not eat the machine.
"""

from __future__ import annotations

import asyncio
import secrets
import string
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import Invalid, RateLimited

T = TypeVar("T")

_CLASSES: tuple[Callable[[str], bool], ...] = (
    str.islower,
    str.isupper,
    str.isdigit,
    lambda c: not c.isalnum(),
)


class Hasher:
    """Hashes and verifies secrets that people remember.

    Args:
        workers: Verifications at once.
        waiting: Verifications that may wait; the next one is refused.
        hasher: The parameters of argon2; lighter ones are for tests.
    """

    def __init__(
        self, *, workers: int = 2, waiting: int = 64, hasher: PasswordHasher | None = None
    ) -> None:
        self._argon2 = hasher or PasswordHasher(parallelism=1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._room = workers + waiting
        # Verified where there is no account, so that it takes the same time as if there were one.
        self._decoy = self._argon2.hash(secrets.token_hex(16))

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, secret: str) -> str:
        """Answer the hash to keep.

        Raises:
            RateLimited: Too many others are waiting.
        """
        return await self._run(lambda: self._argon2.hash(_normal(secret)))

    async def verify(self, kept: str | None, secret: str) -> bool:
        """Tell whether a secret is the one that was hashed; without a hash, after the same time.

        Raises:
            RateLimited: Too many others are waiting.
        """
        return await self._run(lambda: self._verify(kept, secret))

    def outdated(self, kept: str) -> bool:
        """Tell whether a hash was made with weaker parameters than today's."""
        return self._argon2.check_needs_rehash(kept)

    def _verify(self, kept: str | None, secret: str) -> bool:
        try:
            self._argon2.verify(kept or self._decoy, _normal(secret))
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room <= 0:
            raise RateLimited("登录人数过多，请稍后再试", retry_after=2)
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._room += 1


def require_strong(password: str, *, login_name: str) -> None:
    """Do nothing if a password is at least ten characters of three classes, and not the name.

    The rule is the one 等保 (GB/T 22239) asks for, with two characters more.

    Raises:
        Invalid: It is not.
    """
    plain = _normal(password)
    kinds = sum(any(kind(c) for c in plain) for kind in _CLASSES)
    if len(plain) < 10 or kinds < 3:
        raise Invalid("密码至少 10 位，并含大写、小写、数字、符号中的三类", field="new_password")
    if login_name and login_name.lower() in plain.lower():
        raise Invalid("密码不能包含登录名", field="new_password")


def generate() -> str:
    """Answer a password that a person can type from paper: 20 characters, about 100 bits."""
    alphabet = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")
    while True:
        password = "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))
        if sum(any(kind(c) for c in password) for kind in _CLASSES) == 4:
            return password


def _normal(secret: str) -> str:
    # The same keys typed on another machine may arrive in another Unicode form.
    return unicodedata.normalize("NFKC", secret)
