"""Restoring the customer table from its changelog: the project's own loop, in place of Faust's recovery.

Faust's waits for the record before the high watermark, which a compacted topic may not have, and swallows
errors of single records. Here: an explicit seek, records applied in bulk, finished when the *position*
reaches the end offset that was asked for at the start, or when a whole poll says that nothing lies between
the two (the tail of a compacted topic can be a hole). An error wipes the partition and starts over from the
beginning, once; a second one ends the worker, because a state with a hole is worse than none.

A partition that this worker kept through a rebalance is only brought up to the end: nothing to read, unless
someone else owned it in between.

Tested by tests/integration/test_restore.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP
from mode import Service

from stream.clock import wall_ms
from stream.errors import LaneError, StateError
from stream.settings import Settings
from stream.table import CustomerTable, StoredPartition

log = structlog.get_logger("stream.restore")

FETCH_BYTES = 4 * 1024 * 1024
POLL_MS = 500

Progress = Callable[[int, int], None]  # (partition number, records still to be read)


class ChangelogReader:
    """Reads changelog partitions without a consumer group and applies them to the table."""

    def __init__(self, settings: Settings, topic: str, table: CustomerTable, progress: Progress) -> None:
        self._settings = settings
        self._topic = topic
        self._table = table
        self._progress = progress

    async def catch_up(self, numbers: Iterable[int], make: Callable[[], StoredPartition]) -> int:
        """Bring these partitions up to the end of their changelogs; returns the number of records read.

        Raises StateError when a record cannot be read on the second try either.
        """
        wanted = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        if not wanted:
            return 0
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.broker,
            client_id=f"{self._settings.app_id}-restore",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            **self._settings.kafka_security(),
        )
        await consumer.start()
        try:
            consumer.assign(wanted)
            return await self._read(consumer, wanted, make)
        finally:
            await _close(consumer)

    async def _read(
        self, consumer: Any, wanted: list[TopicPartition], make: Callable[[], StoredPartition]
    ) -> int:
        beginnings = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
        for tp in wanted:
            stored = self._table.stored.setdefault(tp.partition, make())
            if not beginnings[tp] <= stored.position <= ends[tp]:
                # Trimmed below us, or recreated: what we hold can no longer be completed.
                self._table.stored[tp.partition] = stored = make()
                stored.position = beginnings[tp]
            consumer.seek(tp, stored.position)
        unfinished = {tp for tp in wanted if self._table.stored[tp.partition].position < ends[tp]}
        second_try: set[TopicPartition] = set()
        records_read = 0
        while unfinished:
            polled_at = wall_ms()
            fetched = await consumer.getmany(*unfinished, timeout_ms=POLL_MS)
            for tp, records in fetched.items():
                stored = self._table.stored[tp.partition]
                try:
                    stored.load(records)
                except StateError as error:
                    if tp in second_try:
                        raise
                    second_try.add(tp)
                    log.warning(
                        "restore_failed",
                        partition=tp.partition,
                        error=error.message,
                        next="from the beginning",
                    )
                    self._table.stored[tp.partition] = make()
                    consumer.seek(tp, beginnings[tp])
                    continue
                records_read += len(records)
                await asyncio.sleep(0)  # heartbeats and health go on during a long restore
            for tp in list(unfinished):
                position = await consumer.position(tp)
                if not fetched and _is_hole(consumer, tp, polled_at, ends[tp]):
                    position = ends[tp]
                self._table.stored[tp.partition].position = position
                self._progress(tp.partition, max(ends[tp] - position, 0))
                if position >= ends[tp]:
                    unfinished.discard(tp)
        for tp in wanted:
            self._table.stored[tp.partition].state.ready()
        return records_read


async def _close(consumer: Any) -> None:
    """Stop a consumer whose `stop` may let the cancellation of its own fetches out, as aiokafka 0.14's does.

    Unguarded it reads like a cancellation of the caller: the restore would end without a word.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping])
    if stopping.cancelled():
        for fetch in list(consumer._fetcher._pending_tasks):
            fetch.cancel()
        await consumer._client.close()
    else:
        stopping.result()


def _is_hole(consumer: Any, tp: TopicPartition, polled_at: int, end: int) -> bool:
    """Whether the broker has answered since `polled_at` that it has nothing for us, though its end is beyond
    `end`.

    Only true of a poll that gave nothing for any partition: a full response leaves partitions out.
    """
    answered_at = consumer.last_poll_timestamp(tp)
    highwater = consumer.highwater(tp)
    return answered_at is not None and answered_at >= polled_at and highwater is not None and highwater >= end


class Restore(Service):
    """What Faust calls recovery: after each rebalance it makes the table complete, then lets the streams
    flow.
    """

    logger = logging.getLogger("faust.restore")  # mode's own lines are Faust's business

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.completed = asyncio.Event()
        self.in_recovery = False
        self._requested = asyncio.Event()
        self._generation = 0

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """A new assignment: restore it in the background; until then nothing is processed."""
        self.completed.clear()
        self._generation = generation_id
        self._requested.set()

    @Service.task
    async def _restore_when_asked(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self._requested.wait()):
                return
            self._requested.clear()
            generation = self._generation
            self.in_recovery = self.app.in_recovery = True
            try:
                numbers = {tp.partition for tp in self.app.consumer.assignment()}
                await self.app.lane.restore(numbers)
            except asyncio.CancelledError:
                if not self.should_stop:  # mode would end this task without a word, and the worker would idle
                    self.app.fail(LaneError("the restore was cancelled from within"))
                raise
            finally:
                self.in_recovery = self.app.in_recovery = False
            if generation == self.app.consumer_generation_id and not self._requested.is_set():
                await self._let_flow(numbers)

    async def _let_flow(self, numbers: set[int]) -> None:
        """Seek to the committed offsets and start fetching: the end of a rebalance, in Faust's own steps."""
        app, consumer = self.app, self.app.consumer
        assignment = consumer.assignment()
        if assignment:
            consumer.resume_partitions(assignment)
            await consumer.perform_seek()
        app.lane.open(numbers)
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        app.tables.on_actives_ready()
        app.tables.on_standbys_ready()
        app.on_rebalance_end()
        log.info("ready", partitions=len(numbers), generation=self._generation)
