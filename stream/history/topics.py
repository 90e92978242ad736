"""The records of source topics between two times, as a worker would read them, but of no group.

Nothing is committed or written. Records keep topic, partition and offset, so that ids are those of a worker.
Events are those that Kafka had between the two times; of profiles and context all are read that it had until
then, or nobody would have consented to anything.
Tested by tests/integration/test_backtest.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from stream.errors import EventFileError
from stream.history._past import PastEvent, Reader
from stream.history.event_files import Between
from stream.history.pieces import Whence
from stream.kafka.connections import unreachable
from stream.kafka.reader import read, reader, span
from stream.rules.model import Source
from stream.settings import Settings
from stream.structs import Record, Unread

PATIENCE_S = 60.0  # without an answer of Kafka


@dataclass(frozen=True, slots=True)
class PartitionOrigin:
    """Where a record was read."""

    topic: str
    partition: int

    def place_of(self, number: int) -> str:
        return f"{self.topic}/{self.partition}/{number}"


class Beginning(NamedTuple):
    """Where to begin with one partition, and to read no other: the first offset, by topic."""

    partition: int
    starts: Mapping[str, int]


@dataclass(slots=True)
class TopicsRead:
    """The readers of the partitions, and how many records were not read, by topic and reason, also those that
    STREAM_SKIP puts aside.
    """

    readers: dict[PartitionOrigin, list[Reader]] = field(default_factory=dict)
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)


async def read_topics(
    settings: Settings,
    sources: Sequence[Source],
    between: Between,
    reader_of: Callable[[Source, Whence], Reader],
    take: Callable[[Iterable[PastEvent]], None],
    tell: Callable[[int, int], None],
    beginning: Beginning | None = None,
) -> TopicsRead:
    """Read the topics of sources, and `take` their events. `tell`: (records read, of how many).

    Raises BrokerError where Kafka cannot be reached, or goes away for PATIENCE_S; EventFileError where topics
    are missing or do not fit.
    """
    found = TopicsRead()
    try:
        async with reader(settings, "backtest", ours=False) as consumer:
            ranges = await _ranges(consumer, sources, between, beginning)
            for tp in ranges:
                origin = PartitionOrigin(tp.topic, tp.partition)
                found.readers[origin] = [
                    reader_of(each, origin) for each in sources if each.topic == tp.topic
                ]
            total, done = sum(end - start for start, end in ranges.values()), 0
            tell(0, total)
            skipped = settings.skipped()
            async for tp, records, _ in read(consumer, ranges, PATIENCE_S):
                here = [each for each in records if each.offset < ranges[tp][1]]
                done += len(here)
                for offsets in skipped.get((tp.topic, tp.partition), ()):
                    found.unread[tp.topic, "skipped"] += sum(each.offset in offsets for each in here)
                    here = [each for each in here if each.offset not in offsets]
                for one in found.readers[PartitionOrigin(tp.topic, tp.partition)]:
                    take(_events(one, here))
                found.unread.update((tp.topic, each.reason) for each in here if isinstance(each, Unread))
                tell(done, total)
    except OffsetOutOfRangeError as error:
        places = ", ".join(f"{tp.topic}/{tp.partition}/{offset}" for tp, offset in error.args[0].items())
        hint = "the topic's retention.ms or retention.bytes says when; begin later, with --since"
        raise EventFileError(f"Kafka has deleted what was to be read next: {places}", hint=hint) from error
    except KafkaError as error:
        raise unreachable(settings, error) from error
    return found


def _events(of: Reader, records: Sequence[Record]) -> Iterable[PastEvent]:
    for each in records:
        if not isinstance(each, Unread):
            yield of.read_record(each.offset, each.timestamp, each.key, each.value)


async def _ranges(
    consumer: Any, sources: Sequence[Source], between: Between, beginning: Beginning | None
) -> Mapping[TopicPartition, tuple[int, int]]:
    """The offsets to read, of each partition of the sources' topics."""
    kinds = {source.topic: source.kind for source in sources}
    await consumer._client.set_topics(set(kinds))
    partitions = {topic: consumer.partitions_for_topic(topic) for topic in kinds}
    if missing := sorted(topic for topic, numbers in partitions.items() if not numbers):
        hint = "is STREAM_BROKER the Kafka that has them? `stream topics` shows what the rules need"
        raise EventFileError(f"Kafka has no topic {', '.join(missing)}", hint=hint)
    if len({len(numbers) for numbers in partitions.values()}) > 1:
        counts = ", ".join(f"{topic} {len(numbers)}" for topic, numbers in sorted(partitions.items()))
        raise EventFileError(
            f"the topics have different numbers of partitions: {counts}", hint="`stream doctor` says more"
        )
    tps = [
        TopicPartition(topic, number)
        for topic, numbers in partitions.items()
        for number in sorted(numbers)
        if beginning is None or number == beginning.partition
    ]
    starts, ends = await span(consumer, tps)
    if beginning is not None:
        starts |= {tp: beginning.starts[tp.topic] for tp in tps}
    elif between.since is not None:
        of_events = [tp for tp in tps if kinds[tp.topic] == "event"]
        for tp, at in (await consumer.offsets_for_times(dict.fromkeys(of_events, between.since))).items():
            starts[tp] = ends[tp] if at is None else at.offset
    if between.until is not None:
        for tp, at in (await consumer.offsets_for_times(dict.fromkeys(tps, between.until))).items():
            ends[tp] = ends[tp] if at is None else at.offset
    return {tp: (starts[tp], max(ends[tp], starts[tp])) for tp in tps}
