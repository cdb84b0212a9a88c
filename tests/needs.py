"""What some tests need and a machine may lack: skipped with the reason, or failed if required."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("HUB_TEST_REQUIRE", "").split(",")))


def need(name: str, *commands: str) -> str:
    """Answer the path of the first command that is there.

    Without one the test is skipped, or fails if ``HUB_TEST_REQUIRE`` lists ``name``.
    """
    for command in commands or (name,):
        if path := shutil.which(command):
            return path
    reason = f"{name} is not on this machine"
    if name in REQUIRED:
        pytest.fail(f"{reason}, and HUB_TEST_REQUIRE asks for it")
    pytest.skip(reason)


def need_folder(name: str, path: Path) -> Path:
    """Answer ``path`` if it is there; otherwise the test is skipped, or fails where required."""
    if path.is_dir():
        return path
    reason = f"{name}: there is no folder {path}"
    if name in REQUIRED:
        pytest.fail(f"{reason}, and HUB_TEST_REQUIRE asks for it")
    pytest.skip(reason)
