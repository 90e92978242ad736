"""Restoring partitions from their changelog: the project's own loop, in place of Faust's recovery.

Faust's waits for the record before the high watermark, which a compacted topic may not have, and swallows
errors of single records. Here (`ranges`): an explicit seek, records applied in bulk, finished when the
*position* reaches the end offset that was asked for at the start. An error wipes the partition and starts
over from the beginning, once; a second one ends the worker, because a state with a hole is worse than none. A
Kafka that is away is waited for.

A partition that this worker kept through a rebalance, or followed as a standby, is only brought up to the
end. A standby is the same loop, again and again.

Tested by tests/integration/test_restore.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from faust.types import TP
from mode import Service

from stream.errors import StateError, TopologyError
from stream.kafka import reader as ranges
from stream.kafka.topic_ids import topic_ids
from stream.runtime.host import Host
from stream.runtime.partition_store import PartitionStore
from stream.settings import Settings

log = structlog.get_logger("stream.restore")

RETRY_S = 1.0
RECORDS_PER_STEP = 500  # how long the interpreter is held at most: a few milliseconds
REJOIN_S = 2.0
REJOINS = 15  # after which somebody else is the reason
FOLLOW_S = 0.5  # pause of a standby between two looks at the changelogs
SETTLE_S = 0.01
TOLD_EVERY_S = 2.0
BAR = 20

Progress = Callable[[int, int], None]  # (partition number, records still to be read)


class ChangelogReader:
    """Reads changelog partitions without a consumer group and applies them."""

    def __init__(self, settings: Settings, topic: str, store: PartitionStore, progress: Progress) -> None:
        self._settings = settings
        self._topic = topic
        self._store = store
        self._progress = progress
        self.records = 0  # so far; for the watchdog

    async def catch_up(self, numbers: Iterable[int]) -> int:
        """Bring these partitions up to the end of their changelogs; returns the number of records read.

        Raises StateError when a record cannot be read on the second try either.
        """
        return await self._keep_reading(sorted(numbers), "restore", self._progress, None)

    async def follow(self, numbers: Iterable[int], progress: Progress) -> None:
        """Keep these partitions near the end of their changelogs, for ever."""
        await self._keep_reading(sorted(numbers), "standby", progress, FOLLOW_S)

    async def _keep_reading(
        self,
        numbers: Sequence[int],
        purpose: str,
        progress: Progress,
        pause: float | None,
    ) -> int:
        """Read up to the end, and again and again if there is a `pause` between; the records read."""
        wanted = [TopicPartition(self._topic, number) for number in numbers]
        read, failed, caught_up = 0, set[TopicPartition](), False
        while wanted:
            try:
                async with ranges.reader(self._settings, purpose) as consumer:
                    while True:
                        async for count in self._read(consumer, wanted, failed, progress):
                            read += count
                        if pause is None:
                            return read
                        if not caught_up:
                            caught_up = True
                            log.info("standby_caught_up", partitions=len(wanted), records=read)
                        await asyncio.sleep(pause)
            except OffsetOutOfRangeError as error:
                # Cleaned up below us between two requests: what we hold can no longer be completed.
                for tp in error.args[0]:
                    log.warning("restore_begins_anew", partition=tp.partition, reason="the changelog was cut")
                    self._store.stored[tp.partition].begin_anew()
            except KafkaError as error:
                log.warning("restore_waits_for_kafka", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
        return read

    async def _read(
        self,
        consumer: Any,
        wanted: list[TopicPartition],
        failed: set[TopicPartition],
        progress: Progress,
    ) -> AsyncIterator[int]:
        """Yield the number of records that were applied; `failed`: what has been begun anew already."""
        beginnings, ends = await ranges.span(consumer, wanted)
        changelog_id = (await topic_ids(consumer._client, [self._topic])).get(self._topic, "")
        spans = {}
        for tp in wanted:
            stored = self._store.ensure(tp.partition, changelog_id)
            if not beginnings[tp] <= stored.position <= ends[tp]:
                if stored.position:
                    log.warning(
                        "restore_begins_anew",
                        partition=tp.partition,
                        reason="the changelog was cut, or made anew",
                    )
                stored.begin_anew()
                stored.position = beginnings[tp]
            spans[tp] = (stored.position, ends[tp])
            progress(tp.partition, max(ends[tp] - stored.position, 0))
        bar = _Bar(sum(end - start for start, end in spans.values()))
        async for tp, records, position in ranges.read(consumer, spans):
            stored = self._store.stored[tp.partition]
            try:
                _refuse_unread(records)
                for start in range(0, len(records), RECORDS_PER_STEP):
                    stored.load(records[start : start + RECORDS_PER_STEP])
                    await asyncio.sleep(0)  # heartbeats and health go on during a long restore
            except StateError as error:
                if tp in failed:
                    raise StateError(f"{tp.topic}/{tp.partition} {error.message}", hint=error.hint) from error
                failed.add(tp)
                log.warning(
                    "restore_begins_anew", partition=tp.partition, reason=error.message, next="once more"
                )
                stored.begin_anew()
                stored.position = beginnings[tp]
                consumer.seek(tp, beginnings[tp])
                continue
            stored.position = position
            self.records += len(records)
            progress(tp.partition, max(ends[tp] - position, 0))
            bar.tell(sum(ends[each] - self._store.stored[each.partition].position for each in wanted))
            yield len(records)
        for tp in wanted:
            for _ in self._store.stored[tp.partition].settling():
                await asyncio.sleep(SETTLE_S)


def _refuse_unread(records: Sequence[Any]) -> None:
    """Of our own records none may be passed over."""
    for each in getattr(records, "unread", ()):
        raise StateError(f"offset {each.offset}: the record is {each.reason}")


class _Bar:
    """Progress of a restore in the log: nothing for a short one."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._begun = self._told = time.monotonic()

    def tell(self, remaining: int) -> None:
        now = time.monotonic()
        if now < self._told + TOLD_EVERY_S or self._records <= 0:
            return
        self._told = now
        done = max(self._records - remaining, 0)
        filled = BAR * done // self._records
        per_second = done / (now - self._begun)
        log.info(
            "restoring",
            progress=f"[{'#' * filled}{'.' * (BAR - filled)}] {100 * done // self._records}%",
            remaining=max(remaining, 0),
            per_second=round(per_second),
            seconds_left=round(remaining / per_second) if per_second else None,
        )


class Restore(Service):
    """What Faust calls recovery: after each rebalance it makes the table complete, then lets the streams
    flow. Meanwhile and afterwards it follows the changelogs of the partitions that are others' and for which
    this worker stands by.
    """

    logger = logging.getLogger("faust.restore")  # mode's own lines are Faust's business

    def __init__(self, app: Host, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.completed = asyncio.Event()
        self.in_recovery = False
        self._requested = asyncio.Event()
        self._generation = 0
        self._assigned_at = 0.0

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """A new assignment: restore it in the background; until then nothing is processed."""
        self.completed.clear()
        self._assigned_at = time.monotonic()
        self._generation = generation_id
        self._requested.set()

    @Service.task
    async def _restore_when_asked(self) -> None:
        """Work for one assignment after the other; a new one cuts short what is done for the old."""
        await self._requested.wait()
        while not self.should_stop:
            self._requested.clear()
            work = asyncio.ensure_future(self._work())
            asked = asyncio.ensure_future(self._requested.wait())
            try:
                await asyncio.wait([work, asked], return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()  # it never ends but by an error
            except Exception as error:  # Faust would log it and go on idle
                self.app.fail(error)
                return
            finally:
                asked.cancel()
                work.cancel()
                await asyncio.wait([work])

    async def _work(self) -> None:
        app, generation = self.app, self._generation
        assignment = app.consumer.assignment()
        numbers = {tp.partition for tp in assignment}
        standbys = {tp.partition for tp in app.assignor.assigned_standbys()} - numbers
        app.metrics.ownership.set_assignment(numbers, standbys)
        waited = 0
        while missing := app.ownership.missing(assignment):
            waited += 1
            _say_why(missing, await app.consumer.rejoin_with(app.ownership.sources), waited)
            await asyncio.sleep(REJOIN_S)  # a new assignment ends this
        self.in_recovery = app.in_recovery = True
        try:
            await app.ownership.restore(numbers, standbys)
        finally:
            self.in_recovery = app.in_recovery = False
        if generation == app.consumer_generation_id:
            await self._let_flow(numbers)
        await app.ownership.follow(standbys, app.metrics.ownership.set_standby)
        await asyncio.Event().wait()  # nothing to follow: until the next assignment

    async def _let_flow(self, numbers: set[int]) -> None:
        """Seek to where the work goes on and start fetching: the end of a rebalance, in Faust's own steps."""
        app, consumer = self.app, self.app.consumer
        assignment = consumer.assignment()
        if assignment:
            consumer.resume_partitions(assignment)
            await consumer.perform_seek()
            positions = app.ownership.seeks(assignment, consumer._committed_offset)
            app.skips.say(positions)
            await consumer.seek_wait(positions)
        app.ownership.open(numbers)
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        app.tables.on_actives_ready()
        app.tables.on_standbys_ready()
        app.on_rebalance_end()
        app.metrics.ownership.observe_restore(time.monotonic() - self._assigned_at)
        log.info("ready", partitions=len(numbers), generation=self._generation)


def _say_why(missing: set[str], counts: Mapping[str, int], waited: int) -> None:
    """Why an assignment lacks `missing`, of sources with so many partitions. Raises TopologyError where only
    another start can help.
    """
    if absent := sorted(topic for topic in missing if not counts.get(topic)):
        log.warning("waits_for_topics", missing=absent, hint="were they deleted?")
    elif len(set(counts.values())) > 1:
        most = max(counts.values())
        grown = ", ".join(sorted(topic for topic, count in counts.items() if count == most))
        others = ", ".join(f"{topic} has {count}" for topic, count in sorted(counts.items()) if count < most)
        log.error(
            "sources_differ_in_partitions",
            finding=f"partitions were added to {grown}: now {most}, {others}",
            hint="work rests, or customers would be torn apart; see docs/upgrade.md, More partitions",
        )
    elif waited > REJOINS:
        raise TopologyError(
            f"another worker of this group reads other topics: {', '.join(sorted(missing))} came to nobody",
            hint="sources change for all workers at once: stop all of them, then start them",
        )
