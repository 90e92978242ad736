"""The producer: batches to Kafka, idempotent, for as long as it takes, and only under the lease.

aiokafka's own gives up: a batch that finds no place within `request_timeout_ms` fails, and one whose
partition has no leader expires after it. Here no batch ever expires, whatever is away and for how long. A
single request is given up after `REQUEST_MS`: so a peer that accepts and never answers is noticed.
A batch that is tried again keeps its sequence number: the broker that has it already answers with its offset.

No batch leaves without the lease, not even one that had been handed over: batches wait in the client, too.
One that leaves late all the same is refused where a term was begun (`fence`).

What the sender cannot mend (a gap in the sequence numbers, an authorization, a record that is too large)
fails the batch; that is for the caller. Tested by tests/integration/test_outbox.py and test_outage.py,
and tests/kafka/test_producer.py.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.produce import ProduceRequest

from stream.errors import BrokerError, InternalError, RefusedError
from stream.kafka._batch import RecordBatch
from stream.kafka.connections import security, unreachable
from stream.kafka.fence import TermBatch, WriteTerm, latest_term
from stream.kafka.lease import Lease
from stream.kafka.topic_ids import only_ask
from stream.settings import Settings
from stream.structs import MAX_REQUEST_BYTES

log = structlog.get_logger("stream.kafka")

REQUEST_MS = 10_000
ACKNOWLEDGE_MS = 8_000  # how long the broker itself may wait for its replicas: less, so that it can say so
CUT_S = 5.0
RETRY_S = 0.1


class Producer:
    """One connection of a worker to what it writes. Not to be used after `stop` or `cut`."""

    def __init__(self, settings: Settings, lease: Lease) -> None:
        self._settings = settings
        self._lease = lease
        self._kafka: Any = None
        self._missing: set[str] = set()
        self._terms: dict[TopicPartition, WriteTerm] = {}

    async def start(self) -> None:
        """Connect; raises BrokerError where no Kafka answers."""
        kafka = AIOKafkaProducer(
            bootstrap_servers=self._settings.broker,
            client_id=self._settings.app_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=REQUEST_MS,
            **security(self._settings),
        )
        only_ask(kafka.client)
        kafka._message_accumulator._batch_ttl = math.inf
        kafka._sender._request_timeout_ms = ACKNOWLEDGE_MS
        try:
            await kafka.start()
        except KafkaError as error:
            await kafka.stop()
            raise self._not_started(error) from error
        _send_under(self._lease, kafka.client)
        self._kafka = kafka

    def _not_started(self, error: KafkaError) -> BrokerError:
        if isinstance(error, KafkaConnectionError):
            return unreachable(self._settings, error)
        if isinstance(error, ClusterAuthorizationFailedError):
            return BrokerError(
                f"Kafka at {self._settings.broker} does not let this client write",
                hint="grant Write on the topics, or IdempotentWrite on the cluster, to this client",
            )
        return BrokerError(
            f"Kafka at {self._settings.broker} gives this client no producer id ({type(error).__name__})",
            hint="the brokers' log has the reason",
        )

    @property
    def tasks(self) -> dict[str, asyncio.Task[Any]]:
        """What must not end while the producer is used."""
        if (kafka := self._kafka) is None:
            return {}
        return {"producer": kafka._sender.sender_task, "producer's metadata": kafka.client._sync_task}

    async def begin_term(self, topic: str, partition: int) -> None:
        """Write to it from now on in a new term: once a batch is in, none of an earlier term is appended any
        more. Nothing of this producer may be under way there. Raises KafkaError where the broker forbids it.
        """
        tp = TopicPartition(topic, partition)
        while True:
            kafka = self._started()
            try:
                await kafka.partitions_for(topic)
                self._terms[tp] = (await latest_term(kafka.client, topic, partition)).next
            except KafkaError as error:
                if not error.retriable:
                    raise
                kafka.client.force_metadata_update()
                await asyncio.sleep(RETRY_S)
                continue
            kafka._txn_manager._sequence_numbers.pop(tp, None)
            return

    async def send(self, batch: RecordBatch, topic: str, partition: int) -> asyncio.Future[Any]:
        """Hand a batch over, once the one before is on its way; the result's `offset` is its first's."""
        term = self._terms.get(TopicPartition(topic, partition))
        handed = batch if term is None else TermBatch(batch, term)
        while True:
            kafka = self._started()
            try:
                if partition not in await kafka.partitions_for(topic):
                    raise RefusedError(
                        f"{topic}/{partition}: the topic has no such partition any more",
                        hint="was it made anew with fewer? It needs as many as the sources have",
                    )
                sent: asyncio.Future[Any] = await kafka.send_batch(handed, topic, partition=partition)
            except KafkaTimeoutError:
                continue  # the batch before waits: nothing was taken yet
            except UnknownTopicOrPartitionError:
                if topic not in self._missing:
                    self._missing.add(topic)
                    log.warning(
                        "topic_is_missing",
                        topic=topic,
                        hint="create the topic; records for it wait until it is there",
                    )
                continue
            self._missing.discard(topic)
            return sent

    async def stop(self) -> None:
        """Send what was handed over, then disconnect."""
        if self._kafka is not None:
            await self._kafka.stop()

    async def cut(self) -> None:
        """Disconnect, and never send what was not sent. What is on the wire may still arrive."""
        kafka, self._kafka = self._kafka, None
        if kafka is None:
            return
        kafka._closed = True
        sender = kafka._sender.sender_task
        await kafka.client.close()
        if (waited_for := kafka.client._md_update_fut) is not None and not waited_for.done():
            waited_for.set_result(False)  # or a task that waits for metadata would wait for ever
        sender.cancel()
        await asyncio.wait([sender], timeout=CUT_S)

    def _started(self) -> Any:
        if self._kafka is None:
            raise InternalError("the producer is used before its start, or after its end")
        return self._kafka


def _send_under(lease: Lease, client: Any) -> None:
    """Let no batch leave without the lease; the sender tries again by itself."""
    send = client.send

    async def send_if_held(node_id: int, request: Any, **more: Any) -> Any:
        if isinstance(request, ProduceRequest) and not lease.held:
            raise NodeNotReadyError("the lease of this worker's partitions has run out")
        return await send(node_id, request, **more)

    client.send = send_if_held
