"""What the hub shows by itself, in a real browser, and the two documents it serves."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import orjson
import pytest

from tests.needs import need

DOCS = Path(__file__).parents[2] / "docs" / "reference"


class Shown:
    """A page after its scripts have run, and what the browser complained of."""

    def __init__(self, dom: str, said: str) -> None:
        self.dom = dom
        self.complaints = [line for line in said.splitlines() if ":CONSOLE" in line]


async def shown(url: str, home: Path) -> Shown:
    process = await asyncio.create_subprocess_exec(
        need("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
        "--virtual-time-budget=10000", "--enable-logging=stderr", f"--user-data-dir={home}",
        "--dump-dom", url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        dom, said = await process.communicate()
    return Shown(dom.decode(), said.decode())


@pytest.mark.chromium
async def test_the_reference_shows_every_endpoint_and_the_browser_complains_of_nothing(
    hub, tmp_path: Path
) -> None:
    page = await shown(f"{hub.url}/docs", tmp_path)

    paths = orjson.loads((DOCS / "openapi.json").read_bytes())["paths"]
    missing = [path for path in paths if f">{path}<" not in page.dom]
    assert missing == []
    assert page.complaints == []


@pytest.mark.chromium
async def test_the_welcome_page_leads_to_places_that_are_there(hub, tmp_path: Path) -> None:
    page = await shown(f"{hub.url}/", tmp_path)

    assert page.complaints == []
    places = re.findall(r'href="(/[^"]*)"', page.dom)
    assert len(places) >= 5
    for place in places:
        assert (await hub.anybody.call("GET", place)).status == 200, place


async def test_pages_load_nothing_from_elsewhere_and_their_policy_forbids_it(hub) -> None:
    for place in ("/", "/docs"):
        page = await hub.anybody.call("GET", place)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        text = page.body.decode()
        for asset in re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg|png))"', text):
            assert asset.startswith("/docs/assets/")
            assert (await hub.anybody.call("GET", asset)).status == 200
        assert "<script>" not in text
        assert " style=" not in text


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
async def test_the_documents_served_are_those_in_the_repository(hub, name: str) -> None:
    served = (await hub.anybody.call("GET", f"/{name}")).json
    kept = orjson.loads((DOCS / name).read_bytes())
    if name == "asyncapi.json":
        assert served == kept
    else:
        assert served["info"] == kept["info"]
        assert kept["paths"].keys() <= served["paths"].keys()
