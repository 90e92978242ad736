"""Records that lie in what was fetched: to whoever looks they are what objects are, and the engine sees no
difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.events._taken import TakenRecords
from stream.kafka.raw_records import LARGEST, Batches, Reading
from stream.structs import Unread
from tests.engine.enginekit import CLICKS, DAY, PROFILES, T0, WEATHER, Rules, World
from tests.kit.batches import Made, batch, varint


class _Fetcher:
    _records = ("a partition",)


class Plain(NamedTuple):
    """A record as any client gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def taken(made: list[Made | bytes], base: int = 0, data: bytearray | None = None) -> TakenRecords:
    """As a consumer takes them: what is bytes is no record of Kafka's, and becomes an `Unread`."""
    fetched: Any = data if data is not None else bytearray()
    fetched += batch(made, base=base)
    batches = Batches(
        Reading(_Fetcher(), LARGEST, ours=False), ("c", 0), fetched, None, base, committed_only=True
    )
    found = TakenRecords()
    while (some := batches.take()) is not None:
        found.extend(some)
    return found


def event(customer: Any, at: Any = T0, name: Any = "view", **more: Any) -> bytes:
    return orjson.dumps({"event": name, "customer": customer, "ts": at, **more})


IDS = ["c1", "c2", "é" * 256, "é" * 257, "x" * 256, "x" * 257, "\0", "", 7, -7, 2**63, 2**64 - 1, 1.5, None]
VALUES = [
    *(event(each) for each in IDS),
    *(event("c1", T0 + at, price=at) for at in (1, 2, 3, 2 * DAY)),
    *(event("c2", "2026-03-02T10:00:00Z"), event("c1", "when?"), event("c1", name=5), event("c1", name="")),
    *(b"{", b"\xff", b"[]", b"null", b'  ""', b"", b"[" * 2000, b'{"a":' * 2000, None),
    orjson.dumps({"customer": "c1", "attributes": {"name": "Ada"}, "consents": {"mail": {"granted": True}}}),
    orjson.dumps({"consents": {"mail": {"granted": False}}}),
    b'{"event":"view","customer":"c1","ts":1772445600000,"long":"' + b"x" * 20_000 + b'"}',
]
KEYS = [None, b"", b"c1", b'"c2"', b'{"customer":"c1"}', b'{"customer":12}', b"\xff", b'"', b"x" * 300]
BROKEN = varint(20) + bytes([0, *[255] * 19])  # a number in it never ends
RECORDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES), st.just([(b"h", b"v")])),
        st.just(BROKEN),
    ),
    min_size=1,
    max_size=12,
)


def played(records: dict[str, Any]) -> Any:
    rules = Rules(CLICKS, PROFILES, WEATHER).rule("hot", "view", limit=(2, DAY)).trait("n", "count", "view")
    world = World(rules.build())
    world.state.partitions = 4  # some customers are compared with their partition
    results = [world.play(records, limit=3), world.play()]  # in the middle of a batch, too
    return results, world.state.take_changed()


@given(RECORDS, RECORDS, RECORDS)
def test_the_engine_sees_no_difference_between_bytes_and_objects(
    clicks: list[Any], profiles: list[Any], weather: list[Any]
) -> None:
    laid = {"clicks": taken(clicks), "profiles": taken(profiles), "weather": taken(weather)}
    objects = {
        source: [
            each
            if isinstance(each, Unread)
            else Plain(each.offset, each.timestamp, each.key, each.value, each.headers)
            for each in records
        ]
        for source, records in laid.items()
    }
    assert told(played(laid)) == told(played(objects))


def told(outcome: Any) -> Any:
    """Results that can be compared: dead letters by what their records have."""
    results, changed = outcome
    return [
        (
            each.positions,
            each.events,
            each.decisions,
            each.triggers,
            each.errors,
            each.misplaced,
            each.watermark,
            each.more,
            each.work,
            [
                (letter.source, letter.reason, letter.detail, *Plain._make(fields(letter.record)))
                for letter in each.dead_letters
            ],
        )
        for each in results
    ], changed


def fields(record: Any) -> tuple[Any, ...]:
    return record.offset, record.timestamp, record.key, record.value, tuple(record.headers)


@given(RECORDS, st.integers(-15, 15), st.integers(-15, 15), st.integers(0, 12))
def test_it_is_a_sequence_as_a_list_is(made: list[Any], start: int, stop: int, since: int) -> None:
    records = taken(made, base=5)
    as_list = [fields(each) for each in records]
    assert len(records) == len(as_list) == len(made)
    assert [fields(records[at]) for at in range(-len(made), len(made))] == as_list + as_list
    assert [fields(each) for each in records[start:stop]] == as_list[start:stop]
    assert [fields(each) for each in reversed(records)] == as_list[::-1]
    assert [fields(each) for each in records.since(5 + since)] == as_list[since:]
    assert records.end == as_list[-1][0] + 1
    assert [fields(each) for each in records.unread] == [
        fields(each) for each in records if isinstance(each, Unread)
    ]
    with pytest.raises(IndexError):
        records[len(made)]


@given(RECORDS, RECORDS)
def test_records_of_two_batches_stay_what_they_are_when_they_travel_together(
    first: list[Any], second: list[Any]
) -> None:
    one, other = taken(first), taken(second, base=len(first))
    expected = [fields(each) for each in [*one, *other]]
    one.extend(other)
    del other
    assert [fields(each) for each in one] == expected


def test_a_record_that_an_operator_puts_aside_takes_the_place_of_what_was_there() -> None:
    records = taken([(b"c1", b"{}", ()), (b"c2", b"{}", ())])
    records[0] = Unread(0, 7, "skipped", 0, b"c1", b"{}", 2)
    assert [type(each) is Unread for each in records] == [True, False]
    assert (records[0].timestamp, records.unread) == (7, [records[0]])


def test_what_was_fetched_stays_until_its_last_record_was_applied_and_no_longer() -> None:
    """Or memory would be read that is somebody else's; or a worker would grow with all that it ever read."""
    data = bytearray()
    records = taken([(b"c1", event("c1", T0 + at), ()) for at in range(3)], data=data)
    with pytest.raises(BufferError):
        data.append(0)
    rules = Rules(CLICKS).rule("hot", "view", limit=(2, DAY)).build()
    world = World(rules)
    world.play({"clicks": records}, limit=2)
    del records
    with pytest.raises(BufferError):
        data.append(0)
    world.play()
    data.append(0)
    assert [each.event.time for each in world.decisions] == [T0, T0 + 1, T0 + 2]


def test_records_of_a_source_that_waits_are_judged_by_new_rules() -> None:
    records = taken([(b"c1", event("c1", T0 + at), ()) for at in range(4)])
    first = Rules(CLICKS).rule("hot", "view").build()
    world = World(first)
    world.play({"clicks": records}, limit=2)
    world.rules = Rules(CLICKS).rule("cold", "view").build("2")
    world.play()
    assert [(each.rule, each.event.time - T0) for each in world.decisions] == [
        *(("hot", 0), ("hot", 1)),
        *(("cold", 2), ("cold", 3)),
    ]
