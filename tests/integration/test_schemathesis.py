"""The hub keeps every promise of its own OpenAPI document, whoever asks and whatever they send."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from domain.permissions import Role
from tests.integration.conftest import MintedSessions
from tests.integration.people import person, ulid
from tests.integration.test_wechat import town

# As long as the document is: some minutes, and twice that on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
__all__ = ["town"]  # a fixture of this module, too: with it, every neighbour is configured

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ADMIN = person(ulid(901), "查理问", Role.ADMIN)
DEPUTY = person(ulid(902), "查代问", Role.DEPUTY, delegation_id="pudong")


@pytest.mark.parametrize(
    ("someone", "phases"),
    [(ADMIN, "coverage,fuzzing"), (DEPUTY, "fuzzing"), (None, "fuzzing")],
    ids=["admin", "deputy", "nobody"],
)
async def test_no_answer_breaks_the_promise_of_the_document(
    town, someone, phases, tmp_path: Path
) -> None:
    hub = town.hub
    sessions = MintedSessions(hub.services.sessions)
    object.__setattr__(hub.services, "sessions", sessions)
    hub.minted = sessions.minted
    caller = hub.anybody if someone is None else await hub.sign_in(someone)
    headers = [f"--header={name}:{value}" for name, value in caller.headers.items()]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "--no-color", "run", f"{hub.url}/openapi.json", *headers,
        f"--checks={','.join(CHECKS)}", f"--phases={phases}", "--max-examples=3",
        "--seed=2026", "--no-shrink", "--max-failures=10", "--warnings=off", "--request-timeout=10",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(560):
            said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said[-20_000:]
    tested = re.search(r"(\d+) generated", said)
    assert tested, said
    assert int(tested[1]) > 500
