"""Why Kafka refuses a batch, as the last line of a worker says it."""

from __future__ import annotations

import pytest
from aiokafka import errors

from stream.kafka.write_refusals import refusal

NAMED = [
    (errors.MessageSizeTooLargeError(), "1,500,000 bytes", "max.message.bytes"),
    (errors.RecordListTooLargeError(), "1,500,000 bytes", "max.message.bytes"),
    (errors.TopicAuthorizationFailedError("web"), "Write", "grant"),
    (errors.ClusterAuthorizationFailedError(), "IdempotentWrite", "grant"),
    (errors.InvalidTopicError(), "InvalidTopicError", "log"),
    (errors.UnsupportedForMessageFormatError(), "message format", "message.format.version"),
    (errors.PolicyViolationError(), "policy", "create.topic.policy"),
    (errors.InvalidTimestampError(), "time of its records", "clock"),
    (errors.OutOfOrderSequenceNumber(), "OutOfOrderSequenceNumber", "start"),
    (errors.for_code(87)(), "compact", "cleanup.policy=delete"),
    (errors.for_code(-1)(), "UnknownError", "log"),
]


@pytest.mark.parametrize(("error", "what", "mend"), NAMED, ids=lambda each: type(each).__name__)
def test_what_kafka_refuses_is_named_with_its_place_and_what_mends_it(
    error: Exception, what: str, mend: str
) -> None:
    """It was `reason=`, and nothing else: no topic, no partition, no size."""
    refused = refusal(error, "web", 3, 1_500_000, 1_048_588, "k:1")
    assert "web/3" in refused.message
    assert what in refused.message
    assert refused.hint is not None
    assert mend in refused.hint
    assert refused.exit_code == 70
