"""Run the SDKs' own test suites against the hub, and say which tests passed.

    HUB_CONFORMANCE_DIR=/path/to/checkouts python -m tests.conformance.run [suite …] [--record]

The directory holds work trees of the suites: ``centrifuge-js``, ``centrifuge-python``, ``pycent``.
Nothing of them is kept here; what must pass is listed in ``expected/``. The suites want port 8000,
so they run one after the other. With ``--record`` the result goes to
``docs/reference/conformance.md``. The exit status is 1 if an expected test did not pass.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.redis_server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).parent / "expected"
RECORD = ROOT / "docs" / "reference" / "conformance.md"
PORT = 8000
JS_FILES = (
    "centrifuge.test",
    "centrifuge.protobuf",
    "recovery",
    "delta.test",
    "getstate",
    "compaction",
    "utils",
    "codec.bench",
)


@dataclass(frozen=True)
class Suite:
    """One SDK's tests.

    Attributes:
        run: Runs them in a checkout and answers the names of those that passed.
        needs_hub: Note on how many of them mean anything.
    """

    name: str
    profile: str
    run: Callable[[Path, Path], set[str]]
    note: str


@dataclass(frozen=True)
class Outcome:
    """What became of a suite on one transport."""

    suite: Suite
    transport: str
    version: str
    passed: frozenset[str]
    expected: frozenset[str]

    @property
    def missing(self) -> list[str]:
        return sorted(self.expected - self.passed)


def run_js(checkout: Path, scratch: Path) -> set[str]:
    if not (checkout / "node_modules").is_dir():
        install = ["npm", "install", "--legacy-peer-deps", "--ignore-scripts", "--no-audit"]
        subprocess.run(install, cwd=checkout, check=True)
    report = scratch / "jest.json"
    # Map tests are left out by name: when they fail, their timers fail the next file too.
    command = ["npx", "jest", "-i", "--forceExit", "--json", f"--outputFile={report}"]
    command += ["-t", "^(?!map delta|map: )", *JS_FILES]
    subprocess.run(command, cwd=checkout, check=False, timeout=600)
    return {
        f"{Path(file['name']).name} > {test['fullName']}"
        for file in json.loads(report.read_text())["testResults"]
        for test in file["assertionResults"]
        if test["status"] == "passed"
    }


def run_python(checkout: Path, scratch: Path) -> set[str]:
    report = scratch / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
    # Two helpers of the suite are functions whose names begin with ``test``.
    command += [
        "-o",
        "python_functions=none",
        "--timeout=60",
        f"--rootdir={checkout}",
        f"--junitxml={report}",
        "tests",
    ]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run(command, cwd=checkout, env=environment, check=False, timeout=600)
    return {name.removeprefix("tests.") for name in _passed(report)}


def run_pycent(checkout: Path, scratch: Path) -> set[str]:
    home = scratch / "venv"
    venv.create(home, with_pip=True)
    packages = [str(checkout), "pytest", "pytest-asyncio", "anyio"]
    subprocess.run([home / "bin/pip", "install", "--quiet", *packages], check=True)
    report = scratch / "junit.xml"
    command = [home / "bin/python", "-m", "pytest", "-q", f"--junitxml={report}", "tests"]
    subprocess.run(command, cwd=checkout, check=False, timeout=600)
    return _passed(report)


def _passed(report: Path) -> set[str]:
    return {
        f"{case.get('classname')}.{case.get('name')}"
        for case in ElementTree.parse(report).iter("testcase")
        if not any(child.tag in {"failure", "error", "skipped"} for child in case)
    }


SUITES = (
    Suite("centrifuge-python", "python", run_python, "31 need a hub, each in JSON and Protobuf"),
    Suite("centrifuge-js", "js", run_js, "eight files; what is left out is named below"),
    Suite("pycent", "pycent", run_pycent, "the server API over HTTP"),
)


@contextmanager
def hub(profile: str, *, wired: bool, redis: str = "") -> Iterator[None]:
    """Serve a profile on the port the suites expect, on the memory broker or on Redis."""
    command = [sys.executable, "-m", "server.conformance", profile, "--port", str(PORT)]
    environment = os.environ | {"HUB_ENV": "conformance", "HUB_REDIS__URL": redis}
    with subprocess.Popen(
        command if wired else [*command, "--tornado"], cwd=ROOT, env=environment
    ) as process:
        try:
            _wait(process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise SystemExit(f"the hub did not start; is port {PORT} taken?")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the hub does not listen")


def expected(suite: Suite) -> frozenset[str]:
    lines = (EXPECTED / f"{suite.name}.txt").read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def version(checkout: Path) -> str:
    """Answer the version a checkout says it has."""
    package = checkout / "package.json"
    if package.exists():
        return str(json.loads(package.read_text())["version"])
    for file in (checkout / "centrifuge" / "__meta__.py", checkout / "pyproject.toml"):
        for line in file.read_text().splitlines() if file.exists() else ():
            if line.startswith(("version", "__version__")):
                return line.split("=")[1].strip().strip('"')
    return "?"


@contextmanager
def fresh_redis(home: Path) -> Iterator[str]:
    """A Redis with nothing in it: the suites use the same channel names each time."""
    server = RedisServer(home)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def try_suite(suite: Suite, checkout: Path, transport: str) -> Outcome:
    """Run a suite on one of ``TRANSPORTS``."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        redis = stack.enter_context(fresh_redis(Path(scratch))) if "redis" in transport else ""
        stack.enter_context(hub(suite.profile, wired="tornado" not in transport, redis=redis))
        passed = suite.run(checkout, Path(scratch))
    return Outcome(suite, transport, version(checkout), frozenset(passed), expected(suite))


def record(outcomes: list[Outcome]) -> str:
    """Answer the page that says what was run and what came of it."""
    rows = [
        f"| {one.suite.name} {one.version} | {one.transport} | "
        f"{len(one.expected) - len(one.missing)} of {len(one.expected)} | {one.suite.note} |"
        for one in outcomes
    ]
    failed = [
        f"- {one.suite.name}, {one.transport}: {name}" for one in outcomes for name in one.missing
    ]
    return "\n".join(
        [
            "# Conformance",
            "",
            "The SDKs' own test suites, unmodified, against the hub. Written by",
            "`python -m tests.conformance.run --record`; what must pass is listed in",
            "`tests/conformance/expected/`. *wire* is the hub's own socket layer, *tornado* the",
            "portable one; without *redis* it is the broker in memory.",
            "",
            "| suite | sockets | passed | |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            *(["Not passed:", "", *failed, ""] if failed else []),
            *left_out(),
        ]
    )


def left_out() -> Iterator[str]:
    """Yield the part of the page that names every test nobody runs, and why."""
    _, *lines = (EXPECTED / "centrifuge-js.left-out.txt").read_text().splitlines()
    count = sum(not line.startswith("#") for line in lines)
    yield from (
        "## Left out",
        "",
        "Of centrifuge-python and pycent nothing. Numeric channel ids (compaction) are not offered",
        "either: a client that can do without, as all can, is answered with names; the four tests",
        "of it bring a server of their own and pass. Of centrifuge-js these",
        f"{count} tests, by name:",
    )
    for line in lines:
        yield from (("", line.removeprefix("# "), "") if line.startswith("#") else (f"- `{line}`",))
    yield ""


def transports() -> list[str]:
    """Answer on what each suite is run."""
    return ["wire", "tornado", *(["wire, redis"] if shutil.which("redis-server") else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", help="all of them if none is named")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    given = parser.parse_args()
    home = os.environ.get("HUB_CONFORMANCE_DIR")
    if not home:
        parser.error("HUB_CONFORMANCE_DIR must name the directory of the checkouts")
    outcomes = []
    for suite in SUITES:
        checkout = Path(home) / suite.name
        if given.suites and suite.name not in given.suites:
            continue
        if not checkout.is_dir() or (suite.profile == "js" and not shutil.which("npm")):
            print(f"{suite.name}: skipped, no checkout or no npm")
            continue
        outcomes += [try_suite(suite, checkout, transport) for transport in transports()]
    page = record(outcomes)
    if given.record:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(page)
    print(page)
    return 1 if any(one.missing for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
