"""Taking a partition over: from its marks and what Kafka has, where to go on and what is known already.

Done after the customers are restored and before any event is read:

    positions   from the marks, not from the group's offsets, which may lag behind them or have expired
    makings     a source's topic that was deleted and made anew, or cut below what was applied, is noticed:
                its events are read from its beginning (or end), and none is taken for one applied before
    tails       what the former owner had written after its last checkpoint is recalled (`recall`)

A partition without marks gets some before its first event, so that there is always a tail to read from.
Tested by tests/integration/test_takeover.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stream.decisions.wire import DEAD_LETTERS, DECISIONS
from stream.kafka.reader import read, reader, span
from stream.kafka.topic_ids import topic_ids
from stream.rules.model import RuleSet
from stream.runtime.checkpoint import Making, Marks
from stream.runtime.recovery import Recall
from stream.settings import Settings

log = structlog.get_logger("stream.takeover")

RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where the work on a partition goes on. `marks.positions` lacks a source that was never applied.

    `begins`: by source, the first offset that its topic has. `recall` is None where nothing was written that
    the customers do not know of. `fresh`: there were no marks.
    """

    marks: Marks
    begins: Mapping[str, int]
    recall: Recall | None
    fresh: bool


class Takeover:
    """Asks Kafka where to go on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def starts(self, marks: Mapping[int, Marks | None], rules: RuleSet) -> dict[int, Start]:
        """Where to go on with each partition. `marks`: of each, None where there are none."""
        while marks:
            try:
                async with reader(self._settings, "takeover") as consumer:
                    return await _starts(consumer, marks, rules, self._settings.app_id)
            except KafkaError as error:
                log.warning("takeover_waits_for_kafka", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
        return {}


async def _starts(
    consumer: Any, marks: Mapping[int, Marks | None], rules: RuleSet, app_id: str
) -> dict[int, Start]:
    outputs = sorted({channel.topic for channel in rules.channels} | {DECISIONS, DEAD_LETTERS})
    sources = {source.name: source.topic for source in rules.sources}
    ids = await topic_ids(consumer._client, sorted(set(sources.values())))
    inputs = [TopicPartition(topic, number) for number in marks for topic in set(sources.values())]
    written = [TopicPartition(topic, number) for number in marks for topic in outputs]
    begins, ends = await span(consumer, [*inputs, *written])
    found = {}
    for number, known in marks.items():
        found[number] = Marks(
            *_sources(number, known or Marks(), sources, ids, begins, ends),
            {
                # Nothing of this app is in a topic that it had not written to by its last checkpoint, unless
                # it has since: a topic of new rules is read from its beginning.
                topic: ends[TopicPartition(topic, number)]
                if known is None
                else _tail(
                    known.tails.get(topic, 0),
                    begins[TopicPartition(topic, number)],
                    ends[TopicPartition(topic, number)],
                )
                for topic in outputs
            },
        )
    recalls = await _recall(consumer, found, ends, app_id)
    return {
        number: Start(
            found[number],
            {source: begins[TopicPartition(topic, number)] for source, topic in sources.items()},
            recalls.get(number),
            fresh=marks[number] is None,
        )
        for number in marks
    }


def _sources(
    number: int,
    known: Marks,
    sources: Mapping[str, str],
    ids: Mapping[str, str],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> tuple[dict[str, int], dict[str, Making]]:
    """Positions and makings of the sources as their topics are now."""
    positions, makings = {}, {}
    for source, topic in sources.items():
        tp = TopicPartition(topic, number)
        making = known.makings.get(source, Making(ids.get(topic, ""), 0))
        position = known.positions.get(source)
        base = making.base
        if making.topic_id != ids.get(topic, ""):
            log.warning(
                "source_topic_was_recreated", topic=topic, partition=number, next="from its beginning"
            )
            base, position = base + (position or 0), begins[tp]
        elif position is not None and position > ends[tp]:
            log.error(
                "source_topic_lost_records", topic=topic, partition=number, applied=position, end=ends[tp]
            )
            base, position = base + position - ends[tp], ends[tp]
        elif position is not None and position < begins[tp]:
            log.error(
                "records_were_deleted_before_they_were_read",
                topic=topic,
                partition=number,
                records=begins[tp] - position,
                hint="the topic's retention is shorter than this group's lag",
            )
            position = begins[tp]
        makings[source] = Making(ids.get(topic, ""), base)
        if position is not None:
            positions[source] = position
    return positions, makings


def _tail(noted: int, begin: int, end: int) -> int:
    """From where on a topic is to be read. One that ends before what was noted was made anew, or cut: all in
    it may be unknown.
    """
    return begin if noted > end else max(noted, begin)


async def _recall(
    consumer: Any, found: Mapping[int, Marks], ends: Mapping[TopicPartition, int], app_id: str
) -> dict[int, Recall]:
    ranges = {
        TopicPartition(topic, number): (tail, ends[TopicPartition(topic, number)])
        for number, marks in found.items()
        for topic, tail in marks.tails.items()
        if tail < ends[TopicPartition(topic, number)]
    }
    recalls: dict[int, Recall] = {}
    count = 0
    async for tp, records, _ in read(consumer, ranges):
        for record in records:
            recalls.setdefault(tp.partition, Recall(app_id)).read(tp.topic, record)
        count += len(records)
    recalls = {number: recall for number, recall in recalls.items() if recall.written}
    if count:
        written = sum(len(each.written) for each in recalls.values())
        log.info("recalled", partitions=len(recalls), records=count, of_this_app=written)
    return recalls
