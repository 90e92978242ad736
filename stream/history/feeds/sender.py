"""A feed into its topic: some rows at a time, each time all acknowledged before the next.

So there is always a row up to which everything is in Kafka, whatever ends the sending: a signal, a Kafka that
goes away, a file that is damaged. Of the rows at hand then nobody knows; sent once more, they are the same
bytes. A record goes to the partition of its customer, as Kafka's own clients place keys.
Tested by tests/integration/test_send.py.
"""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aiokafka.errors import KafkaError, for_code

from stream.clock import wall_ms
from stream.diagnostics import some
from stream.errors import BrokerError, EventFileError, RefusedError, StreamError, TopologyError
from stream.events._murmur import partition_of
from stream.history.feeds.feed import ROWS, Feed, FeedPortion, FeedRecord
from stream.history.progress import QUIET, Progress
from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.kafka.cluster import NOT_AUTHORIZED
from stream.kafka.lease import Lease
from stream.kafka.most_bytes import most_bytes_of
from stream.kafka.producer import Producer
from stream.kafka.topic_ids import metadata
from stream.kafka.write_refusals import refusal
from stream.settings import Settings, shown
from stream.structs import MOST_BYTES
from stream.topics.ensure import admin_client

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
QUIET_S = 5.0  # without an acknowledgement, before that is said
PATIENCE_S = 60.0  # and then, before it ends
FINISH_S = 10.0  # of the same, once somebody wants it to end
BATCH_BYTES = 256 << 10
UNKNOWN_TOPIC = 3


@dataclass(slots=True)
class Delivery:
    """What came of it. `next`: the first row that is not known to be in Kafka; None: all of them are, or were
    left out. `acknowledged`: records. `error`: what ended it; `stopped_by`: the signal that did.
    """

    partitions: int = 0
    acknowledged: int = 0
    next: int | None = None
    error: StreamError | None = None
    stopped_by: int | None = None


@dataclass(frozen=True, slots=True)
class TargetTopic:
    """The topic, as it is. `others`: how many partitions those of the other sources have."""

    topic: str
    partitions: int
    most_bytes: int
    others: Mapping[str, int]

    @property
    def unlike(self) -> list[str]:
        """The other sources' topics that have another number of partitions, with that."""
        return [f"{name} {count}" for name, count in sorted(self.others.items()) if count != self.partitions]


async def target_of(settings: Settings, topic: str, sources: Iterable[str]) -> TargetTopic:
    """`sources`: the topics of all sources. Raises BrokerError where no Kafka answers, TopologyError where it
    has no such topic, or hides it.
    """
    async with admin_client(settings) as client:
        answer = await metadata(client._client, sorted({topic, *sources}))
        found = {name: (code, partitions) for code, name, _, _, partitions, *_ in answer.topics}
        code, partitions = found.pop(topic)
        if code == UNKNOWN_TOPIC:
            hint = "`stream topics --create --sources --partitions N` makes those that the rules need"
            raise TopologyError(f"Kafka at {shown(settings.broker)} has no topic {topic}", hint=hint)
        if code in NOT_AUTHORIZED:
            what = f"Kafka at {shown(settings.broker)} does not let this client see the topic {topic}"
            raise TopologyError(what, hint=f"grant Describe and Write on topic {topic} to this client")
        if code:
            raise for_code(code)(topic)
        most = (await most_bytes_of(client, [topic])).get(topic, MOST_BYTES)
        others = {name: len(there) for name, (wrong, there) in found.items() if not wrong}
        return TargetTopic(topic, len(partitions), most, others)


async def deliver(
    settings: Settings,
    feed: Feed,
    *,
    rate: float | None = None,
    stop_on_error: bool = False,
    progress: Progress = QUIET,
    note: Callable[[str], object],
) -> Delivery:
    """Send it. Raises BrokerError and TopologyError where it cannot begin; what comes later is in the result.

    `rate`: records a second. `stop_on_error`: end before the first rows of which one cannot be sent.
    `note` is told of a Kafka that is away.
    """
    target = await target_of(settings, feed.source.topic, feed.topics)
    if target.unlike:
        note(
            f"{target.topic} has {some(target.partitions, 'partition')}, and {', '.join(target.unlike)}: "
            "workers refuse sources that differ, as a customer would be in two places; see docs/upgrade.md"
        )
    feed.most_bytes = target.most_bytes
    lease = Lease(float("inf"))  # of a topic that has no owner
    lease.renew(lease.now())
    producer = Producer(settings, lease)
    await producer.start()
    sending = _Sending(settings, producer, target, Delivery(target.partitions), note)
    loop = asyncio.get_running_loop()
    heard = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    for each in heard:
        loop.add_signal_handler(each, sending.stop, each)
    try:
        return await sending.run(feed, rate, stop_on_error, progress)
    finally:
        for each in heard:
            loop.remove_signal_handler(each)
        await producer.cut()


class _Sending:
    """One delivery."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        target: TargetTopic,
        so_far: Delivery,
        note: Callable[[str], object],
    ) -> None:
        self._settings = settings
        self._note = note
        self._producer = producer
        self._target = target
        self._so_far = so_far
        self._stop = asyncio.Event()

    def stop(self, number: int) -> None:
        self._so_far.stopped_by = number
        self._stop.set()

    async def run(self, feed: Feed, rate: float | None, stop_on_error: bool, progress: Progress) -> Delivery:
        so_far, began = self._so_far, time.monotonic()
        so_far.next = feed.first
        rows = ROWS if rate is None else max(1, min(ROWS, int(rate / 10)))
        try:
            for portion in feed.portions(progress, rows):
                if stop_on_error and feed.left_out.total:
                    return so_far
                await self._send(portion)
                so_far.acknowledged += len(portion.records)
                so_far.next = portion.next
                due = 0.0 if rate is None else began + so_far.acknowledged / rate - time.monotonic()
                await self._pause(due)
                if self._stop.is_set():
                    return so_far
        except RefusedError as error:  # of another exit code: no worker is to be restarted
            so_far.error = BrokerError(error.message, hint=error.hint)
        except (BrokerError, EventFileError) as error:
            so_far.error = error
        else:
            so_far.next, so_far.stopped_by = None, None
        return so_far

    async def _pause(self, seconds: float) -> None:
        """Let signals be heard, and so much time pass, unless one is."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await asyncio.wait([stopped := asyncio.ensure_future(self._stop.wait())], timeout=seconds)
        stopped.cancel()

    async def _send(self, portion: FeedPortion) -> None:
        """Return once all of it is acknowledged. Raises BrokerError, RefusedError."""
        sending = asyncio.ensure_future(self._write(portion.records))
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            done, _ = await asyncio.wait([sending, stopped], timeout=QUIET_S, return_when=FIRST_COMPLETED)
            if not done:
                self._note(f"Kafka does not answer: waits for it, at most {PATIENCE_S:.0f} seconds")
                await asyncio.wait([sending, stopped], timeout=PATIENCE_S, return_when=FIRST_COMPLETED)
            if self._stop.is_set() and not sending.done():
                await asyncio.wait([sending], timeout=FINISH_S)
        finally:
            stopped.cancel()
            if not sending.done():
                sending.cancel()
        if sending.cancelled() or not sending.done():
            seconds = FINISH_S if self._stop.is_set() else QUIET_S + PATIENCE_S
            raise BrokerError(
                f"Kafka at {shown(self._settings.broker)} has acknowledged nothing for {seconds:.0f} seconds",
                hint="is it there, and is the topic? `stream doctor` looks",
            )
        sending.result()

    async def _write(self, records: list[FeedRecord]) -> None:
        by_partition: dict[int, PackedRecords] = {}
        for each in records:
            partition = partition_of(each.key, self._target.partitions)
            by_partition.setdefault(partition, PackedRecords()).add(each.key, each.value)
        await asyncio.gather(*(self._write_to(number, packed) for number, packed in by_partition.items()))

    async def _write_to(self, partition: int, records: PackedRecords) -> None:
        sent, target = 0, self._target
        while sent < records.size:
            batch = RecordBatch(records, sent, min(BATCH_BYTES, target.most_bytes), wall_ms())
            sent, size = batch.end, batch.size()
            try:
                # A batch whose future is cancelled upsets aiokafka's sender.
                await asyncio.shield(await self._producer.send(batch, target.topic, partition))
            except KafkaError as error:
                broker = self._settings.broker
                raise refusal(error, target.topic, partition, size, target.most_bytes, broker) from error
