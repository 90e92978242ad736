"""The batch lane: from fetched lots to durable effects, one unit of work per partition number.

    take        a lot arrives; the engine decides; triggers, decisions and dead letters are shipped      at
    once checkpoint  wait until those are acknowledged, ship the customers that changed, wait again,
    every
                and tell the ledger that everything before is durable, so that it is committed
                commit interval

That is the guarantee's order: (1) process (2) triggers and decisions (3) changed customers (4) offsets. The
customers are encoded at the moment at which the checkpoint begins, before anything later is processed: the
changelog never holds the effect of an event whose triggers are not acknowledged. A customer that changed ten
times is written once. Checkpoints of the partitions are spread over the interval, so that none stalls the
loop for long.

Who redoes the work after a crash: before (2) is acknowledged, events are read again and the same triggers,
with the same ids, go out; after (3), the state says that the events are applied.

Everything here runs on one event loop; the engine never awaits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Iterable, Mapping, Sequence

import structlog
from faust.types import TP

from stream.clock import Clock
from stream.decisions.wire import Origin, dead_letter_record, decision_record, trigger_record
from stream.engine import preparing, process
from stream.errors import LaneError
from stream.kafka.lease import Lease
from stream.rules.model import RuleSet
from stream.runtime import checkpoint as marks
from stream.runtime.ledger import Ledger, TopicPartition
from stream.runtime.outbox import Outbox
from stream.runtime.partition import Unit
from stream.runtime.partition_store import StoredPartitions
from stream.runtime.restore import ChangelogReader
from stream.runtime.takeover import Start, Takeover
from stream.structs import Batch, Record, Result, WireRecord
from stream.telemetry.metrics import Metrics
from stream.telemetry.partition_metrics import PartitionFigures
from stream.telemetry.tracing import Tracing

log = structlog.get_logger("stream.lane")

EVENTS_PER_STEP = 2000  # how long the event loop is held at most: a few milliseconds
TICK_S = 0.05  # how late a timer may be looked at
MEASURE_S = 1.0
CLOGGED_RECORDS = 10_000  # of a partition, not acknowledged: no more timers fire for now


class Lane:
    """The units of the partitions assigned to this worker."""

    def __init__(
        self,
        *,
        rules: RuleSet,
        app_id: str,
        table: StoredPartitions,
        changelog: str,
        reader: ChangelogReader,
        takeover: Takeover,
        outbox: Outbox,
        ledger: Ledger,
        metrics: Metrics,
        clock: Clock,
        lease: Lease,
        interval: float,
        tracing: Tracing | None = None,
    ) -> None:
        self.rules = rules
        self.is_open = False
        self._app_id = app_id
        self._table = table
        self._changelog = changelog
        self._reader = reader
        self._takeover = takeover
        self._outbox = outbox
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._lease = lease
        self._interval = interval
        self._tracing = tracing
        self._units: dict[int, Unit] = {}
        self._starts: dict[int, Start] = {}
        self._resumed: dict[TopicPartition, tuple[int | None, int | None]] = {}  # as marked, as committed
        self._ticked_at = time.monotonic()
        self._behind_since: dict[TopicPartition, int] = {}  # of what is behind and has nothing in hand
        self._source_of = {source.topic: source.name for source in rules.sources}
        self._topic_of = {source.name: source.topic for source in rules.sources}

    # -- taking lots

    async def take(self, topic: str, number: int, records: Sequence[Record]) -> None:
        """A lot of one topic partition has arrived: process what can be processed."""
        unit = self._units.get(number)
        if unit is None:
            return  # taken from us while the lot was on its way; its new owner reads it
        self._ledger.take(TopicPartition(topic, number))
        await self._lease.wait()
        if self._units.get(number) is not unit:
            return
        if self._tracing is not None:
            self._tracing.note(number, self._source_of[topic], records)
        more = self._step(unit, {self._source_of[topic]: records})
        while more:
            await asyncio.sleep(0)
            more = self._lease.held and self._units.get(number) is unit and self._step(unit, {})

    def _step(self, unit: Unit, records: dict[str, Sequence[Record]]) -> bool:
        """One call of the engine and shipping of what it decided; whether there is more at hand."""
        started, rules = time.perf_counter(), self.rules
        batch = Batch(unit.number, records, self._ended(unit.number))
        result = process(batch, rules, unit.stored.state, self._clock, limit=EVENTS_PER_STEP)
        self._ship(unit, result, rules.revision)
        unit.advance(result, self._topic_of)
        if self._tracing is not None:
            self._tracing.passed(unit.number, result.positions)
        if records or result.events or result.decisions:
            self._metrics.work.observe_batch(result, time.perf_counter() - started)
        return result.more

    def _ended(self, number: int) -> frozenset[str]:
        ended = self._ledger.ended
        return frozenset(
            name for name, topic in self._topic_of.items() if ended(TopicPartition(topic, number))
        )

    def _ship(self, unit: Unit, result: Result, revision: str) -> None:
        if not (result.decisions or result.dead_letters):
            return
        now = self._clock.wall()
        self._metrics.work.observe_sent(result.triggers, now)
        origin = Origin(self._app_id, unit.number, revision, self._topic_of)
        triggers = [trigger_record(trigger, origin, now) for trigger in result.triggers]
        if self._tracing is not None:
            triggers = self._tracing.traced(unit.number, result.triggers, triggers, now)
        wires = [
            *triggers,
            *(decision_record(decision, origin) for decision in result.decisions),
            *(dead_letter_record(letter, origin) for letter in result.dead_letters),
        ]
        by_topic: dict[str, list[WireRecord]] = {}
        for wire in unit.without_repeats(wires):
            by_topic.setdefault(wire.topic, []).append(wire)
        for topic, records in by_topic.items():
            unit.await_shipped(topic, self._outbox.ship(topic, unit.number, records))

    # -- rules

    async def switch(self, rules: RuleSet) -> None:
        """Go over to another rule set, of the same sources: all that is judged from now on is judged by it.

        Its program is made first, in slices between which the lane goes on. Then a partition's state adopts
        it at its next step, or here if nothing happens there; the loop comes by between two partitions.
        """
        for _ in preparing(rules):
            await asyncio.sleep(0)
        self.rules = rules
        for unit in list(self._units.values()):
            await asyncio.sleep(0)
            if self._units.get(unit.number) is unit and unit.stored.state.rules is not self.rules:
                unit.stored.state.adopt(self.rules)

    # -- checkpoints

    async def checkpoint(self, unit: Unit) -> None:
        """Make everything that the unit has applied durable.

        Raises LaneError once a checkpoint has failed: what it took from the state is in nobody's hands.
        """
        async with unit.checkpointing:
            if unit.torn:
                raise LaneError(f"partition {unit.number}: a checkpoint failed; not trusted")
            unit.torn = True
            await self._checkpoint(unit)
            unit.torn = False

    async def _checkpoint(self, unit: Unit) -> None:
        started = time.monotonic()
        # The snapshot: from here to the first await nothing else is processed.
        positions, waiting = dict(unit.positions), unit.unacknowledged
        changed = unit.take_changed()
        unit.unacknowledged = set()
        if waiting:
            await asyncio.gather(*waiting)
        if changed:
            logged = await self._log(unit.number, changed)
        if unit.given_up:
            return  # its customers are restored by now, perhaps from before what was just written
        if changed:
            for _ in unit.stored.committing(changed, logged, self._table.keep):
                await asyncio.sleep(0)
        for source, position in positions.items():
            if unit.durable.get(source) != position:
                self._ledger.finish(TopicPartition(self._topic_of[source], unit.number), position)
                unit.durable[source] = position
        if changed:
            seconds = round(time.monotonic() - started, 3)
            log.debug("checkpointed", partition=unit.number, customers=len(changed), seconds=seconds)

    async def _log(self, number: int, changed: Iterable[tuple[bytes, bytes]]) -> int:
        """Write to the changelog; returns the offset after it, once it is acknowledged."""
        records = [WireRecord(self._changelog, key, value, ()) for key, value in changed]
        return await self._outbox.ship(self._changelog, number, records)

    async def keep_checkpointing(self) -> None:
        """Checkpoint each unit once per interval, and sooner when much of it is in flight, for ever."""
        async with asyncio.TaskGroup() as checkpoints:
            while True:
                now = time.monotonic()
                for unit in self._units.values() if self._lease.held else ():
                    if not unit.checkpointing.locked() and (now >= unit.due or self._is_pressed(unit)):
                        unit.due = now + self._interval
                        checkpoints.create_task(self.checkpoint(unit))
                await asyncio.sleep(TICK_S)

    def _is_pressed(self, unit: Unit) -> bool:
        return any(self._ledger.is_filling(TopicPartition(topic, unit.number)) for topic in self._source_of)

    async def keep_ticking(self) -> None:
        """Let time pass without new records: timers come due, topics turn out to be read to their end."""
        while True:
            await asyncio.sleep(TICK_S)
            self._ticked_at = time.monotonic()
            for unit in list(self._units.values()):
                while self._may_tick(unit) and self._step(unit, {}):
                    await asyncio.sleep(0)
                await asyncio.sleep(0)  # a step can take long: the state may have other rules to adopt

    def _may_tick(self, unit: Unit) -> bool:
        """Whether the unit is still ours, and what leaves it still flows off."""
        ours = self._lease.held and self._units.get(unit.number) is unit
        return ours and self._outbox.load(unit.number) < CLOGGED_RECORDS

    async def keep_measuring(self) -> None:
        """Keep the gauges true, once a second."""
        while True:
            for unit in self._units.values():
                self._measure(unit)
            tps = [TopicPartition(topic, number) for number in self._units for topic in self._source_of]
            self._metrics.commits.set_under_way(
                sum(map(self._ledger.in_flight, tps)),
                sum(map(self._outbox.load, self._units)),
                uncommitted=self.is_open and self._ledger.uncommitted(),
            )
            await asyncio.sleep(MEASURE_S)

    def _measure(self, unit: Unit) -> None:
        stored, wall = unit.stored, self._clock.wall()
        now = unit.watermark if self._clock.by_event_time else wall
        late = 0 if now is None or unit.next_deadline is None else now - unit.next_deadline
        figures = PartitionFigures(
            stored.customers,
            stored.state_bytes,
            {"open": stored.state.timers},
            unit.watermark,
            stored.state.live,
            stored.state.fetched,
            max(late, 0) / 1000,
        )
        self._metrics.partitions.set_partition(unit.number, figures)
        for topic in self._source_of:
            tp = TopicPartition(topic, unit.number)
            records = self._ledger.lag(tp)
            self._metrics.partitions.set_lag(
                topic, unit.number, records, self._lag_ms(tp, records, wall) / 1000
            )

    def _lag_ms(self, tp: TopicPartition, records: int, now: int) -> int:
        """How old the oldest of these records is. Of what is not fetched yet nobody knows: it counts from
        when it was first seen to be behind.
        """
        since = self._ledger.oldest(tp)
        if records == 0 or since is not None:
            self._behind_since.pop(tp, None)
        else:
            since = self._behind_since.setdefault(tp, now)
        return 0 if records == 0 or since is None else max(now - since, 0)

    def places(
        self, at_hand: Container[TopicPartition], answers: Container[TopicPartition]
    ) -> dict[str, object]:
        """For the watchdog: each partition with records in hand that waits for nothing of Kafka's, and how
        far it is. `at_hand`: fetched and not taken; `answers`: what Kafka answers for.
        """
        found: dict[str, object] = {}
        for number in list(self._units):
            tps = [TopicPartition(topic, number) for topic in self._source_of]
            held = [tp in at_hand or self._ledger.in_flight(tp) > 0 for tp in tps]
            if any(held) and all(has or tp in answers for has, tp in zip(held, tps, strict=True)):
                found[f"partition {number}"] = tuple(self._ledger.place(tp) for tp in tps)
        return found

    def stalled_for(self) -> float:
        """Seconds since the event loop last came by; asked from other threads."""
        return time.monotonic() - self._ticked_at

    # -- rebalance

    async def restore(self, numbers: Iterable[int], standbys: Iterable[int] = ()) -> int:
        """Make the customers of these partitions complete, and learn where to go on; drop those that are
        neither wanted nor stood by for.
        """
        wanted = set(numbers)
        for number in set(self._table.stored) - wanted - set(standbys):
            self._table.drop(number)
        # What others have written meanwhile is read with the rules in force, or what is new in them is lost.
        for number in set(self._table.stored):
            state = self._table.stored[number].state
            if state.rules is not self.rules:
                state.adopt(self.rules)
        started = time.monotonic()
        records = await self._reader.catch_up(wanted, self.rules)
        self._starts = await self._takeover.starts(
            {number: marks.decode(self._table.stored[number].state.marks) for number in wanted}, self.rules
        )
        for number, start in self._starts.items():
            if start.fresh:  # so that there is a tail to read from, whenever this worker dies
                stored = self._table.stored[number]
                stored.state.marks = marks.encode(start.marks)
                changed = stored.take_changed()
                stored.commit(changed, await self._log(number, changed), self._table.keep)
        log.info(
            "restored", partitions=len(wanted), records=records, seconds=round(time.monotonic() - started, 3)
        )
        return records

    async def follow(self, standbys: Iterable[int]) -> None:
        """Keep what other workers write of these partitions at hand; ends only where there are none."""
        await self._reader.follow(standbys, self.rules, self._metrics.ownership.set_standby)

    def missing(self, assignment: Iterable[TP]) -> set[str]:
        """The sources' topics that an assignment lacks, though it has the same partitions of others."""
        assigned = set(assignment)
        numbers = {tp.partition for tp in assigned}
        return {topic for topic in self._source_of for n in numbers if TP(topic, n) not in assigned}

    def seeks(self, tps: Iterable[TP], committed: Mapping[TP, int | None]) -> dict[TP, int]:
        """Where to read on: where the changelog says, else where the group does, else at the beginning."""
        found = {}
        for tp in tps:
            start, source = self._starts[tp.partition], self._source_of[tp.topic]
            position = start.marks.positions.get(source)
            self._resumed[TopicPartition(*tp)] = (position, committed.get(tp))
            found[tp] = (committed.get(tp) or start.begins[source]) if position is None else position
        return found

    def open(self, numbers: Iterable[int]) -> None:
        """Begin work on these partitions, whose customers are complete."""
        opened = sorted(numbers)
        self._ledger.forget()
        self._behind_since = {}
        for tp, (position, committed) in self._resumed.items():
            if position is not None and tp.partition in opened:
                self._ledger.resume(tp, position, committed)
        self._resumed = {}
        now, apart = time.monotonic(), self._interval / max(len(opened), 1)
        self._units = {
            number: Unit(
                number, self._table.stored[number], self._starts[number], self.rules, now + apart * (turn + 1)
            )
            for turn, number in enumerate(opened)
        }
        self.is_open = True

    async def close(self, deadline: float) -> bool:
        """Stop work on all partitions and make durable what was applied, within `deadline` seconds.

        What is at hand but not applied is dropped: it is read again. Customers that could not be made durable
        in time are forgotten, so that they come from the changelog. Returns whether everything became
        durable.
        """
        units, self._units = list(self._units.values()), {}
        if self._tracing is not None:
            self._tracing.forget()
        self.is_open = False
        for unit in units:
            unit.stored.state.forget_pending()
        if not units:
            return True
        if not self._lease.held:  # others may own them by now: nothing may be written for them
            deadline = 0
        checkpoints = [asyncio.ensure_future(self.checkpoint(unit)) for unit in units]
        done, late = await asyncio.wait(checkpoints, timeout=deadline)
        for unit, task in zip(units, checkpoints, strict=True):
            if task in late or task.exception() is not None:
                task.cancel()
                unit.given_up = True
                self._table.drop(unit.number)
        if late:
            log.warning("not_durable_in_time", partitions=len(late), deadline=deadline)
            await self._outbox.abandon()
        return not late and all(task.exception() is None for task in done)
