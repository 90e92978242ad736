"""The batch lane's Faust transport: what is fetched goes to the lane, past Faust's streams and agents.

Registered as `lane` under Faust's entry point `faust.transports`; a broker URL `lane://host:port` selects it.
Assignment, rebalance, agents and topics stay Faust's. What is replaced, and why:

    getmany        yields batches by topic partition, all that was fetched, in place of single messages.
    _drain…        hands them to the lane. Faust's loop makes eight tasks for each message, and its conductor,
                   stream and agent come on top; a fetch has sixteen partitions easily.
    _add_gap,      Faust's acks cannot carry batches (see `ledger`). Offsets to commit come from it, which
    _new_offset,   the lane tells what is durable; `ack()` has no part in it, because Faust's compiled stream
    _filter_tps…   inlines it.
    _getmany       partitions with enough in flight are paused: that is the back-pressure. What is fetched
                   already is still taken, because aiokafka fetches nothing else from a broker while records
                   of one of its partitions lie about.
    on_start       has the client give raw records (`raw_records`), and mends its membership (`membership`).
    _beat          aiokafka gives up a member that does not poll for `max_poll_interval`, and one without
                   partitions, or one that restores for long, never polls. Whether the worker gets on is for
                   the watchdog to say.
    _take          runs in the consumer's thread and returns, with the records, how far partitions were read
                   at that very moment; asked later, records on their way between the threads would be missed.

Tested by tests/integration/test_lane.py on real Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import structlog
import uvloop
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.threads import WorkerThread

from stream.kafka.fetch_loop import FetchLoop
from stream.kafka.membership import REQUEST_S, Membership
from stream.kafka.raw_records import give_raw_records
from stream.kafka.topic_ids import only_ask
from stream.runtime.failures import watch_loop
from stream.runtime.host import Host
from stream.runtime.ledger import Ledger, Reach, TopicPartition

log = structlog.get_logger("stream.intake")

ByPartition = Sequence[tuple[TopicPartition, Sequence[Any]]]

# While a partition is paused, the others are waited for no longer than this: it is looked at again soon.
PAUSED_TIMEOUT_S = 0.02
# aiokafka has one fetch per broker under way: a long one, of topics at their end, holds up the others.
FETCH_MAX_WAIT_MS = 100
IDLE_FETCH_MAX_WAIT_MS = 500  # after a second without records: nothing to be held up
FETCH_MAX_BYTES = 4 << 20  # in all: it has to come within REQUEST_S, on a slow line, too
BEAT_S = 0.5


class Fetch(dict[TP, list[Any]]):
    """Records by topic partition, and how far every assigned partition had been read when they were
    returned.
    """

    reach: dict[TopicPartition, Reach]


class _Thread(WorkerThread):
    def stop(self) -> None:
        """Faust waits in the event loop, for ever; `failures.run_to_end` waits, too, and not as long."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, whose fetches say how far they reach."""

    Worker = _Thread
    logger = logging.getLogger("faust.consumer")
    full: frozenset[TopicPartition] = frozenset()
    has_paused = False
    _wanted: _Wanted | None = None
    beats = 0  # how often the thread came by; for the watchdog

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        consumer._fetch_max_bytes = FETCH_MAX_BYTES
        consumer._isolation_level = "read_committed"
        consumer._client._request_timeout_ms = int(REQUEST_S * 1000)
        only_ask(consumer._client)
        return consumer

    async def on_start(self) -> None:
        """Start the client, in the thread."""
        watch_loop(self.thread_loop, self._fail)
        await super().on_start()
        reading = give_raw_records(self._ensure_consumer(), mark=cast("Host", self.app).mark)
        self.pace = cast("Host", self.app).pace
        self.fetch_loop = FetchLoop(self.pace, reading, self._give)
        self.fetch_loop.attach(self._ensure_consumer())
        Membership(cast("Host", self.app).lease, self._fail).attach(self._ensure_consumer())

    def _fail(self, error: BaseException) -> None:
        self.parent_loop.call_soon_threadsafe(cast("Host", self.app).fail, error)

    @Service.task
    async def _beat(self) -> None:
        subscription = self._ensure_consumer()._subscription
        while not self.should_stop:
            with subscription.fetch_context():
                self.beats += 1
            await asyncio.sleep(BEAT_S)

    def at_hand(self) -> set[TopicPartition]:
        """The partitions of which fetched records wait to be taken; for other threads."""
        return {TopicPartition(*tp) for tp in list(self._ensure_consumer()._fetcher._records)}

    def answered_at(self) -> dict[TopicPartition, int]:
        """When Kafka last answered a fetch, in ms of the wall clock, by partition that is not paused; for
        other threads. Even where nothing is new it answers twice a second.
        """
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription else None
        if assignment is None:
            return {}
        states = {TopicPartition(*tp): assignment.state_value(tp) for tp in assignment.tps}
        return {tp: state.timestamp or 0 for tp, state in states.items() if not state.paused}

    @property
    def tasks(self) -> dict[str, asyncio.Task[Any]]:
        """What must not end while the consumer is used."""
        if (consumer := self._consumer) is None or consumer._coordinator is None:
            return {}
        return {
            "group": consumer._coordinator._coordination_task,
            "fetcher": consumer._fetcher._fetch_task,
            "consumer's metadata": consumer._client._sync_task,
        }

    async def on_thread_stop(self) -> None:
        """End the client. Its fetcher, cancelled while it waits after a failed fetch, hands its cancellation
        on to us, and the worker would never end.
        """
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            if (consumer := self._consumer) is not None:
                await consumer._client.close()
        self._give_late()

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Fetch:
        """What is fetched next, or nothing after `timeout`. The consumer's thread takes it, and is only woken
        for it where there is something to be done now; what is fetched later finds who wants it.
        """
        loop = asyncio.get_running_loop()
        self._wanted = wanted = _Wanted(loop.create_future(), active_partitions)
        if self._has_something() or self.full or self.has_paused or not self.consumer.flow_active:
            self._call(self._give)
        timer = loop.call_later(timeout, self._call, self._give_late)
        try:
            return await wanted.promise
        finally:
            timer.cancel()

    def _has_something(self) -> bool:
        """Whether fetched records wait to be taken, or there is no client any more, which it has to hear."""
        return (consumer := self._consumer) is None or consumer._closed or bool(consumer._fetcher._records)

    def _call(self, give: Callable[[], None]) -> None:
        if not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(give)

    def _give_late(self) -> None:
        self._give(late=True)

    def _give(self, *, late: bool = False) -> None:
        """Give who waits what has been fetched, if that is anything, or if it is `late`."""
        if (wanted := self._wanted) is None or wanted.promise.done():
            return
        try:
            fetch = self._take(self._ensure_consumer(), wanted.partitions, late=late)
        except Exception as error:  # whatever it is, who waits is told, and the worker with him
            self._wanted = None
            wanted.call(_break, error)
        else:
            if fetch or late or not self.consumer.flow_active:
                self._wanted = None
                wanted.call(_keep, fetch)

    def _take(self, consumer: Any, active_partitions: set[TP] | None, *, late: bool = False) -> Fetch:
        # A pause drops what is fetched already, so it comes when all has been taken, and never before.
        for tp in consumer.assignment() if self.full or self.has_paused else ():
            if TopicPartition(*tp) not in self.full or tp in consumer._fetcher._records:
                consumer.resume(tp)
        if consumer._closed or consumer._fetcher._closed:
            raise ConsumerStoppedError
        fetch = Fetch(self.fetch_loop.take(active_partitions or ()) if self.consumer.flow_active else ())
        fetch.reach = dict(_reach(consumer))
        is_idle = late and not (fetch or self.full or self.has_paused)
        consumer._fetcher._fetch_max_wait_ms = IDLE_FETCH_MAX_WAIT_MS if is_idle else FETCH_MAX_WAIT_MS
        if fetch:
            self.pace.came(sum(map(len, fetch.values())))
        for tp in consumer.assignment() if self.full else ():
            if TopicPartition(*tp) in self.full:
                consumer.pause(tp)
        self.has_paused = bool(self.full)
        self.fetch_loop.go_on()
        return fetch

    async def rejoin_with(self, topics: Iterable[str]) -> dict[str, int]:
        """See `Consumer.rejoin_with`. A static member that comes back is given its old assignment, too."""
        counts: dict[str, int] = await self.call_thread(self._rejoin_with, self._ensure_consumer(), topics)
        return counts

    async def _rejoin_with(self, consumer: Any, topics: Iterable[str]) -> dict[str, int]:
        await consumer._client.force_metadata_update()
        counts = {each: len(consumer._client.cluster.partitions_for_topic(each) or ()) for each in topics}
        if all(counts.values()) and len(set(counts.values())) == 1:
            consumer._coordinator.request_rejoin()
        return counts


class _Wanted(NamedTuple):
    """What another thread waits for: records, of these partitions if there are any."""

    promise: asyncio.Future[Fetch]
    partitions: set[TP] | None

    def call(self, settle: Callable[[asyncio.Future[Fetch], Any], None], outcome: Any) -> None:
        self.promise.get_loop().call_soon_threadsafe(settle, self.promise, outcome)


def _keep(promise: asyncio.Future[Fetch], fetch: Fetch) -> None:
    if not promise.done():  # else nobody waits for it any more
        promise.set_result(fetch)


def _break(promise: asyncio.Future[Fetch], error: Exception) -> None:
    if not promise.done():
        promise.set_exception(error)


def _reach(consumer: Any) -> Iterator[tuple[TopicPartition, Reach]]:
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription else None
    if assignment is None:
        return
    for tp in assignment.tps:
        state = assignment.state_value(tp)
        # What lies behind the last stable offset belongs to a transaction that is still open.
        end = state.highwater if state.lso is None or state.lso < 0 else state.lso
        if state.has_valid_position and end is not None:
            yield tp, Reach(state.position, end)


class Consumer(driver.Consumer):
    """Faust's consumer with batches in place of single records."""

    logger = logging.getLogger("faust.consumer")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.host = cast("Host", self.app)
        self.ledger: Ledger = self.host.ledger
        self.commits = 0  # for the watchdog

    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        loop = (
            uvloop.new_event_loop()
        )  # mode's own would be Python's, which takes twice as long for a wake-up
        thread = ConsumerThread(self, loop=self.loop, thread_loop=loop, beacon=self.beacon)
        thread._close_thread_loop_on_stop = True
        return thread

    async def getmany(self, timeout: float) -> AsyncIterator[ByPartition]:  # type: ignore[override]
        """Yield what was fetched, once, if there are new records."""
        generation = self.app.consumer_generation_id
        fetch, active = cast(Any, await self._wait_next_records(timeout))
        if fetch is None or self.should_stop:
            return
        if not self.flow_active or self.app.consumer_generation_id != generation:
            await self._seek_back(fetch)
            return
        batches = [
            (TopicPartition(*tp), self.host.skips.put_aside(tp, records))
            for tp, records in fetch.items()
            if records and (active is None or tp in active)
        ]
        for tp, records in batches:
            appended_at, size = records[0].timestamp, getattr(records, "size", 0)
            self.ledger.hand_out(tp, len(records), records[-1].offset + 1, appended_at, size)
        if isinstance(fetch, Fetch):
            self.ledger.reached(fetch.reach)
        if batches:
            yield batches

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's loop, for as long as its fetcher runs. Nothing is awaited between `getmany` and the lane,
        so that a rebalance comes before both or after both.
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for batches in self.getmany(timeout=1.0):
                    await self._take(batches)
                await asyncio.sleep(0)
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def _take(self, batches: ByPartition) -> None:
        try:
            await self.host.lane.take(batches)
        except Exception as error:  # whatever it is, the worker must not go on: Faust would only log it
            self.host.fail(error)

    async def _seek_back(self, fetch: Mapping[TP, list[Any]]) -> None:
        """What was fetched across a rebalance is not handed out but read again, wherever it still is ours.

        The consumer's position is beyond it: left there, it would be skipped. (Faust seeks to the committed
        offsets, and does nothing where there are none.)
        """
        if ours := self.assignment():
            await self.seek_wait(
                {tp: records[0].offset for tp, records in fetch.items() if records and tp in ours}
            )

    async def rejoin_with(self, topics: Iterable[str]) -> dict[str, int]:
        """Join the group anew if these topics fit by now: the assignment was made when they did not. How many
        partitions each has.
        """
        return await self._thread.rejoin_with(topics)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        self._thread.full = frozenset(self.ledger.full())
        if self._thread.full:
            timeout = PAUSED_TIMEOUT_S
        return await super()._getmany(active_partitions, timeout)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to do: the ledger's offsets already span the holes of compacted topics."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(cast(list[TP], self.ledger.committable()))

    def _new_offset(self, tp: TP) -> int | None:
        return self.ledger.take_committable(TopicPartition(*tp))

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        done: bool = await super()._commit(offsets)
        self.commits += 1
        self.host.metrics.commits.count_commit({tp.partition for tp in offsets}, done=done)
        return done

    def ack(self, message: Any) -> bool:
        """Faust's acks have no meaning for batches: see `ledger`."""
        return False

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Off: it reads Faust's own bookkeeping, which the lane does not keep."""


class Transport(driver.Transport):
    """Selected by `lane://` broker URLs."""

    Consumer = Consumer
