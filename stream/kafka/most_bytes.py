"""How large a batch each topic takes, as Kafka says it: asked at the start, so that what leaves fits.

Tested by tests/integration/test_outbox.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from stream.structs import MOST_BYTES

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

log = structlog.get_logger("stream.kafka")

SETTING = "max.message.bytes"
UNKNOWN_TOPIC = 3
TRIES, RETRY_S = 10, 0.2  # a topic that was just made is not known to all brokers yet


async def most_bytes_of(client: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[str, int]:
    """`max.message.bytes` by topic; of those that may not be asked for, Kafka's default is to be assumed."""
    wanted, found = set(topics), dict[str, int]()
    for _ in range(TRIES):
        unknown = await _ask(client, sorted(wanted - set(found)), found)
        if not unknown:
            break
        await asyncio.sleep(RETRY_S)
    if hidden := sorted(wanted - set(found)):
        log.warning(
            "largest_record_not_known",
            topic=", ".join(hidden),
            hint=f"grant DescribeConfigs on them; until then it is taken for {MOST_BYTES}, Kafka's default, "
            "and a topic that takes less stops the worker",
        )
    return found


async def _ask(client: AIOKafkaAdminClient, names: list[str], found: dict[str, int]) -> bool:
    """Ask once; whether topics are not known yet."""
    unknown = False
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        answers = await client.describe_configs(resources) if names else ()
    except KafkaError:
        return True
    for answer in answers:
        for code, _, _, name, entries in answer.resources:
            unknown = unknown or code == UNKNOWN_TOPIC
            value = next((entry[1] for entry in entries if entry[0] == SETTING), None)
            if not code and value is not None and value.isdecimal():
                found[name] = int(value)
    return unknown
