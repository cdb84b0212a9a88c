"""How the hub serves the pages of the front end, built or not."""

from __future__ import annotations

import asyncio
import gzip
from urllib.request import urlopen

import pytest

PAGE = b'<!doctype html><html lang="zh-CN"><script type="module" src="/h5/assets/i-1.js"></script>'
SCRIPT = b"console.log('here')" * 100
PHONE = "Mozilla/5.0 (Linux; Android 14) Chrome/120 MicroMessenger/8.0.50"


@pytest.fixture
def hub_more(tmp_path):
    dist = tmp_path / "dist"
    (dist / "h5" / "assets").mkdir(parents=True)
    (dist / "h5" / ".vite").mkdir()
    (dist / "h5" / ".vite" / "manifest.json").write_bytes(b"{}")
    (dist / "h5" / "index.html").write_bytes(PAGE)
    (dist / "h5" / "assets" / "i-1.js").write_bytes(SCRIPT)
    (dist / "h5" / "assets" / "i-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    return {"front": dist, "demo": True}


async def test_a_page_is_asked_for_anew_and_what_it_loads_is_kept(hub):
    page = await hub.anybody.call("GET", "/h5/")
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-cache")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    seen = {"If-None-Match": page.headers["ETag"]}
    again = await hub.anybody.call("GET", "/h5/", headers=seen)
    assert (again.status, again.body) == (304, b"")

    script = await hub.anybody.call("GET", "/h5/assets/i-1.js")
    assert script.body == SCRIPT
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Cache-Control"].endswith("immutable")


async def test_what_the_build_has_compressed_is_sent_so_to_whoever_takes_it(hub):
    # Our client takes gzip, and unpacks it; the other one takes nothing of the kind.
    script = await hub.anybody.call("GET", "/h5/assets/i-1.js")
    assert script.headers["X-Consumed-Content-Encoding"] == "gzip"
    assert script.body == SCRIPT

    def fetch():
        with urlopen(f"{hub.url}/h5/assets/i-1.js") as reply:
            return reply.headers.get("Content-Encoding"), reply.read()

    assert await asyncio.to_thread(fetch) == (None, SCRIPT)


async def test_a_page_loads_nothing_from_elsewhere_but_wechats_script_within_wechat(hub):
    plain = (await hub.anybody.call("GET", "/h5/")).headers["Content-Security-Policy"]
    assert plain.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in plain
    phone = await hub.anybody.call("GET", "/h5/", headers={"User-Agent": PHONE})
    allowed = phone.headers["Content-Security-Policy"]
    assert allowed == plain.replace("script-src 'self'", "script-src 'self' https://res.wx.qq.com")


async def test_the_page_of_a_demo_says_that_it_is_one(hub):
    assert b"<html data-demo lang=" in (await hub.anybody.call("GET", "/h5/")).body


@pytest.mark.parametrize(
    "name", ["nope", "assets/", "../front.py", "%2e%2e/%2e%2e/main.py", ".vite/manifest.json"]
)
async def test_nothing_but_the_files_of_the_app_can_be_fetched(hub, name):
    reply = await hub.anybody.call("GET", f"/h5/{name}")
    assert (reply.status, reply.code) == (404, "not_found")


async def test_an_app_that_is_not_built_says_how_to_build_it(hub):
    reply = await hub.anybody.call("GET", "/gate/")
    assert (reply.status, reply.code) == (503, "not_configured")
    assert "scripts/front" in reply.json["msg"]


async def test_the_welcome_page_leads_to_what_is_built(hub):
    page = (await hub.anybody.call("GET", "/")).body.decode()
    assert 'href="/h5/"' in page
    assert 'href="/gate/"' not in page


async def test_the_stroke_at_the_end_may_be_left_out(hub):
    reply = await hub.anybody.call("GET", "/h5")
    assert (reply.status, reply.headers["Location"]) == (301, "/h5/")
