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
from aiokafka.errors import NotLeaderForPartitionError

from stream.kafka._batch import RecordBatch
from stream.kafka.protocol import latest_producers

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
    producers = await latest_producers(client, leader, topic, partition)
    return max([BEFORE_ALL, *(WriteTerm(*each) for each in producers if each[0] >= FIRST_ID)])
