"""Topics that are not there, not ours, or not as they must be, and a Kafka that makes what it is asked for.

On a real Kafka with its own defaults.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from stream.kafka.lease import Lease
from stream.kafka.producer import Producer
from stream.kafka.reader import reader
from stream.settings import load
from tests.integration.shop import Shop
from tests.integration.test_worker import stream
from tests.kit.kafka import create_topics

pytestmark = pytest.mark.kafka


@pytest.fixture
def empty(kafka: str, prefix: str, tmp_path: Path) -> Shop:
    """A shop none of whose topics exists."""
    return Shop(kafka, prefix, tmp_path)


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
