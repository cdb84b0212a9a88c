"""The numbers of the real-time hub at ``/metrics``: they are there, and they move."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from realtime.broker import Publication
from realtime.limits import Limits
from server.realtime_metrics import HubCollector, OutboxGauges
from storage.outbox import Message
from storage.streams import RedisBroker
from tests.contract.test_broker import running
from tests.integration.test_identity import staff
from tests.integration.test_realtime import connected, listen
from tests.redis_server import RedisServer
from tests.unit.realtime.stage import Stage, settle


async def numbers(hub):
    """Answer every sample: (name, labels) to value."""
    text = (await hub.anybody.call("GET", "/metrics")).body.decode()
    return {
        (sample.name.removeprefix("hub_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_publications_and_deliveries_are_counted_by_namespace(hub):
    caller = await hub.sign_in(await staff(hub))
    async with connected(caller) as (one, _), connected(caller) as (two, _):
        _, first = await listen(one, "news")
        _, second = await listen(two, "news")
        for number in range(3):
            await hub.hub.realtime.hub.publish("news", b'{"n":%d}' % number)
        for ear in (first, second):
            for _ in range(3):
                await ear.news.get()
        now = await numbers(hub)
        assert now["realtime_connections",] == 2
        assert now["realtime_published_total", "news"] == 3
        assert now["realtime_delivered_total", "news"] == 6
        assert now["realtime_delivered_bytes_total", "news"] > 6 * len(b'{"n":0}')
        assert 2 <= now["realtime_writes_total",] <= 6
        assert now["realtime_fanouts_total",] >= 1
        assert now["realtime_fanout_seconds_count",] == now["realtime_fanouts_total",]
        assert 0 < now["realtime_fanout_seconds_sum",] < 60
        assert now["realtime_batch_messages_sum",] == 3
        assert now["realtime_batch_messages_bucket", "+Inf"] == now["realtime_fanouts_total",]
        assert now["realtime_queue_bytes_bucket", "+Inf"] == 2


async def test_closes_and_recoveries_are_counted_by_how_they_went(hub):
    person_id = await staff(hub)
    caller = await hub.sign_in(person_id)
    async with connected(caller) as (client, ear):
        await listen(client, "news")
        before = await numbers(hub)
        assert before["realtime_recoveries_total", "recovered"] == 0
        await hub.services.identity.sessions.revoke_all(person_id, by=person_id, reason="x")
        await ear.disconnected
    now = await numbers(hub)
    assert now["realtime_closes_total", "4504"] == 1
    assert now["realtime_connects_total",] == 1
    assert now["realtime_commands_total",] >= 2


def samples(hub, outbox=()):
    """Answer what a collector says of a hub that is not served."""
    registry = CollectorRegistry()
    registry.register(HubCollector(hub, dict(outbox)))
    return {
        (sample.name.removeprefix("hub_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


async def test_a_client_that_comes_back_counts_as_recovered_or_not():
    async with Stage() as stage:
        client = await stage.open()
        told = (await client.ask(subscribe={"channel": "room:1"}))["subscribe"]
        await stage.hub.publish("room:1", b"1")
        wish = {"channel": "room:1", "recover": True, "epoch": told["epoch"]}
        for number, epoch in enumerate((told["epoch"], told["epoch"], "another")):
            again = await stage.open(token=f"u{number}")
            await again.ask(subscribe=wish | {"epoch": epoch})
        now = samples(stage.hub)
        assert now["realtime_recoveries_total", "recovered"] == 2
        assert now["realtime_recoveries_total", "failed"] == 1


async def test_what_waits_for_a_slow_reader_is_measured_and_so_is_what_it_loses():
    limits = Limits(commands=0, queue=4_000, direct=1_000)
    async with Stage(limits=limits) as stage:
        quick, slow = await stage.open(), await stage.open(stuck=True)
        for client in (quick, slow):
            await client.ask(subscribe={"channel": "room:1"})
        before = samples(stage.hub)
        assert before["realtime_queue_bytes_bucket", "0.0"] == 1
        while not stage.hub.metrics.slow_channels:
            await stage.hub.publish("room:1", b'"%s"' % (b"x" * 400))
            await settle()
            held = samples(stage.hub)["realtime_queue_bytes_gsum",]
            assert held < limits.queue + 2_000
        now = samples(stage.hub)
        assert held > before["realtime_queue_bytes_gsum",] + 1_000
        assert now["realtime_slow_channels_total",] == 1
        assert now["realtime_queue_bytes_bucket", "+Inf"] == 2


async def test_a_channel_that_lost_its_thread_is_counted():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "room:1"})
        position = stage.hub.rooms["room:1"].position
        stage.hub.on_publication("room:1", Publication(b"1", offset=7), position.epoch, None)
        assert samples(stage.hub)["realtime_gaps_total",] == 1


async def test_the_outbox_is_counted_by_what_became_of_its_messages():
    async with Stage() as stage:
        now = samples(stage.hub, {"sent": 3, "waited": 2})
        assert now["outbox_messages_total", "sent"] == 3
        assert now["outbox_messages_total", "waited"] == 2


@pytest.mark.redis
async def test_redis_is_measured_by_what_it_takes_and_by_what_comes_back(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    try:
        broker = RedisBroker.from_url(server.url, timeout=0.3, probe_every=0.05)
        stage = Stage(broker=broker)
        assert samples(stage.hub)["realtime_probe_age_seconds",] == float("inf")
        async with running(broker):
            await broker.publish("room:1", Publication(b"1"))
            now = samples(stage.hub)
            assert now["realtime_probe_age_seconds",] < 5
            assert 0 < now["redis_round_trip_seconds",] < 5
            assert now["redis_pipeline_seconds_count",] >= 2
            assert 0 < now["redis_pipeline_seconds_sum",] < 60
            assert now["redis_waiting",] == 0
            server.freeze()
            async with asyncio.timeout(20):
                while samples(stage.hub)["realtime_probe_age_seconds",] < 0.3:
                    await asyncio.sleep(0.01)
            server.thaw()
            async with asyncio.timeout(20):
                while samples(stage.hub)["realtime_probe_age_seconds",] > 0.2:
                    await asyncio.sleep(0.01)
    finally:
        server.stop()


async def test_the_outbox_tells_how_late_it_is_and_what_nobody_could_send(hub):
    outbox = hub.hub.ground.outbox
    # The relay of this hub looks only at what is due; the clock stands still.
    later = hub.clock.now + timedelta(seconds=90)
    await outbox.put([Message(key="late", kind="event", body={}, due=later)])
    await hub.db["outbox"].update_one({"_id": "late"}, {"$set": {"state": "dead"}})
    registry = CollectorRegistry()
    await OutboxGauges(registry, outbox).look()
    assert registry.get_sample_value("hub_outbox_dead") == 1
    assert registry.get_sample_value("hub_outbox_lag_seconds") == 0
    now = await numbers(hub)
    assert ("outbox_lag_seconds",) in now
    assert ("outbox_dead",) in now
