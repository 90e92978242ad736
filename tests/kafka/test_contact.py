"""Whether Kafka is away, and what is said of it: once when it begins, once when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream.kafka import contact
from stream.kafka.connection_refusals import NO_LOGIN, SPEAKS_PLAINTEXT
from stream.kafka.contact import BROKER_S, QUITE_SILENT_S, SILENT_S, Contact


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.contact = Contact(lambda: self.now)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.contact.look()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def test_kafka_is_away_once_nothing_answers_and_an_attempt_has_failed(time: Time, said: list[Any]) -> None:
    time.passes(SILENT_S)
    assert time.contact.away() == 0, "nobody asked"
    time.contact.cut()
    for _ in range(100):
        time.contact.unreachable("b:1")
        time.passes(1)
    assert time.contact.away() == SILENT_S + 100
    time.contact.accepted("b:1")
    time.passes(0)
    assert time.contact.away() == 0
    assert [line["event"] for line in said] == ["kafka_away", "kafka_back"]
    assert said[1]["seconds"] == SILENT_S + 100


def test_kafka_that_takes_requests_and_never_answers_is_away(time: Time, said: list[Any]) -> None:
    time.passes(QUITE_SILENT_S)
    assert time.contact.away() == QUITE_SILENT_S
    assert [line["event"] for line in said] == ["kafka_away"]


def test_one_broker_of_several_that_cannot_be_reached_is_told_once(time: Time, said: list[Any]) -> None:
    for _ in range(int(3 * BROKER_S)):
        time.contact.unreachable("b:1")
        time.contact.heard()  # from others
        time.passes(1)
    time.contact.accepted("b:1")
    assert [line["event"] for line in said] == ["broker_away", "broker_back"]
    assert "b:1" in said[0]["reason"]


def test_a_broker_that_was_upgraded_is_no_news(time: Time, said: list[Any]) -> None:
    for _ in range(int(BROKER_S) - 2):
        time.contact.unreachable("b:1")
        time.contact.heard()
        time.passes(1)
    time.contact.accepted("b:1")
    time.passes(10 * BROKER_S - 1 - QUITE_SILENT_S)
    assert [line["event"] for line in said if line["event"].startswith("broker")] == []


def test_a_refusal_is_counted_each_time_and_told_once(time: Time, said: list[Any]) -> None:
    for _ in range(10):
        time.contact.refused("b:1", NO_LOGIN)
        time.passes(0)
    time.contact.refused("b:1", SPEAKS_PLAINTEXT)
    time.passes(0)
    assert time.contact.refusals["protocol",] == 11
    assert time.contact.refusal() == ("b:1", SPEAKS_PLAINTEXT)
    time.contact.accepted("b:1")
    assert time.contact.refusal() is None
    assert [line["event"] for line in said] == ["kafka_refuses", "kafka_refuses", "kafka_accepts"]


async def test_a_process_that_was_stopped_does_not_take_it_for_an_outage(
    time: Time, said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([1.0, 3600.0, 1.0])

    async def sleep(_: float) -> None:  # of the time that the test makes pass
        if (passed := next(looks, None)) is None:
            raise InterruptedError
        time.now += passed

    monkeypatch.setattr(contact.asyncio, "sleep", sleep)
    with pytest.raises(InterruptedError):
        await time.contact.keep_looking()
    assert time.contact.away() == 0
    assert said == []
