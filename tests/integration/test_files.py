"""Files come in as streams, are looked through, and go out whole or in part."""

from __future__ import annotations

import asyncio
import io
import zipfile
from urllib.parse import quote, urlsplit

import pytest

from domain.people import Grant, Person
from domain.permissions import Role
from tests.integration.conftest import Caller, Reply, RunningHub

MB = 1024 * 1024


@pytest.fixture
async def deputy(hub: RunningHub) -> Caller:
    return await hub.sign_in(person("周明华"))


@pytest.fixture
async def other(hub: RunningHub) -> Caller:
    return await hub.sign_in(person("梁静", Role.LIAISON))


def person(name: str, role: Role = Role.DEPUTY) -> Person:
    return Person(
        id=f"01HV00000000000000000{ord(name[0]):05d}", name=name, grants=(Grant(role=role),)
    )


async def send(caller: Caller, name: str, content: bytes) -> Reply:
    return await caller.call(
        "POST", "/api/v1/files", body=content, headers={"X-File-Name": quote(name)}
    )


def package(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return out.getvalue()


def docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return package(**{"word__document.xml": f"<w:document>{body}</w:document>"})


def pdf(title: str) -> bytes:
    from pypdf import PdfWriter

    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    writer.add_metadata({"/Title": title})
    writer.write(out)
    return out.getvalue()


def pdf_saying(text: str) -> bytes:
    """A PDF of one page whose text goes through a font of its own, as Chinese text does."""
    codes = {char: code for code, char in enumerate(dict.fromkeys(text), 1)}
    mapping = "".join(f"<{code:04x}> <{ord(char):04x}>\n" for char, code in codes.items())
    cmap = (
        "1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
        f"{len(codes)} beginbfchar\n{mapping}endbfchar\n"
    )
    shown = "".join(f"{codes[char]:04x}" for char in text)
    page = f"BT /F1 12 Tf 20 100 Td <{shown}> Tj ET"
    parts = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R "
            "/Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
        (
            "<< /Type /Font /Subtype /Type0 /BaseFont /Song /Encoding /Identity-H "
            "/DescendantFonts [6 0 R] /ToUnicode 7 0 R >>"
        ),
        (
            "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Song /CIDSystemInfo "
            "<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 1000 >>"
        ),
        f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{part}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(out)
    out += f"xref\n0 {len(parts) + 1}\n0000000000 65535 f \n{table}".encode()
    out += (
        f"trailer\n<< /Size {len(parts) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    )
    return out


async def test_a_file_comes_back_as_it_was_sent(hub: RunningHub, deputy: Caller) -> None:
    content = "关于加强社区养老服务的建议\n".encode() * 50_000
    sent = await send(deputy, "建议 草稿.txt", content)
    assert sent.status == 201, sent.body
    record = sent.json
    assert (record["name"], record["size"]) == ("建议 草稿.txt", len(content))
    assert (await deputy.call("GET", f"/api/v1/files/{record['id']}")).json == record
    got = await deputy.call("GET", f"/api/v1/files/{record['id']}/content")
    assert got.body == content
    assert got.headers["ETag"] == f'"{record["sha256"]}"'
    assert got.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''%E5%BB%BA%E8%AE%AE%20%E8%8D%89%E7%A8%BF.txt"
    )
    assert "sandbox" in got.headers["Content-Security-Policy"]


async def test_a_file_that_nobody_was_given_is_its_owners_alone(
    deputy: Caller, other: Caller, hub: RunningHub
) -> None:
    file_id = (await send(deputy, "a.txt", b"mine")).json["id"]
    for path in (f"/api/v1/files/{file_id}", f"/api/v1/files/{file_id}/content"):
        assert (await other.call("GET", path)).status == 404
        assert (await hub.anybody.call("GET", path)).status == 401


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-4", 206, slice(-4, None)),
        ("bytes=8-99", 206, slice(8, None)),
        ("bytes=-99", 206, slice(0, None)),
        ("bytes=abc", 200, slice(None)),
        ("bytes=0-1,4-5", 200, slice(None)),
    ],
)
async def test_a_part_of_a_file(deputy: Caller, wanted: str, status: int, part: slice) -> None:
    content = b"0123456789"
    file_id = (await send(deputy, "a.txt", content)).json["id"]
    path = f"/api/v1/files/{file_id}/content"
    got = await deputy.call("GET", path, headers={"Range": wanted})
    assert (got.status, got.body) == (status, content[part])
    head = await deputy.call("HEAD", path)
    assert (head.headers["Content-Length"], head.body) == ("10", b"")


async def test_a_range_outside_is_refused_and_a_known_file_is_not_sent_again(
    deputy: Caller,
) -> None:
    record = (await send(deputy, "a.txt", b"0123456789")).json
    path = f"/api/v1/files/{record['id']}/content"
    for outside in ("bytes=10-", "bytes=5-4", "bytes=-0"):
        got = await deputy.call("GET", path, headers={"Range": outside})
        assert (got.status, got.code) == (416, "range_not_satisfiable")
    known = await deputy.call("GET", path, headers={"If-None-Match": f'"{record["sha256"]}"'})
    assert (known.status, known.body) == (304, b"")
    stale = {"Range": "bytes=0-3", "If-Range": '"another"'}
    assert (await deputy.call("GET", path, headers=stale)).body == b"0123456789"


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.exe", b"MZ", 415, "type_refused"),
        ("a", b"x", 415, "type_refused"),
        ("a.pdf", b"MZ\x90\x00" * 600, 415, "type_refused"),
        ("a.pdf", b"%PDF-1.7 and then nothing of the kind", 415, "type_refused"),
        ("a.jpg", b"\x89PNG\r\n\x1a\n", 415, "type_refused"),
        ("a.docx", b"PK\x03\x04 broken", 415, "type_refused"),
        ("a.docx", package(**{"xl__workbook.xml": "<workbook/>"}), 415, "type_refused"),
        ("a.txt", b"", 422, "invalid"),
        ("x" * 130 + ".txt", b"x", 422, "invalid"),
        ("", b"x", 422, "invalid"),
        ("机密★纪要.txt", b"x", 422, "secret_marked"),
        ("a.txt", "机密★三年\n正文".encode(), 422, "secret_marked"),
        ("a.txt", "密级：秘密".encode("gb18030"), 422, "secret_marked"),
        ("a.txt", "绝密★".encode("utf-16"), 422, "secret_marked"),
        ("a.docx", docx("秘密★一年", "正文"), 422, "secret_marked"),
        ("a.docx", docx("标题", "机密", "正文"), 422, "secret_marked"),
        ("a.pdf", pdf("机密★五年"), 422, "secret_marked"),
        ("a.pdf", pdf_saying("秘密★一年"), 422, "secret_marked"),
    ],
)
async def test_what_may_not_come_in_is_refused_and_nothing_of_it_stays(
    hub: RunningHub, deputy: Caller, name: str, content: bytes, status: int, code: str
) -> None:
    reply = await send(deputy, name, content)
    assert (reply.status, reply.code) == (status, code)
    assert await hub.db["file"].count({}) == 0
    kept = [path for path in (hub.hub.settings.data_dir / "files").rglob("*") if path.is_file()]
    assert kept == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.docx", docx("关于修订保守国家秘密法的说明", "机密文件由专人保管")),
        ("a.pdf", pdf("商业秘密保护条例")),
        ("a.pdf", pdf_saying("关于加强商业秘密保护的建议")),
        ("a.xlsx", package(**{"xl__workbook.xml": "<workbook/>"})),
        ("a.ofd", package(**{"OFD.xml": "<ofd:OFD/>"})),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 2000),
        ("a.mp4", b"\x00\x00\x00\x20ftypisom" + b"\x00" * 2000),
    ],
)
async def test_what_is_in_order_comes_in(deputy: Caller, name: str, content: bytes) -> None:
    reply = await send(deputy, name, content)
    assert reply.status == 201, reply.body


async def test_a_path_before_the_name_is_cut_off(deputy: Caller) -> None:
    for path in ("../../etc/a.txt", "C:\\temp\\a.txt", "/a.txt"):
        assert (await send(deputy, path, b"x")).json["name"] == "a.txt"


async def test_a_file_above_fifty_megabytes_is_refused(hub: RunningHub, deputy: Caller) -> None:
    reply = await send(deputy, "a.txt", b"x" * (50 * MB + 1))
    assert (reply.status, reply.code) == (413, "too_large")


async def test_a_file_in_chunks_of_unknown_length_is_bounded_too(
    hub: RunningHub, deputy: Caller
) -> None:
    where = urlsplit(hub.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = (
        f"POST /api/v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {deputy.token}\r\n"
        "X-File-Name: a.txt\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())
    chunk = b"%x\r\n" % MB + b"x" * MB + b"\r\n"
    for _ in range(51):
        writer.write(chunk)
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    status = await reader.readline()
    assert status.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_sender_who_hangs_up_leaves_nothing_behind(hub: RunningHub, deputy: Caller) -> None:
    where = urlsplit(hub.url)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        f"POST /api/v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {deputy.token}\r\n"
        "X-File-Name: a.txt\r\nContent-Length: 5000000\r\n\r\n".encode()
        + b"x" * 2_000_000
    )
    await writer.drain()
    files = hub.hub.settings.data_dir / "files"
    async with asyncio.timeout(5):
        while not any(path.is_file() for path in files.rglob("*")):
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        while any(path.is_file() for path in files.rglob("*")):
            await asyncio.sleep(0.01)


async def test_who_may_not_send_is_told_before_the_file_has_come(hub: RunningHub) -> None:
    where = urlsplit(hub.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        b"POST /api/v1/files HTTP/1.1\r\nHost: a\r\nX-File-Name: a.txt\r\n"
        b"Content-Length: 5000000\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()
