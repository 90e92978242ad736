"""Whether a sample of each source's records is where its customers belong: one customer, one partition.

Limits, caps, windows and sequences are kept by partition number. A customer whose records come to two of
them, by two producers that hash keys in different ways, is two halves: each cap holds for either.

    sample       the newest records of each partition: customer and partition, by source
    Placement    of one source: by which partitioners its records can have been placed
    problems     sources that are keyed otherwise than most, customers in two partitions

Tested by tests/topics/test_placement.py, `sample` by tests/integration/test_placement.py.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition

from stream.events._murmur import partition_of
from stream.kafka.reader import read, reader, span
from stream.rules.model import Source
from stream.settings import Settings

SAMPLE = 1_000  # records of a source
PARTITIONS = 50  # of a source, at most
SECONDS = 10.0
ENOUGH = 20  # customers, from which a source tells its partitioner
HINT = (
    "key each record by its customer's id, and give producers that use librdkafka "
    "`partitioner=murmur2_random`: its default places by CRC32, "
    "those of Java, Kafka Connect and aiokafka by murmur2"
)

Placed = tuple[str, int]  # a customer's id, and a partition that has a record of theirs


def _crc32(key: bytes, partitions: int) -> int:
    return zlib.crc32(key) % partitions


PARTITIONERS: Mapping[str, Callable[[bytes, int], int]] = {"murmur2": partition_of, "CRC32": _crc32}


class Problem(NamedTuple):
    """`fatal`: customers are in two halves, or will be."""

    fatal: bool
    message: str


@dataclass(frozen=True, slots=True)
class Placement:
    """A source's sample. `by`: the partitioners that would have placed each of it where it is."""

    source: str
    placed: frozenset[Placed]
    by: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether there are enough customers for `by` not to be chance."""
        return len({customer for customer, _ in self.placed}) >= ENOUGH


def placement(source: str, placed: Collection[Placed], partitions: int) -> Placement:
    fits = [
        name
        for name, partition in PARTITIONERS.items()
        if all(partition(customer.encode(), partitions) == number for customer, number in placed)
    ]
    return Placement(source, frozenset(placed), tuple(fits))


def problems(samples: Mapping[str, Collection[Placed]], partitions: int) -> list[Problem]:
    """What is wrong with the sources of these samples."""
    if partitions < 2:
        return []
    found = [placement(source, placed, partitions) for source, placed in sorted(samples.items())]
    telling = [each for each in found if each.tells]
    ways = Counter(way for each in telling for way in each.by)
    right = max(PARTITIONERS, key=lambda way: ways[way])  # of most; of two as many the one of Java's clients
    apart = [each for each in telling if right not in each.by] if ways else []
    certain = [*_disagreeing(telling, apart, right), *_halves(found, apart, right, partitions)]
    return certain or list(_keyed_otherwise(telling))


def _disagreeing(found: Sequence[Placement], apart: Sequence[Placement], right: str) -> Iterator[Problem]:
    """Each source that is keyed otherwise than those that are right."""
    others = ", ".join(each.source for each in found if each not in apart)
    for each in apart:
        message = f"{each.source} is keyed {_words(each)}, {others} by {right} of the customer"
        yield Problem(fatal=True, message=f"{message}: a customer of both is in two partitions")


def _halves(
    found: Sequence[Placement], apart: Sequence[Placement], right: str, partitions: int
) -> Iterator[Problem]:
    """That customers are in two partitions already, and whose doing it is, where that is not said yet."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for each in found:
        for customer, number in each.placed:
            numbers[customer].add(number)
    halved = {customer for customer in numbers if len(numbers[customer]) > 1}
    if halved:
        strays = sorted(
            each.source
            for each in found
            if each not in apart
            and any(
                customer in halved and PARTITIONERS[right](customer.encode(), partitions) != number
                for customer, number in each.placed
            )
        )
        blamed = f"; records of {', '.join(strays)} are not where {right} puts them" if strays else ""
        yield Problem(
            fatal=True,
            message=f"{len(halved):,} of {len(numbers):,} sampled customers have records in two partitions: "
            f"their caps and limits hold for each half alone{blamed}",
        )


def _keyed_otherwise(found: Sequence[Placement]) -> Iterator[Problem]:
    for each in found:
        if "murmur2" not in each.by:
            message = (
                f"{each.source} is keyed {_words(each)}, not by murmur2 of the customer as Java's clients do"
            )
            yield Problem(fatal=False, message=message)


def _words(each: Placement) -> str:
    return f"by {each.by[0]} of the customer" if each.by else "by something else"


# ---- the sample ----


async def sample(settings: Settings, sources: Sequence[Source], partitions: int) -> dict[str, set[Placed]]:
    """Newest records of the sources. TimeoutError if they do not come; KafkaError if they may not be read."""
    numbers = range(0, partitions, -(-partitions // PARTITIONS))
    of_topic = {source.topic: source for source in sources}
    tps = [TopicPartition(topic, number) for topic in of_topic for number in numbers]
    few = max(SAMPLE // len(numbers), 1)
    samples: dict[str, set[Placed]] = {source.name: set() for source in sources}
    async with asyncio.timeout(SECONDS), reader(settings, "placement") as consumer:
        begins, ends = await span(consumer, tps)
        ranges = {tp: (max(begins[tp], ends[tp] - few), ends[tp]) for tp in tps if ends[tp] > begins[tp]}
        if not ranges:
            return samples
        async for tp, records, _ in read(consumer, ranges):
            source = of_topic[tp.topic]
            for record in records:
                customer = customer_of(source, record.value)
                if customer is not None:
                    samples[source.name].add((customer, tp.partition))
    return samples


def customer_of(source: Source, value: bytes | None) -> str | None:
    """The customer's id of a record; None where it has none."""
    try:
        found: Any = orjson.loads(value or b"")
        for name in source.customer:
            found = found[name]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    return str(found) or None
