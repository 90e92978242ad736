"""What leaves a worker: records to Kafka in whole batches, acknowledged by all replicas, never twice by a
retry.

A batch collects what is shipped to one topic partition while the batch before it is under way; so batches
grow with the load by themselves and a lone record leaves at once. The order within a topic partition is that
of the calls. Records come as bytes and leave as bytes (`kafka._packed`, `kafka._batch`): none becomes an
object here.

The producer is our own, not Faust's (`producer`), and waits for Kafka for as long as it takes. Back-pressure
comes from the ledger: events are not fetched while too many wait here; and from `load`, which keeps timers
from firing on and on.

A batch is no larger than its topic takes (`most_bytes`, by topic; of others Kafka's default). What Kafka
refuses is reported through `on_error` and ends the worker. Nothing is handed on after it, to whatever topic:
of a topic partition one batch is under way at a time, and once one is refused all that waits, and all that is
shipped later, fails with it. Nothing of that is committed, so it is read again.

What is refused because another worker has begun a term (`kafka.fence`) is no error: its promise is not kept,
and who waits for it is about to hear that the partition is lost.

Tested by tests/runtime/test_outbox.py, tests/integration/test_outbox.py and test_outage.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka.errors import KafkaError, ProducerFenced

from stream.clock import wall_ms
from stream.errors import BrokerError, InternalError
from stream.kafka._batch import RecordBatch
from stream.kafka._packed import PackedRecords
from stream.kafka.lease import Lease
from stream.kafka.producer import Producer
from stream.kafka.write_refusals import refusal
from stream.runtime.ledger import TopicPartition
from stream.settings import Settings
from stream.structs import MOST_BYTES

log = structlog.get_logger("stream.outbox")

BATCH_BYTES = 256 * 1024  # of a batch, unless its first record is larger
RETRY_S = 1.0


class Outgoing:
    """Records on their way to one topic partition, and the promise of their offsets."""

    __slots__ = ("acknowledged", "records", "senders")

    def __init__(self) -> None:
        self.records = PackedRecords()
        self.senders: Counter[int] = Counter()
        self.acknowledged: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Outbox:
    """Ships records. One per worker; use it from the event loop it was started in."""

    def __init__(
        self,
        settings: Settings,
        lease: Lease,
        on_error: Callable[[BaseException], None],
        most_bytes: Mapping[str, int],
    ) -> None:
        self._settings = settings
        self._most_bytes = most_bytes
        self._lease = lease
        self.on_error = on_error
        self._producer: Producer | None = None
        self._connecting = asyncio.Lock()
        self._waiting: dict[TopicPartition, Outgoing] = {}
        self._carriers: dict[TopicPartition, asyncio.Task[None]] = {}
        self._load: Counter[int] = Counter()
        self._failure: Exception | None = None
        self.acknowledged = 0  # batches so far; for the watchdog

    async def start(self) -> None:
        """Connect; raises BrokerError where no Kafka answers."""
        producer = Producer(self._settings, self._lease)
        await producer.start()
        self._producer = producer

    async def stop(self, deadline: float) -> None:
        """Send what still waits, within `deadline` seconds, then disconnect."""
        if carriers := list(self._carriers.values()):
            await asyncio.wait(carriers, timeout=deadline)
        if self._carriers:
            await self.abandon()
        elif self._producer is not None:
            await self._producer.stop()

    async def abandon(self) -> None:
        """Forget all that was shipped and is not acknowledged: the partitions are lost, and so is the right
        to write what they say. What is shipped from now on goes by a new producer: a batch left out would be
        a gap in the old one's sequence numbers.
        """
        old, self._producer = self._producer, None
        carriers, self._carriers = self._carriers, {}
        waiting, self._waiting = self._waiting, {}
        self._load.clear()
        for carrier in carriers.values():
            carrier.cancel()
        for batch in waiting.values():
            batch.acknowledged.cancel()
        await asyncio.gather(*carriers.values(), return_exceptions=True)
        if old is not None:
            log.warning("abandoned", hint="what was on its way is written by the partitions' next owner")
            await old.cut()

    @property
    def under_way(self) -> bool:
        """Whether something is shipped and not acknowledged."""
        return bool(self._carriers)

    def load(self, partition: int) -> int:
        """Records that a partition number has shipped, to all topics, and that are not acknowledged."""
        return self._load[partition]

    @property
    def tasks(self) -> Mapping[str, asyncio.Task[Any]]:
        """What must not end while the outbox is used."""
        return self._producer.tasks if self._producer is not None else {}

    def ship(self, topic: str, partition: int, records: PackedRecords, *, sender: int) -> asyncio.Future[int]:
        """Send `records` in order; the future gives the offset after the batch that they travel in.

        They are copied. `sender`: the partition number that they count for, see `load`. Batches of one topic
        partition are acknowledged in order. Futures may be shared by several calls.
        """
        if self._failure is not None:
            return _failed(asyncio.get_running_loop().create_future(), self._failure)
        tp = TopicPartition(topic, partition)
        batch = self._waiting.get(tp)
        if batch is None:
            batch = self._waiting[tp] = Outgoing()
        batch.records.extend(records)
        batch.senders[sender] += len(records)
        self._load[sender] += len(records)
        if tp not in self._carriers:
            self._carriers[tp] = asyncio.get_running_loop().create_task(self._carry(tp))
        return batch.acknowledged

    async def begin_term(self, topic: str, partition: int, records: PackedRecords) -> None:
        """Ship `records` as the first of a new term; returns when they are acknowledged. From then on nothing
        that former owners have on their way is appended.
        """
        producer = self._producer or await self._connect()
        await producer.begin_term(topic, partition)
        await self.ship(topic, partition, records, sender=partition)

    async def _carry(self, tp: TopicPartition) -> None:
        """Carry batches of one topic partition until none waits."""
        try:
            while (batch := self._waiting.pop(tp, None)) is not None:
                try:
                    end = await self._send(tp, batch.records)
                except asyncio.CancelledError:
                    batch.acknowledged.cancel()
                    raise
                except Exception as error:  # whatever it is, who waits and the worker are told
                    _failed(batch.acknowledged, error)
                    self._fail(error)
                    return
                self._load.subtract(batch.senders)
                if end is None:
                    continue
                self.acknowledged += 1
                if (
                    not batch.acknowledged.done()
                ):  # who waited for it may have been cancelled, and it with him
                    batch.acknowledged.set_result(end)
        finally:
            if self._carriers.get(tp) is asyncio.current_task():  # and it was not abandoned
                del self._carriers[tp]

    def _fail(self, error: Exception) -> None:
        """Nothing leaves any more: what would follow has something missing before it."""
        if self._failure is not None:
            return  # told already
        self._failure = error
        for batch in self._waiting.values():
            _failed(batch.acknowledged, error)
        self._waiting.clear()
        self.on_error(error)

    async def _send(self, tp: TopicPartition, records: PackedRecords) -> int | None:
        """The offset after them; None if another worker writes there by now."""
        await self._lease.wait()
        producer = self._producer or await self._connect()
        most = self._most_bytes.get(tp.topic, MOST_BYTES)
        end = sent = 0
        while sent < records.size:
            if self._failure is not None:  # of another topic partition
                raise self._failure
            batch = RecordBatch(records, sent, min(BATCH_BYTES, most), wall_ms())
            sent, size = batch.end, batch.size()
            try:
                acknowledged = await producer.send(batch, tp.topic, tp.partition)
                # A batch whose future is cancelled, as that of who waits would be, upsets aiokafka's sender.
                offset = (await asyncio.shield(acknowledged)).offset
            except ProducerFenced:
                log.warning("fenced", topic=tp.topic, partition=tp.partition, reason="another worker owns it")
                return None
            except KafkaError as error:
                broker = self._settings.broker
                raise refusal(error, tp.topic, tp.partition, size, most, broker) from error
            if offset < 0:  # more than five batches ago, of which no more than one is ever under way
                raise InternalError(f"{tp.topic}/{tp.partition}: Kafka no longer knows where it has a batch")
            end = offset + batch.record_count()
        return end

    async def _connect(self) -> Producer:
        """A new producer, whenever Kafka answers."""
        async with self._connecting:
            while self._producer is None:
                producer = Producer(self._settings, self._lease)
                try:
                    await producer.start()
                    self._producer = producer
                except BrokerError as error:
                    log.warning("outbox_waits_for_kafka", error=error.message)
                    await asyncio.sleep(RETRY_S)
            return self._producer


def _failed(promise: asyncio.Future[int], error: Exception) -> asyncio.Future[int]:
    """The promise, broken if it is still to be kept."""
    if not promise.done():
        promise.set_exception(error)
        promise.exception()  # retrieved: the worker is told, whoever waits
    return promise
