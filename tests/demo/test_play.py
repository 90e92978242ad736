"""Playing: every event once, on the partition that Kafka's clients choose, in order, all topics in step."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from stream.demo import play as playing
from stream.demo.data import DemoEvent
from stream.errors import BrokerError


class FakeBatch:
    """A batch that holds three records."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes]] = []
        self.closed = False

    def append(self, *, timestamp: int, key: bytes, value: bytes) -> object | None:
        if len(self.records) == 3:
            return None
        self.records.append((timestamp, value))
        return object()

    def record_count(self) -> int:
        return len(self.records)

    def close(self) -> None:
        self.closed = True


class FakeProducer:
    """Stands for aiokafka's: acknowledges a batch when the loop turns, or refuses it."""

    def __init__(self, refuse: BaseException | None = None, unreachable: BaseException | None = None) -> None:
        self.sent: list[tuple[str, int, FakeBatch]] = []
        self.settings: dict[str, Any] = {}
        self.stopped = False
        self._refuse = refuse
        self._unreachable = unreachable

    def __call__(self, **settings: Any) -> FakeProducer:
        self.settings = settings
        return self

    async def start(self) -> None:
        if self._unreachable is not None:
            raise self._unreachable

    async def stop(self) -> None:
        self.stopped = True

    def create_batch(self) -> FakeBatch:
        return FakeBatch()

    async def send_batch(self, batch: FakeBatch, topic: str, *, partition: int) -> asyncio.Future[None]:
        assert batch.closed
        self.sent.append((topic, partition, batch))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._refuse is not None:
            future.set_exception(self._refuse)
        else:
            future.set_result(None)
        return future


HISTORY = [
    DemoEvent(
        "profiles" if n < 20 else ("clickstream", "transactions")[n % 7 == 0],
        b"customer-%d" % (n % 5),
        b"%d" % n,
        n,
    )
    for n in range(100)
]


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> FakeProducer:
    return install(monkeypatch, FakeProducer())


def install(monkeypatch: pytest.MonkeyPatch, producer: FakeProducer) -> FakeProducer:
    monkeypatch.setattr(playing, "AIOKafkaProducer", producer)
    monkeypatch.setattr(playing, "events", lambda: iter(HISTORY))
    return producer


@pytest.mark.parametrize(
    # Kafka's own UtilsTest has these hashes: -973932308, -790332482, -985981536.
    ("key", "hashed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_partition_is_the_one_of_kafkas_clients(key: bytes, hashed: int) -> None:
    for partitions in (1, 7, 8):
        assert playing.partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize("pace", [None, 100_000.0])
async def test_every_event_is_sent_once_in_order_of_its_partition(
    producer: FakeProducer, pace: float | None
) -> None:
    assert await playing.play("localhost:1", 4, lambda done, total: None, pace) == 100
    for topic in playing.TOPICS:
        for partition in range(4):
            sent = [
                each
                for to, p, batch in producer.sent
                if (to, p) == (topic, partition)
                for each in batch.records
            ]
            expected = [
                (event.time_ms, event.value)
                for event in HISTORY
                if event.topic == topic and playing.partition_of(event.key, 4) == partition
            ]
            assert sent == expected


async def test_producer_is_idempotent_and_waits_for_all_replicas(producer: FakeProducer) -> None:
    await playing.play("localhost:1", 4, lambda done, total: None)
    assert producer.settings["enable_idempotence"] is True
    assert producer.settings["acks"] == "all"
    assert producer.stopped


async def test_the_topics_of_a_partition_are_played_in_step(producer: FakeProducer) -> None:
    await playing.play("localhost:1", 1, lambda done, total: None)
    reached = dict.fromkeys(playing.TOPICS, -1)
    for number, (topic, _, batch) in enumerate(producer.sent):
        reached[topic] = batch.records[-1][0]
        if number + 1 < len(producer.sent) and producer.sent[number + 1][0] == "clickstream":
            # A round is over: nothing older than what one topic has reached is still to come in another.
            later = [record for _, _, each in producer.sent[number + 1 :] for record in each.records]
            assert min(time for time, _ in later) > max(reached.values())


async def test_progress_counts_what_was_acknowledged(producer: FakeProducer) -> None:
    seen: list[tuple[int, int]] = []
    await playing.play("localhost:1", 4, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


async def test_pace_is_kept(producer: FakeProducer) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await playing.play("localhost:1", 4, lambda done, total: None, pace=1000)
    assert loop.time() - started >= 0.09  # 100 events at 1,000 a second


@pytest.mark.parametrize(
    "broken",
    [FakeProducer(refuse=KafkaTimeoutError()), FakeProducer(unreachable=KafkaConnectionError("no route"))],
    ids=["refused", "unreachable"],
)
async def test_a_broker_that_fails_is_said_with_its_address(
    monkeypatch: pytest.MonkeyPatch, broken: FakeProducer
) -> None:
    install(monkeypatch, broken)
    with pytest.raises(BrokerError, match="localhost:1") as raised:
        await playing.play("localhost:1", 4, lambda done, total: None)
    assert raised.value.hint
