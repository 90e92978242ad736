"""The switches as a worker follows them: none is forgotten while Kafka is away, or its topic is another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from stream.clock import LATEST, wall_ms
from stream.errors import StreamError
from stream.settings import load
from stream.structs import Switches
from stream.telemetry.metrics import Metrics
from stream.topics.switches import Switch, encode, take
from stream.worker import switches as following
from stream.worker.switches import SILENT_MS, FollowedSwitches
from tests.engine.enginekit import T0, Rec
from tests.kit.patience import eventually_async

SETTINGS = load({}, {})
TOPIC = SETTINGS.own_topics.switches
Log = list[MutableMapping[str, Any]]


def record(offset: int, rule: str, *, off: bool = True, until: int | None = None) -> Rec:
    key, value = encode(Switch(rule, off, T0, until, "why", "who"))
    return Rec(offset, T0, value, key)


class Kafka:
    """A topic, and one that can be away (`broken`), silent, or another of the same name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *records: Rec) -> None:
        self.records = list(records)
        self.topic_id: str | None = "one"
        self.broken = self.silent = False
        self.opened = 0
        self._client = None
        self._position = 0
        self._polled = wall_ms()
        monkeypatch.setattr(following, "reader", self.reader)
        monkeypatch.setattr(following, "topic_ids", self.topic_ids)
        monkeypatch.setattr(following, "read_into", self.read_into)
        monkeypatch.setattr(following, "RETRY_S", 0.001)

    @asynccontextmanager
    async def reader(self, *_: object) -> AsyncIterator[Kafka]:
        self.opened += 1
        self._check()
        yield self

    async def topic_ids(self, *_: object) -> Mapping[str, str]:
        return {} if self.topic_id is None else {TOPIC: self.topic_id}

    async def read_into(self, known: dict[str, Switch], *_: object) -> int:
        take(known, self.records)
        return self.records[-1].offset + 1 if self.records else 0

    def assign(self, _: Sequence[TopicPartition]) -> None: ...

    def seek(self, _: TopicPartition, position: int) -> None:
        self._position = position

    async def getmany(self, tp: TopicPartition, **_: object) -> dict[TopicPartition, list[Rec]]:
        await asyncio.sleep(0.001)  # a poll
        self._check()
        if self.silent:
            return {}
        self._polled = wall_ms()
        found = [each for each in self.records if each.offset >= self._position]
        self._position = found[-1].offset + 1 if found else self._position
        return {tp: found} if found else {}

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return self._polled

    def _check(self) -> None:
        if self.broken:
            raise KafkaConnectionError


@pytest.fixture
def log() -> Iterator[Log]:
    with capture_logs() as found:
        yield found


@contextmanager
def _running(follower: FollowedSwitches) -> Iterator[None]:
    task = asyncio.ensure_future(follower.keep_following())
    try:
        yield
    finally:
        task.cancel()


async def until(condition: Callable[[], bool], message: str) -> None:
    async def holds() -> bool:
        return condition()

    await eventually_async(holds, message)


def follower() -> tuple[FollowedSwitches, Any]:
    stage = SimpleNamespace(switches=Switches())
    return FollowedSwitches(SETTINGS, cast(Any, stage), Metrics()), stage


def events(log: Log) -> list[str]:
    return [each["event"] for each in log]


async def test_a_worker_waits_until_it_knows_what_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch, record(0, "welcome"), record(1, "cart"), record(2, "cart", off=False))
    kafka.broken = True
    heard: list[str] = []

    def waits(error: StreamError) -> None:
        heard.append(str(error))
        kafka.broken = len(heard) < 2
        kafka.topic_id = None if len(heard) < 4 else "one"

    follow, stage = follower()
    await follow.until_known(waits)
    assert heard[0] == f"{TOPIC} cannot be read: KafkaConnectionError"
    assert heard[2:] == [f"{TOPIC} cannot be read: BrokerError"] * 2  # no topic does not mean that all are on
    assert stage.switches == Switches("one", 3, {"welcome": LATEST})


async def test_each_change_is_taken_with_its_position(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    kafka = Kafka(monkeypatch, record(0, "welcome"))
    follow, stage = follower()
    with _running(follow):
        await until(lambda: stage.switches.position == 1, "it has read what was there")
        kafka.records.append(record(4, "cart", until=T0 + 1))  # between them compaction has been
        await until(lambda: stage.switches == Switches("one", 5, {"welcome": LATEST, "cart": T0 + 1}), "one")
        kafka.records.append(record(5, "welcome", off=False))
        await until(lambda: stage.switches == Switches("one", 6, {"cart": T0 + 1}), "the other")
    said = [(each["event"], each["rule"]) for each in log]
    assert said == [("rule_disabled", "welcome"), ("rule_disabled", "cart"), ("rule_enabled", "welcome")]
    assert kafka.opened == 1


async def test_what_is_off_stays_off_while_kafka_is_away_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    kafka = Kafka(monkeypatch, record(0, "welcome"))
    follow, stage = follower()
    with _running(follow):
        await until(lambda: stage.switches.position == 1, "it has read what was there")
        kafka.broken = True
        await until(lambda: kafka.opened > 4, "it tried again, several times")
        assert stage.switches.off == {"welcome": LATEST}
        kafka.broken = False
        kafka.records.append(record(1, "cart"))
        await until(lambda: "cart" in stage.switches.off, "what came meanwhile is known")
        await until(lambda: "switches_are_followed" in events(log), "that it is back is said")
    assert events(log).count("switches_are_not_followed") == 1
    assert events(log).count("switches_are_followed") == 1


async def test_a_kafka_that_answers_nothing_is_told_from_one_without_news(
    monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    now = [wall_ms()]
    monkeypatch.setattr(following, "wall_ms", lambda: now[0])
    kafka = Kafka(monkeypatch, record(0, "welcome"))
    follow, stage = follower()
    with _running(follow):
        await until(lambda: stage.switches.position == 1, "it has read what was there")
        assert "switches_are_not_followed" not in events(log)
        kafka.silent = True
        now[0] += SILENT_MS + 1000
        await until(lambda: "switches_are_not_followed" in events(log), "silence is said")
        assert "switches_are_followed" not in events(log)
        kafka.silent = False
        kafka.records.append(record(1, "cart"))
        await until(lambda: "switches_are_followed" in events(log), "and its end")
    assert stage.switches.off.keys() == {"welcome", "cart"}


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """Its positions begin again: what was off by the old one was off for ever."""
    kafka = Kafka(monkeypatch, *(record(at, "welcome") for at in range(9)))
    follow, stage = follower()
    with _running(follow):
        await until(lambda: stage.switches.position == 9, "it has read what was there")
        kafka.broken = True
        await until(lambda: kafka.opened > 1, "the connection is lost")
        kafka.records[:], kafka.topic_id, kafka.broken = [record(0, "cart")], "two", False
        await until(lambda: stage.switches == Switches("two", 1, {"cart": LATEST}), "the new one")
    assert ("rule_enabled", "welcome") in [(each["event"], each.get("rule")) for each in log]
