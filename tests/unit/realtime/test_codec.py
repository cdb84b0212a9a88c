"""The two spellings of the protocol."""

from __future__ import annotations

import json

import pytest
from centrifuge.protocol import client_pb2 as sdk
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from realtime import render
from realtime.codec import JSON, PROTOBUF, BadMessage, client_pb2, messages
from realtime.codec.json_lines import is_json, one_line
from realtime.codec.messages import Reply, raw
from realtime.codec.protobuf import read_emulation
from realtime.transport import Framing


def lines(payload):
    return [json.loads(line) for line in payload.decode().split("\n")]


def frames(payload):
    """Read length-prefixed replies with the SDK's own classes."""
    from google.protobuf.internal.decoder import _DecodeVarint

    replies, at = [], 0
    while at < len(payload):
        size, at = _DecodeVarint(payload, at)
        replies.append(sdk.Reply.FromString(payload[at : at + size]))
        at += size
    return replies


def test_zero_values_do_not_travel_except_where_clients_count_on_them():
    encoded = [
        messages.answer(1, messages.PublishResult()),
        messages.answer(2, messages.PresenceStatsResult(0, 0)),
        messages.answer(3, messages.HistoryResult([], "", 0)),
        messages.answer(4, messages.SubscribeResult(data=raw(b""))),
        messages.answer(5, messages.PresenceResult({"c": messages.ClientInfo("", "c")})),
        Reply(id=6, error=messages.Error(103, "permission denied")),
    ]
    assert lines(JSON.join(map(JSON.encode, encoded))) == [
        {"id": 1, "publish": {}},
        {"id": 2, "presence_stats": {"num_clients": 0, "num_users": 0}},
        {"id": 3, "history": {"publications": [], "epoch": "", "offset": 0}},
        {"id": 4, "subscribe": {}},
        {"id": 5, "presence": {"presence": {"c": {"user": "", "client": "c"}}}},
        {"id": 6, "error": {"code": 103, "message": "permission denied"}},
    ]
    replies = frames(PROTOBUF.join(map(PROTOBUF.encode, encoded)))
    assert [one.id for one in replies] == [1, 2, 3, 4, 5, 6]
    assert replies[0].HasField("publish")
    assert replies[3].HasField("subscribe")


def test_every_field_arrives_at_the_sdks_own_classes():
    result = messages.SubscribeResult(
        expires=True,
        ttl=7,
        recoverable=True,
        epoch="e",
        publications=[
            messages.Publication(
                data=raw(b'{"a":1}'),
                info=messages.ClientInfo("u", "c", raw(b"1"), raw(b"2")),
                offset=1 << 40,
                tags={"k": "v"},
                delta=True,
                time=1_750_000_000_000,
            )
        ],
        recovered=True,
        offset=9,
        positioned=True,
        data=raw(b"[]"),
        was_recovering=True,
        delta=True,
    )
    (reply,) = frames(PROTOBUF.encode(messages.answer(1, result)))
    got = reply.subscribe
    assert (got.expires, got.ttl, got.recoverable, got.epoch) == (True, 7, True, "e")
    assert (got.recovered, got.offset, got.positioned, got.data) == (True, 9, True, b"[]")
    assert (got.was_recovering, got.delta) == (True, True)
    (pub,) = got.publications
    assert (pub.data, pub.offset, pub.delta) == (b'{"a":1}', 1 << 40, True)
    assert (pub.info.user, pub.info.conn_info, pub.info.chan_info) == ("u", b"1", b"2")
    assert dict(pub.tags) == {"k": "v"}


def field_numbers(descriptor):
    return {field.name: field.number for field in descriptor.fields}


@pytest.mark.parametrize(
    "name", [one.name for one in client_pb2.DESCRIPTOR.message_types_by_name.values()]
)
def test_our_field_numbers_are_those_of_the_sdk(name):
    ours = field_numbers(client_pb2.DESCRIPTOR.message_types_by_name[name])
    theirs = sdk.DESCRIPTOR.message_types_by_name.get(
        "SubscribeRequest" if name == "RecoverRequest" else name
    )
    if theirs is None:
        assert name == "EmulationRequest"  # the Python SDK has no fallback transports
        assert ours == {"node": 1, "session": 2, "data": 3}
        return
    if name == "SubscribeRequest":
        assert ours.pop("type") == 15  # newer than the Python SDK; the hub only refuses it
    assert ours.items() <= field_numbers(theirs).items()


@given(
    st.builds(
        messages.SubscribeRequest,
        channel=st.text(max_size=20),
        recover=st.booleans(),
        offset=st.integers(0, 2**53),
        epoch=st.text(max_size=5),
        data=st.just(Raw(b'{"a":[1]}')),
        tf=st.none()
        | st.just(messages.FilterNode(op="and", nodes=[messages.FilterNode(key="k", cmp="ex")])),
        flag=st.integers(0, 3),
    ),
    st.integers(1, 2**32 - 1),
)
def test_both_spellings_read_the_same_command(request, number):
    command = messages.Command(id=number, subscribe=request)
    (by_json,) = JSON.decode(JSON.encode(command))
    wire = sdk.Command(id=number)
    wire.subscribe.channel = request.channel
    wire.subscribe.recover = request.recover
    wire.subscribe.offset = request.offset
    wire.subscribe.epoch = request.epoch
    wire.subscribe.data = bytes(request.data)
    wire.subscribe.flag = request.flag
    if request.tf is not None:
        wire.subscribe.tf.op = "and"
        wire.subscribe.tf.nodes.add(key="k", cmp="ex")
    body = wire.SerializeToString()
    head = b""
    size = len(body)
    while size > 127:
        head += bytes([size & 127 | 128])
        size >>= 7
    (by_protobuf,) = PROTOBUF.decode(head + bytes([size]) + body)
    assert plain(by_json) == plain(by_protobuf)


def plain(value):
    """Structs with payloads compared by content."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


@given(st.binary(max_size=60))
def test_no_bytes_are_worse_than_unreadable(payload):
    for codec in (JSON, PROTOBUF):
        try:
            commands = codec.decode(payload)
        except BadMessage:
            continue
        assert all(isinstance(one, messages.Command) for one in commands)


def test_payloads_pass_through_unread_and_unknown_fields_are_ignored():
    (command,) = JSON.decode(b'{"id":1,"new":true,"rpc":{"data":{"b": 1.10,"a":"\\u4f1a"}}}\n')
    assert bytes(command.request.data) == b'{"b": 1.10,"a":"\\u4f1a"}'


def test_a_command_with_several_requests_counts_as_the_first_known_one():
    (command,) = JSON.decode(b'{"id":1,"rpc":{},"publish":{"channel":"a"}}')
    assert isinstance(command.request, messages.PublishRequest)


def test_line_ends_are_taken_out_of_json():
    assert one_line(b'{\r\n"a":\n1}') == b'{  "a": 1}'
    assert is_json(b'{"a":1}')
    assert not is_json(b"{}{}")
    assert not is_json(b"[" * 5000)


def test_an_emulated_command_is_read():
    body = client_pb2.EmulationRequest(node="n", session="s", data=b"x").SerializeToString()
    assert read_emulation(body) == ("n", "s", b"x")
    with pytest.raises(BadMessage):
        read_emulation(b"\xff")


def test_every_framing_dresses_a_batch():
    one, two = JSON.encode(Reply(id=1)), JSON.encode(Reply(id=2))
    assert render.dress((one, two), JSON, Framing.BARE) == b'{"id":1}\n{"id":2}'
    assert render.dress((one, two), JSON, Framing.LINES) == b'{"id":1}\n{"id":2}\n'
    event = render.dress((one, two), JSON, Framing.EVENT)
    assert event == b'data: {"id":1}\n\ndata: {"id":2}\n\n'
    assert render.dress((one,), JSON, Framing.WEBSOCKET_TEXT) == b'\x81\x08{"id":1}'
    assert render.dress((PROTOBUF.ping,), PROTOBUF, Framing.WEBSOCKET_BINARY) == b"\x82\x01\x00"
