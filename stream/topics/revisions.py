"""What each revision of the rules said, in the compacted topic `<app-id>-rules`: key the revision, for ever.

Written before anything is decided by a rule set, so that every decision's revision can be read.
Tested by tests/topics/test_revisions.py, and on a real Kafka by tests/integration/test_topics.py.
"""

from __future__ import annotations

import json

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stream import __version__
from stream.errors import StreamError
from stream.kafka.connections import unreachable
from stream.kafka.reader import read, reader, span
from stream.kafka.topic_ids import topic_ids
from stream.rules.definitions import definitions
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.records import write

PATIENCE_S = 15.0


async def publish(settings: Settings, rules: RuleSet) -> None:
    """Write the definitions, and wait until Kafka has them. Raises TopologyError, BrokerError."""
    topic = settings.own_topics.rules
    said = {**definitions(rules), "version": __version__}
    value = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()
    what = f"the rules' definitions cannot be written to {topic}"
    await write(settings, topic, rules.revision.encode(), value, what)


async def running_rules(settings: Settings) -> tuple[str, list[str]]:
    """The revision that workers have taken last, and the names of its rules. Raises BrokerError, and
    StreamError where no worker ever took one.
    """
    topic, last = settings.own_topics.rules, None
    try:
        async with reader(settings, "rules") as consumer:
            if topic in await topic_ids(consumer._client, [topic]):
                tp = TopicPartition(topic, 0)
                begins, ends = await span(consumer, [tp])
                async for _, records, _ in read(consumer, {tp: (begins[tp], ends[tp])}, PATIENCE_S):
                    last = next((each.value for each in reversed(records) if each.value), last)
    except (KafkaError, TimeoutError) as error:
        raise unreachable(settings, error) from error
    if last is None:
        hint = f"is STREAM_APP_ID right? A worker writes its rules to {topic} when it starts"
        raise StreamError(f"no worker of the app {settings.app_id} has any rules yet", hint=hint)
    said = orjson.loads(last)
    return said["revision"], sorted(said["rules"])
