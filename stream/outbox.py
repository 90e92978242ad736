"""What leaves a worker: records to Kafka in whole batches, acknowledged by all replicas, never twice by a
retry.

A parcel collects what is shipped to one topic partition while the parcel before it is under way; so batches
grow with the load by themselves and a lone record leaves at once. The order within a topic partition is that
of the calls. Sending one by one costs 17–25 µs a record, a batch builder 2–3 µs.

The producer is our own, not Faust's: idempotent, `acks=all`, bounded waiting. Back-pressure comes from the
ledger: events are not fetched while too many wait here. A failed send is reported once through `on_error` and
ends the worker: nothing of that batch is committed, so it is read again.

Tested by tests/integration/test_outbox.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.protocol.produce import ProduceRequest

from stream.clock import wall_ms
from stream.errors import BrokerError, LaneError
from stream.lease import Lease
from stream.ledger import TopicPartition
from stream.records import WireRecord
from stream.settings import Settings

BATCH_BYTES = 256 * 1024
CUT_S = 5.0
REQUEST_BYTES = 20 * 1024 * 1024  # a dead letter may be as large as the broker allows


class _Parcel:
    """Records on their way to one topic partition, and the promise of their offsets."""

    __slots__ = ("acknowledged", "records")

    def __init__(self) -> None:
        self.records: list[WireRecord] = []
        self.acknowledged: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Outbox:
    """Ships records. One per worker; use it from the event loop it was started in."""

    def __init__(self, settings: Settings, lease: Lease, on_error: Callable[[BaseException], None]) -> None:
        self._settings = settings
        self._lease = lease
        self._on_error = on_error
        self._producer: AIOKafkaProducer | None = None
        self._waiting: dict[TopicPartition, _Parcel] = {}
        self._carriers: dict[TopicPartition, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Connect; raises BrokerError where no Kafka answers."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.broker,
            client_id=self._settings.app_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
            **self._settings.kafka_security(),
        )
        try:
            await producer.start()
        except KafkaConnectionError as error:
            await producer.stop()
            raise BrokerError(
                f"no Kafka answers at {self._settings.broker}", hint="see STREAM_BROKER"
            ) from error
        _send_under(self._lease, producer.client)
        self._producer = producer

    async def stop(self) -> None:
        """Send what still waits, then disconnect."""
        await asyncio.gather(*self._carriers.values(), return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    async def abandon(self) -> None:
        """Forget all that was shipped and is not acknowledged: the partitions are lost, and so is the right
        to write what they say. A new connection is made; nothing that waits on the old one goes out.
        """
        old, self._producer = self._producer, None
        for carrier in self._carriers.values():
            carrier.cancel()
        await asyncio.gather(*self._carriers.values(), return_exceptions=True)
        for parcel in self._waiting.values():
            parcel.acknowledged.cancel()
        self._waiting.clear()
        if old is not None:
            await _cut(old)
            await self.start()

    def ship(self, topic: str, partition: int, records: Sequence[WireRecord]) -> asyncio.Future[int]:
        """Send `records` in order; the future gives the offset after the parcel that they travel in.

        Parcels of one topic partition are acknowledged in order. Futures may be shared by several calls.
        """
        tp = TopicPartition(topic, partition)
        parcel = self._waiting.get(tp)
        if parcel is None:
            parcel = self._waiting[tp] = _Parcel()
        parcel.records.extend(records)
        if tp not in self._carriers:
            self._carriers[tp] = asyncio.get_running_loop().create_task(self._carry(tp))
        return parcel.acknowledged

    async def _carry(self, tp: TopicPartition) -> None:
        """Carry parcels of one topic partition until none waits."""
        try:
            while (parcel := self._waiting.pop(tp, None)) is not None:
                try:
                    parcel.acknowledged.set_result(await self._send(tp, parcel.records))
                except asyncio.CancelledError:
                    parcel.acknowledged.cancel()
                    raise
                except Exception as error:  # whatever it is, who waits and the worker are told
                    parcel.acknowledged.set_exception(error)
                    parcel.acknowledged.exception()  # retrieved: the worker is told below, waiting or not
                    self._on_error(error)
                    return
        finally:
            del self._carriers[tp]

    async def _send(self, tp: TopicPartition, records: Sequence[WireRecord]) -> int:
        producer = self._producer
        if producer is None:
            raise LaneError("the outbox is used before its start")
        await self._lease.wait()
        under_way: list[Any] = []
        sent = 0
        while sent < len(records):
            builder = producer.create_batch()
            sent = _fill(builder, records, sent)
            under_way.append((builder, await producer.send_batch(builder, tp.topic, partition=tp.partition)))
        end = 0
        for builder, future in under_way:
            end = (await future).offset + builder.record_count()
        return end


def _send_under(lease: Lease, client: Any) -> None:
    """Let no batch leave without the lease: batches wait in the client, too, and it tries again by itself."""
    send = client.send

    async def send_if_held(node_id: int, request: Any, **more: Any) -> Any:
        if isinstance(request, ProduceRequest) and not lease.held:
            raise NodeNotReadyError("the lease of this worker's partitions has run out")
        return await send(node_id, request, **more)

    client.send = send_if_held


async def _cut(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what waits in it; its own `stop` sends all, for as long as it takes."""
    producer._closed = True
    sender = producer._sender.sender_task
    await producer.client.close()
    accumulator = producer._message_accumulator
    for batch in [*accumulator._pending_batches, *chain.from_iterable(accumulator._batches.values())]:
        batch.future.cancel()
    sender.cancel()
    await asyncio.wait([sender], timeout=CUT_S)


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
