"""Fetching while nothing is up, and what ends it: a real client, and a broker that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream.kafka import fetch_loop
from stream.kafka.pace import Pace
from tests.kit.fetches import FULL, NO_SESSION_EPOCH, Broker, Taker, running
from tests.kit.patience import eventually_async

NOT_LEADER, OUT_OF_RANGE, FENCED_EPOCH, UNKNOWN_ID = 6, 1, 74, 100
SESSION_UNKNOWN, SESSION_EPOCH, UNKNOWN_SERVER_ERROR = 70, 71, -1
TPS = [TopicPartition(topic, number) for topic in ("clicks", "orders") for number in range(4)]
FIRST, SECOND = TPS[:2]


@asynccontextmanager
async def fetching(broker: Broker, tps: list[TopicPartition] = TPS) -> AsyncIterator[Taker]:
    """Until its session is under way."""
    async with running(broker) as consumer:
        taker = Taker(consumer)
        consumer.assign(tps)
        if broker.has_sessions:
            await until(lambda: in_session(broker) >= 2, "a session")
        yield taker


def broker_of(**given: Any) -> Broker:
    return Broker({"clicks": 4, "orders": 4}, **given)


def in_session(broker: Broker) -> int:
    return sum(each.epoch > FULL for each in broker.fetches)


async def until(so: Callable[[], object], what: str) -> None:
    async def found() -> object:
        return so()

    await eventually_async(found, what)


async def test_an_idle_partition_is_asked_for_once() -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        assert [each.epoch for each in broker.fetches[:4]] == [NO_SESSION_EPOCH, FULL, 1, 2]
        assert set(broker.fetches[1].offsets) == set(TPS)
        assert broker.fetches[2].offsets == broker.fetches[3].offsets == {}
        broker.append(FIRST, [b"a", b"b"])
        await until(lambda: taker.values.get(FIRST), "what was appended")
        asked = len(broker.fetches)
        await until(lambda: len(broker.fetches) > asked, "the next fetch")
        assert [each.offsets for each in broker.fetches if each.epoch > FULL and each.offsets] == [{FIRST: 2}]


async def test_each_record_comes_once_and_in_order() -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        for number in range(60):
            broker.append(TPS[number % len(TPS)], [b"%d" % number])
            if number % 7 == 0:
                await asyncio.sleep(0.005)  # some of them come together
        await until(lambda: sum(map(len, taker.values.values())) >= 60, "all records")
        for place, tp in enumerate(TPS):
            assert taker.values[tp] == [b"%d" % number for number in range(place, 60, len(TPS))]
        assert sum(each.epoch == NO_SESSION_EPOCH for each in broker.fetches) == 1, "aiokafka asked once"


async def test_the_end_of_a_partition_is_known_without_records() -> None:
    """A topic that has ended is not waited for: the merge asks how far each was read."""
    broker = broker_of()
    broker.append(FIRST, [b"a"])
    async with fetching(broker) as taker:
        assignment = taker.consumer._subscription.subscription.assignment
        state = {tp: assignment.state_value(tp) for tp in TPS}
        assert (state[FIRST].position, state[FIRST].highwater, state[FIRST].lso) == (1, 1, 1)
        assert {state[tp].highwater for tp in TPS[1:]} == {0}
        before = state[SECOND].timestamp
        asked = len(broker.fetches)
        await until(lambda: len(broker.fetches) > asked + 2, "more fetches")
        assert state[SECOND].timestamp > before, "the broker has answered for it, though it said nothing"


@pytest.mark.parametrize("error", [SESSION_UNKNOWN, SESSION_EPOCH])
async def test_a_session_that_the_broker_has_forgotten_is_begun_anew(error: int) -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        broker.session_error = error
        asked = len(broker.fetches)
        await until(lambda: len(broker.fetches) > asked + 3, "more fetches")
        assert [each.epoch for each in broker.fetches if each.epoch <= FULL] == [NO_SESSION_EPOCH, FULL, FULL]
        broker.append(SECOND, [b"a"])
        await until(lambda: taker.values.get(SECOND) == [b"a"], "what was appended")


async def test_a_broker_without_room_for_a_session_is_asked_for_all() -> None:
    broker = broker_of(has_sessions=False)
    async with fetching(broker) as taker:
        broker.append(FIRST, [b"a"])
        await until(lambda: taker.values.get(FIRST) == [b"a"], "what was appended")
        await until(lambda: len(broker.fetches) > 4, "more fetches")
        assert {each.epoch for each in broker.fetches[1:]} == {FULL}
        assert all(set(each.offsets) == set(TPS) for each in broker.fetches)
        assert broker.fetches[-1].offsets[FIRST] == 1


@pytest.mark.parametrize("error", [NOT_LEADER, FENCED_EPOCH, UNKNOWN_ID, UNKNOWN_SERVER_ERROR])
async def test_what_a_partition_cannot_give_is_left_to_aiokafka(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_loop, "AGAIN_S", 0.2)
    broker = broker_of()
    async with fetching(broker) as taker:
        asked = len(broker.fetches)
        broker.append(SECOND, [b"beside it"])
        broker.errors[FIRST] = error
        await until(
            lambda: any(each.epoch == NO_SESSION_EPOCH for each in broker.fetches[asked:]), "aiokafka"
        )
        broker.append(FIRST, [b"a"])
        await until(lambda: taker.values.get(FIRST) == [b"a"], "the partition")
        assert taker.values[SECOND] == [b"beside it"]
        sessions = in_session(broker)
        await until(lambda: in_session(broker) > sessions, "a session again")


async def test_an_offset_out_of_range_is_reset() -> None:
    broker = broker_of()
    broker.append(FIRST, [b"a", b"b"])
    async with fetching(broker) as taker:
        await until(lambda: taker.values.get(FIRST) == [b"a", b"b"], "the beginning")
        for _ in range(3):  # as long as it is asked: by us, and by aiokafka
            broker.errors[FIRST] = OUT_OF_RANGE
            asked = len(broker.fetches)
            await until(lambda asked=asked: len(broker.fetches) > asked + 1, "more fetches")
        await until(lambda: len(taker.values[FIRST]) > 2, "what is left, from the beginning")
        assert taker.values[FIRST][2:4] == [b"a", b"b"]


async def test_what_was_asked_for_before_a_seek_is_not_taken() -> None:
    broker = broker_of()
    broker.append(FIRST, [b"a"])
    broker.append(FIRST, [b"b"])
    async with fetching(broker) as taker:
        await until(lambda: taker.values.get(FIRST) == [b"a", b"b"], "the beginning")
        broker.is_mute = True
        asked = len(broker.fetches)
        await until(lambda: len(broker.fetches) > asked, "a fetch that is under way")
        taker.consumer.seek(FIRST, 1)
        broker.append(FIRST, [b"c"])
        broker.is_mute = False
        await until(lambda: taker.values[FIRST][-1] == b"c", "the last record")
        assert taker.values[FIRST] == [b"a", b"b", b"b", b"c"]


async def test_nothing_of_a_revoked_partition_is_handed_on() -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        broker.is_mute = True
        asked = len(broker.fetches)
        await until(lambda: len(broker.fetches) > asked, "a fetch that is under way")
        taker.consumer.unsubscribe()
        taker.consumer.assign([SECOND])
        broker.append(FIRST, [b"of the next owner"])
        broker.append(SECOND, [b"ours"])
        broker.is_mute = False
        await until(lambda: taker.values.get(SECOND), "what is still ours")
        assert FIRST not in taker.values
        sessions = in_session(broker)
        await until(lambda: in_session(broker) > sessions + 1, "a session again")
        assert FIRST not in taker.values


async def test_a_paused_partition_is_not_fetched_from_and_goes_on_when_it_is_resumed() -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        taker.consumer.pause(FIRST)
        await until(
            lambda: FIRST not in broker.fetches[-1].offsets and not broker.fetches[-1].session, "a pause"
        )
        broker.append(FIRST, [b"a"])
        broker.append(SECOND, [b"b"])
        await until(lambda: taker.values.get(SECOND) == [b"b"], "the other")
        assert FIRST not in taker.values
        taker.consumer.resume(FIRST)
        await until(lambda: taker.values.get(FIRST) == [b"a"], "what was paused")
        sessions = in_session(broker)
        await until(lambda: in_session(broker) > sessions + 1, "a session again")


async def test_records_that_nobody_takes_keep_no_other_partition_waiting() -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        taker.takes = False
        broker.append(FIRST, [b"a"])
        await until(lambda: FIRST in taker.consumer._fetcher._records, "what was appended")
        broker.append(SECOND, [b"b"])
        await until(lambda: SECOND in taker.consumer._fetcher._records, "the other")
        taker.takes = True
        taker.take()
        assert taker.values == {FIRST: [b"a"], SECOND: [b"b"]}
        broker.append(FIRST, [b"c"])
        await until(lambda: taker.values[FIRST] == [b"a", b"c"], "what comes later")


async def test_other_leaders_end_it() -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        broker.leaders[FIRST] = 7  # which nobody knows
        await taker.consumer._client.force_metadata_update()
        asked = len(broker.fetches)
        await until(
            lambda: any(FIRST not in each.offsets and each.offsets for each in broker.fetches[asked:]), "less"
        )
        broker.leaders.clear()
        broker.append(FIRST, [b"a"])
        await taker.consumer._client.force_metadata_update()
        await until(lambda: taker.values.get(FIRST) == [b"a"], "the partition, which is back")


@pytest.mark.parametrize("silent", [False, True], ids=["cut", "half open"])
async def test_a_connection_that_ends_is_made_anew(silent: bool) -> None:
    broker = broker_of()
    async with fetching(broker) as taker:
        connection = next(iter(taker.loop._nodes.values()))._connection
        if silent:
            connection._request_timeout = 0.3
            broker.is_mute = True
            await until(lambda: not connection.connected(), "the end of the old connection")
            broker.is_mute = False
        else:
            broker.cut()
        broker.append(FIRST, [b"a"])
        await until(lambda: taker.values.get(FIRST) == [b"a"], "what was appended")


async def test_under_load_the_next_fetch_is_put_off_until_more_has_come() -> None:
    broker, times = broker_of(), [0.0]
    async with fetching(broker) as taker:
        taker.loop.pace = pace = Pace(0.05, lambda: times[0])
        for _ in range(100):
            times[0] += 0.01
            pace.came(20)
        asked = len(broker.fetches)
        await asyncio.sleep(0.2)  # the time in which fetches are counted
        assert len(broker.fetches) - asked <= 3, (
            "one that waits for records takes 50 ms, and 50 it waits itself"
        )


async def test_a_fetch_that_is_put_off_ends_with_its_assignment() -> None:
    """aiokafka awaits what it has cancelled: an exception of ours would have ended its fetcher."""
    broker = broker_of()
    async with fetching(broker) as taker:
        taker.loop.pace = pace = Pace(30.0)
        pace._rate = 1e9
        pace.came(1)
        fetching_of = asyncio.ensure_future(taker.loop._keep_fetching(None, 0, None))
        await asyncio.sleep(0)
        fetching_of.cancel()
        assert await fetching_of is False
