"""Every case of the table, on the embedded engine and on every server that is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.contract.mongo_cases import CASES, Case, Refusal, same
from tests.contract.mongo_cases.deviations import EMBEDDED, JAVA_SERVER

DATABASE = "cases"


@pytest.fixture(scope="module")
def client(mongo_uri: str) -> Iterator[MongoClient]:
    """The embedded engine's client; other servers get theirs from ``server``."""
    with MongoClient(mongo_uri) as found:
        yield found


@pytest.fixture
def server(engine_uri: str, mongo_uri: str, client: MongoClient) -> Iterator[MongoClient]:
    """Each server in turn."""
    if engine_uri == mongo_uri:
        yield client
        return
    with MongoClient(engine_uri) as found:
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}: {case.name}")
def test_the_server_answers_as_mongodb_does(server: MongoClient, case: Case) -> None:
    kind = _kind(server)
    server.drop_database(DATABASE)
    coll = server[DATABASE][f"case{CASES.index(case)}"]
    if kind == "embedded" and case.name in EMBEDDED:
        with pytest.raises(OperationFailure) as refused:
            case.run(server[DATABASE], coll)
        assert refused.value.code == EMBEDDED[case.name]
        return
    if kind == "java" and case.name in JAVA_SERVER:
        pytest.xfail("known not to be MongoDB's answer")
    _check(server, case)


def _check(server: MongoClient, case: Case) -> None:
    coll = server[DATABASE][f"case{CASES.index(case)}"]
    if isinstance(case.expected, Refusal):
        with pytest.raises(case.expected.exception) as refused:
            case.run(server[DATABASE], coll)
        if case.expected.code is not None:
            assert getattr(refused.value, "code", None) == case.expected.code
        return
    got = case.run(server[DATABASE], coll)
    assert same(got, case.expected), f"{got!r} instead of {case.expected!r}"


def _kind(server: MongoClient) -> str:
    """What runs there: only MongoDB itself tells of the commit it was built from."""
    info = server.admin.command("buildInfo")
    if info["version"].endswith("-embedded"):
        return "embedded"
    return "mongodb" if len(info.get("gitVersion", "")) == 40 else "java"


def test_every_known_deviation_names_a_case() -> None:
    names = {case.name for case in CASES}
    assert names >= EMBEDDED.keys()
    assert names >= JAVA_SERVER
    assert len(CASES) == 371
