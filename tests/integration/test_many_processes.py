"""Four processes, one Redis, and everything that goes wrong in a night.

The real program serves; official SDK clients listen. Whatever is cut, killed or restarted, a client
ends up with every offset once and in order, or is told that it cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import pairwise

import orjson
import psutil
import pytest
from tornado.httpclient import AsyncHTTPClient

from domain.events import Event
from domain.flags import FLAGS
from domain.identity.account import Account
from domain.identity.devices import DeviceSeen
from domain.people import AccountState, Flag, Grant, Person
from domain.permissions import Role
from domain.role_grants import GrantState, RoleGrant
from domain.roster import Card, Kind
from realtime.recovery import MAX_RECOVERED
from server.assembly import build
from server.ground import lay
from server.neighbours import reach
from storage.grants import GrantStore
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.cluster import API_KEY, Network, Peer, Stopwatch, cluster, listening, until
from tests.integration.conftest import Caller
from tests.integration.test_realtime_http import Stream, commands

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(400)]


class Told(Event):
    type: str = "news.new"
    text: str


class NotAcknowledged(Exception):
    """What was to be published may or may not have been: nobody said that it was."""


class House:
    """The cluster, and this test's own hands on its database and interfaces."""

    def __init__(self, hub, ground, services, client):
        self.hub = hub
        self.port = hub.port
        self.ground = ground
        self.services = services
        self.client = client
        self.grants = GrantStore(ground.db)

    async def enrol(self, name="闻予澄", *, flags=(), role=None):
        """Put somebody on the roster, with an account and a login; answers id and caller."""
        person_id, now = self.ground.new_id(), self.ground.clock()
        card = Card(id=person_id, name=name, kind=Kind.DEPUTY, flags=frozenset(flags))
        await PeopleStore(self.ground.db).put(card)
        account = Account(
            id=person_id, state=AccountState.ACTIVE, created_at=now, created_by="system",
            updated_at=now, updated_by="system",
        )  # fmt: skip
        assert await AccountStore(self.ground.db).add(account)
        if role is not None:
            since = datetime(2026, 1, 1, tzinfo=UTC)
            grant = RoleGrant(
                id=self.ground.new_id(), person_id=person_id, role=role, since=since,
                state=GrantState.GRANTED, reason="测试", asked_by="system", asked_at=since,
            )  # fmt: skip
            await self.grants.add(grant)
        return person_id, await self.sign_in(person_id)

    async def sign_in(self, person_id):
        opened = await self.services.identity.sessions.open(
            person_id, method="password", device=DeviceSeen(key=secrets.token_hex(4))
        )
        return Caller(self.hub.url, self.client, opened.token)

    async def settle(self, count):
        """Put many deputies on the roster at once, with accounts and nothing else."""
        ids, now = [self.ground.new_id() for _ in range(count)], self.ground.clock()
        cards = [Card(id=it, name="某代表", kind=Kind.DEPUTY) for it in ids]
        await PeopleStore(self.ground.db).add_many(cards)
        about = {"created_at": now, "created_by": "system", "updated_at": now, "updated_by": "x"}
        await AccountStore(self.ground.db).add_many(
            [Account(id=it, state=AccountState.ACTIVE, **about) for it in ids]
        )

    async def token(self, caller):
        """Answer a connection token, issued by whichever process is asked."""
        return (await caller.call("POST", "/api/v1/realtime/token")).json["token"]

    async def connection_token(self, person_id):
        """Answer a connection token without asking: a thousand people need one."""
        caller = await self.sign_in(person_id)
        person = await self.services.sessions.whois(caller.token)
        return self.services.realtime.token(by=Person(**dict(person))).token

    async def crowd(self, count):
        """Answer connection tokens of so many people, who are enrolled once for all tests."""
        people = self.hub.people
        while len(people) < count:
            people.append((await self.enrol(f"代表{len(people)}"))[0])
        return [await self.connection_token(person_id) for person_id in people[:count]]

    async def api(self, method, **params):
        reply = await Caller(self.hub.url, self.client).call(
            "POST", f"/api/{method}", params, headers={"X-API-Key": API_KEY}
        )
        assert reply.status == 200, reply.body
        return reply.json

    async def publish(self, data, channel="news"):
        """Publish through whichever process is asked; answers the offset.

        Raises:
            NotAcknowledged: The process is on its way out, or it was cut off.
        """
        try:
            answer = await self.api("publish", channel=channel, data=data)
        except OSError as error:
            raise NotAcknowledged("cut off") from error
        if "error" in answer:
            raise NotAcknowledged(answer["error"])
        return answer["result"]["offset"]

    async def publish_surely(self, data):
        """Publish until somebody says that it is done; answers the offset."""
        while True:
            with contextlib.suppress(NotAcknowledged):
                return await self.publish(data)

    async def announce(self, text, channel="news"):
        """Write a durable event into the outbox, as a service does with its document."""
        event = Told(id=self.ground.new_id(), at=self.ground.clock(), text=text)
        await self.ground.bus.publish(channel, event)

    async def elsewhere(self, stack, count, token):
        """Let SDK clients in until they are spread over several processes."""
        networks, ears = [], []
        for _ in range(count):
            network = await stack.enter_async_context(Network(self.hub))
            network.avoid = {it.worker.pid for it in networks if it.worker} if networks else set()
            if len(network.avoid) == self.hub.processes:
                network.avoid = set()
            ears.append(await stack.enter_async_context(listening(network, token)))
            networks.append(network)
        return networks, ears


@pytest.fixture(scope="module")
def running():
    with cluster(4) as made:
        yield made


@pytest.fixture
async def house(running):
    """A cluster that is whole, whatever the test before has done to it."""
    running.ensure()
    await until(lambda: running.complete)
    async with AsyncExitStack() as stack:
        ground = await lay(running.settings, stack, join=True)
        services = build(ground, reach(ground, stack))
        stack.callback(services.identity.hasher.close)
        client = AsyncHTTPClient(force_instance=True, max_clients=100)
        stack.callback(client.close)
        yield House(running, ground, services, client)


def gapless(offsets):
    return all(after == before + 1 for before, after in pairwise(offsets))


async def test_clients_on_four_processes_hear_each_publication_once_and_in_order(house):
    _, caller = await house.enrol()
    async with AsyncExitStack() as stack:
        networks, ears = await house.elsewhere(stack, 4, await house.token(caller))
        assert len({it.worker.pid for it in networks}) == 4
        sent = [await house.publish({"n": number}) for number in range(40)]
        await until(lambda: all(len(ear.heard) >= 40 for ear in ears))
        for ear in ears:
            assert ear.offsets == sent
            assert [data["n"] for _, data in ear.heard] == list(range(40))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["anywhere", "another-process"])
async def test_a_client_that_loses_its_network_loses_nothing_else(house, elsewhere):
    _, caller = await house.enrol()
    async with Network(house.hub) as network, listening(network, await house.token(caller)) as ear:
        first = await house.publish("before")
        await until(lambda: ear.offsets == [first])
        was = network.worker
        network.cut()
        missed = [await house.publish(number) for number in range(30)]
        if elsewhere:
            network.avoid = {was.pid}
        network.mend()
        await until(lambda: len(ear.joined) == 2)
        last = await house.publish("after")
        await until(lambda: ear.offsets and ear.offsets[-1] == last)
        assert ear.offsets == [first, *missed, last]
        assert ear.joined[1].was_recovering
        assert ear.joined[1].recovered
        assert not elsewhere or network.worker.pid != was.pid


async def test_logging_out_everywhere_closes_sockets_on_every_process_in_two_seconds_F01_3(house):
    _, caller = await house.enrol()
    async with AsyncExitStack() as stack:
        networks, ears = await house.elsewhere(stack, 4, await house.token(caller))
        assert len({it.worker.pid for it in networks}) == 4
        async with Stopwatch() as watch:
            assert (await caller.call("DELETE", "/api/v1/me/sessions")).status == 204
            await until(lambda: all(ear.ended for ear in ears))
            took = watch.seconds
        assert took < 2
        assert {ear.ended[0].code for ear in ears} == {4504}
        print(f"\nlogout-all reached 4 processes in {took * 1000:.0f} ms")


async def test_a_suspended_person_is_sent_away_from_every_process_in_two_seconds(house):
    _, admin = await house.enrol("尹川辞", role=Role.ADMIN)
    person_id, caller = await house.enrol()
    async with AsyncExitStack() as stack:
        _, ears = await house.elsewhere(stack, 4, await house.token(caller))
        async with Stopwatch() as watch:
            reply = await admin.call(
                "POST",
                f"/api/v1/admin/accounts/{person_id}/state",
                {"to": "suspended", "reason": "依法暂停", "document": "常发〔2026〕1号"},
            )
            assert reply.status == 200, reply.body
            await until(lambda: all(ear.ended for ear in ears))
            took = watch.seconds
        assert took < 2
        assert {ear.ended[0].code for ear in ears} == {4501}
        print(f"\nsuspension reached 4 processes in {took * 1000:.0f} ms")


async def test_a_right_that_ends_ends_its_channel_on_every_process_in_two_seconds(house):
    _, admin = await house.enrol("尹川辞", role=Role.ADMIN)
    person_id, caller = await house.enrol(flags=[Flag.NPCSC_MEMBER])
    token = await house.token(caller)
    async with AsyncExitStack() as stack:
        ears, seen = [], set()
        for _ in range(4):
            network = await stack.enter_async_context(Network(house.hub))
            network.avoid = set(seen)
            ears.append(await stack.enter_async_context(listening(network, token, "npcsc")))
            seen.add(network.worker.pid)
        assert len(seen) == 4
        async with Stopwatch() as watch:
            reply = await admin.call(
                "PUT", f"/api/v1/admin/people/{person_id}/flags", {"v": 1, "flags": []}
            )
            assert reply.status == 200, reply.body
            await until(lambda: all(ear.left for ear in ears))
            took = watch.seconds
        assert took < 2
        assert {ear.left[0].code for ear in ears} == {2000}
        assert not any(ear.ended for ear in ears)
        print(f"\na right that ended reached 4 processes in {took * 1000:.0f} ms")


async def test_a_feature_that_is_switched_off_is_off_on_every_process_in_two_seconds(house):
    admin_id, _ = await house.enrol("尹川辞", role=Role.ADMIN)
    admin = Person(id=admin_id, name="尹川辞", grants=(Grant(role=Role.ADMIN),))
    flags = house.services.administration.flags

    async def seen():
        # A connection each, which the kernel spreads over the processes.
        asked = [house.client.fetch(f"{house.hub.url}/api/v1/flags") for _ in range(24)]
        return {orjson.loads(it.body)["flags"]["login.qr"] for it in await asyncio.gather(*asked)}

    async def switch(*, on):
        v = (await flags.listed(by=admin))[list(FLAGS).index("login.qr")].v
        await flags.switch("login.qr", on=on, reason="演练", v=v, by=admin)

    assert await seen() == {True}
    try:
        async with Stopwatch() as watch:
            await switch(on=False)
            while await seen() != {False}:
                assert watch.seconds < 2
            took = watch.seconds
        assert took < 2
        print(f"\na switch reached 4 processes in {took * 1000:.0f} ms")
    finally:
        await switch(on=True)


async def test_emulation_finds_its_stream_wherever_it_lands(house):
    _, caller = await house.enrol()
    opening = commands({"id": 1, "connect": {"token": await house.token(caller)}}).encode()
    async with Stream(house, "/connection/http_stream", body=opening) as stream:
        (hello,) = await stream.lines(1)
        session = {name: hello["connect"][name] for name in ("session", "node")}
        home = house.hub.owner(stream.writer.get_extra_info("sockname")[1])
        posts = 0
        for worker in house.hub.workers:
            others = {it.pid for it in house.hub.workers} - {worker.pid}
            async with Network(house.hub) as network:
                network.avoid = others
                posts += 1
                said = commands({"id": 10 + posts, "rpc": {"method": "clock.now", "data": {}}})
                reply = await Caller(f"http://127.0.0.1:{network.port}", house.client).call(
                    "POST", "/emulation", session | {"data": said}, headers={"Connection": "close"}
                )
                assert reply.status == 204
            answer = {}
            while "id" not in answer:  # pings come in between
                (answer,) = await stream.lines(1)
            assert answer["id"] == 10 + posts
            assert "now" in answer["rpc"]["data"]["result"]
        assert posts == 4
        assert home.pid in {it.pid for it in house.hub.workers}


async def test_the_clients_of_a_killed_worker_come_back_elsewhere_with_everything(house):
    _, caller = await house.enrol()
    async with AsyncExitStack() as stack:
        networks, ears = await house.elsewhere(stack, 4, await house.token(caller))
        first = await house.publish(0)
        await until(lambda: all(ear.offsets == [first] for ear in ears))
        victim = networks[0].worker
        house.hub.fell(victim, signal.SIGKILL)
        sent = [first]
        while len(sent) < 60:
            try:
                sent.append(await house.publish(len(sent)))
            except NotAcknowledged:
                continue  # it had reached the killed process; the next one reaches another
        assert gapless(sent)
        await until(lambda: all(ear.offsets and ear.offsets[-1] == sent[-1] for ear in ears))
        for ear in ears:
            assert ear.offsets == list(range(first, sent[-1] + 1))
        assert ears[0].joined[-1].recovered
        assert networks[0].worker.pid != victim.pid
        await until(lambda: house.hub.complete)
        assert victim.pid not in {it.pid for it in house.hub.workers}


async def test_a_worker_that_is_restarted_hands_its_clients_on_without_loss(house):
    _, caller = await house.enrol()
    async with AsyncExitStack() as stack:
        networks, ears = await house.elsewhere(stack, 4, await house.token(caller))
        first = await house.publish(0)
        leaver = networks[0].worker
        house.hub.fell(leaver, signal.SIGTERM)
        sent = [first]
        while not ears[0].interrupted[1:] or len(sent) < 60:
            try:
                sent.append(await house.publish(len(sent)))
            except NotAcknowledged:
                continue  # the leaver was no longer listening, or had let go of Redis
        await until(lambda: all(ear.offsets and ear.offsets[-1] == sent[-1] for ear in ears))
        assert ears[0].interrupted[1].code == 3001
        for ear in ears:
            assert ear.offsets == list(range(first, sent[-1] + 1))
        await until(lambda: house.hub.complete)


async def test_redis_may_die_and_come_back(house):
    person_id, caller = await house.enrol()
    for _ in range(3):
        await house.publish("long ago")  # so that they join above where a new stream begins
    async with AsyncExitStack() as stack:
        _, ears = await house.elsewhere(stack, 4, await house.token(caller))
        await house.publish("before")
        await until(lambda: all(ear.heard for ear in ears))
        house.hub.redis.kill()
        red = await until(lambda: house.hub.ready == 503)
        # Everything that is no real time goes on, and what is durable is written down.
        assert (await caller.call("GET", "/api/v1/me")).json["id"] == person_id
        await house.announce("said while Redis was away")
        house.hub.redis.start()
        green = await until(lambda: house.hub.complete)
        print(f"\n/readyz: red after {red:.2f} s, green {green:.2f} s after Redis was back")
        # The streams died with it: everybody is told so, and then hears what was said meanwhile.
        await until(lambda: all(len(ear.joined) > 1 for ear in ears))
        for ear in ears:
            again = [it for it in ear.joined[1:] if it.was_recovering]
            assert again
            assert not any(it.recovered for it in again[:1])
        await until(
            lambda: all(
                any(isinstance(data, dict) and "while" in data["text"] for _, data in ear.heard)
                or ear.joined[-1].stream_position.offset > 0
                for ear in ears
            )
        )
        kept = await house.api("history", channel="news", limit=100)
        texts = [it["data"].get("text") for it in kept["result"]["publications"]]
        assert texts.count("said while Redis was away") == 1
        last = await house.publish({"text": "after"})
        await until(lambda: all(ear.heard[-1][0] == last for ear in ears))


async def test_an_account_has_five_connections_over_all_processes_and_none_is_locked_out(house):
    _, caller = await house.enrol()
    token = await house.token(caller)
    async with AsyncExitStack() as stack:
        networks, ears = await house.elsewhere(stack, 5, token)
        assert len({it.worker.pid for it in networks}) == 4
        sixth = await stack.enter_async_context(Network(house.hub))
        sixth.avoid = {networks[0].worker.pid}
        ears.append(await stack.enter_async_context(listening(sixth, token)))
        await until(lambda: ears[0].ended)
        assert ears[0].ended[0].code == 3504
        # Two of the five are on a process that is killed. They come back, and nobody has to go for
        # the seats it has left behind, however often.
        for _ in range(2):
            victim = sixth.worker
            house.hub.fell(victim, signal.SIGKILL)
            await until(lambda pid=victim.pid: sixth.worker and sixth.worker.pid != pid)
            last = await house.publish_surely("still here?")
            await until(
                lambda offset=last: all(
                    ear.heard and ear.heard[-1][0] == offset for ear in ears[1:]
                )
            )
            await until(lambda: house.hub.complete)
        assert not any(ear.ended for ear in ears[1:])


async def test_five_hundred_phones_behind_one_address_get_in_within_a_minute(house):
    peers = [Peer(house.port, token) for token in await house.crowd(500)]
    try:
        async with Stopwatch() as watch, asyncio.timeout(200):
            await asyncio.gather(*(peer.join("news") for peer in peers))
            took = watch.seconds
        assert took < 60
        last = await house.publish("welcome")
        async with asyncio.timeout(60):
            await asyncio.gather(*(peer.hear_until(last) for peer in peers))
        print(f"\n500 accounts from one address were in after {took:.2f} s")
    finally:
        for peer in peers:
            peer.vanish()


async def test_a_thousand_clients_come_back_at_once_and_have_lost_nothing(house):
    tokens = await house.crowd(200)
    peers = [Peer(house.port, tokens[number % 200]) for number in range(1000)]
    try:
        for start in range(0, 1000, 100):
            await asyncio.gather(*(peer.join("news") for peer in peers[start : start + 100]))
        (base,) = {peer.position[0] for peer in peers}
        for peer in peers:
            peer.vanish()
        missed = [await house.publish(number) for number in range(50)]

        since = time.monotonic()

        async def come_back(peer):
            await peer.join("news")
            return time.monotonic() - since

        async with asyncio.timeout(300):
            storm = asyncio.gather(*(come_back(peer) for peer in peers))
            # What is said in the midst of it must not fall between recovery and live.
            # Not more than a subscribe reply holds, or the last to come would have to fetch.
            while not storm.done():
                if len(missed) < MAX_RECOVERED - 50:
                    missed.append(await house.publish("live"))
                await asyncio.wait((storm,), timeout=0.2)
            times = sorted(await storm)
            last = await house.publish("end")
            await asyncio.gather(*(peer.hear_until(last) for peer in peers))
        assert all(peer.recovered for peer in peers)
        assert {tuple(peer.offsets) for peer in peers} == {tuple(range(base + 1, last + 1))}
        assert missed == list(range(base + 1, last))
        nodes = (await house.api("info"))["result"]["nodes"]
        assert len(nodes) >= 4
        print(
            f"\n1,000 clients recovered: half in {times[500]:.2f} s, 99 % in {times[990]:.2f} s,"
            f" all in {times[-1]:.2f} s"
        )
    finally:
        for peer in peers:
            peer.vanish()


async def test_sigterm_sends_everybody_away_loses_nothing_and_leaves_nobody_behind(house):
    _, caller = await house.enrol()
    async with AsyncExitStack() as stack:
        networks, ears = await house.elsewhere(stack, 4, await house.token(caller))
        acknowledged = []

        async def keep_talking():
            # Whoever is sent away first misses most; a subscribe reply holds no more than so many.
            missed = 0
            while missed < MAX_RECOVERED - 50:
                missed += any(len(ear.interrupted) > 1 for ear in ears)
                try:
                    acknowledged.append(await house.publish(len(acknowledged)))
                except NotAcknowledged:
                    return

        talking = asyncio.ensure_future(keep_talking())
        await until(lambda: len(acknowledged) > 20)
        family = house.hub.family
        house.hub.process.send_signal(signal.SIGTERM)
        await until(lambda: all(len(ear.interrupted) > 1 for ear in ears))
        assert {ear.interrupted[1].code for ear in ears} == {3001}
        for network in networks:
            network.cut()
        await until(lambda: house.hub.process.poll() is not None)
        await talking
        assert house.hub.process.returncode == 0
        await until(
            lambda: (
                not any(it.is_running() and it.status() != psutil.STATUS_ZOMBIE for it in family)
            )
        )
        await asyncio.to_thread(house.hub.ensure)
        for network in networks:
            network.mend()
        await until(lambda: all(ear.joined[-1].recovered for ear in ears))
        last = await house.publish("after")
        await until(lambda: all(ear.offsets[-1] == last for ear in ears))
        for ear in ears:
            assert gapless(ear.offsets)
            assert set(acknowledged) <= set(ear.offsets)


async def test_a_notice_is_told_to_the_end_though_all_who_were_telling_it_are_killed(house):
    """Between write and announce, and in the midst of it: nothing is lost, nothing comes twice."""
    readers = [await house.enrol() for _ in range(4)]
    await house.settle(2_500)
    _, admin = await house.enrol(role=Role.ADMIN)
    notices = house.ground.db["notice"]
    async with AsyncExitStack() as stack:
        ears = []
        for _, caller in readers:
            network = await stack.enter_async_context(Network(house.hub))
            token = await house.token(caller)
            ears.append(await stack.enter_async_context(listening(network, token)))
        body = {
            "kind": "会议通知", "title": "分组会议改在 3 号厅", "body": "<p>请移步。</p>",
            "audience": {"all": True},
        }  # fmt: skip
        posted = await admin.call("POST", "/api/v1/notices", body)
        assert posted.status == 201, posted.body
        notice = posted.json
        while (row := await notices.find_one({"_id": notice["id"]}))["fan"]["claim"] == 0:
            pass
        for worker in house.hub.workers:
            house.hub.fell(worker, signal.SIGKILL)
        assert "due" in row["fan"]
        while "due" in (row := await notices.find_one({"_id": notice["id"]}))["fan"]:
            await asyncio.sleep(0.2)
        assert row["fan"]["claim"] == 2  # somebody else went on from where it stood
        receipts = await house.ground.db["receipt"].count({"n": notice["id"]})
        assert receipts == notice["recipients"] >= 2_504
        await until(lambda: all(mine(ear, notice["id"]) for ear in ears))
        for ear in ears:
            heard = mine(ear, notice["id"])
            assert {it["id"] for it in heard} == {notice["id"]}
            assert len(heard) <= 2  # the batch in which it stopped may be told again, as itself
        await until(lambda: house.hub.complete)


def mine(ear, notice_id):
    """What somebody's private channel told them of one notice."""
    news = [it for it in ear.own if it["type"] == "notice.new"]
    return [it for it in news if it["notice_id"] == notice_id]


def test_the_log_of_a_night_like_that_has_no_stack_in_it(running):
    lines = [orjson.loads(line) for line in running.log.splitlines() if line.startswith("{")]
    # That a worker was killed is worth an error; nothing else is.
    stacks = [it for it in lines if "WorkerDied" not in it.get("exception", "WorkerDied")]
    assert stacks == [], json.dumps(stacks[:3], ensure_ascii=False, indent=1)
    assert sum("exception" in it for it in lines) == running.felled
