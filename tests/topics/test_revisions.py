"""What is told of a Kafka that does not take what the rules say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from stream.errors import BrokerError, TopologyError
from stream.rules.compiler.rule_set import load_rules
from stream.settings import load
from stream.topics import records, revisions

RULES = "sources: {clicks: {event: e, customer: c}}\nchannels: {web: {topic: web, consent: none}}\n"


@pytest.mark.parametrize(
    ("error", "expected", "hint"),
    [
        (TopicAuthorizationFailedError, TopologyError, "grant Write on topic shop-rules"),
        (MessageSizeTooLargeError, TopologyError, "--entity-name shop-rules --add-config max.message.bytes="),
        (RecordListTooLargeError, TopologyError, "max.message.bytes="),
        (KafkaConnectionError, BrokerError, "is Kafka there?"),
        (KafkaTimeoutError, BrokerError, "is Kafka there?"),
        (NotEnoughReplicasError, BrokerError, "is Kafka there?"),
        (UnknownTopicOrPartitionError, BrokerError, "is Kafka there?"),
        (PolicyViolationError, BrokerError, "doctor"),
    ],
)
async def test_what_is_never_taken_is_told_from_what_is_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    expected: type[Exception],
    hint: str,
) -> None:
    class Producer:
        client = SimpleNamespace()
        stopped = 0

        async def start(self) -> None: ...

        async def send_and_wait(self, *_: Any, **__: Any) -> None:
            raise error

        async def stop(self) -> None:
            self.stopped += 1

    producer = Producer()
    monkeypatch.setattr(records, "AIOKafkaProducer", lambda **_: producer)
    (tmp_path / "rules.yaml").write_text(RULES)
    settings = load({}, {"app_id": "shop"}, env_file=None)
    with pytest.raises(expected) as raised:
        await revisions.publish(settings, load_rules(tmp_path))
    assert type(raised.value) is expected
    assert hint in str(raised.value)
    assert producer.stopped == 1
