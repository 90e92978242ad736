"""Reading changelogs from real Kafka: holes, cuts, topics made anew, and records as they are."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from stream.engine import PartitionState
from stream.errors import StateError
from stream.kafka import reader as ranges
from stream.runtime.partition_store import PartitionStore
from stream.runtime.restore import ChangelogReader
from stream.settings import Settings, load
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.engine.enginekit import DAY, Rules, World, rec
from tests.kit.kafka import consume_all, create_topics, delete_records, delete_topics, end_offsets, produce
from tests.kit.patience import eventually

RULES = Rules().trait("views", "count", "view").build()


def states(customers: int, views: int = 1) -> list[tuple[int, bytes, bytes | None, None, tuple[()]]]:
    """Changelog records of partition 0."""
    world = World(RULES)
    for turn in range(views):
        world.clicks(*(rec(turn * customers + n, turn, customer=f"c{n}") for n in range(customers)))
    return [(0, key, value, None, ()) for key, value in world.state.take_changed()]


class Reading:
    """A reader of one changelog and what it has read."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.store = PartitionStore(TriggerStage(RULES, "shop", Metrics()))
        self.remaining: list[int] = []
        settings = load({"STREAM_BROKER": bootstrap}, env_file=None)
        self.reader = ChangelogReader(
            settings, topic, self.store, lambda _, left: self.remaining.append(left)
        )

    async def catch_up(self) -> int:
        return await self.reader.catch_up([0])

    @property
    def state(self) -> PartitionState:
        partition = self.store.stored[0].partition
        assert isinstance(partition, TriggerPartition)
        return partition.state

    @property
    def position(self) -> int:
        return self.store.stored[0].position


@pytest.fixture
def changelog(kafka: str, prefix: str) -> str:
    create_topics(kafka, {f"{prefix}-changelog": 1})
    return f"{prefix}-changelog"


async def test_it_reads_to_the_end_and_later_only_the_rest(kafka: str, changelog: str) -> None:
    produce(kafka, changelog, states(100))
    reading = Reading(kafka, changelog)
    assert await reading.catch_up() == 101
    assert (len(reading.state.customers), reading.position, reading.remaining[-1]) == (100, 101, 0)
    assert await reading.catch_up() == 0
    produce(kafka, changelog, [*states(3, views=2), (0, b"c50", None, None, ())])
    assert await reading.catch_up() == 5
    assert len(reading.state.customers) == 99, "a tombstone deletes"
    assert reading.state.trait("c2", "views", DAY) == 2, "the newest counts"


async def test_a_hole_at_the_tail_is_the_end(kafka: str, changelog: str) -> None:
    """Faust waits for the record before the high watermark: here that is a transaction's marker. What was
    written in the transaction is not ours: we have none.
    """
    produce(kafka, changelog, states(10))
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=changelog)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(changelog, states(1)[0][2], key=b"c10", partition=0)
    await producer.stop()
    tp = TopicPartition(changelog, 0)
    eventually(lambda: end_offsets(kafka, [changelog])[tp] == 13, "the marker is written")
    reading = Reading(kafka, changelog)
    assert await reading.catch_up() == 11
    assert (len(reading.state.customers), reading.position) == (10, 13)


async def test_an_empty_changelog_and_one_whose_records_are_all_deleted(kafka: str, changelog: str) -> None:
    reading = Reading(kafka, changelog)
    assert await reading.catch_up() == 0
    produce(kafka, changelog, states(10))
    delete_records(kafka, {TopicPartition(changelog, 0): 11})
    other = Reading(kafka, changelog)
    assert await other.catch_up() == 0
    assert other.position == 11


async def test_what_was_cut_below_us_is_read_anew(kafka: str, changelog: str) -> None:
    produce(kafka, changelog, states(10))
    reading = Reading(kafka, changelog)
    await reading.catch_up()
    produce(kafka, changelog, states(20))
    delete_records(kafka, {TopicPartition(changelog, 0): 15})
    assert await reading.catch_up() == 32 - 15
    assert len(reading.state.customers) == 16, "four of the twenty were cut off: nothing old is mixed in"


async def test_a_changelog_that_was_made_anew_is_read_anew(kafka: str, changelog: str) -> None:
    produce(kafka, changelog, states(30))
    reading = Reading(kafka, changelog)
    await reading.catch_up()
    delete_topics(kafka, [changelog])
    create_topics(kafka, {changelog: 1})
    produce(kafka, changelog, states(5))
    await reading.catch_up()
    assert len(reading.state.customers) == 5


async def test_a_record_that_cannot_be_read_is_tried_again_and_then_named(kafka: str, changelog: str) -> None:
    produce(kafka, changelog, [*states(3), (0, b"secret@example.com", b"\x03garbage", None, ())])
    with pytest.raises(StateError, match=f"{changelog}/0 offset 4") as caught:
        await Reading(kafka, changelog).catch_up()
    assert "secret" not in str(caught.value)


async def test_raw_records_are_what_aiokafka_gives_to_others(kafka: str, prefix: str) -> None:
    create_topics(kafka, {prefix: 1})
    headers = [("a", b"1"), ("b", b"")]
    written = [(0, b"k", b"v", 5, headers), (0, None, b"", 6, ()), (0, b"", None, 7, ())]
    produce(kafka, prefix, [*written, *((0, b"k%d" % n, b"x" * n, n, ()) for n in range(3000))])
    theirs: list[ConsumerRecord[bytes, bytes]] = consume_all(kafka, [prefix])
    ours = []
    settings: Settings = load({"STREAM_BROKER": kafka}, env_file=None)
    async with ranges.reader(settings, "test") as consumer:
        async for _, records, _ in ranges.read(consumer, {TopicPartition(prefix, 0): (0, len(theirs))}):
            ours += records
    assert [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in ours] == [
        (r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in theirs
    ]
