"""The operator's commands, typed as the manual says, beside a hub that runs and without one."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import orjson
import pytest

from tests.integration.test_lifecycle import ROOT, Program, program, sign_in_by_hand

__all__ = ["sign_in_by_hand"]  # a fixture of this module, too


async def typed(hub: Program, *words: str, **settings: str) -> tuple[int, str]:
    """Type a command with the settings of a hub; answer its exit code and all it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "main.py"), *words,
        env={**hub.environment, **settings},
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert b"Traceback" not in said
    return process.returncode, said.decode()


async def upload(hub: Program, token: str, name: str) -> str:
    headers = {"X-File-Name": f"{name}.txt"}
    deputy = hub.caller(token)
    reply = await deputy.call("POST", "/api/v1/files", body=name.encode(), headers=headers)
    return reply.json["id"]


async def test_a_backup_of_a_running_hub_is_a_whole_hub_elsewhere(
    tmp_path: Path, sign_in_by_hand
) -> None:
    here, there, copy = tmp_path / "here", tmp_path / "there", tmp_path / "copy"
    token = await sign_in_by_hand(here)
    async with program(here) as hub:
        await hub.start()
        for number in range(3):
            await upload(hub, token, f"paper-{number}")
        code, said = await typed(hub, "backup", str(copy))
        assert (code, str(copy) in said) == (0, True)
        code, said = await typed(hub, "backup", str(copy))
        assert code == 1, said
        code, said = await typed(hub, "audit", "verify")
        assert code == 0, said
        assert "sound = True" in said

    # A backup holds no keys: they are carried over by hand, as the manual says.
    there.mkdir()
    for key in ("vault.key", "secret"):
        shutil.copy2(here / key, there)
    async with program(there) as other:
        code, said = await typed(other, "restore", str(copy))
        assert code == 0, said
        assert "3 files are back" in said
        code, said = await typed(other, "restore", str(copy))
        assert code == 1, said
        await other.start()
        # Logins are not carried over; what they did is.
        assert (await other.caller(token).call("GET", "/api/v1/me")).status == 401
        code, said = await typed(other, "audit", "verify")
        assert code == 0, said
    blobs = {path.name for path in (here / "files").rglob("*") if path.is_file()}
    assert len(blobs) == 3
    assert {path.name for path in (there / "files").rglob("*") if path.is_file()} == blobs


async def test_check_shows_what_is_in_force_hides_secrets_and_says_what_does_not_answer(
    tmp_path: Path,
) -> None:
    async with program(tmp_path) as hub:
        code, said = await typed(hub, "check", HUB_SECRET="a-secret-nobody-may-read-0123456789")
        assert code == 0, said
        assert "a-secret-nobody" not in said
        assert "embedded engine answers" in said
        assert "redis: not configured" in said

        code, said = await typed(hub, "check", HUB_MONGO__URI="mongodb://127.0.0.1:9/")
        assert code == 1, said
        assert "FAIL mongodb" in said

        code, said = await typed(hub, "check", HUB_REDIS__URL="redis://127.0.0.1:9/")
        assert code == 1, said
        assert "FAIL redis: Redis cannot be reached" in said


async def test_a_key_that_others_may_read_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "vault.key").write_bytes(b"x" * 32)
    (tmp_path / "vault.key").chmod(0o644)
    async with program(tmp_path) as hub:
        for words in (("serve",), ("audit", "verify")):
            code, said = await typed(hub, *words)
            assert code == 1
            assert "chmod 600" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("restore", "/nowhere"), "/nowhere"),
        (("demo", "--size", "huge"), "there is no size huge"),
        (("import", "/nowhere.csv"), "nowhere.csv"),
        (("audit", "verify", "--head", "nonsense"), "审计链头签名无效"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_sentence(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    async with program(tmp_path) as hub:
        code, told = await typed(hub, *words)
        assert code == 1, told
        assert said in told


async def test_the_printed_openapi_document_is_the_one_in_the_repository(tmp_path: Path) -> None:
    async with program(tmp_path) as hub:
        code, _ = await typed(hub, "openapi", "--out", str(tmp_path / "api.json"))
        assert code == 0
        kept = (ROOT / "docs" / "reference" / "openapi.json").read_bytes()
        assert orjson.loads((tmp_path / "api.json").read_bytes()) == orjson.loads(kept)
