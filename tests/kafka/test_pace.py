"""How soon Kafka is asked for more."""

from __future__ import annotations

import pytest

from stream.kafka.pace import Pace


class Times:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def paced(rate: int, *, linger: float = 0.003, times: Times | None = None) -> tuple[Pace, Times]:
    """After a second at this rate, in a fetch each ten milliseconds."""
    times = times or Times()
    pace = Pace(linger, times)
    for _ in range(100):
        times.at += 0.01
        pace.came(rate // 100)
    return pace, times


def test_under_load_the_next_fetch_waits_for_more_records() -> None:
    """At 2,000 events a second each fetch brought two or three, and fetching took most of the time."""
    pace, times = paced(2000)
    assert pace.wait() == pytest.approx(0.003)
    times.at += 0.004
    assert pace.wait() <= 0


def test_a_record_now_and_then_is_never_waited_with() -> None:
    pace, _ = paced(500)
    assert pace.wait() <= 0


def test_after_a_pause_the_next_fetch_is_sent_at_once() -> None:
    pace, times = paced(2000)
    times.at += 5
    pace.came(1)
    assert pace.wait() <= 0


def test_without_a_linger_nothing_is_put_off() -> None:
    pace, _ = paced(20_000, linger=0.0)
    assert pace.wait() <= 0
