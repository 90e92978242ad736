"""What is taken over of a former owner, without Kafka: what cannot come is not waited for. The rest is in
tests/integration.
"""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from stream.clock import wall_ms
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
