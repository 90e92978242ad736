"""The hot path in every run of the tests: no more allocations, no more calls of Python's functions."""

from __future__ import annotations

import pytest

from loadtest import guard

COMMITTED = guard.committed()["cases"]


@pytest.mark.parametrize("name", guard.CASES)
def test_the_hot_path_allocates_and_calls_no_more_than_was_committed(name: str) -> None:
    now = guard.counted(name)._asdict()
    more = {what: (COMMITTED[name][what], count) for what, count in now.items()}
    assert not {what: counts for what, counts in more.items() if guard.grown(*counts)}, (
        "(committed, now): where this is meant, `python -m loadtest.guard --write`"
    )


def test_an_event_that_fires_nothing_enters_python_once_a_batch_at_most() -> None:
    assert COMMITTED["quiet"]["calls"] < 0.2


def test_a_call_more_for_each_trigger_is_seen() -> None:
    plain = COMMITTED["plain"]
    assert guard.grown(plain["calls"], plain["calls"] + 1)
    assert guard.grown(plain["allocations"], plain["allocations"] + 1)
    assert not guard.grown(plain["calls"], plain["calls"])
