"""What is known when a partition is taken over; with a real Kafka: tests/integration/test_takeover.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from stream.errors import StateError
from stream.runtime import takeover
from stream.runtime.checkpoint import Checkpoint
from stream.runtime.takeover import Takeover
from stream.settings import load


class Forged(NamedTuple):
    offset: int


class Stage:
    def read_written(self, _: str, record: Forged) -> None:
        if record.offset != 7:  # somebody else's, and no lie
            raise StateError(f"record {record.offset} has no cause")


def test_three_hundred_forged_records_were_three_hundred_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(_: Any, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncIterator[Any]:
        for tp, (first, end) in ranges.items():
            for start in range(first, end, 50):
                yield tp, [Forged(offset) for offset in range(start, min(start + 50, end))], None

    monkeypatch.setattr(takeover, "read", read)
    stage: Any = Stage()
    tails = {"decisions": 7, "dead-letters": 100}
    found = {0: Checkpoint({}, {}, tails), 1: Checkpoint({}, {}, {"decisions": 0})}
    ends = {TopicPartition(topic, number): 200 for topic in tails for number in found}
    with capture_logs() as lines:
        asyncio.run(Takeover(load({}, None, None), stage)._recover(None, found, ends))
    told = [
        (each["topic"], each["partition"], each["offset"], each["records"], each["reason"])
        for each in lines
        if each["event"] == "not_recalled"
    ]
    assert told == [
        ("decisions", 0, 8, 192, "record 8 has no cause"),
        ("dead-letters", 0, 100, 100, "record 100 has no cause"),
        ("decisions", 1, 0, 199, "record 0 has no cause"),
    ]
    assert lines[-1]["not_recalled"] == 491
