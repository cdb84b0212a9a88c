"""iFLYTEK compares faces: what we send, what is refused, what hostile answers come to."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import hmac
import importlib
import io
import math
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
import orjson
import pytest
from PIL import Image, ImageFilter
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from domain.errors import Invalid, NotConfigured, Unsent, UpstreamDown, UpstreamRefused
from domain.faces.engine import Flaw, Look, Want
from gateways.face import FaceWorkers
from gateways.http import Breaker, JsonClient
from gateways.iflytek_face import MOST_BASE64, PATH, IflytekFace, signed
from gateways.sms import SmsAccount
from gateways.standin.iflytek import by_engine
from gateways.standin.neighbourhood import IFLYTEK, Neighbourhood
from server.supervise import Supervisor

NOW = datetime(2026, 7, 17, 6, 26, 58, tzinfo=UTC)


class Ticking:
    """A clock that a test moves."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def ticking():
    return Ticking()


@pytest.fixture
async def street(ticking):
    sms = SmsAccount("a", "b", "c", "d", {})
    street = await Neighbourhood.open(clock=ticking, wechat=("wx1", "s"), sms=sms)
    yield street
    await street.close()


def client_of(url, *, account=IFLYTEK, clock=lambda: NOW, **more):
    return IflytekFace(JsonClient("iflytek", url, **more), lambda: account, clock=clock)


@pytest.fixture
async def faces(street, ticking):
    client = client_of(street.url)
    yield client
    client.close()


def jpeg(image):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return out.getvalue()


@functools.cache
def pattern(seed):
    """A picture that is like nobody else's: large blots of grey."""
    blots = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    return Image.fromarray(blots).resize((160, 160), Image.Resampling.BICUBIC)


def independent(secret, *, host, date):
    """The signature by the vendor's description, with nothing of ours."""
    text = "\n".join([f"host: {host}", f"date: {date}", "POST /v1/private/s67c9c78c HTTP/1.1"])
    mac = hmac.new(secret.encode("ascii"), text.encode("ascii"), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode("ascii")


def test_a_request_is_signed_as_the_vendor_describes():
    query = signed(IFLYTEK, host="api.xf-yun.com", at=NOW)
    assert (query["host"], query["date"]) == ("api.xf-yun.com", "Fri, 17 Jul 2026 06:26:58 GMT")
    mac = independent(IFLYTEK.api_secret, host=query["host"], date=query["date"])
    assert base64.b64decode(query["authorization"]).decode() == (
        f'api_key="{IFLYTEK.api_key}", algorithm="hmac-sha256", '
        f'headers="host date request-line", signature="{mac}"'
    )


async def test_the_score_is_that_of_the_two_pictures(street, faces):
    same = await faces.compare(jpeg(pattern(1)), jpeg(pattern(1)))
    blurred = await faces.compare(
        jpeg(pattern(1)), jpeg(pattern(1).filter(ImageFilter.GaussianBlur(12)))
    )
    others = [await faces.compare(jpeg(pattern(1)), jpeg(pattern(n))) for n in range(2, 8)]
    assert same > 0.999 > blurred > 0.8 > max(others)
    assert len({same, blurred, *others}) >= 4
    assert list(street.iflytek.scores) == [same, blurred, *others]
    assert faces.vendor.startswith("科大讯飞")


async def test_where_there_is_no_face_the_vendor_says_so(street, faces):
    nobody = jpeg(Image.new("L", (160, 160), 128))
    with pytest.raises(Invalid) as refusal:
        await faces.compare(jpeg(pattern(1)), nobody)
    assert (refusal.value.field, refusal.value.detail) == ("pictures", {"ret": -1})
    with pytest.raises(UpstreamRefused, match="10009"):
        await faces.compare(jpeg(pattern(1)), b"no picture at all")
    assert not street.iflytek.scores


class Sight:
    """An engine that sees what it is told to."""

    def __init__(self, *vectors):
        self.vectors = vectors

    async def look(self, pictures, *, want, gates):
        assert (len(pictures), want, gates.size) == (len(self.vectors), Want.ALL, 30)
        return [
            Look(vector=np.array(it, "<f4").tobytes()) if it is not None else Look(Flaw.NO_FACE)
            for it in self.vectors
        ]


class Busy:
    """An engine that has no room."""

    async def __call__(self, one, other):
        raise UpstreamDown("…", upstream="face")


async def test_with_an_engine_the_stand_in_looks_at_faces(street, faces):
    scores = {}
    for distance in (0.0, 0.4, 0.6, 0.9):
        street.iflytek.likeness = by_engine(Sight([0.0] * 128, [distance] + [0.0] * 127))
        scores[distance] = await faces.compare(b"one", b"other")
    assert scores[0.0] > scores[0.4] > 0.9
    assert math.isclose(scores[0.6], 0.67, abs_tol=1e-6)
    assert scores[0.9] < 0.1
    street.iflytek.likeness = by_engine(Sight([0.0] * 128, None))
    with pytest.raises(Invalid):
        await faces.compare(b"one", b"other")
    street.iflytek.likeness = Busy()
    with pytest.raises(UpstreamDown) as refusal:
        await faces.compare(b"one", b"other")
    assert type(refusal.value) is UpstreamDown


async def send(street, body, *, at=NOW, account=IFLYTEK, **changes):
    """Send what our client would not, and answer status and body."""
    host = street.url.removeprefix("http://")
    query = {**signed(account, host=host, at=at), **changes}
    reply = await AsyncHTTPClient().fetch(
        f"{street.url}{PATH}?{urlencode(query)}", method="POST", body=body, raise_error=False
    )
    return reply.code, orjson.loads(reply.body)


def draft(**changes):
    """A request that is right, but for ``changes`` by path."""
    result = {"encoding": "utf8", "compress": "raw", "format": "json"}
    picture = {"encoding": "jpg", "status": 3, "image": base64.b64encode(jpeg(pattern(1))).decode()}
    body = {
        "header": {"app_id": IFLYTEK.app_id, "status": 3},
        "parameter": {"s67c9c78c": {"service_kind": "face_compare", "face_compare_result": result}},
        "payload": {"input1": {**picture}, "input2": {**picture}},
    }
    for path, value in changes.items():
        *parents, name = path.split("/")
        place = body
        for parent in parents:
            place = place[parent]
        place[name] = value
    return orjson.dumps(body)


async def test_a_request_that_is_right_is_taken(street):
    status, answer = await send(street, draft())
    assert (status, answer["header"]["code"]) == (200, 0)
    result = answer["payload"]["face_compare_result"]
    assert (result["encoding"], result["compress"], result["format"]) == ("utf8", "raw", "json")
    assert orjson.loads(base64.b64decode(result["text"]))["ret"] == 0


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"authorization": ""}, 401, "Unauthorized"),
        ({"authorization": "bm9uc2Vuc2U="}, 401, "HMAC signature cannot be verified"),
        ({"host": "api.xf-yun.com"}, 401, "HMAC signature cannot be verified"),
        ({"account": IFLYTEK._replace(api_secret="other")}, 401, "HMAC signature does not match"),
        ({"account": IFLYTEK._replace(api_key="other")}, 401, "HMAC signature does not match"),
        ({"date": "yesterday"}, 403, "HMAC signature cannot be verified, a valid date"),
        ({"at": NOW - timedelta(seconds=301)}, 403, "HMAC signature cannot be verified, a valid"),
        ({"at": NOW + timedelta(seconds=301)}, 403, "HMAC signature cannot be verified, a valid"),
        ({"date": "Fri, 17 Jul 2026 06:26:59 GMT"}, 401, "HMAC signature does not match"),
    ],
)
async def test_who_does_not_sign_rightly_is_turned_away_at_the_gate(
    street, changes, status, message
):
    code, answer = await send(street, draft(), **changes)
    assert code == status
    assert list(answer) == ["message"]
    assert answer["message"].startswith(message)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{", 10160, "parse request json error"),
        (b"[]", 10163, "header/app_id"),
        (draft(**{"header/app_id": "ffffffff"}), 10313, "invalid appid"),
        (draft(**{"header/status": 0}), 10163, "header/status"),
        (draft(**{"parameter/s67c9c78c/service_kind": "face_detect"}), 10163, "service_kind"),
        (draft(**{"payload/input2": {}}), 10163, "payload/input2/encoding"),
        (draft(**{"payload/input1/encoding": "gif"}), 10163, "payload/input1/encoding"),
        (draft(**{"payload/input1/image": ""}), 10163, "payload/input1/image"),
        (draft(**{"payload/input1/image": "A" * (MOST_BASE64 + 4)}), 10163, "payload/input1/image"),
        (draft(**{"payload/input1/image": "%%%%"}), 10161, "parse base64 string error"),
    ],
)
async def test_a_request_that_is_wrong_is_refused_with_the_vendors_code(
    street, body, code, message
):
    status, answer = await send(street, body)
    assert (status, answer["header"]["code"]) == (200, code)
    assert message in answer["header"]["message"]
    assert "payload" not in answer


async def test_what_the_vendor_refuses_is_said_and_what_passes_is_worth_asking_again(street, faces):
    one = jpeg(pattern(1))
    for code, kind in (
        (10313, UpstreamRefused), (11201, UpstreamRefused), (10163, UpstreamRefused),
    ):  # fmt: skip
        street.iflytek.faults.append(code)
        with pytest.raises(kind, match=str(code)):
            await faces.compare(one, one)
    street.iflytek.faults.append(11202)
    with pytest.raises(UpstreamDown) as refusal:
        await faces.compare(one, one)
    assert (type(refusal.value), refusal.value.retry_after) == (UpstreamDown, 5.0)
    assert await faces.compare(one, one) > 0.999


async def test_a_clock_that_is_wrong_or_a_wrong_key_is_no_answer(street):
    one = jpeg(pattern(1))
    for client in (
        client_of(street.url, clock=lambda: NOW + timedelta(minutes=6)),
        client_of(street.url, account=IFLYTEK._replace(api_secret="other")),
    ):
        with pytest.raises(UpstreamDown) as refusal:
            await client.compare(one, one)
        assert refusal.value.detail["upstream"] == "iflytek"
        client.close()


async def test_without_a_key_or_with_too_large_a_picture_nothing_is_sent():
    for account in (IFLYTEK._replace(api_key=""), IFLYTEK._replace(api_secret="")):
        client = client_of("http://127.0.0.1:9", account=account)
        with pytest.raises(NotConfigured):
            await client.compare(b"one", b"other")
        client.close()
    client = client_of("http://127.0.0.1:9")
    with pytest.raises(Invalid, match="照片过大"):
        await client.compare(b"x" * 3_200_000, b"other")
    with pytest.raises(Unsent):
        await client.compare(b"one", b"other")
    client.close()


# -- hostile answers -------------------------------------------------------------------------------


class Villain(RequestHandler):
    """Answers what it is told to, or never."""

    answer: bytes | None = b""
    asked = 0

    async def post(self):
        type(self).asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        self.finish(self.answer)


@pytest.fixture
async def villain():
    socket, port = bind_unused_port()
    server = HTTPServer(Application([(PATH, Villain)], log_function=lambda _: None))
    server.add_socket(socket)
    Villain.asked = 0
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await server.close_all_connections()


def answered(text, *, code=0):
    """An answer around a result."""
    header = {"code": code, "message": "success", "sid": "s"}
    return orjson.dumps({"header": header, "payload": {"face_compare_result": {"text": text}}})


def result(**said):
    return answered(base64.b64encode(orjson.dumps(said)).decode())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"header": []}',
        b'{"header": {"code": "0"}}',
        b'{"header": {"code": false}}',
        b'{"header": {"code": 0}}',
        b'{"header": {"code": 0}, "payload": {"face_compare_result": "x"}}',
        answered(None),
        answered({"ret": 0}),
        answered("not base64 at all"),
        answered("\u4eba\u8138"),
        answered(base64.b64encode(b"no json").decode()),
        answered(base64.b64encode(b"\xff\xfe").decode()),
        answered(base64.b64encode(b"[0]").decode()),
        answered("QUFB" * 20_000),
        b" " * 1_100_000 + result(ret=0, score=1.0),
        result(score=0.9),
        result(ret="0", score=0.9),
        result(ret=False, score=0.9),
        result(ret=0),
        result(ret=0, score="0.9"),
        result(ret=0, score=True),
        result(ret=0, score=67),
        result(ret=0, score=-0.1),
        answered(base64.b64encode(b'{"ret": 0, "score": NaN}').decode()),
        answered(base64.b64encode(b'{"ret": 0, "score": 1e999}').decode()),
    ],
)
async def test_an_answer_that_says_nothing_is_no_answer(villain, answer, monkeypatch):
    monkeypatch.setattr(Villain, "answer", answer)
    client = client_of(villain)
    with pytest.raises(UpstreamDown) as refusal:
        await client.compare(b"one", b"other")
    assert type(refusal.value) is UpstreamDown
    assert refusal.value.detail["upstream"] == "iflytek"
    client.close()


@pytest.mark.parametrize("score", [0, 0.0, 0.67, 1])
async def test_a_score_is_read_as_it_was_said(villain, score, monkeypatch):
    monkeypatch.setattr(Villain, "answer", result(ret=0, score=score))
    client = client_of(villain)
    found = await client.compare(b"one", b"other")
    assert (found, type(found)) == (score, float)
    client.close()


async def test_who_never_answers_is_left_and_after_five_times_not_asked(villain, monkeypatch):
    monkeypatch.setattr(Villain, "answer", None)
    client = client_of(villain, timeout=0.05, breaker=Breaker(lambda: 0.0))
    for _ in range(5):
        with pytest.raises(UpstreamDown):
            await client.compare(b"one", b"other")
    with pytest.raises(Unsent) as refusal:
        await client.compare(b"one", b"other")
    assert (Villain.asked, refusal.value.retry_after) == (5, 60)
    client.close()


# -- the hub's own engine behind the stand-in ------------------------------------------------------


async def test_the_stand_in_tells_real_faces_apart(street):
    """Each of four people against a picture of their own, years apart, and one of another's."""
    pytest.importorskip("dlib")
    pictures = importlib.import_module("tests.faces")
    ids = pictures.people()[:4]
    supervisor = Supervisor()
    engine = FaceWorkers(supervisor.supervise, workers=1, timeout=30)
    faces = client_of(street.url, timeout=60)
    try:
        await engine.start()
        street.iflytek.likeness = by_engine(engine)
        own, others = [], []
        for one, other in zip(ids, [*ids[1:], ids[0]], strict=True):
            reference = pictures.photo(one, "a").read_bytes()
            own.append(await faces.compare(reference, pictures.photo(one, "b").read_bytes()))
            others.append(await faces.compare(reference, pictures.photo(other, "b").read_bytes()))
        assert min(own) >= 0.67 > max(others), (own, others)
        with pytest.raises(Invalid):
            await faces.compare(reference, jpeg(pattern(1)))
    finally:
        faces.close()
        await engine.close()
        await supervisor.stop()
