"""The numbers of the real-time hub at ``/metrics``: they are there, and they move."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from server.realtime_metrics import OutboxGauges
from storage.outbox import Message
from tests.integration.test_identity import staff
from tests.integration.test_realtime import connected, listen


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


async def test_a_client_that_comes_back_counts_as_recovered_or_not(hub):
    core = hub.hub.realtime.hub
    core.metrics.recovered += 2
    core.metrics.unrecovered += 1
    now = await numbers(hub)
    assert now["realtime_recoveries_total", "recovered"] == 2
    assert now["realtime_recoveries_total", "failed"] == 1


async def test_the_outbox_tells_how_late_it_is_and_what_nobody_could_send(hub):
    from prometheus_client import CollectorRegistry

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
