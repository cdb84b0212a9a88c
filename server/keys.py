"""Integration keys as the settings know them; the ring is filled up by ``domain.integrations``."""

from __future__ import annotations

from domain.clock import Clock
from domain.key_ring import KeyParts, KeyRing
from server.config import Settings


def key_ring(settings: Settings, *, clock: Clock) -> KeyRing:
    """Answer a ring with the keys an operator said, and with whom a key would be of use."""
    set_up = {
        "iflytek": bool(settings.iflytek.base_url),
        "server_api": True,
        "sms": bool(settings.sms.base_url),
        "wechat": bool(settings.wechat.app_id),
        "wechat_messages": bool(settings.wechat.app_id),
    }
    return KeyRing(
        said_keys(settings), [name for name, there in set_up.items() if there], clock=clock
    )


def said_keys(settings: Settings) -> dict[str, KeyParts]:
    """Answer the keys that an operator said, by consumer; what was not said is left out."""
    wechat, sms = settings.wechat, settings.sms
    said = {
        "iflytek": {"api_secret": settings.iflytek.api_secret},
        "server_api": {"key": settings.realtime.api_key},
        "sms": {"key": sms.key},
        "wechat": {"secret": wechat.app_secret},
        "wechat_messages": {"token": wechat.token, "aes_key": wechat.aes_key},
    }
    opened = {
        consumer: {name: part.get_secret_value() for name, part in parts.items()}
        for consumer, parts in said.items()
    }
    opened["iflytek"] = {"api_key": settings.iflytek.api_key, **opened["iflytek"]}
    opened["sms"] = {"secret_id": sms.secret_id, **opened["sms"]}
    # Without the first secret part nothing was said; an empty further part is a choice.
    leading = {
        "iflytek": "api_secret",
        "server_api": "key",
        "sms": "key",
        "wechat": "secret",
        "wechat_messages": "token",
    }
    return {name: parts for name, parts in opened.items() if parts[leading[name]]}
