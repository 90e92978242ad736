"""The triggers of a run, as a set: which rule fired for which customer, and by which event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from loadtest.load import Ends, end_offsets
from stream.kafka.connections import security
from stream.settings import Settings

EXAMPLES = 3

Trigger = tuple[str, str, str]  # rule, customer, event


@dataclass(frozen=True, slots=True)
class Fired:
    """What a run fired. `repeated` records say what another one says."""

    triggers: frozenset[Trigger]
    repeated: int

    def by_family(self) -> dict[str, int]:
        return dict(sorted(Counter(family(each) for each in self.triggers).items()))


@dataclass(frozen=True, slots=True)
class Difference:
    """What two runs fired that the other did not, by family, and some of it."""

    missing: Mapping[str, int]
    more: Mapping[str, int]
    examples: tuple[Trigger, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.more)


def compare(fired: Fired, expected: Fired) -> Difference:
    missing, more = expected.triggers - fired.triggers, fired.triggers - expected.triggers
    return Difference(
        dict(sorted(Counter(map(family, missing)).items())),
        dict(sorted(Counter(map(family, more)).items())),
        (*sorted(missing)[:EXAMPLES], *sorted(more)[:EXAMPLES]),
    )


def family(trigger: Trigger) -> str:
    return trigger[0].rpartition("-")[0]


def fired_by(values: Iterable[bytes]) -> Fired:
    """Of the records that a run wrote."""
    triggers, records = set(), 0
    for value in values:
        said = orjson.loads(value)
        triggers.add((said["rule"], said["customer_id"], said["event"]["id"]))
        records += 1
    return Fired(frozenset(triggers), records - len(triggers))


async def records_since(settings: Settings, before: Ends) -> list[ConsumerRecord[bytes, bytes]]:
    """All records of the topics of `before` that have come since."""
    ends = await end_offsets(settings, sorted({partition.topic for partition in before}))
    left = {partition for partition, end in ends.items() if end > before[partition]}
    records: list[ConsumerRecord[bytes, bytes]] = []
    if not left:
        return records
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker, max_partition_fetch_bytes=4 * 1024 * 1024, **security(settings)
    )
    await consumer.start()
    try:
        consumer.assign(sorted(left))
        for partition in left:
            consumer.seek(partition, before[partition])
        while left:
            fetched: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await consumer.getmany(
                timeout_ms=1000
            )
            for partition, batch in fetched.items():
                records += [record for record in batch if record.offset < ends[partition]]
            for partition in list(left):
                if await consumer.position(partition) >= ends[partition]:
                    left.remove(partition)
    finally:
        await consumer.stop()
    return records
