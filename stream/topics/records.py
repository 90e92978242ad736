"""One record of ours to a topic of ours, by a producer of its own.

Tested by tests/topics/test_revisions.py.
"""

from __future__ import annotations

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from stream.errors import BrokerError, TopologyError
from stream.kafka.commands import set_topic
from stream.kafka.connections import security
from stream.kafka.producer import REQUEST_MS
from stream.kafka.topic_ids import only_ask
from stream.settings import Settings
from stream.structs import MAX_REQUEST_BYTES

PACKED = 10  # times smaller than they are, rule sets are at least


async def write(settings: Settings, topic: str, key: bytes, value: bytes, what: str) -> None:
    """Write it to partition 0, and wait until Kafka has it. `what` failed, if it does not.

    Raises TopologyError where it never will, for want of a permission or because it is larger than the topic
    takes; BrokerError for all else.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        client_id=f"{settings.app_id}-rules",
        acks="all",
        compression_type="gzip",
        max_request_size=PACKED * MAX_REQUEST_BYTES,
        request_timeout_ms=REQUEST_MS,
        **security(settings),
    )
    only_ask(producer.client)
    try:
        await producer.start()
        await producer.send_and_wait(topic, value, key=key, partition=0)
    except KafkaError as error:
        if isinstance(error, TopicAuthorizationFailedError):
            raise TopologyError(
                f"{what}: this client may not", hint=f"grant Write on topic {topic} to this client"
            ) from error
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            most = set_topic(settings.broker, topic, f"max.message.bytes={MAX_REQUEST_BYTES}")
            raise TopologyError(f"{what}: they are larger than it takes", hint=most) from error
        raise BrokerError(
            f"{what}: {type(error).__name__}", hint="is Kafka there? `stream doctor` looks"
        ) from error
    finally:
        await producer.stop()
