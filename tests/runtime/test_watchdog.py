"""The verdict "stuck": from what a worker shows of itself, look by look."""

from __future__ import annotations

from stream.runtime.watchdog import STOPPED_S, Signs, Watch


def looks(watch: Watch, *places: dict[str, object], start: float = 0.0) -> list[str | None]:
    return [watch.look(Signs(each), start + second) for second, each in enumerate(places)]


def test_what_moves_is_not_stuck() -> None:
    assert looks(Watch(3), *({"loop": n} for n in range(10))) == [None] * 10


def test_what_stands_still_is_stuck_after_that_long() -> None:
    told = looks(
        Watch(3), {"loop": 0, "partition 1": 7}, *({"loop": n, "partition 1": 7} for n in range(1, 4))
    )
    assert told == [None, None, None, "partition 1 has not moved for 3 s"]


def test_what_had_nothing_to_do_meanwhile_begins_to_count_anew() -> None:
    busy, idle = {"partition 1": 7}, dict[str, object]()
    assert looks(Watch(3), busy, busy, idle, busy, busy, busy) == [None] * 6
    assert looks(Watch(3), busy, busy, busy, busy)[-1] is not None


def test_a_process_that_was_stopped_as_a_whole_is_not_stuck() -> None:
    """Ninety seconds of SIGSTOP are no ninety seconds without progress."""
    watch = Watch(3)
    assert looks(watch, {"loop": 1}, {"loop": 1}) == [None, None]
    assert looks(watch, {"loop": 1}, {"loop": 1}, start=2 + STOPPED_S + 1) == [None, None]


def test_what_must_not_end_and_has_is_told_at_once() -> None:
    assert Watch(300).look(Signs({}, ["the producer"]), 0) == "the producer has ended, and must not"


def test_how_long_the_longest_has_stood_still_is_told() -> None:
    watch = Watch(300)
    assert watch.stalled == 0
    looks(watch, *({"loop": n, "partition 1": 7, "fetch": n // 2} for n in range(4)))
    assert watch.stalled == 3
    looks(watch, {"loop": 9}, start=4)
    assert watch.stalled == 0
