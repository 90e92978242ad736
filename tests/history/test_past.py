"""The lines of one input: their sources, times and order, and what is odd with them."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.history._past import END, PastEvent, Reader, give_offsets
from stream.rules.model import RuleSet, Source
from stream.structs import Batch

CLICKS = Source("clicks", "clicks", ("customer",), ("event",), time=("ts",))
ORDERS = Source("orders", "orders", ("customer",), None, "purchase", time=("at", "ms"))
PEOPLE = Source("people", "people", ("customer",), kind="profile")
SOURCES = (ORDERS, CLICKS, PEOPLE)
NOW = 2_000_000_000_000


class There:
    """What events were read from."""

    partition = 0

    def place_of(self, number: int) -> str:
        return f"there:{number}"


def reader(**more: Any) -> Reader:
    return Reader(SOURCES, There(), **{"first": "clicks", "latest": NOW, **more})


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def click(ts: int, **more: Any) -> bytes:
    return line(event="view", customer="c1", ts=ts, **more)


def order(ms: int) -> bytes:
    return line(source="orders", customer="c1", at={"ms": ms})


T = 1_772_445_600_000


def times(values: list[bytes], **more: Any) -> dict[str, list[int]]:
    found = reader(**more)
    found.read(values, 1)
    return {name: [each.timestamp for each in events] for name, events in found.held.take(END).items()}


def test_a_line_is_of_the_source_that_it_names_else_of_the_first() -> None:
    assert times([click(T), order(T + 1), b"no json", b"", b"  "]) == {
        "clicks": [T, T + 1],
        "orders": [T + 1],
    }


def test_a_line_without_a_time_has_that_of_the_line_before_whatever_its_source() -> None:
    about = line(source="people", customer="c1")
    assert times([about, click(T), about], begin=T - 1) == {"people": [T - 1, T], "clicks": [T]}


def test_a_time_after_now_is_not_believed_and_its_place_is_told() -> None:
    found = reader()
    found.read([click(T), click(NOW + 1), click(NOW + 2)], 7)
    assert [each.timestamp for each in found.held.take(END)["clicks"]] == [T, T, T]
    assert found.figures["clicks"][:3] == (3, 0, 8)


def test_the_stamp_of_a_line_counts_where_its_source_maps_no_time() -> None:
    about = line(source="people", customer="c1", timestamp="2026-03-02T10:00:00Z")
    found = reader()
    found.survey([about, line(source="people", customer="c1")], 1)
    assert found.figures["people"] == (2, 1, -1, 0, 0, 0, 0)
    assert found.earliest == T


def test_an_event_says_where_it_was_read() -> None:
    found = reader()
    found.read([b" \t" + click(T) + b"\r", b"", click(T)], [3, 9, 12])
    events = found.held.take(END)["clicks"]
    assert [each.place for each in events] == ["there:3", "there:12"]
    assert events[0].value == click(T)
    assert (events[0].key, events[0].headers) == (None, ())


def test_disorder_is_counted_by_source_with_its_size_and_first_place() -> None:
    """A file newest first gave reminders of the wrong time, and nothing said so."""
    found = reader(allowed=1000)
    found.survey([click(T), click(T - 1000), order(T - 5000), click(T - 1001), click(T - 90_000)], 1)
    assert found.figures["clicks"] == (4, 0, -1, 2, 4, 1, 90_000)
    assert found.figures["orders"][3] == 0


def test_an_input_is_scattered_where_a_line_belongs_more_than_a_piece_back() -> None:
    near, far = reader(), reader()
    for each in (near, far):
        each.survey([click(T), click(T + 10)], 1)
    near.survey([order(T + 5)], 3)
    far.survey([click(T + 20)], 3)
    far.survey([order(T + 5)], 4)
    assert (near.is_scattered, far.is_scattered) == (False, True)
    # Newest first is in order all the same: each source keeps the order of its lines.
    back = reader()
    for at in range(5):
        back.survey([click(T - at)], at + 1)
    assert not back.is_scattered
    by_time = reader(by_time=True)
    for at in range(5):
        by_time.survey([click(T - at)], at + 1)
    assert by_time.is_scattered


def test_sources_that_are_no_names_are_not_shown() -> None:
    found = reader()
    found.survey(
        [line(source="a@b.example"), line(source={"x": 1}), line(source="shop"), line(source=None)], 1
    )
    assert found.unknown == {"(others)": [2, 1], "shop": [1, 3]}


def test_offsets_are_given_in_order() -> None:
    events = [PastEvent(There(), 0, 0, 0, 0, None, b"{}") for _ in range(3)]
    give_offsets(events, 5)
    assert [each.offset for each in events] == [5, 6, 7]


def test_a_record_of_kafka_keeps_its_key_offset_and_time() -> None:
    found = reader(fixed="clicks")
    one = found.read_record(41, T + 3, b"c1", click(T))
    none = found.read_record(42, T + 4, b"c1", None)
    assert (one.offset, one.timestamp, one.key, one.order) == (41, T + 3, b"c1", T * 3)
    assert (none.value, none.order) == (None, (T + 4) * 3)


RULES = RuleSet("r", SOURCES, (), (), (), (), first_source="clicks")


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(["clicks", "orders"]), st.integers(0, 40)), max_size=40),
    st.integers(1, 5),
)
def test_batches_come_in_the_order_in_which_the_engine_merges(
    written: list[tuple[str, int]], size: int
) -> None:
    """Cut up in any way it is what the engine does with all lines at once."""
    values = [click(T + at) if name == "clicks" else order(T + at) for name, at in written]
    pieces = [values[at : at + size] for at in range(0, len(values), size)]
    survey = reader()
    for each in pieces:
        survey.survey(each, 1)
    whole, cut = reader(), reader()
    whole.read(values, 1)
    batches = [whole.held.take(END)]
    expected = applied(batches)
    batches = []
    for each in pieces:
        batches.append(cut.held.take(cut.read(each, 1)))
    batches.append(cut.held.take(END))
    if not survey.is_scattered:
        assert applied(batches) == expected


def applied(batches: list[dict[str, list[PastEvent]]]) -> list[bytes | None]:
    """The events in the order in which the engine applies them, one a call."""
    state, order_of_all, offsets = PartitionState(RULES), [], defaultdict[str, int](int)
    clock = Clock(wall=lambda: NOW, by_event_time=True)
    known: dict[tuple[str, int], bytes | None] = {}
    for batch in batches:
        for name, events in batch.items():
            give_offsets(events, offsets[name])
            offsets[name] += len(events)
            known |= {(name, each.offset): each.value for each in events}
        ended = frozenset(source.name for source in SOURCES)
        result = process(Batch(0, batch, ended), RULES, state, clock, limit=1)
        while True:
            for name, position in result.positions.items():
                order_of_all.append(known[name, position - 1])
            if not result.more:
                break
            result = process(Batch(0, {}, ended), RULES, state, clock, limit=1)
    return order_of_all


def test_random_bytes_end_no_reading() -> None:
    dice = random.Random(5)
    found = reader()
    lines = [dice.randbytes(dice.randrange(60)).replace(b"\n", b"") for _ in range(2_000)]
    found.read(lines, 1)
    assert sum(len(each) for each in found.held.take(END).values()) == sum(
        bool(each.strip()) for each in lines
    )


@pytest.mark.parametrize("stray", [b'{"source": 5}', b'{"source": ""}', b'{"source": "\\ud800"}'])
def test_odd_names_are_no_sources(stray: bytes) -> None:
    found = reader()
    found.survey([stray], 1)
    assert (
        sum(each[0] for each in found.figures.values()) + sum(each[0] for each in found.unknown.values()) == 1
    )
