"""Of what is said again and again, how much gets through."""

from __future__ import annotations

import logging

import pytest

from stream.telemetry.log_limits import EVERY_S, LIBRARIES, MOST_HEARD, OURS, Repeats


class Said:
    """What one filter lets through, and how many it says were left out."""

    def __init__(self) -> None:
        self.now = 0.0
        self.repeats = Repeats(lambda: self.now)
        self.left_out = 0

    def __call__(self, name: str, message: object, *args: object) -> bool:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, None)
        passed = self.repeats.filter(record)
        if passed:
            told = message.get("left_out", 0) if isinstance(message, dict) else None
            self.left_out = getattr(record, "left_out", 0) if told is None else told
        return passed


@pytest.fixture
def said() -> Said:
    return Said()


def test_what_a_library_says_again_and_again_is_said_now_and_then(said: Said) -> None:
    """Brokers that were away filled the disk with thirty lines a second."""
    assert [said("aiokafka.client", "no node %d", n) for n in range(3)] == [True, False, False]
    assert said("aiokafka.client", "something else %d", 1)
    said.now = EVERY_S
    assert said("aiokafka.client", "no node %d", 4)
    assert said.left_out == 2


def test_a_hundred_partitions_may_say_the_same_and_a_thousand_are_counted(said: Said) -> None:
    passed = [said("stream.restore", {"event": "restore_begins_anew", "partition": n}) for n in range(1000)]
    assert passed == [True] * OURS + [False] * (1000 - OURS)
    said.now = EVERY_S
    assert said("stream.restore", {"event": "restore_begins_anew", "partition": 1})
    assert said.left_out == 1000 - OURS


def test_two_warnings_are_two_things(said: Said) -> None:
    assert said("py.warnings", "%s", "a.py:1: DeprecationWarning: old ways")
    assert said("py.warnings", "%s", "b.py:1: DeprecationWarning: other ways")
    assert not said("py.warnings", "%s", "a.py:1: DeprecationWarning: old ways")


def test_what_is_no_longer_said_is_told_once(said: Said) -> None:
    for number in range(LIBRARIES + 3):
        said("aiokafka", "no node %d", number)
    assert list(said.repeats.overdue()) == []
    said.now = EVERY_S
    (told,) = said.repeats.overdue()
    assert (told.getMessage(), told.left_out, told.levelname) == ("no node 3", 3, "ERROR")  # type: ignore[attr-defined]
    assert list(said.repeats.overdue()) == []


def test_what_this_project_says_itself_is_left_to_it_but_at_debug(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not said("aiokafka", "Unable connect to node with id %s: %s", 0, "refused")
    said.now = EVERY_S
    assert list(said.repeats.overdue()) == []
    monkeypatch.setattr(logging.getLogger("stream"), "level", logging.DEBUG)
    logging.getLogger("stream").manager._clear_cache()  # type: ignore[attr-defined]
    assert said("aiokafka", "Unable connect to node with id %s: %s", 0, "refused")


def test_ever_new_things_do_not_fill_the_memory(said: Said) -> None:
    for number in range(3 * MOST_HEARD):
        assert said("aiokafka", f"number {number}")
    assert said("aiokafka", "number 0"), "it is not remembered any more"
