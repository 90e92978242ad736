"""Taking a partition over: from its checkpoint and what Kafka has, where to go on and what is known already.

Done after the state is restored and before any event is read:

    positions       from the checkpoint, not from the group's offsets, which may lag behind or have expired
    incarnations    a source's topic that was deleted and made anew, or cut below what was applied, is
                    noticed: its events are read from its beginning (or end), and none is taken for one
                    applied before
    tails           what the former owner had written after its last checkpoint is read (`recovery`)

Each owner writes a checkpoint before its first event, so that there is always a tail to read from.
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

from stream.clock import wall_ms
from stream.errors import StateError
from stream.kafka.reader import read, reader, span
from stream.kafka.topic_ids import topic_ids
from stream.runtime.checkpoint import Checkpoint, Incarnation
from stream.runtime.recovery import Recovery
from stream.runtime.stage import Stage, Written
from stream.settings import Settings

log = structlog.get_logger("stream.takeover")

RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where the work on a partition goes on. `checkpoint.positions` lacks a source that was never applied.

    `begins`: by source, the first offset that its topic has. `recovery` is None where nothing was written
    that the state does not know of.
    """

    checkpoint: Checkpoint
    begins: Mapping[str, int]
    recovery: Recovery | None


@dataclass(slots=True)
class _Strange:
    """What says in a topic's partition that it is this app's, and cannot be. `reason`: of the first one."""

    first: int
    reason: str
    records: int = 0


class Takeover:
    """Asks Kafka where to go on."""

    def __init__(self, settings: Settings, stage: Stage) -> None:
        self._settings = settings
        self._stage = stage

    async def starts(self, checkpoints: Mapping[int, Checkpoint | None]) -> dict[int, Start]:
        """Where to go on with each partition. `checkpoints`: of each, None where there is none."""
        while checkpoints:
            try:
                async with reader(self._settings, "takeover") as consumer:
                    return await self._starts(consumer, checkpoints)
            except KafkaError as error:
                log.warning("takeover_waits_for_kafka", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
        return {}

    async def _starts(self, consumer: Any, known: Mapping[int, Checkpoint | None]) -> dict[int, Start]:
        sources, outputs = self._stage.sources, sorted(self._stage.outputs)
        ids = await topic_ids(consumer._client, sorted(set(sources.values())))
        inputs = [TopicPartition(topic, number) for number in known for topic in set(sources.values())]
        written = [TopicPartition(topic, number) for number in known for topic in outputs]
        begins, ends = await span(consumer, [*inputs, *written])
        found = {
            number: Checkpoint(
                *sources_now(number, checkpoint or Checkpoint(), sources, ids, begins, ends),
                {
                    topic: _tail(checkpoint, topic, begins[tp], ends[tp])
                    for topic in outputs
                    for tp in [TopicPartition(topic, number)]
                },
            )
            for number, checkpoint in known.items()
        }
        recoveries = await self._recover(consumer, found, ends)
        return {
            number: Start(
                found[number],
                {source: begins[TopicPartition(topic, number)] for source, topic in sources.items()},
                recoveries.get(number),
            )
            for number in known
        }

    async def _recover(
        self, consumer: Any, found: Mapping[int, Checkpoint], ends: Mapping[TopicPartition, int]
    ) -> dict[int, Recovery]:
        ranges = {
            TopicPartition(topic, number): (tail, ends[TopicPartition(topic, number)])
            for number, checkpoint in found.items()
            for topic, tail in checkpoint.tails.items()
            if tail < ends[TopicPartition(topic, number)]
        }
        recoveries: dict[int, Recovery] = {}
        count = 0
        strange: dict[TopicPartition, _Strange] = {}
        async for tp, records, _ in read(consumer, ranges):
            for record in records:
                try:
                    written = self._stage.read_written(tp.topic, record)
                except StateError as error:  # somebody else's, or damaged: no reason to stop for ever
                    strange.setdefault(tp, _Strange(record.offset, error.message)).records += 1
                    continue
                if written is not None:
                    own = recoveries.setdefault(tp.partition, Recovery(tp.partition, self._stage.identity))
                    own.add(self._within(written, ends))
            count += len(records)
        for tp, each in strange.items():  # a line each: whoever can write there can write a million
            log.warning(
                "not_recalled",
                topic=tp.topic,
                partition=tp.partition,
                offset=each.first,
                records=each.records,
                reason=each.reason,
            )
        if count:
            of_this_app = sum(len(each.identities) for each in recoveries.values())
            log.info(
                "recalled",
                partitions=len(recoveries),
                records=count,
                of_this_app=of_this_app,
                not_recalled=sum(each.records for each in strange.values()),
            )
        return recoveries

    def _within(self, written: Written, ends: Mapping[TopicPartition, int]) -> Written:
        """With nothing to wait for that cannot come: a record beyond the end of its topic (it may have been
        made anew), a topic that is no source, a timer of the future.
        """
        cause, fired_at = written.cause, written.fired_at
        if cause is not None:
            topic, number, offset = cause
            end = ends.get(TopicPartition(topic, number), 0) if topic in self._stage.sources.values() else 0
            cause = (topic, number, min(offset, end - 1)) if end else None
        if fired_at is not None:
            fired_at = min(fired_at, wall_ms())
        return written._replace(cause=cause, fired_at=fired_at)


def sources_now(
    number: int,
    known: Checkpoint,
    sources: Mapping[str, str],
    ids: Mapping[str, str],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> tuple[dict[str, int], dict[str, Incarnation]]:
    """Positions and incarnations of the sources as their topics are now."""
    positions, incarnations = {}, {}
    for source, topic in sources.items():
        tp = TopicPartition(topic, number)
        incarnation = known.incarnations.get(source, Incarnation(ids.get(topic, ""), 0))
        position = known.positions.get(source)
        base = incarnation.base
        if incarnation.topic_id != ids.get(topic, ""):
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
        incarnations[source] = Incarnation(ids.get(topic, ""), base)
        if position is not None:
            positions[source] = position
    return positions, incarnations


def _tail(checkpoint: Checkpoint | None, topic: str, begin: int, end: int) -> int:
    """From where on a topic is to be read.

    Nothing of this app is in a topic that it had not written to by its last checkpoint, unless it has since:
    a topic of new rules is read from its beginning. So is one that ends before what was noted: it was made
    anew, or cut, and all in it may be unknown.
    """
    if checkpoint is None:
        return end
    noted = checkpoint.tails.get(topic, 0)
    return begin if noted > end else max(noted, begin)
