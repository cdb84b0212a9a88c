"""What must not be known does not get into the log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog

from server import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged while the hub's logging is in place."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    chatty = {name: logging.getLogger(name).level for name in ("tornado.access", "pymongo")}
    out = io.StringIO()
    logs.configure(stream=out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    for name, was in chatty.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()


def only(out: io.StringIO) -> dict:
    (line,) = out.getvalue().splitlines()
    return orjson.loads(line)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sent to 13812345678", "sent to 138****5678"),
        ("id 310101198001011234 seen", "id [hidden] seen"),
        ("id 31010119800101123X", "id [hidden]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [hidden]"),
        ("GET /api/v1/people?q=%E5%91%A8 200", "GET /api/v1/people?[hidden] 200"),
        ("https://h.test/connect?cf_connect=%7B%22token%22", "https://h.test/connect?[hidden]"),
        ("mongodb://hub:pa55word@db.test/x", "mongodb://hub:[hidden]@db.test/x"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln end", "jwt [hidden] end"),
        ("password=hunter2&x=1", "password=[hidden]&x=1"),
        ("01HV0000000000000000000000 at 2026-02-01", "01HV0000000000000000000000 at 2026-02-01"),
        ("took 12345678901 ns", "took 12345678901 ns"),
    ],
)
def test_texts_are_searched(text: str, kept: str) -> None:
    assert logs.redact(text) == kept


def test_values_of_telling_names_are_replaced_however_deep(lines: io.StringIO) -> None:
    structlog.get_logger("t").warning(
        "login",
        password="hunter2",
        detail={"openid": "oX1", "list": [{"api_key": "k"}], "person": "01P"},
        code="123456",
        phone="13812345678",
    )
    line = only(lines)
    assert line["password"] == line["code"] == line["phone"] == logs.HIDDEN
    assert line["detail"] == {
        "openid": logs.HIDDEN,
        "list": [{"api_key": logs.HIDDEN}],
        "person": "01P",
    }
    assert (line["event"], line["level"], line["logger"]) == ("login", "warning", "t")
    assert "hunter2" not in lines.getvalue()


def test_the_libraries_own_logging_goes_the_same_way(lines: io.StringIO) -> None:
    try:
        raise ValueError("phone 13812345678")
    except ValueError:
        logging.getLogger("tornado.application").exception(
            "failed for %s", "Bearer abc", extra={"request_id": "r1", "token": "t"}
        )
    line = only(lines)
    assert line["event"] == "failed for Bearer [hidden]"
    assert line["request_id"] == "r1"
    assert line["token"] == logs.HIDDEN
    assert "ValueError" in line["exception"]
    assert "13812345678" not in lines.getvalue()


def test_what_cannot_be_written_as_json_is_written_as_text(lines: io.StringIO) -> None:
    structlog.get_logger("t").info("odd", thing={1, 2}, raw=b"\xff", error=KeyError("k"))
    line = only(lines)
    assert line["thing"] == [1, 2]
    assert line["raw"] == logs.HIDDEN
    assert line["error"] == "'k'"
