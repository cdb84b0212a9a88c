"""Keeps C3 values: AES-256-GCM with a key that never enters the database, and blind look-up.

A sealed value is ``0x01 ‖ key id (4) ‖ nonce (12) ‖ ciphertext and tag``; the context is
authenticated with it, so a value copied to another person's document does not open. The key lives
in a file of mode 0600 in the data directory, or in a setting; without it the values are lost, so
the backup guide keeps it apart from the backup.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE = 12
_HEADER = 1 + 4 + _NONCE
KEY_BYTES = 32


class KeyRefused(RuntimeError):
    """A key cannot be used; the sentence says why."""


class KeyVault:
    """The port ``Vault`` over one or more master keys.

    Args:
        keys: Master keys of 32 bytes, newest first. Values are sealed with the newest and opened
            with whichever sealed them; the blind index always uses the oldest, so that look-ups
            survive a change of keys.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise KeyRefused("the vault needs a key")
        for key in keys:
            if len(key) != KEY_BYTES:
                raise KeyRefused(f"a vault key has {KEY_BYTES} bytes, this one {len(key)}")
        self._ciphers = {_key_id(key): AESGCM(_derive(key, b"seal")) for key in keys}
        self._newest = _key_id(keys[0])
        self._blind = _derive(keys[-1], b"blind")

    def seal(self, plain: str, *, context: str) -> bytes:
        """Encrypt a value; ``context`` is authenticated with it."""
        nonce = secrets.token_bytes(_NONCE)
        header = _VERSION + self._newest + nonce
        return header + self._ciphers[self._newest].encrypt(
            nonce, plain.encode(), header + context.encode()
        )

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt what ``seal`` made for the same context.

        Raises:
            ValueError: The value was altered, belongs to another context, or its key is not here.
        """
        header, body = sealed[:_HEADER], sealed[_HEADER:]
        cipher = self._ciphers.get(header[1:5])
        if header[:1] != _VERSION or cipher is None:
            raise ValueError("sealed with a key that is not here")
        try:
            return cipher.decrypt(header[5:], body, header + context.encode()).decode()
        except InvalidTag:
            raise ValueError("the sealed value was altered, or belongs elsewhere") from None

    def blind(self, plain: str, *, domain: str) -> str:
        """Answer a keyed hash, 64 hex digits, by which equal values of one domain can be found."""
        message = domain.encode() + b"\0" + plain.encode()
        return hmac.digest(self._blind, message, hashlib.sha256).hex()


def parse_key(text: str) -> bytes:
    """Read a master key from a setting: 64 hex digits, or base64 of 32 bytes.

    Raises:
        KeyRefused: It is neither.
    """
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyRefused("a vault key is 64 hex digits or the base64 of 32 bytes")
    return key


def key_from_file(path: Path) -> bytes:
    """Read the master key from ``path``, and make one there first if there is none.

    Raises:
        KeyRefused: Others may read the file, or it does not hold a key.
    """
    with contextlib.suppress(FileExistsError):
        _write_key(path, secrets.token_bytes(KEY_BYTES))
    if path.stat().st_mode & 0o077:
        raise KeyRefused(f"{path} must be readable by its owner only (chmod 600)")
    return parse_key(path.read_text())


def _write_key(path: Path, key: bytes) -> None:
    """Write a new key file whole or not at all: a half-written key would lock everybody out."""
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where another process was faster, and never replaces a key.
        os.link(draft, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        draft.unlink()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"daibiao key id\0" + key).digest()[:4]


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"daibiao " + purpose).derive(key)
