"""The Centrifugo client protocol in its two spellings: parse and build, pure functions.

``JSON`` and ``PROTOBUF`` are the two codecs. A *payload* is what one or more encoded messages
make together; ``realtime.transport`` frames payloads for a kind of transport.
"""

from __future__ import annotations

from realtime.codec.json_lines import JSON
from realtime.codec.protobuf import PROTOBUF
from realtime.codec.spelling import BadMessage, Codec

__all__ = ["JSON", "PROTOBUF", "BadMessage", "Codec"]
