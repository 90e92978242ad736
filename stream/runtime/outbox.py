"""What leaves a worker: records to Kafka in whole batches, acknowledged by all replicas, never twice by a
retry.

A batch collects what is shipped to one topic partition while the batch before it is under way; so batches
grow with the load by themselves and a lone record leaves at once. The order within a topic partition is that
of the calls. Sending one by one costs 17–25 µs a record, a batch builder 2–3 µs.

The producer is our own, not Faust's (`producer`), and waits for Kafka for as long as it takes. Back-pressure
comes from the ledger: events are not fetched while too many wait here; and from `load`, which keeps timers
from firing on and on. What Kafka refuses is reported once through `on_error` and ends the worker: nothing of
that batch is committed, so it is read again.

Tested by tests/integration/test_outbox.py and test_outage.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from stream.clock import wall_ms
from stream.errors import BrokerError, InternalError
from stream.kafka.lease import Lease
from stream.kafka.producer import Producer
from stream.runtime.ledger import TopicPartition
from stream.settings import Settings
from stream.structs import WireRecord

log = structlog.get_logger("stream.outbox")

RETRY_S = 1.0


class Outgoing:
    """Records on their way to one topic partition, and the promise of their offsets."""

    __slots__ = ("acknowledged", "records", "senders")

    def __init__(self) -> None:
        self.records: list[WireRecord] = []
        self.senders: Counter[int] = Counter()
        self.acknowledged: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Outbox:
    """Ships records. One per worker; use it from the event loop it was started in."""

    def __init__(self, settings: Settings, lease: Lease, on_error: Callable[[BaseException], None]) -> None:
        self._settings = settings
        self._lease = lease
        self.on_error = on_error
        self._producer: Producer | None = None
        self._connecting = asyncio.Lock()
        self._waiting: dict[TopicPartition, Outgoing] = {}
        self._carriers: dict[TopicPartition, asyncio.Task[None]] = {}
        self._load: Counter[int] = Counter()
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
        for carrier in self._carriers.values():
            carrier.cancel()
        await asyncio.gather(*self._carriers.values(), return_exceptions=True)
        for batch in self._waiting.values():
            batch.acknowledged.cancel()
        self._waiting.clear()
        self._load.clear()
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

    def ship(
        self, topic: str, partition: int, records: Sequence[WireRecord], *, sender: int
    ) -> asyncio.Future[int]:
        """Send `records` in order; the future gives the offset after the batch that they travel in.

        `sender`: the partition number that they count for, see `load`. Batches of one topic partition are
        acknowledged in order. Futures may be shared by several calls.
        """
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
                    if not batch.acknowledged.done():
                        batch.acknowledged.set_exception(error)
                        batch.acknowledged.exception()  # retrieved: the worker is told, waiting or not
                    self.on_error(error)
                    return
                self._load.subtract(batch.senders)
                self.acknowledged += 1
                if (
                    not batch.acknowledged.done()
                ):  # who waited for it may have been cancelled, and it with him
                    batch.acknowledged.set_result(end)
        finally:
            del self._carriers[tp]

    async def _send(self, tp: TopicPartition, records: Sequence[WireRecord]) -> int:
        await self._lease.wait()
        producer = self._producer or await self._connect()
        under_way: list[Any] = []
        sent = 0
        while sent < len(records):
            batch = producer.batch()
            sent = _fill(batch, records, sent)
            under_way.append((batch, await producer.send(batch, tp.topic, tp.partition)))
        end = 0
        for batch, future in under_way:
            # A batch whose future is cancelled, as that of who waits would be, upsets aiokafka's sender.
            offset = (await asyncio.shield(future)).offset
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


def _fill(builder: Any, records: Sequence[WireRecord], start: int) -> int:
    """Put records into a batch, from `start` on, until it is full; returns how far that came.

    Past aiokafka's own `append`, which takes as long as the C code below it. The first always fits.
    """
    append, now = builder._builder.append, wall_ms()
    for number, record in enumerate(records[start:] if start else records):
        if append(number, now, record.key, record.value, list(record.headers)) is None:
            break
        builder._relative_offset = number + 1
    return start + int(builder._relative_offset)
