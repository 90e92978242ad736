"""The fence: from when a partition's new owner has begun, Kafka appends nothing of a former one.

The lease is asked before a batch leaves. A process that is stopped between the question and the socket, or
a line that holds the bytes back, brings it all the same, however late: over what the next owner has written.
Only the broker can see that, and it does: of each partition it remembers the epoch with which a producer id
last wrote, and refuses lower ones.

So all owners of a changelog's partition write under one producer id, beyond those that brokers give out. Who
takes over asks for the epoch, takes the next one, a *term*, and writes a record. Whoever has read to that
record has read all that former owners ever get in. This is what transactional ids do for transactions; here
it takes no transaction, no coordinator and no permission beyond reading and writing the topic.

It costs a request and a record at a take-over, and nothing afterwards. Two who ask at the same moment take
the same term: then the broker takes the later one's first batch for a repeat of the earlier one's, and of its
next ones it appends none that is out of turn.

Tested by tests/kafka/test_fence.py, on real Kafka by tests/integration/test_outbox.py and tests/faults.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import NotLeaderForPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from stream.kafka._batch import RecordBatch

FIRST_ID = 1 << 62  # brokers give out ids from 0 on
LAST_EPOCH = (1 << 15) - 2


class WriteTerm(NamedTuple):
    """Under what an owner writes: a producer's id and epoch."""

    producer: int
    epoch: int

    @property
    def next(self) -> WriteTerm:
        return (
            WriteTerm(self.producer + 1, 0)
            if self.epoch >= LAST_EPOCH
            else WriteTerm(self.producer, self.epoch + 1)
        )


BEFORE_ALL = WriteTerm(FIRST_ID, -1)


class TermBatch:
    """A batch as aiokafka's producer wants it, written in a term and not under the producer's own id."""

    def __init__(self, batch: RecordBatch, term: WriteTerm) -> None:
        self._batch, self._term = batch, term
        self.record_count, self.size = batch.record_count, batch.size
        self.close, self.closed = batch.close, batch.closed
        self._build = batch._build

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._batch._set_producer_state(*self._term, base_sequence)


async def latest_term(client: Any, topic: str, partition: int) -> WriteTerm:
    """In which a partition was last written to. `client`: aiokafka's AIOKafkaClient, which knows the topic.
    Raises KafkaError.
    """
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    if leader is None or leader == -1:
        raise NotLeaderForPartitionError
    answer = await client.send(leader, _Producers(topic, partition))
    ((_, ((_, error, _, producers, _),), _),) = answer.topics
    if error:
        raise for_code(error)()
    return max([BEFORE_ALL, *(WriteTerm(each[0], each[1]) for each in producers if each[0] >= FIRST_ID)])


class _ProducersResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", CompactString("utf-8")),
                        (
                            "active_producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("current_txn_start_offset", Int64),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _ProducersRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _ProducersResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Producers(Request[_ProducersRequest]):  # type: ignore[misc]
    """DescribeProducers 0 (KIP-664)."""

    API_KEY = 61

    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition

    def build(self, request_struct_class: type[_ProducersRequest]) -> _ProducersRequest:
        return request_struct_class([(self._topic, [self._partition], {})], {})
