"""The authority that goes by namespace options and tokens, in the order Centrifugo decides.

The product does not use it: there the domain decides (``realtime.authority``). It serves clients
of other systems that bring their own tokens, and the conformance profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from realtime import codes
from realtime.authority import Ask, Grant, Identity
from realtime.policy import Policies, Policy, namespace_of, user_list
from realtime.tokens import BadToken, Claims, TokenExpired, Verifier, embedded

_FLAGS = {
    "presence": "presence",
    "join_leave": "join_leave",
    "force_recovery": "force_recovery",
    "force_positioning": "force_positioning",
    "force_push_join_leave": "force_join_leave",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What clients may do in a namespace without a token that says so."""

    subscribe: bool = False
    publish: bool = False
    publish_subscribed: bool = False
    presence: bool = False
    presence_subscribed: bool = False
    history: bool = False
    history_subscribed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The rules of a whole installation.

    Attributes:
        insecure: Nobody needs a token and everything is allowed. Never in production.
        anonymous: Clients without a token are let in, with what ``leave`` gives.
        personal: Attach everybody's personal channel ``#<user>``, in this namespace; ``None`` for
            none.
    """

    insecure: bool = False
    anonymous: bool = False
    personal: str | None = None
    leave: Mapping[str, Leave] = field(default_factory=dict)


class ClaimsAuthority:
    """See ``Authority``."""

    def __init__(self, policies: Policies, verifier: Verifier, house: House) -> None:
        self._policies = policies
        self._verifier = verifier
        self._house = house

    def policy(self, channel: str) -> Policy | None:
        """Answer the options of a channel."""
        return self._policies.find(channel)

    async def connect(self, ask: Ask) -> Identity:
        """Read the connection token."""
        if self._house.insecure:
            return Identity()
        if not ask.token:
            if self._house.anonymous:
                return Identity()
            raise codes.HangUp(codes.BAD_PROTOCOL)
        try:
            claims = self._verifier.connection(ask.token)
            channels = {name: self._attached(name, one) for name, one in claims.channels.items()}
        except TokenExpired as error:
            raise codes.Refused(codes.TOKEN_EXPIRED) from error
        except BadToken as error:
            raise codes.HangUp(codes.INVALID_TOKEN) from error
        if claims.user and self._house.personal is not None:
            prefix = f"{self._house.personal}:" if self._house.personal else ""
            channels.setdefault(f"{prefix}#{claims.user}", Grant())
        return Identity(
            user=claims.user,
            info=claims.info,
            expire_at=claims.expire_at,
            channels=channels,
            subject=claims.meta,
        )

    async def refresh(self, identity: Identity, token: str) -> Identity:
        """Read a fresh connection token of the same user."""
        if self._house.insecure:
            return identity
        try:
            claims = self._verifier.connection(token)
        except TokenExpired as error:
            raise codes.HangUp(codes.CONNECTION_EXPIRED) from error
        except BadToken as error:
            raise codes.HangUp(codes.INVALID_TOKEN) from error
        if claims.user != identity.user:
            raise codes.HangUp(codes.INVALID_TOKEN)
        return replace(identity, info=claims.info, expire_at=claims.expire_at)

    async def subscribe(self, identity: Identity, channel: str, token: str, data: bytes) -> Grant:
        """Unknown namespace 102, ``$`` without token 103, token, ``#`` list, options, else 103."""
        policy = self._policies.find(channel)
        if policy is None:
            raise codes.Refused(codes.UNKNOWN_CHANNEL)
        if self._house.insecure:
            return Grant()
        if token:
            return self._by_token(identity, channel, token, policy)
        users = user_list(channel)
        private = channel.startswith("$")
        if not private and users is not None and identity.user and identity.user in users:
            return Grant()
        if not private and users is None and self._leave(channel).subscribe:
            return Grant()
        raise codes.Refused(codes.PERMISSION_DENIED)

    async def sub_refresh(self, identity: Identity, channel: str, token: str) -> Grant:
        """Read a fresh subscription token."""
        policy = self._policies.find(channel) or Policy()
        return self._by_token(identity, channel, token, policy)

    async def recheck(self, identity: Identity, channel: str) -> bool:
        """A token counts until it runs out; revocation is a word of the server API."""
        return True

    async def publish(
        self, identity: Identity, channel: str, data: bytes, *, subscribed: bool
    ) -> bytes | None:
        """Anybody, or subscribers, by option; what they send goes out as it is."""
        leave = self._leave(channel)
        self._require(leave.publish or (subscribed and leave.publish_subscribed))
        return data

    async def presence(self, identity: Identity, channel: str, *, subscribed: bool) -> None:
        """Anybody, or subscribers, by option."""
        leave = self._leave(channel)
        self._require(leave.presence or (subscribed and leave.presence_subscribed))

    async def history(self, identity: Identity, channel: str, *, subscribed: bool) -> None:
        """Anybody, or subscribers, by option."""
        leave = self._leave(channel)
        self._require(leave.history or (subscribed and leave.history_subscribed))

    async def rpc(self, identity: Identity, method: str, data: bytes) -> bytes:
        """There is no application behind this."""
        raise codes.Refused(codes.NOT_AVAILABLE)

    async def send(self, identity: Identity, data: bytes) -> None:
        """There is nobody to take it."""
        raise codes.HangUp(codes.NO_HANDLER)

    def _require(self, allowed: bool) -> None:  # noqa: FBT001 - one question, asked in one place
        if not (allowed or self._house.insecure):
            raise codes.Refused(codes.PERMISSION_DENIED)

    def _leave(self, channel: str) -> Leave:
        return self._house.leave.get(namespace_of(channel), Leave())

    def _by_token(self, identity: Identity, channel: str, token: str, policy: Policy) -> Grant:
        try:
            claims = self._verifier.subscription(token)
        except TokenExpired as error:
            raise codes.Refused(codes.TOKEN_EXPIRED) from error
        except BadToken as error:
            raise codes.Refused(codes.PERMISSION_DENIED) from error
        if claims.channel != channel or claims.user != identity.user:
            raise codes.HangUp(codes.INVALID_TOKEN)
        return Grant(
            chan_info=claims.info,
            expire_at=claims.expire_at,
            policy=_overridden(policy, claims),
        )

    def _attached(self, channel: str, options: Mapping[str, Any]) -> Grant:
        policy = self._policies.find(channel)
        if policy is None or not isinstance(options, dict):
            raise BadToken("unknown channel")
        override = options.get("override")
        return Grant(
            chan_info=embedded(options, "info"),
            data=embedded(options, "data"),
            policy=_overridden(policy, Claims(override=override or {})),
        )


def _overridden(policy: Policy, claims: Claims) -> Policy | None:
    """Answer the channel's options with those of the token, or ``None`` if it has none."""
    changes: dict[str, Any] = {
        _FLAGS[name]: bool(setting.get("value"))
        for name, setting in claims.override.items()
        if name in _FLAGS and isinstance(setting, dict)
    }
    return replace(policy, **changes) if changes else None
