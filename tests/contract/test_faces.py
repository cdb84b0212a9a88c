"""What the engine sees in pictures: real workers, real portraits, and what strangers may send."""

from __future__ import annotations

import asyncio
import io
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from domain.faces.engine import FaceEngine, Flaw, Gates, Look, Want
from gateways.face import FaceWorkers
from gateways.face_sight import wanted
from server.supervise import Supervisor
from tests import faces

pytestmark = pytest.mark.asyncio(loop_scope="module")

AS_THEY_ARE = Gates(size=40)
"""Some portraits of the set are small; all are good."""
TURN = (0, 18, 35, 0, -18, -35)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[FaceEngine]:
    supervisor = Supervisor()
    workers = FaceWorkers(supervisor.supervise, workers=2, queue=50, timeout=60)
    yield workers
    await workers.close()
    await supervisor.stop()


async def see(
    engine: FaceEngine, picture: bytes | Path, *, want: Want = Want.NONE, gates: Gates = AS_THEY_ARE
) -> Look:
    (look,) = await engine.look([faces.text(picture)], want=want, gates=gates)
    return look


def distance(one: Look, other: Look) -> float:
    a, b = (np.frombuffer(it.vector, "<f4") for it in (one, other))
    return float(np.linalg.norm(a - b))


def saved(image: Image.Image, form: str, **more: object) -> bytes:
    kept = io.BytesIO()
    image.save(kept, form, **more)
    return kept.getvalue()


def portrait(mode: str = "RGB") -> Image.Image:
    with Image.open(faces.photo("C001080")) as image:
        return image.convert(mode)


def png(
    width: int, height: int, *, bits: int = 8, colour: int = 2, rows: int | None = None
) -> bytes:
    """One grey all over: a few bytes, however large it is. Only ``rows`` of it are there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    row = bytes(1 + width * {0: 1, 2: 3}[colour] * bits // 8)
    squeeze = zlib.compressobj(9)
    data = b"".join(squeeze.compress(row) for _ in range(rows or height)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# Who it is.


async def test_two_pictures_of_a_person_are_nearer_than_those_of_two_people(engine) -> None:
    people = faces.people()[:6]
    pictures = [faces.text(faces.photo(it, kind)) for it in people for kind in ("a", "b")]
    looks = await engine.look(pictures, want=Want.ALL, gates=AS_THEY_ARE)
    assert all(len(it.vector) == 128 * 4 for it in looks)
    same = [distance(looks[2 * at], looks[2 * at + 1]) for at in range(len(people))]
    others = [
        distance(looks[2 * at], looks[2 * it + 1])
        for at in range(len(people))
        for it in range(len(people))
        if it != at
    ]
    assert max(same) < 0.6 < min(others)


async def test_every_good_picture_passes_and_small_faces_are_told_to_come_closer(engine) -> None:
    pictures = [faces.text(it) for it in faces.good()]
    assert len(pictures) == 68
    looks = await engine.look(pictures, want=Want.NONE, gates=AS_THEY_ARE)
    assert [it.flaw for it in looks] == [None] * 68
    small = [it.size < 100 for it in looks]
    strict = await engine.look(pictures, want=Want.NONE)
    assert [it.flaw is Flaw.TOO_SMALL for it in strict] == small
    assert sum(small) == 5


# What is wrong with it.

SPOILT: dict[str, tuple[Callable[[Path], bytes], Flaw]] = {
    "blurred": (lambda path: faces.blurred(path, 4), Flaw.BLURRED),
    "dark": (lambda path: faces.lit(path, 0.25), Flaw.TOO_DARK),
    "over-exposed": (lambda path: faces.lit(path, 2), Flaw.TOO_BRIGHT),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_a_spoilt_picture_is_refused_with_the_advice_that_helps(engine, how: str) -> None:
    spoil, flaw = SPOILT[how]
    pictures = [faces.text(spoil(faces.photo(it))) for it in faces.TURNS_WELL]
    looks = await engine.look(pictures, want=Want.ALL)
    # Where nothing of a face is left, "there is no face" is right as well.
    assert {it.flaw for it in looks} <= {flaw, Flaw.NO_FACE}
    assert sum(it.flaw is flaw for it in looks) >= len(looks) - 2
    assert all(it == Look(flaw=it.flaw) for it in looks)


async def test_what_is_good_enough_is_said_with_the_question(engine) -> None:
    path = faces.photo("C001080")
    look = await see(engine, path)
    cases = {
        Flaw.TOO_SMALL: Gates(size=look.size + 1),
        Flaw.BLURRED: Gates(sharpness=look.sharpness + 1),
        Flaw.TOO_DARK: Gates(dark=255),
        Flaw.TOO_BRIGHT: Gates(bright=1),
    }
    for flaw, gates in cases.items():
        assert (await see(engine, path, gates=gates)).flaw is flaw
    exact = Gates(size=look.size, sharpness=look.sharpness, clipped=look.clipped)
    assert (await see(engine, path, gates=exact)).flaw is None


async def test_faces_are_counted_and_a_patch_on_a_suit_is_none(engine) -> None:
    assert (await see(engine, faces.special("two-faces"))).flaw is Flaw.MANY_FACES
    assert (await see(engine, faces.special("astronaut-collins"))).flaw is None
    one = portrait().resize((168, 205))
    crowd = Image.new("RGB", (168 * 5, 205 * 4))
    for at in range(20):
        crowd.paste(one, (168 * (at % 5), 205 * (at // 5)))
    assert (await see(engine, faces.jpeg(crowd))).flaw is Flaw.MANY_FACES
    nobody = Image.effect_noise((640, 480), 60).convert("RGB")
    assert (await see(engine, faces.jpeg(nobody))).flaw is Flaw.NO_FACE
    tiny = Image.new("RGB", (640, 480), "grey")
    tiny.paste(portrait().resize((36, 44)), (300, 200))
    assert (await see(engine, faces.jpeg(tiny))).flaw is Flaw.NO_FACE


async def test_smaller_faces_are_looked_for_in_a_few_pictures_of_a_job_only(engine) -> None:
    far_away = faces.text(faces.photo("B001277"))
    looks = await engine.look([far_away] * 6, want=Want.NONE, gates=AS_THEY_ARE)
    assert [it.flaw for it in looks] == [None] * 4 + [Flaw.NO_FACE] * 2
    assert looks[0].size < 80


def moving(form: str) -> bytes:
    return saved(portrait(), form, save_all=True, append_images=[portrait().rotate(9)])


REFUSED: dict[str, tuple[Callable[[], bytes], Flaw]] = {
    "nothing": (lambda: b"", Flaw.NOT_AN_IMAGE),
    "a text": (lambda: b"This is a text, and no picture at all.", Flaw.NOT_AN_IMAGE),
    "an SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", Flaw.NOT_AN_IMAGE),
    "garbage": (lambda: bytes(range(1, 256)) * 20, Flaw.NOT_AN_IMAGE),
    "a JPEG of garbage": (lambda: b"\xff\xd8\xff\xe0" + bytes(range(256)) * 9, Flaw.CORRUPT),
    "the first 300 bytes": (lambda: faces.jpeg(portrait())[:300], Flaw.CORRUPT),
    "a tenth": (lambda: cut(faces.jpeg(portrait()), 0.1), Flaw.CORRUPT),
    "six tenths": (lambda: cut(faces.jpeg(portrait()), 0.6), Flaw.CORRUPT),
    "half a progressive one": (
        lambda: cut(faces.jpeg(portrait().resize((3000, 3600)), progressive=True), 0.5),
        Flaw.CORRUPT,
    ),
    "half a PNG": (lambda: cut(saved(portrait(), "PNG"), 0.5), Flaw.CORRUPT),
    "half a WebP": (lambda: cut(saved(portrait(), "WEBP"), 0.5), Flaw.CORRUPT),
    "an iPhone's": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), Flaw.HEIC),
    "an AVIF": (lambda: b"\0\0\0\x1cftypavif\0\0\0\0mif1" + bytes(99), Flaw.UNSUPPORTED),
    "a BMP": (lambda: saved(portrait(), "BMP"), Flaw.UNSUPPORTED),
    "a TIFF": (lambda: saved(portrait(), "TIFF"), Flaw.UNSUPPORTED),
    "16-bit grey": (lambda: png(300, 300, bits=16, colour=0), Flaw.UNSUPPORTED),
    "a GIF that stands still": (lambda: saved(portrait("P"), "GIF"), Flaw.UNSUPPORTED),
    "a GIF that moves": (lambda: moving("GIF"), Flaw.ANIMATED),
    "a WebP that moves": (lambda: moving("WEBP"), Flaw.ANIMATED),
    "a PNG that moves": (lambda: moving("PNG"), Flaw.ANIMATED),
    "10 MB": (lambda: faces.jpeg(portrait()) + bytes(10_000_000), Flaw.TOO_LARGE),
    "one pixel": (lambda: png(1, 1), Flaw.NO_FACE),
    "a line": (lambda: png(1, 20_000), Flaw.NO_FACE),
}


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_no_picture_of_a_face_is_refused_for_what_it_is(engine, what: str) -> None:
    make, flaw = REFUSED[what]
    assert await see(engine, make(), want=Want.ALL) == Look(flaw=flaw)


@pytest.mark.parametrize("sent", ["", "@@@", "data:image/jpeg;base64", "代表", "\ud800", "QUJD\n"])
async def test_what_is_no_base64_is_no_picture(engine, sent: str) -> None:
    assert await engine.look([sent], want=Want.ALL) == [Look(flaw=Flaw.NOT_AN_IMAGE)]


async def test_a_bomb_is_refused_before_it_is_unpacked(engine) -> None:
    small, large = png(12_000, 12_000, colour=0), png(30_000, 30_000, rows=100)
    assert len(small) < 1_000_000
    await see(engine, faces.photo("C001080"))
    began = time.perf_counter()
    assert (await see(engine, small)).flaw is Flaw.TOO_LARGE
    assert (await see(engine, large)).flaw is Flaw.TOO_LARGE
    # Unpacking the first takes seconds.
    assert time.perf_counter() - began < 1.5


def sideways(orientation: int | None) -> bytes:
    """As a phone keeps it that was held upright: the sensor lies on its side."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    return faces.jpeg(portrait().transpose(Image.Transpose.ROTATE_90), exif=exif)


async def test_a_picture_is_looked_at_the_way_it_was_taken(engine) -> None:
    upright = await see(engine, faces.jpeg(portrait()), want=Want.ALL)
    turned = await see(engine, sideways(6), want=Want.ALL)
    assert (turned.flaw, turned.size) == (None, upright.size)
    assert distance(upright, turned) < 0.2
    assert (await see(engine, sideways(None))).flaw is Flaw.NO_FACE


TAKEN: dict[str, Callable[[], bytes]] = {
    "grey": lambda: faces.jpeg(portrait("L")),
    "palette": lambda: saved(portrait("P"), "PNG"),
    "CMYK": lambda: faces.jpeg(portrait("CMYK")),
    "RGBA": lambda: saved(portrait("RGBA"), "PNG"),
    "WebP": lambda: saved(portrait(), "WEBP", quality=90),
    "PNG": lambda: saved(portrait(), "PNG"),
    "progressive": lambda: faces.jpeg(portrait(), progressive=True),
    "with a second picture behind it": lambda: moving("MPO"),
}


@pytest.mark.parametrize("what", TAKEN)
async def test_pictures_of_every_usual_kind_are_taken(engine, what: str) -> None:
    look = await see(engine, TAKEN[what](), want=Want.ALL)
    assert look.flaw is None
    assert distance(look, await see(engine, faces.photo("C001080"), want=Want.ALL)) < 0.35


async def test_what_shows_through_is_white(engine) -> None:
    cut_out = portrait("RGBA")
    alpha = Image.new("L", cut_out.size, 0)
    alpha.paste(255, (60, 60, 280, 380))
    cut_out.putalpha(alpha)
    assert (await see(engine, saved(cut_out, "PNG"))).flaw is None
    cut_out.putalpha(0)
    assert (await see(engine, saved(cut_out, "PNG"))).flaw is Flaw.NO_FACE


async def test_a_face_is_measured_in_pixels_of_the_picture_that_was_sent(engine) -> None:
    small = await see(engine, faces.jpeg(portrait()))
    large = await see(engine, faces.jpeg(portrait().resize((335 * 8, 410 * 8))))
    assert large.size == pytest.approx(8 * small.size, rel=0.2)


# How it is turned.


async def test_a_head_turned_to_its_own_left_has_a_yaw_above_nothing(engine) -> None:
    path = faces.photo("C001080")
    left, right = (
        await see(engine, faces.turned(path, 30)),
        await see(engine, faces.turned(path, -30)),
    )
    assert left.yaw > 0.2
    assert right.yaw < -0.2
    with Image.open(io.BytesIO(faces.turned(path, 30))) as image:
        mirrored = await see(engine, faces.jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
        leaning = await see(engine, faces.jpeg(image.rotate(12, fillcolor="grey")))
    assert mirrored.yaw == pytest.approx(-left.yaw, abs=0.1)
    assert leaning.yaw == pytest.approx(left.yaw, abs=0.1)


@pytest.mark.parametrize("person", faces.TURNS_WELL)
async def test_a_head_turns_and_a_print_only_seems_to(engine, person: str) -> None:
    path = faces.photo(person)
    head = await engine.look(
        [faces.text(faces.turned(path, it)) for it in (-35, 0, 35)], want=Want.ALL
    )
    flat = await engine.look(
        [faces.text(faces.flat_print_turned(path, it)) for it in (-45, 0, 45)], want=Want.NONE
    )
    assert [it.flaw for it in (*head, *flat)] == [None] * 6
    assert max(it.yaw for it in head) - min(it.yaw for it in head) >= 0.45
    assert max(it.yaw for it in flat) - min(it.yaw for it in flat) < 0.4
    assert max(distance(one, other) for one in head for other in head) < 0.6


async def test_of_a_turn_three_pictures_say_who_it_is(engine) -> None:
    pictures = [faces.text(faces.turned(faces.photo("C001080"), it)) for it in TURN]
    # The first of the two that look straight ahead is not quite in focus.
    with Image.open(faces.photo("C001080")) as image:
        pictures[0] = faces.text(faces.jpeg(image.resize((168, 205)).resize(image.size)))
    looks = await engine.look(pictures, want=Want.KEYS)
    assert [bool(it.vector) for it in looks] == [False, False, True, True, False, True]
    keys = [it for it in looks if it.vector]
    assert max(distance(one, other) for one in keys for other in keys) < 0.6
    assert not any(it.vector for it in await engine.look(pictures, want=Want.NONE))


async def test_keys_are_chosen_among_what_has_no_flaw() -> None:
    looks = [None, Look(yaw=0.3), Look(yaw=-0.02, sharpness=9), Look(yaw=0.05, sharpness=10), None]
    assert wanted(looks, Want.KEYS) == {1, 2, 3}
    assert wanted([None, Look(yaw=0.1), None], Want.KEYS) == {1}
    assert wanted([None, None], Want.KEYS) == set()
    assert wanted(looks, Want.ALL) == {1, 2, 3}


async def test_a_chip_is_the_face_alone_and_only_where_it_is_asked_for(engine) -> None:
    pictures = [faces.text(faces.photo("C001080")), faces.text(b"nothing")]
    with_chips = await engine.look(pictures, want=Want.ALL, chips=True)
    without = await engine.look(pictures, want=Want.ALL)
    with Image.open(io.BytesIO(with_chips[0].chip)) as chip:
        assert (chip.format, chip.size) == ("JPEG", (256, 256))
    assert [it.chip for it in (with_chips[1], *without)] == [b"", b"", b""]
    again = await see(engine, with_chips[0].chip, want=Want.ALL)
    assert distance(again, with_chips[0]) < 0.45


async def test_answers_come_in_the_order_of_the_pictures(engine) -> None:
    assert await engine.look([], want=Want.ALL) == []
    good, bad = faces.text(faces.photo("C001080")), faces.text(b"x")
    asked = [[good, bad], [bad, good], [bad, bad, good]]
    answers = await asyncio.gather(*(engine.look(it, want=Want.NONE) for it in asked))
    assert [[look.flaw is None for look in it] for it in answers] == [
        [True, False],
        [False, True],
        [False, False, True],
    ]


# How it is loaded.


async def run(code: str) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", code),
        cwd=faces.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize("setuptools", ["as it is here", "missing"])
async def test_the_package_loads_though_warnings_are_errors(setuptools: str) -> None:
    hide = "sys.modules['pkg_resources'] = None" if setuptools == "missing" else "pass"
    code = f"""
import sys
{hide}
from gateways.face_sight import Sight
from PIL import ImageFile
sight = Sight()
assert ImageFile.LOAD_TRUNCATED_IMAGES is False
assert sight._api.pose_predictor_68_point is None
print("loaded")
"""
    assert await run(code) == (0, b"loaded\n", b"")


async def test_a_package_that_is_not_whole_is_an_error_and_not_the_end_of_the_program() -> None:
    code = """
import sys
sys.modules['face_recognition_models'] = None
from gateways.face_sight import Sight
try:
    Sight()
except ImportError:
    print("told", file=sys.stderr)
"""
    status, _, told = await run(code)
    assert (status, told) == (0, b"told\n")
