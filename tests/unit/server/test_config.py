"""Settings are read once, say what is wrong, and keep their secrets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from server.commands import effective
from server.config import Env, Settings

PRODUCTION: Mapping[str, str] = {
    "HUB_ENV": "production",
    "HUB_SECRET": "s" * 32,
    "HUB_VAULT__KEY": "v" * 44,
    "HUB_REALTIME__SECRET": "r" * 32,
    "HUB_WECHAT__APP_SECRET": "w" * 32,
    "HUB_PUBLIC_URL": "https://hub.example",
}


def settings(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


def test_nested_names_are_joined_by_two_underscores(monkeypatch) -> None:
    read = settings(monkeypatch, {"HUB_MONGO__URI": "mongodb://db/", "HUB_PORT": "9000"})
    assert read.mongo.uri.get_secret_value() == "mongodb://db/"
    assert read.port == 9000
    assert not read.embedded
    with pytest.raises(ValidationError):
        read.port = 1


def test_a_complete_production_starts(monkeypatch) -> None:
    read = settings(monkeypatch, PRODUCTION)
    assert read.env is Env.PRODUCTION
    assert read.secure


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"HUB_SECRET": ""}, "HUB_SECRET is missing"),
        ({"HUB_VAULT__KEY": "short"}, "HUB_VAULT__KEY is too short"),
        ({"HUB_REALTIME__SECRET": ""}, "HUB_REALTIME__SECRET is missing"),
        ({"HUB_WECHAT__APP_SECRET": "short"}, "HUB_WECHAT__APP_SECRET is too short"),
        ({"HUB_DEMO": "1"}, "HUB_DEMO is set"),
        ({"HUB_PUBLIC_URL": "http://hub.example"}, "not an https address"),
        ({"HUB_WECHAT__BASE_URL": "http://127.0.0.1:9"}, "HUB_WECHAT__BASE_URL"),
        (
            {"HUB_IFLYTEK__BASE_URL": "http://127.0.0.1:9", "HUB_IFLYTEK__APP_ID": "a"},
            "HUB_IFLYTEK__BASE_URL is not an https address",
        ),
        ({"HUB_IFLYTEK__BASE_URL": "https://api.xf-yun.com"}, "needs HUB_IFLYTEK__APP_ID"),
        ({"HUB_REALTIME__INSECURE": "1"}, "conformance only"),
    ],
)
def test_production_refuses_what_is_unsafe(monkeypatch, change, sentence) -> None:
    with pytest.raises(ValidationError, match=sentence):
        settings(monkeypatch, {**PRODUCTION, **change})


def test_several_processes_need_redis(monkeypatch) -> None:
    with pytest.raises(ValidationError, match="HUB_REDIS__URL"):
        settings(monkeypatch, {"HUB_PROCESSES": "2"})
    read = settings(monkeypatch, {"HUB_PROCESSES": "2", "HUB_REDIS__URL": "redis://r"})
    assert read.processes == 2


def test_secrets_are_never_shown(monkeypatch) -> None:
    read = settings(monkeypatch, {**PRODUCTION, "HUB_MONGO__URI": "mongodb://u:hunter2@db/"})
    shown = dict(effective(read))
    assert shown["HUB_MONGO__URI"] == shown["HUB_SECRET"] == "********"
    assert shown["HUB_REDIS__URL"] == "(not set)"
    assert shown["HUB_PORT"] == "8000"
    assert "hunter2" not in repr(read) + str(shown)


def test_a_wrong_value_is_not_repeated_in_the_complaint(monkeypatch) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, {"HUB_PORT": "hunter2"})
    assert "hunter2" not in str(caught.value)
