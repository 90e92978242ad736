"""Why Kafka does not take a batch, and what mends it: the last line of a worker that ends of it.

What mends itself (a leader that is away, too few copies in sync) is no refusal: the producer goes on trying.
Tested by tests/kafka/test_write_refusals.py.
"""

from __future__ import annotations

from aiokafka import errors
from aiokafka.errors import BrokerResponseError, KafkaError

from stream.errors import RefusedError
from stream.kafka.commands import set_topic


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka has no types
    """The broker will not have a record as it is: for want of a key, most of the time."""

    errno = 87
    message = "INVALID_RECORD"


errors.kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)  # which aiokafka 0.14 lacks

_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
_AGAIN = (
    errors.OutOfOrderSequenceNumber,
    errors.UnknownProducerId,
    errors.InvalidProducerEpoch,
    errors.ProducerFenced,
)


def refusal(
    error: BaseException, topic: str, partition: int, size: int, most: int, broker: str
) -> RefusedError:
    """The error for a batch of `size` bytes, of which the topic was known to take `most`."""
    what, mend = _said(error, topic, size, most, broker)
    return RefusedError(f"{topic}/{partition}: Kafka refuses what is written: {what}", hint=mend)


def _said(error: BaseException, topic: str, size: int, most: int, broker: str) -> tuple[str, str]:
    if isinstance(error, _TOO_LARGE):
        mend = set_topic(broker, topic, f"max.message.bytes={max(size, most)}")
        return (
            f"a batch of {size:,} bytes; max.message.bytes was {most:,} when last asked for",
            f"`{mend}`, or more: what a worker writes is cut to what the topic takes when the worker starts",
        )
    if isinstance(error, errors.TopicAuthorizationFailedError):
        return "this client may not Write to the topic", f"grant Write on topic {topic} to this client"
    if isinstance(error, errors.ClusterAuthorizationFailedError):
        return "this client may not write with IdempotentWrite", "grant IdempotentWrite on the cluster to it"
    if isinstance(error, InvalidRecordError):
        return (
            "a record is invalid; one without a key is, where cleanup.policy has compact",
            set_topic(broker, topic, "cleanup.policy=delete"),
        )
    if isinstance(error, errors.InvalidTimestampError):
        return (
            "the time of its records is out of what the topic takes",
            "set the clocks of this machine and of the brokers; see message.timestamp.before.max.ms",
        )
    if isinstance(error, errors.UnsupportedForMessageFormatError):
        return "its message format is too old for headers", "raise the topic's message.format.version"
    if isinstance(error, errors.PolicyViolationError):
        return "a policy of the brokers forbids it", "see create.topic.policy.class.name and its like"
    name = type(error).__name__
    if isinstance(error, _AGAIN):
        return name, "start the worker again: it goes on where all was acknowledged"
    known = getattr(error, "description", "") if isinstance(error, KafkaError) else ""
    return f"{name} {known}".rstrip(), "the brokers' log has the reason"
