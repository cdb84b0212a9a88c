"""Tokens (JWT) for connections and subscriptions: who says so, for how long, and what else.

Only the algorithms of the keys that are configured are accepted; a token never chooses.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson

HMAC = ("HS256", "HS384", "HS512")
LEEWAY = 0


class BadToken(Exception):
    """It is not ours, or does not say what it must."""


class TokenExpired(BadToken):
    """It was ours, and its time is over."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key and the algorithms it may be used with; ``kid`` empty matches every token."""

    material: Any
    algorithms: Sequence[str]
    kid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says, checked.

    Attributes:
        user: ``sub``.
        channel: Of a subscription token.
        info: JSON text from ``info`` or ``b64info``.
        exp: Until when the token may be presented; 0 for ever.
        expire_at: Until when what it grants lasts; 0 for ever.
        channels: Server-side subscriptions: channel to options, ``info``/``data`` among them.
        override: Channel options of a subscription token.
        meta: Only for the server.
    """

    user: str = ""
    channel: str = ""
    info: bytes = b""
    exp: float = 0
    expire_at: float = 0
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    override: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


def hmac_keys(secret: str, previous: str = "") -> tuple[Key, ...]:
    """Answer the keys for shared secrets; the previous one still counts while rotating."""
    return tuple(Key(one.encode(), HMAC) for one in (secret, previous) if one)


def pem_key(pem: bytes, algorithms: Sequence[str]) -> Key:
    """Answer a public key in PEM for RS*, ES* or EdDSA.

    Raises:
        ValueError: An HMAC algorithm is named: a public key is no secret.
    """
    if set(algorithms) & set(HMAC):
        raise ValueError("a public key cannot sign with HMAC")
    return Key(pem, tuple(algorithms))


def jwks_keys(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """Answer the public keys of a JWKS document; keys of unknown kinds are left out."""
    return tuple(
        Key(one.key, (one.algorithm_name,), one.key_id or "")
        for one in jwt.PyJWKSet.from_dict(dict(document)).keys
        if one.key_type != "oct" and one.algorithm_name not in HMAC
    )


class Verifier:
    """Checks tokens against a set of keys."""

    def __init__(
        self,
        keys: Sequence[Key],
        *,
        clock: Callable[[], float],
        audience: str = "",
        issuer: str = "",
    ) -> None:
        self._keys = tuple(keys)
        self._clock = clock
        self._audience = audience
        self._issuer = issuer

    def connection(self, token: str) -> Claims:
        """Read a connection token.

        Raises:
            TokenExpired: Its time is over.
            BadToken: It is not ours, or is for a channel.
        """
        claims = self._read(token)
        if "channel" in claims:
            raise BadToken("a subscription token")
        return _claims(claims)

    def subscription(self, token: str) -> Claims:
        """Read a subscription token.

        Raises:
            TokenExpired: Its time is over.
            BadToken: It is not ours, or names no channel.
        """
        claims = self._read(token)
        if not isinstance(claims.get("channel"), str):
            raise BadToken("no channel")
        return _claims(claims)

    def _read(self, token: str) -> dict[str, Any]:
        claims = self._decode(token)
        now = self._clock()
        # The clock is injected, so that a test can let a token grow old.
        for name in ("exp", "nbf", "iat", "expire_at"):
            if name in claims and not _is_number(claims[name]):
                raise BadToken(f"{name} is not a number")
        if "exp" in claims and claims["exp"] + LEEWAY <= now:
            raise TokenExpired
        if "nbf" in claims and claims["nbf"] > now + LEEWAY:
            raise BadToken("not yet valid")
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise BadToken("no token") from error
        kid, algorithm = header.get("kid", ""), header.get("alg")
        for key in self._keys:
            if algorithm not in key.algorithms or (key.kid and kid and key.kid != kid):
                continue
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key.material,
                    algorithms=list(key.algorithms),
                    audience=self._audience or None,
                    issuer=self._issuer or None,
                    options={
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                        "verify_aud": bool(self._audience),
                        "verify_sub": False,
                        "verify_jti": False,
                    },
                )
            except jwt.PyJWTError:
                continue
            return claims
        raise BadToken("not ours")


def _claims(raw: Mapping[str, Any]) -> Claims:
    user = raw.get("sub", "")
    if not isinstance(user, str):
        raise BadToken("sub is not a string")
    exp = raw.get("exp", 0)
    subs = raw.get("subs", {})
    channels = raw.get("channels", [])
    if not isinstance(subs, dict) or not isinstance(channels, list):
        raise BadToken("bad channels")
    attached: dict[str, Mapping[str, Any]] = {str(channel): {} for channel in channels}
    attached |= {channel: options or {} for channel, options in subs.items()}
    return Claims(
        user=user,
        channel=raw.get("channel", ""),
        info=embedded(raw, "info"),
        exp=exp,
        # The life of what is granted follows the token unless it is set apart.
        expire_at=raw.get("expire_at", exp),
        channels=attached,
        override=_mapping(raw.get("override")),
        meta=_mapping(raw.get("meta")),
    )


def embedded(raw: Mapping[str, Any], name: str) -> bytes:
    """Answer the payload under ``name``, or base 64 under ``b64<name>``, or nothing.

    Raises:
        BadToken: It is not base 64.
    """
    if coded := raw.get(f"b64{name}"):
        try:
            return base64.b64decode(coded, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise BadToken(f"b64{name} is not base 64") from error
    return orjson.dumps(raw[name]) if raw.get(name) is not None else b""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
