"""What is taken over of a former owner, without Kafka: what cannot come is not waited for. The rest is in
tests/integration.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from stream.clock import wall_ms
from stream.errors import StateError
from stream.runtime import takeover
from stream.runtime.checkpoint import Checkpoint
from stream.runtime.recovery import Recovery
from stream.runtime.stage import Written
from stream.runtime.takeover import Takeover
from stream.settings import load
from tests.kit.counting import Counting

ENDS = {TopicPartition("t-in", 0): 5, TopicPartition("t-mail", 0): 9}


@pytest.mark.parametrize(
    "written",
    [
        Written("x", ("t-in", 0, 9_000_000_000_000_000)),
        Written("x", ("t-in", 7, 3)),
        Written("x", ("t-mail", 0, 3)),
        Written("x", ("nowhere", 0, 3)),
        Written("x", None, 1 << 60),
    ],
    ids=["beyond the end", "of no partition", "of no source", "of no topic", "a timer of the future"],
)
def test_what_waits_for_what_cannot_come_made_recovery_endless(written: Written) -> None:
    """A producer's `ce_cause` named the offset 9,000,000,000,000,000: tails were never noted again."""
    takeover = Takeover(load({}, {"app_id": "shop"}, env_file=None), Counting("t"))
    recovery = Recovery(0, lambda record: record.key)
    recovery.add(takeover._within(written, ENDS))
    assert recovery.is_over({"t-in": 5}, wall_ms() + 1)


def test_what_can_come_is_waited_for() -> None:
    takeover = Takeover(load({}, {"app_id": "shop"}, env_file=None), Counting("t"))
    recovery = Recovery(0, lambda record: record.key)
    recovery.add(takeover._within(Written("x", ("t-in", 0, 3)), ENDS))
    assert not recovery.is_over({"t-in": 3}, wall_ms() + 1)
    assert recovery.is_over({"t-in": 4}, wall_ms() + 1)


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
