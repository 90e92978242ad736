"""How large a batch each topic takes, as Kafka says it: asked at the start, so that what leaves fits.

Tested by tests/kafka/test_most_bytes.py, and on a real Kafka by tests/integration/test_outbox.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from stream.structs import MOST_BYTES

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

log = structlog.get_logger("stream.kafka")

SETTING = "max.message.bytes"
TRIES, RETRY_S = 10, 0.2  # a topic that was just made is not known to all brokers yet


async def most_bytes_of(client: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[str, int]:
    """`max.message.bytes` by topic; of those that may not be asked for, Kafka's default is to be assumed.

    Raises KafkaError where Kafka does not answer, or cannot tell yet.
    """
    found, hidden, asked = dict[str, int](), list[str](), sorted(topics)
    for left in reversed(range(TRIES)):
        not_yet = dict[str, KafkaError]()
        for name, answer in await _ask(client, asked):
            if isinstance(answer, int):
                found[name] = answer
            elif answer.retriable:
                not_yet[name] = answer
            else:
                hidden.append(name)
        if not not_yet:
            break
        if not left:
            raise next(iter(not_yet.values()))
        asked = sorted(not_yet)
        await asyncio.sleep(RETRY_S)
    if hidden:
        log.warning(
            "largest_record_not_known",
            topic=", ".join(hidden),
            hint=f"grant DescribeConfigs on them; until then it is taken for {MOST_BYTES}, Kafka's default, "
            "and a topic that takes less stops the worker",
        )
    return found


async def _ask(client: AIOKafkaAdminClient, names: list[str]) -> list[tuple[str, int | KafkaError]]:
    """Ask once: of each topic the figure, or why it is not told."""
    if not names:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers: list[tuple[str, int | KafkaError]] = []
    for answer in await client.describe_configs(resources):
        for code, said, _, name, entries in answer.resources:
            values = [entry[1] for entry in entries if entry[0] == SETTING]
            told = not code and values
            answers.append((name, int(values[0]) if told else for_code(code)(said or "")))
    return answers
