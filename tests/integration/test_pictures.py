"""Every code that is drawn is read back by a decoder that is none of ours."""

from __future__ import annotations

import io
import re
import struct
import zlib

import pytest
import zxingcpp
from pypdf import PdfReader

from storage.pdf_pages import HEIGHT, WIDTH
from tests.integration.hall import MEETING, URL, member, zhuo
from tests.integration.test_scans import device, doors, hall_code, scan, who

__all__ = ["doors"]

MY_PASS, BADGES, PICTURE = "/api/v1/me/pass", f"{URL}/badges", "/api/v1/me/pass/picture"


def decoded(rows) -> list[str]:
    """What the decoder reads off rows of brightness."""
    flat = b"".join(bytes(row) for row in rows)
    picture = memoryview(flat).cast("B", (len(rows), len(rows[0])))
    # Asked for every sort of code, it now and then takes a row of dots for a bar code.
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    return [it.text for it in found]


def painted(svg: str, scale: int = 4) -> list[list[int]]:
    """The strokes of an SVG on a canvas."""
    side = int(re.search(r'viewBox="0 0 (\d+)', svg)[1]) // 4 * scale
    rows = [[255] * side for _ in range(side)]
    x = y = 0.0
    for step, args in re.findall(
        r"([Mmh])([\d. -]+)", re.search(r'class="qrline"[^>]* d="([^"]+)"', svg)[1]
    ):
        numbers = [float(it) for it in re.findall(r"-?[\d.]+", args)]
        if step == "M":
            x, y = numbers
        elif step == "m":
            x, y = x + numbers[0], y + numbers[1]
        else:
            for row in range(int((y - 0.5) * scale), int((y + 0.5) * scale)):
                rows[row][int(x * scale) : int((x + numbers[0]) * scale)] = [0] * int(
                    numbers[0] * scale
                )
            x += numbers[0]
    return rows


def dots(png: bytes) -> list[list[int]]:
    """The dots of a black and white PNG."""
    assert png.startswith(b"\x89PNG")
    width, height, depth = struct.unpack(">IIB", png[16:25])
    at, packed = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += 12 + length
    assert depth == 1
    raw, stride = zlib.decompress(packed), (width + 7) // 8 + 1
    rows, before = [], bytes(stride - 1)
    for start in range(0, len(raw), stride):
        line = raw[start + 1 : start + stride]
        assert raw[start] in {0, 2}
        if raw[start] == 2:  # what has changed since the line above
            line = bytes((one + two) % 256 for one, two in zip(line, before, strict=True))
        rows.append(line)
        before = line
    assert len(rows) == height
    return [[255 * (row[x // 8] >> (7 - x % 8) & 1) for x in range(width)] for row in rows]


def sheet(page, scale: int = 4) -> list[bytearray]:
    """The rectangles of a page on a canvas."""
    rows = [bytearray(b"\xff") * (WIDTH * scale) for _ in range(HEIGHT * scale)]
    for line in page.get_contents().get_data().decode().splitlines():
        found = re.fullmatch(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", line)
        if found is None:
            continue
        x, y, wide, high = (float(it) * scale for it in found.groups())
        left, right = round(x), round(x + wide)
        for row in range(round(HEIGHT * scale - y - high), round(HEIGHT * scale - y)):
            rows[row][left:right] = bytes(right - left)
    return rows


async def test_the_hall_code_on_the_screen_is_read_bare_and_as_a_link(doors):
    shown = await hall_code(doors)
    assert decoded(painted(shown["svg"])) == [shown["code"]]
    linked = await hall_code(doors, draw="link")
    (text,) = decoded(painted(linked["svg"]))
    assert text == linked["link"]
    assert linked["code"] in text
    # A phone's camera opens the link; whoever scans it inside the app checks in all the same.
    deputy = await doors.sign_in(member(1))
    assert (await scan(deputy, "a", text, meeting_id=None))["result"] == "ok"


async def test_ones_own_code_is_read_as_a_drawing_and_as_a_picture(doors):
    deputy = await doors.sign_in(member(1))
    shown = (await deputy.call("GET", f"{MY_PASS}?meeting={MEETING}")).json
    assert decoded(painted(shown["svg"])) == [shown["code"]]
    picture = await deputy.call("GET", f"{PICTURE}?meeting={MEETING}")
    assert picture.headers["Content-Type"] == "image/png"
    (text,) = decoded(dots(picture.body))
    scanner, _ = await device(doors)
    assert (await scan(scanner, "a", text))["result"] == "ok"


@pytest.mark.parametrize("count", [1, 8, 40])
async def test_every_badge_of_a_printed_sheet_is_read(doors, count):
    staff = await doors.sign_in(zhuo)
    people = [who(number) for number in range(1, count + 1)]
    made = await staff.call("POST", BADGES, {"people": people})
    printed = await staff.call("GET", f"{BADGES}/sheet")
    assert (printed.status, printed.headers["Content-Type"]) == (200, "application/pdf")
    pages = PdfReader(io.BytesIO(printed.body)).pages
    assert len(pages) == -(-count // 8)
    read = [text for page in pages for text in decoded(sheet(page))]
    assert sorted(read) == sorted(it["code"] for it in made.json["badges"])
    assert "代表1".encode("utf-16-be").hex() in pages[0].get_contents().get_data().decode()
    deputy = await doors.sign_in(member(1))
    assert (await deputy.call("GET", f"{BADGES}/sheet")).status == 403
