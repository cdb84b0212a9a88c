"""Listen to the hub from another system: log in, connect, subscribe, survive what comes.

pip install centrifuge-python
python listen.py http://127.0.0.1:8000 zhuomuqing 'password' news sys
"""

import asyncio
import json
import sys
import urllib.request

import centrifuge


def call(method: str, url: str, body: dict | None = None, bearer: str = "") -> dict:
    """Ask the REST interface."""
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    request = urllib.request.Request(url, json.dumps(body or {}).encode(), headers, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


class Listener(centrifuge.SubscriptionEventHandler):
    """Prints what a channel says."""

    def __init__(self, channel: str) -> None:
        self.channel = channel

    async def on_subscribed(self, ctx):
        lost = ctx.was_recovering and not ctx.recovered
        print("subscribed", self.channel, "missed some" if lost else "", flush=True)

    async def on_publication(self, ctx):
        print(
            self.channel, ctx.pub.offset, json.dumps(ctx.pub.data, ensure_ascii=False), flush=True
        )


async def main(hub: str, username: str, password: str, *channels: str) -> None:
    login = call("POST", f"{hub}/api/v1/session", {"username": username, "password": password})

    async def token() -> str:
        # Asked again whenever the old one is about to end.
        return call("POST", f"{hub}/api/v1/realtime/token", bearer=login["token"])["token"]

    client = centrifuge.Client(f"ws{hub[4:]}/connection/websocket", get_token=token)
    for channel in channels:
        await client.new_subscription(channel, Listener(channel)).subscribe()
    await client.connect()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
