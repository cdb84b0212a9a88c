"""What lies in a stream entry and travels over pub/sub: MessagePack, read without copies.

====  =====================================  =========================
mark  meaning                                body
====  =====================================  =========================
p     publication                            [offset, epoch, entry, previous entry or ""]
j l   join, leave                            client info
c     control                                [sender, message]
====  =====================================  =========================
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from realtime.broker import ClientInfo, Publication


class _Info(msgspec.Struct, array_like=True, frozen=True):
    user: str
    client: str
    conn_info: bytes
    chan_info: bytes


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    data: bytes
    info: _Info | None
    tags: dict[str, str]
    time: int


class _Told(msgspec.Struct, array_like=True, frozen=True):
    # Lua packs its strings as MessagePack strings, whatever bytes they hold.
    offset: int
    epoch: str
    entry: msgspec.Raw
    previous: msgspec.Raw


class _Control(msgspec.Struct, array_like=True, frozen=True):
    sender: str
    message: bytes


class Told(NamedTuple):
    """A publication as it arrived, with the data before it where that was asked for."""

    publication: Publication
    epoch: str
    previous: bytes | None


_encode = msgspec.msgpack.encode
_entry = msgspec.msgpack.Decoder(_Entry)
_info = msgspec.msgpack.Decoder(_Info)
_told = msgspec.msgpack.Decoder(_Told)
_control = msgspec.msgpack.Decoder(_Control)


def pack_entry(publication: Publication) -> bytes:
    """Write a publication without its offset, which only the stream knows."""
    return _encode(
        _Entry(
            publication.data,
            None if publication.info is None else _of(publication.info),
            dict(publication.tags),
            publication.time,
        )
    )


def read_entry(offset: int, entry: bytes) -> Publication:
    """Read what ``pack_entry`` wrote."""
    read = _entry.decode(entry)
    return Publication(
        data=read.data,
        offset=offset,
        info=None if read.info is None else _to(read.info),
        tags=read.tags,
        time=read.time,
    )


def read_told(body: bytes) -> Told:
    """Read a publication that the script announced."""
    told = _told.decode(body)
    previous = _inner(told.previous)
    return Told(
        read_entry(told.offset, _inner(told.entry)),
        told.epoch,
        _entry.decode(previous).data if previous else None,
    )


def pack_info(info: ClientInfo) -> bytes:
    """Write who somebody is."""
    return _encode(_of(info))


def read_info(body: bytes) -> ClientInfo:
    """Read what ``pack_info`` wrote."""
    return _to(_info.decode(body))


def pack_control(sender: str, message: bytes) -> bytes:
    """Write a word between processes."""
    return _encode(_Control(sender, message))


def read_control(body: bytes) -> tuple[str, bytes]:
    """Read what ``pack_control`` wrote."""
    read = _control.decode(body)
    return read.sender, read.message


def _of(info: ClientInfo) -> _Info:
    return _Info(info.user, info.client, info.conn_info, info.chan_info)


def _to(info: _Info) -> ClientInfo:
    return ClientInfo(info.user, info.client, info.conn_info, info.chan_info)


def _inner(raw: msgspec.Raw) -> bytes:
    """Answer the bytes of a MessagePack string, which need not be text."""
    view = memoryview(raw)
    first = view[0]
    if first & 0xE0 == 0xA0:
        return bytes(view[1:])
    header = {0xD9: 2, 0xDA: 3, 0xDB: 5}[first]
    return bytes(view[header:])
