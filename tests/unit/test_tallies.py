"""Telemetry that is put off: all of it is told, once, whichever thread asks."""

from __future__ import annotations

import threading

from stream.structs import Decision, EventRef
from stream.tallies import AT_ONCE, Later, Tally


def decision(rule: str, reason: str | None = None) -> Decision:
    outcome = "suppressed" if reason else "sent"
    return Decision("id", rule, "c1", outcome, reason, "web", None, EventRef("view", "e1", 0), 0)


def test_what_is_noted_waits_until_it_is_many_or_somebody_asks() -> None:
    handed: list[list[int]] = []
    later = Later[int](lambda things: handed.append(list(things)))
    for number in range(AT_ONCE - 1):
        later.note(number)
    assert handed == []
    later.note(AT_ONCE - 1)
    assert handed == [list(range(AT_ONCE))], "in their order"
    later.note(99)
    later.settle()
    later.settle()
    assert handed[1:] == [[99]]


def test_nothing_is_lost_between_the_thread_that_notes_and_the_one_that_tells() -> None:
    tally, ended = Tally(), threading.Event()
    later = Later[Decision](tally.add)
    told = 0

    def tell() -> None:
        nonlocal told
        while not ended.is_set():
            later.settle()
            told += sum(tally.take().values())

    thread = threading.Thread(target=tell)
    thread.start()
    for _ in range(40_000):
        later.note(decision("a"))
    ended.set()
    thread.join()
    later.settle()
    assert told + sum(tally.take().values()) == 40_000


def test_decisions_are_told_apart_by_what_the_metrics_tell_apart() -> None:
    tally = Tally()
    tally.add([decision("a"), decision("a", "cap"), decision("a"), decision("b")])
    assert tally.take() == {
        ("a", "web", "sent", None): 2,
        ("a", "web", "suppressed", "cap"): 1,
        ("b", "web", "sent", None): 1,
    }
    assert tally.take() == {}
