"""Several inputs as one, in order, and no more of them open than has to be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.history._past import PastEvent
from stream.history.merged import SortedEvents, Taken, merged
from tests.history.test_past import There

NAMES = ("a", "b")


def events(orders: list[int], of: int) -> list[PastEvent]:
    """Ascending; the source is in the order, as a reader has it."""
    return [
        PastEvent(There(), order % 2, order, number, of, None, b"")
        for number, order in enumerate(sorted(orders))
    ]


class Counted(SortedEvents):
    """Some of them at a time; `opened`: whether any was asked for."""

    def __init__(self, given: list[PastEvent], size: int) -> None:
        super().__init__(iter(given), NAMES)
        self.cut = given[0].order - 1 if given else -1
        self.opened = False
        self._size = size

    def read(self) -> None:
        self.opened = True
        super().read()


@given(st.lists(st.lists(st.integers(0, 20), max_size=12), max_size=4), st.integers(1, 5))
def test_all_events_come_once_and_in_order(given: list[list[int]], size: int) -> None:
    inputs = [Counted(events(each, number), size) for number, each in enumerate(given)]
    batches = list(merged(inputs))
    found = [event for batch in batches for event in in_order(batch)]
    assert [each.order for each in found] == sorted(order for each in given for order in each)
    for one, other in pairwise(found):  # of the same order, the input that was named first
        assert one.order < other.order or one.timestamp <= other.timestamp


def in_order(batch: Taken) -> list[PastEvent]:
    return sorted((event for each in batch.values() for event in each), key=lambda event: event.order)


def test_an_input_is_opened_when_its_time_has_come() -> None:
    """A year of monthly files took as much memory as all of their beginnings."""
    months = [Counted(events(list(range(at, at + 10)), 0), 5) for at in (40, 20, 0)]
    coming = merged(months)
    next(coming)
    assert [each.opened for each in months] == [False, False, True]
    assert sum(len(each) for batch in coming for each in batch.values()) > 0
