"""Recovery: nothing is written twice, and it ends when all that caused what was written is applied."""

from __future__ import annotations

from stream.runtime.recovery import Recovery
from stream.runtime.stage import Written
from stream.structs import WireRecord


def record(key: str) -> WireRecord:
    return WireRecord("out", key.encode(), b"", ())


def recovery(*written: Written) -> Recovery:
    made = Recovery(0, lambda record: record.key)
    for each in written:
        made.add(each)
    return made


def test_what_was_written_is_not_written_again() -> None:
    found = recovery(Written(b"a", ("in", 0, 3)), Written(b"b", ("in", 0, 4)))
    assert [found.has(record(key)) for key in "acb"] == [True, False, True]


def test_what_another_partition_wrote_here_is_neither_ours_nor_waited_for() -> None:
    """Its offsets are another partition's: a recovery that waits for them is never over."""
    found = recovery(Written(b"a", ("in", 0, 3)), Written(b"b", ("in", 1, 9_000)))
    assert [found.has(record(key)) for key in "ab"] == [True, False]
    assert found.is_over({"in": 4}, 0)


def test_it_is_over_when_the_last_cause_of_each_topic_is_applied() -> None:
    found = recovery(Written(b"a", ("in", 0, 7)), Written(b"b", ("in", 0, 3)), Written(b"c", ("other", 0, 1)))
    assert not found.is_over({"in": 7, "other": 2}, 0)
    assert not found.is_over({"in": 8}, 0)
    assert found.is_over({"in": 8, "other": 2}, 0)


def test_a_timer_that_had_fired_is_waited_for() -> None:
    found = recovery(Written(b"a", None, 500), Written(b"b", None, 400))
    assert not found.is_over({}, None), "nobody knows what time it is"
    assert not found.is_over({}, 500), "it fires after its deadline"
    assert found.is_over({}, 501)
