"""The ring of integration keys in force: asked without waiting, by gateways and doors.

``domain.integrations`` fills it; what an operator said in ``HUB_*`` wins over what was handed in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clock import Clock

KeyParts = Mapping[str, str]
"""A key by the names of its parts."""


class Consumer(NamedTuple):
    """Who uses a key.

    Attributes:
        about: What it is, as administrators read it.
        setting: The variable by which an operator says it instead.
        parts: Parts of the key, each with the shape it must have.
    """

    about: str
    setting: str
    parts: Mapping[str, str]


CONSUMERS: Mapping[str, Consumer] = {
    "iflytek": Consumer(
        "讯飞人脸比对密钥（APIKey、APISecret）",
        "HUB_IFLYTEK__API_SECRET",
        {"api_key": r"[0-9A-Za-z_-]{8,128}", "api_secret": r"[!-~]{8,256}"},
    ),
    "server_api": Consumer(
        "实时服务接口密钥（X-API-Key）",
        "HUB_REALTIME__API_KEY",
        {"key": r"[!-~]{16,256}"},
    ),
    "sms": Consumer(
        "短信服务密钥（腾讯云 SecretId、SecretKey）",
        "HUB_SMS__KEY",
        {"secret_id": r"[0-9A-Za-z_-]{8,128}", "key": r"[!-~]{8,256}"},
    ),
    "wechat": Consumer(
        "微信公众号 AppSecret",
        "HUB_WECHAT__APP_SECRET",
        {"secret": r"[!-~]{8,128}"},
    ),
    "wechat_messages": Consumer(
        "微信消息推送（Token、EncodingAESKey）",
        "HUB_WECHAT__TOKEN",
        {"token": r"[0-9A-Za-z]{3,32}", "aes_key": r"[0-9A-Za-z]{43}"},
    ),
}
"""Everybody who asks the ring for a key; sorted by name. Who does not ask is not offered one."""


class Kept(NamedTuple):
    """A key that was approved once; ``parts`` is ``None`` where it may not be used (any more)."""

    id: str
    consumer: str
    since: datetime
    overlap: timedelta
    parts: KeyParts | None


class KeyRing:
    """Answers which keys are in force.

    Args:
        said: What an operator said, by consumer.
        configured: Consumers whose neighbour is set up.
        clock: Tells when an overlap is over.
    """

    def __init__(
        self, said: Mapping[str, KeyParts], configured: Collection[str], *, clock: Clock
    ) -> None:
        self._said = dict(said)
        self.configured = frozenset(configured)
        self._clock = clock
        self._kept: Mapping[str, Sequence[tuple[Kept, datetime | None]]] = {}

    def load(self, kept: Sequence[Kept]) -> None:
        """Take the keys that were ever approved in place of those known so far."""
        rows: dict[str, list[tuple[Kept, datetime | None]]] = defaultdict(list)
        for one in sorted(kept, key=lambda it: (it.since, it.id), reverse=True):
            # A key ends when the overlap of the one that came after it is over.
            after = rows[one.consumer][-1][0] if rows[one.consumer] else None
            rows[one.consumer].append((one, after.since + after.overlap if after else None))
        self._kept = rows

    def accepted(self, consumer: str) -> Sequence[KeyParts]:
        """Answer every key in force, the newest first."""
        if consumer in self._said:
            return (self._said[consumer],)
        return [one.parts for one, _ in self._in_force(consumer) if one.parts is not None]

    def current(self, consumer: str) -> KeyParts:
        """Answer the key to use; empty if there is none."""
        accepted = self.accepted(consumer)
        return accepted[0] if accepted else {}

    def source(self, consumer: str) -> str:
        """Answer where the key in force comes from: ``setting``, ``kept`` or ``none``."""
        if consumer in self._said:
            return "setting"
        return "kept" if self.current(consumer) else "none"

    def ends(self, consumer: str) -> Mapping[str, datetime | None]:
        """Answer the ids of the kept keys in force, each with the end of its overlap."""
        if consumer in self._said:
            return {}
        return {one.id: end for one, end in self._in_force(consumer) if one.parts is not None}

    def _in_force(self, consumer: str) -> Sequence[tuple[Kept, datetime | None]]:
        now = self._clock()
        return [(one, end) for one, end in self._kept.get(consumer, ()) if end is None or now < end]
