"""The transport without Kafka: what it asks of aiokafka. That it works is shown in tests/integration."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaTopicPartition
from aiokafka.errors import ConsumerStoppedError, TopicAuthorizationFailedError

from stream.kafka.pace import Pace
from stream.runtime.ledger import Ledger, Reach, TopicPartition
from stream.runtime.transport import PAUSED_TIMEOUT_S, Consumer, ConsumerThread

CLICKS, PURCHASES = KafkaTopicPartition("clicks", 0), KafkaTopicPartition("purchases", 0)


class Client:
    """Stands in for an AIOKafkaConsumer: two partitions, one fetch."""

    _closed = False

    def __init__(self) -> None:
        self.calls: list[tuple[str, KafkaTopicPartition]] = []
        self.state = state = SimpleNamespace(has_valid_position=True, position=7, highwater=9, lso=9)
        assignment = SimpleNamespace(tps={CLICKS}, state_value=lambda tp: state)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self._fetcher = SimpleNamespace(_closed=False, _records={})

    def assignment(self) -> list[KafkaTopicPartition]:
        return [CLICKS, PURCHASES]

    def pause(self, tp: KafkaTopicPartition) -> None:
        self.calls.append(("pause", tp))

    def resume(self, tp: KafkaTopicPartition) -> None:
        self.calls.append(("resume", tp))

    def take(self, partitions: Any) -> dict[KafkaTopicPartition, list[str]]:
        self.calls.append(("fetch", CLICKS))
        return {CLICKS: ["record"]}


def thread(client: Client) -> Any:
    made: Any = ConsumerThread.__new__(ConsumerThread)
    made._consumer, made.consumer, made.pace = client, SimpleNamespace(flow_active=True), Pace(0.0)
    made.fetch_loop = SimpleNamespace(take=client.take, go_on=lambda: None)
    return made


async def test_a_full_partition_is_paused_and_the_others_are_not() -> None:
    client = Client()
    fetching = thread(client)
    fetching.full = frozenset({TopicPartition("clicks", 0)})
    fetching._take(client, {CLICKS, PURCHASES})
    assert client.calls == [("resume", PURCHASES), ("fetch", CLICKS), ("pause", CLICKS)]
    client.calls.clear()
    fetching.full = frozenset()
    fetching._take(client, {CLICKS, PURCHASES})
    assert client.calls == [("resume", CLICKS), ("resume", PURCHASES), ("fetch", CLICKS)]


async def test_what_is_fetched_of_a_full_partition_is_taken_before_it_is_paused() -> None:
    """A pause drops what is fetched: the same megabyte came over the network again and again."""
    client = Client()
    fetching = thread(client)
    fetching.full = frozenset({TopicPartition("clicks", 0)})
    client._fetcher._records[CLICKS] = "records"
    fetching._take(client, {CLICKS, PURCHASES})
    assert client.calls == [("resume", CLICKS), ("resume", PURCHASES), ("fetch", CLICKS), ("pause", CLICKS)]


async def test_a_fetch_says_how_far_it_reaches() -> None:
    client = Client()
    fetch = thread(client)._take(client, {CLICKS})
    assert fetch == {CLICKS: ["record"]}
    assert fetch.reach == {TopicPartition("clicks", 0): Reach(position=7, end=9)}


async def given(fetching: Any, timeout: float = 30.0) -> Any:
    """What `getmany` comes to, in a thread that is this one."""
    fetching.thread_loop = asyncio.get_running_loop()
    return await fetching.getmany({CLICKS}, timeout)


async def test_records_that_come_later_find_who_waits_for_them() -> None:
    """The thread was woken up for each fetch, to be told that its records are wanted."""
    client = Client()
    fetching = thread(client)
    waiting = asyncio.ensure_future(given(fetching))
    await asyncio.sleep(0)
    assert client.calls == []
    fetching._give()  # as when something was fetched
    assert await waiting == {CLICKS: ["record"]}
    assert client.calls == [("fetch", CLICKS)]


async def test_records_that_are_there_are_given_at_once() -> None:
    client = Client()
    client._fetcher._records[CLICKS] = "records"
    assert await given(thread(client)) == {CLICKS: ["record"]}


async def test_who_waits_in_vain_hears_how_far_partitions_were_read() -> None:
    """Of a topic that is empty nothing is ever fetched, and the others would wait for it."""
    client = Client()
    fetching = thread(client)
    fetching.fetch_loop.take = lambda partitions: {}
    fetch = await given(fetching, 0.01)
    assert fetch == {}
    assert fetch.reach == {TopicPartition("clicks", 0): Reach(position=7, end=9)}


async def test_while_a_partition_is_full_the_others_are_waited_for() -> None:
    """Told at once that nothing is there, the worker would have asked again and again."""
    client = Client()
    fetching = thread(client)
    fetching.full = frozenset({TopicPartition("clicks", 0)})
    fetching.fetch_loop.take = lambda partitions: {}
    waiting = asyncio.ensure_future(given(fetching))
    for _ in range(9):
        await asyncio.sleep(0)
    assert not waiting.done()
    fetching.fetch_loop.take = client.take
    fetching._give()
    assert await waiting == {CLICKS: ["record"]}


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError, MemoryError])
async def test_what_cannot_be_fetched_is_told_to_who_waits(error: type[Exception]) -> None:
    client = Client()
    client._fetcher._records[CLICKS] = "error"
    fetching = thread(client)

    def refuse(partitions: Any) -> Any:
        raise error

    fetching.fetch_loop.take = refuse
    with pytest.raises(error):
        await given(fetching)


async def test_who_waits_when_the_client_is_closed_hears_of_it() -> None:
    client = Client()
    fetching = thread(client)
    waiting = asyncio.ensure_future(given(fetching))
    await asyncio.sleep(0)
    client._closed = True
    fetching._give_late()  # as when the thread ends
    with pytest.raises(ConsumerStoppedError):
        await waiting
    with pytest.raises(ConsumerStoppedError):
        await given(fetching)


async def test_what_lies_behind_an_open_transaction_is_beyond_the_end() -> None:
    """A producer that has left its transaction open would have held up the other topics, too."""
    client = Client()
    client.state.lso = 7
    fetch = thread(client)._take(client, {CLICKS})
    assert fetch.reach == {TopicPartition("clicks", 0): Reach(position=7, end=7)}


async def test_while_a_partition_is_full_it_is_looked_at_again_soon() -> None:
    """With the long wait of an idle topic the full one would have stood still for a second."""
    asked: list[float] = []

    class Thread:
        full: frozenset[TopicPartition] = frozenset()

        async def getmany(self, active: Any, timeout: float) -> None:
            asked.append(timeout)

    consumer: Any = Consumer.__new__(Consumer)
    consumer.ledger, consumer._thread = Ledger(limit=10), Thread()
    await consumer._getmany({CLICKS}, 1.0)
    consumer.ledger.hand_out(TopicPartition("clicks", 0), 10, 10)
    await consumer._getmany({CLICKS}, 1.0)
    assert asked == [1.0, PAUSED_TIMEOUT_S]
    assert consumer._thread.full == {TopicPartition("clicks", 0)}


@pytest.mark.parametrize("begun", ["generation", "flow"])
async def test_what_is_fetched_while_a_rebalance_begins_is_read_again(begun: str) -> None:
    """Where the group had no offsets, the records were skipped: the client's position was beyond them."""

    class Reading(Consumer):
        should_stop = False  # type: ignore[assignment]  # a property there

    sought: list[dict[Any, int]] = []
    app = SimpleNamespace(consumer_generation_id=1)
    consumer: Any = Reading.__new__(Reading)
    consumer.app, consumer.ledger, consumer.flow_active = app, Ledger(limit=10), True

    async def wait_next_records(*_: Any) -> tuple[dict[Any, list[Any]], None]:
        if begun == "generation":
            app.consumer_generation_id = 2
        else:
            consumer.flow_active = False
        return {CLICKS: [SimpleNamespace(offset=4), SimpleNamespace(offset=5)], PURCHASES: []}, None

    async def seek_wait(offsets: dict[Any, int]) -> None:
        sought.append(offsets)

    consumer._wait_next_records, consumer.seek_wait = wait_next_records, seek_wait
    consumer.assignment = lambda: {CLICKS, PURCHASES}
    assert [each async for each in consumer.getmany(1.0)] == []
    assert sought == [{CLICKS: 4}]
    assert consumer.ledger.in_flight(TopicPartition(*CLICKS)) == 0
