"""What a producer says where it cannot start, or write. Kafka is the test's."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, UnsupportedVersionError

from stream.errors import BrokerError, RefusedError
from stream.kafka import producer as ours
from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.kafka.producer import Producer
from stream.settings import load


def producer_of(monkeypatch: pytest.MonkeyPatch, error: KafkaError | None) -> Producer:
    """One whose Kafka has topics of two partitions, and answers its start with `error`."""

    class Kafka(AIOKafkaProducer):  # type: ignore[misc,type-arg]  # aiokafka has no types
        async def start(self) -> None:
            if error is not None:
                raise error

        async def partitions_for(self, topic: str) -> set[int]:
            return {0, 1}

        async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
            raise AssertionError("Unrecognized partition")

    monkeypatch.setattr(ours, "AIOKafkaProducer", Kafka)
    return Producer(load({}, {}, env_file=None), Lease(600))


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (ClusterAuthorizationFailedError(), "does not let this client write", "IdempotentWrite"),
        (UnsupportedVersionError(), "UnsupportedVersionError", "log"),
    ],
)
async def test_only_who_may_not_write_is_told_to_ask_for_the_right(
    monkeypatch: pytest.MonkeyPatch, error: KafkaError, message: str, hint: str
) -> None:
    """Whatever Kafka answered, people went to grant what they had granted."""
    with pytest.raises(BrokerError) as told:
        await producer_of(monkeypatch, error).start()
    assert message in told.value.message
    assert hint in str(told.value.hint)


async def test_a_mistake_of_ours_is_not_called_a_topic_with_fewer_partitions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = producer_of(monkeypatch, None)
    await producer.start()
    empty = RecordBatch(PackedRecords(), 0, 1000, 0)
    with pytest.raises(RefusedError, match="web/2: the topic has no such partition"):
        await producer.send(empty, "web", 2)
    with pytest.raises(AssertionError):
        await producer.send(empty, "web", 1)
    await producer.stop()
