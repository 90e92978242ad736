"""Whether what is to be skipped (`STREAM_SKIP`) is there: a slip of the pen would skip nothing, unsaid.

Tested by tests/topics/test_skips.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence

from aiokafka import TopicPartition

from stream.errors import SettingsError
from stream.hints import did_you_mean
from stream.kafka.reader import reader, span
from stream.rules.model import Source
from stream.settings import Settings

SECONDS = 10.0
WHERE = "STREAM_SKIP"


def refuse_strangers(settings: Settings, sources: Collection[Source], partitions: int | None = None) -> None:
    """Raises SettingsError for what is no partition of a source. `partitions`: of each, None if not known."""
    if found := list(_strangers(settings, sources, partitions)):
        raise SettingsError(
            f"{WHERE} names what no worker reads:\n  " + "\n  ".join(found),
            hint="as TOPIC/PARTITION/OFFSET; the line `failed_at` of a worker's log has all three",
        )


def _strangers(settings: Settings, sources: Collection[Source], partitions: int | None) -> Iterator[str]:
    topics = {source.topic for source in sources}
    of_name = {source.name: source.topic for source in sources}
    for topic, number in settings.skipped():
        if topic not in topics:
            near = did_you_mean(topic, sorted(topics))
            hint = f"the topic of source {topic} is {of_name[topic]}" if topic in of_name else near
            yield f"{topic} is no source's topic" + (f": {hint}" if hint else "")
        elif partitions is not None and number >= partitions:
            yield f"{topic}/{number}: its partitions are 0 to {partitions - 1}"


async def not_there_yet(settings: Settings) -> Sequence[str]:
    """What lies beyond the end of its partition. Raises TimeoutError, KafkaError."""
    places = {TopicPartition(*place): offsets for place, offsets in settings.skipped().items()}
    if not places:
        return []
    async with asyncio.timeout(SECONDS), reader(settings, "skips") as consumer:
        _, ends = await span(consumer, list(places))
    return [
        f"{tp.topic}/{tp.partition}/{offsets.start} is beyond the end, which is {ends[tp]}"
        for tp, ranges in places.items()
        for offsets in ranges
        if offsets.start >= ends[tp]
    ]
