"""Topics that are not there, not ours, or not as they must be, and a Kafka that makes what it is asked for.

On a real Kafka with its own defaults.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stream.kafka.lease import Lease
from stream.kafka.producer import Producer
from stream.kafka.reader import reader
from stream.settings import load
from tests.integration.shop import PARTITIONS, START, Shop
from tests.integration.test_worker import stream
from tests.kit.kafka import consume_all, create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker

pytestmark = pytest.mark.kafka


@pytest.fixture
def empty(kafka: str, prefix: str, tmp_path: Path) -> Shop:
    """A shop none of whose topics exists."""
    return Shop(kafka, prefix, tmp_path)


@pytest.fixture
def shop(empty: Shop) -> Shop:
    """One with topics."""
    create_topics(empty.bootstrap, dict.fromkeys([*empty.sources, empty.web], PARTITIONS))
    return empty


def topics_of(bootstrap: str, prefix: str) -> set[str]:
    """All topics of a test that exist, whoever made them. Kafka makes them in order: one that somebody asked
    for before is there when the topic that is made here is.
    """
    create_topics(bootstrap, {f"{prefix}-last": 1})

    async def ask() -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            return {each for each in await admin.list_topics() if each.startswith(prefix)} - {
                f"{prefix}-last"
            }
        finally:
            await admin.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("command", ["topics", "doctor", "worker --check"])
def test_looking_for_topics_made_them_with_one_partition_and_a_retention_of_a_week(
    empty: Shop, command: str
) -> None:
    given = {"broker": empty.bootstrap, "app_id": empty.prefix, "rules": str(empty.rules)}
    stream(*command.split(), **given)
    assert topics_of(empty.bootstrap, empty.prefix) == set()


async def test_a_client_that_tracked_a_missing_topic_made_it(kafka: str, prefix: str) -> None:
    settings = load({}, {"broker": kafka}, env_file=None)
    lease = Lease(60.0)
    lease.renew(lease.now())
    producer = Producer(settings, lease)
    await producer.start()
    try:
        async with reader(settings, "test") as consumer:
            for client in (consumer._client, producer._started().client):
                await client.set_topics([prefix])
                await client.force_metadata_update()
    finally:
        await producer.stop()
    assert await asyncio.to_thread(topics_of, kafka, prefix) == set()


def test_a_source_that_came_after_the_worker_left_it_in_a_crash_loop(empty: Shop) -> None:
    with empty.worker() as worker:
        eventually(lambda: not worker.alive or worker.said("waits_for_topics"), "the worker waits")
        (line,) = worker.said("waits_for_topics")
        assert line["missing"] == sorted(empty.sources)
        assert worker.get("/live")[0] == 200
        status, body = worker.get("/ready")
        assert status == 503
        assert empty.clicks in body
        assert topics_of(empty.bootstrap, empty.prefix) == set()
        create_topics(empty.bootstrap, dict.fromkeys(empty.sources, PARTITIONS))
        worker.until_ready()
        produce(empty.bootstrap, empty.clicks, [empty.click(1, "view", START)])
        worker.until_caught_up(empty.sources)
        assert worker.stop() == 0
    with empty.worker("stopped-while-it-waits") as worker:
        assert worker.until_ready().stop() == 0
    (said,) = consume_all(empty.bootstrap, [f"{empty.prefix}-rules"])[-1:]
    assert said.key is not None
    assert said.value is not None
    assert orjson.loads(said.value)["revision"] == said.key.decode()
    decided = orjson.loads(consume_all(empty.bootstrap, [empty.web])[0].value)
    assert decided["revision"] == said.key.decode(), "what it was decided by can be read"


def test_a_changelog_that_was_not_compacted_forgot_customers_without_a_word(shop: Shop) -> None:
    changelog = f"{shop.prefix}-customers-changelog"
    create_topics(shop.bootstrap, {changelog: PARTITIONS}, {"cleanup.policy": "delete"})
    given = {"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules)}
    refused = stream("worker", "--check", **given)
    assert refused.returncode == 1
    mend = f"--entity-name {changelog} --add-config cleanup.policy=compact"
    assert mend in refused.stderr


def test_a_worker_with_one_source_more_took_half_of_the_partitions_and_served_none(
    shop: Shop, tmp_path: Path
) -> None:
    more = f"{shop.prefix}-more"
    create_topics(shop.bootstrap, {more: PARTITIONS})
    rules = tmp_path / "new-rules"
    rules.mkdir()
    text = (shop.rules / "shop.yaml").read_text()
    source = f"\n  more: {{topic: {more}, event: event, customer: customer_id}}\n"
    (rules / "shop.yaml").write_text(text.replace("\n", source, 2).replace(source, "\n", 1))
    with shop.worker("old") as old, ExitStack() as later:
        old.until_ready()
        new = Worker(shop.bootstrap, shop.prefix, rules, tmp_path / "new.log", clock="event")
        later.enter_context(new)
        said = "waits_for_workers_with_other_sources"
        eventually(lambda: not new.alive or new.said(said), "the new one waits")
        assert new.said(said)[0]["topics"] == [more]
        produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", START) for c in range(8)])
        old.until_caught_up(shop.sources)
        assert len(shop.triggers()) == 8, "the old one has all partitions"
        assert old.stop() == 0
        new.until_ready()
        produce(shop.bootstrap, more, [shop.click(c, "view", START) for c in range(8)])
        new.until_caught_up([more])
        assert new.stop() == 0
