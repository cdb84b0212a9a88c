"""RFC 6455 frames, without sockets."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import frames
from realtime.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, BadFrame, FrameReader

MASK = b"\x37\xfa\x21\x3d"


def read(data: bytes, *, limit: int = 65_536) -> list[tuple[int, bytes]]:
    return list(FrameReader(limit=limit).feed(data))


def refusal(data: bytes, *, limit: int = 65_536) -> int:
    with pytest.raises(BadFrame) as caught:
        read(data, limit=limit)
    assert caught.value.reason
    return caught.value.code


def test_the_examples_of_rfc_6455_section_5_7():
    assert frames.frame(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frames.masked_frame(b"Hello", TEXT, MASK) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert read(bytes.fromhex("818537fa213d7f9f4d5158")) == [(TEXT, b"Hello")]
    client = FrameReader(limit=100, masked=False)
    assert list(client.feed(bytes.fromhex("010348656c80026c6f"))) == [(TEXT, b"Hello")]
    assert frames.frame(bytes(256), BINARY)[:4] == bytes.fromhex("827e0100")
    assert frames.frame(bytes(65_536), BINARY)[:10] == bytes.fromhex("827f0000000000010000")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 127, 65_535, 65_536, 70_001])
def test_every_length_form_comes_back(size):
    payload = bytes(n % 251 for n in range(size))
    assert read(frames.masked_frame(payload, BINARY, MASK), limit=100_000) == [(BINARY, payload)]
    peer = FrameReader(limit=100_000, masked=False)
    assert list(peer.feed(frames.frame(payload, BINARY))) == [(BINARY, payload)]


messages = st.lists(
    st.tuples(st.sampled_from([TEXT, PING]), st.text(max_size=30).map(str.encode)), max_size=6
)


@given(messages=messages, cuts=st.lists(st.integers(1, 40), max_size=60), data=st.data())
def test_any_cutting_of_the_stream_gives_the_same_messages(messages, cuts, data):
    stream, expected = b"", []
    for kind, payload in messages:
        expected.append((kind, payload))
        if kind == TEXT and data.draw(st.booleans()):
            middle = data.draw(st.integers(0, len(payload)))
            stream += frames.masked_frame(payload[:middle], TEXT, MASK, final=False)
            stream += frames.masked_frame(payload[middle:], CONTINUATION, MASK)
        else:
            stream += frames.masked_frame(payload, kind, MASK)
    reader, heard, at = FrameReader(limit=1_000), [], 0
    for cut in [*cuts, len(stream)]:
        heard += reader.feed(stream[at : at + cut])
        at += cut
    assert heard == expected


def test_a_ping_between_fragments_is_answered_before_the_message_is_whole():
    stream = (
        frames.masked_frame("代".encode()[:1], TEXT, MASK, final=False)
        + frames.masked_frame(b"?", PING, MASK)
        + frames.masked_frame("代".encode()[1:], CONTINUATION, MASK)
    )
    assert read(stream) == [(PING, b"?"), (TEXT, "代".encode())]


def test_what_came_before_a_broken_frame_is_still_heard():
    heard = FrameReader(limit=100).feed(frames.masked_frame(b"ok", TEXT, MASK) + b"\xff\x80")
    assert next(heard) == (TEXT, b"ok")
    with pytest.raises(BadFrame):
        next(heard)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(bytes.fromhex("c18537fa213d7f9f4d5158"), id="reserved bit"),
        pytest.param(b"\x83\x80" + MASK, id="unknown data opcode"),
        pytest.param(b"\x8b\x80" + MASK, id="unknown control opcode"),
        pytest.param(frames.frame(b"Hello"), id="not masked"),
        pytest.param(frames.masked_frame(b"", PING, MASK, final=False), id="fragmented ping"),
        pytest.param(frames.masked_frame(bytes(126), PING, MASK), id="long ping"),
        pytest.param(frames.masked_frame(b"x", CONTINUATION, MASK), id="nothing to continue"),
        pytest.param(
            frames.masked_frame(b"a", TEXT, MASK, final=False)
            + frames.masked_frame(b"b", TEXT, MASK),
            id="a new message inside another",
        ),
        pytest.param(b"GET / HTTP/1.1\r\n", id="not websocket at all"),
    ],
)
def test_a_breach_of_the_protocol_is_1002(broken):
    assert refusal(broken) == 1002


def test_text_that_is_not_utf_8_is_1007_even_across_fragments():
    assert refusal(frames.masked_frame(b"\xff", TEXT, MASK)) == 1007
    assert refusal(frames.masked_frame(b"\xed\xa0\x80", TEXT, MASK)) == 1007
    split = frames.masked_frame("代".encode()[:2], TEXT, MASK, final=False)
    assert refusal(split + frames.masked_frame(b"!", CONTINUATION, MASK)) == 1007


def test_a_message_over_the_limit_is_1009_as_soon_as_it_is_announced():
    assert refusal(frames.masked_frame(bytes(101), BINARY, MASK)[:14], limit=100) == 1009
    assert refusal(b"\x82\xff" + b"\xff" * 8 + MASK, limit=100) == 1009
    parts = frames.masked_frame(bytes(60), BINARY, MASK, final=False)
    assert refusal(parts + frames.masked_frame(bytes(60), CONTINUATION, MASK), limit=100) == 1009
    assert read(frames.masked_frame(bytes(100), BINARY, MASK), limit=100)


def test_a_close_frame_carries_code_and_reason():
    assert frames.parse_close(frames.close_payload(3001, "shutdown")) == (3001, "shutdown")
    assert frames.parse_close(b"") == (1005, "")
    assert frames.close_payload(1005, "x") == b""
    assert frames.close_frame(3001, "shutdown")[0] == 0x80 | CLOSE


def test_a_long_reason_is_cut_between_characters():
    code, reason = frames.parse_close(frames.close_payload(3000, "长" * 100))
    assert (code, reason) == (3000, "长" * 41)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_must_not_travel_are_refused(code):
    with pytest.raises(BadFrame, match="bad close code"):
        frames.parse_close(code.to_bytes(2))


def test_a_broken_close_body_is_refused():
    with pytest.raises(BadFrame):
        frames.parse_close(b"\x03")
    with pytest.raises(BadFrame) as caught:
        frames.parse_close(b"\x03\xe8\xff")
    assert caught.value.code == 1007


@given(st.binary(max_size=200))
def test_garbage_never_does_anything_but_refuse(data):
    heard = []
    with contextlib.suppress(BadFrame):
        heard.extend(FrameReader(limit=64).feed(data))
    assert all(kind in {TEXT, BINARY, CLOSE, PING, 0xA} for kind, _ in heard)
    assert all(len(payload) <= 125 for _, payload in heard)
