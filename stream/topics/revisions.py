"""What each revision of the rules said, in the compacted topic `<app-id>-rules`: key the revision, for ever.

Written before anything is decided by a rule set, so that every decision's revision can be read.
Tested by tests/topics/test_revisions.py, and on a real Kafka by tests/integration/test_topics.py.
"""

from __future__ import annotations

import json

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from stream import __version__
from stream.errors import BrokerError, TopologyError
from stream.kafka.commands import set_topic
from stream.kafka.connections import security
from stream.kafka.producer import REQUEST_MS
from stream.kafka.topic_ids import only_ask
from stream.rules.definitions import definitions
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.structs import MAX_REQUEST_BYTES

PACKED = 10  # times smaller than they are, rule sets are at least


async def publish(settings: Settings, rules: RuleSet) -> None:
    """Write the definitions, and wait until Kafka has them.

    Raises TopologyError where it never will, for want of a permission or because they are larger than the
    topic takes; BrokerError for all else.
    """
    topic = settings.own_topics.rules
    said = {**definitions(rules), "version": __version__}
    value = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()
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
        await producer.send_and_wait(topic, value, key=rules.revision.encode(), partition=0)
    except KafkaError as error:
        what = f"the rules' definitions cannot be written to {topic}"
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
