"""Conditions and decoding: compiled conditions against the plain ones, mappings, times, dead letters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.clock import Clock
from stream.errors import ExpressionError
from stream.events._times import parse_time
from stream.events._value import ABSENT
from stream.expression import Call, Ident, Literal, Node, Select, evaluate, parse
from stream.matcher._condition import Names, compile_condition
from stream.matcher._source import MAX_EVENT_BYTES
from stream.rules.model import Source
from tests.engine.enginekit import CLICKS, DAY, MINUTE, ORDERS, T0, Rec, Rules, World, rec

# ---- conditions ----

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1]),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0**53, 9.3e18, -1.0]),
    st.sampled_from(["", "a", "b", "1", "é", "😀"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abx"), inner, max_size=2),
    max_leaves=5,
)
EVENTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def _joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    binary = st.sampled_from(
        ["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "_&&_", "_||_", "_[_]"]
    )
    return st.one_of(
        st.builds(lambda function, *args: Call(function, args), binary, inner, inner),
        st.builds(lambda arg: Call("!_", (arg,)), inner),
        st.builds(Select, inner, st.sampled_from("ab")),
    )


TREES = st.recursive(
    st.one_of(
        SCALARS.map(Literal),
        st.sampled_from("abcd").map(lambda name: Select(Ident("event"), name)),
        st.just(Ident("event")),
        st.just(Ident("event_name")),
    ),
    _joined,
    max_leaves=8,
)


def the_same(left: Any, right: Any) -> bool:
    """Equal in type, too: True is not 1."""
    return type(left) is type(right) and (left == right or left is right)


@settings(max_examples=1500, deadline=None)
@given(TREES, EVENTS)
def test_compiled_conditions_say_what_the_plain_ones_say(tree: Node, event: dict[str, Any]) -> None:
    try:
        expected: Any = evaluate(tree, {"event": event, "event_name": "view"})
    except ExpressionError:
        expected = ABSENT
    assert the_same(compile_condition(tree, Names()).evaluate(event, "view"), expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("event.n == 1.0", True),
        ("event.t == 1", False),  # a boolean is no number
        ("event.n < 'a'", ABSENT),
        ("event.none < 1 || event.n == 1", True),  # the error is absorbed
        ("event.n == 1 || event.none < 1", True),
        ("event.none < 1 && event.n == 2", False),
        ("event.none < 1 && event.n == 1", ABSENT),
        ("event.n", 1),
        ("!event.n", ABSENT),
        ("event.deep.er.x == 'y'", True),
        ("event['deep']['er'].x == 'y'", True),
        ("event.deep.x == 'y'", ABSENT),
        ("event.list[1] == 3", True),
        ("event.list[2] == 3", ABSENT),
        ("event.nil == null", True),
        ("event.big > 9223372036854775806.0", True),
        ("event_name == 'view'", True),
    ],
)
def test_conditions_by_example(source: str, expected: Any) -> None:
    event = {
        "n": 1, "t": True, "deep": {"er": {"x": "y"}}, "list": [2, 3], "nil": None, "big": 2**64 - 1,
    }  # fmt: skip
    assert the_same(compile_condition(parse(source), Names()).evaluate(event, "view"), expected)


@pytest.mark.parametrize(
    "tree", [Ident("nobody"), Select(Ident("traits"), "x"), Call("nothing", (Literal("a"),))]
)
def test_what_the_engine_does_not_know_is_an_error(tree: Node) -> None:
    with pytest.raises(ExpressionError):
        compile_condition(tree, Names())


def test_traits_in_conditions() -> None:
    rules = Rules().trait("views", "count", "view").trait("spend", "sum", "purchase", field="amount")
    rules.trait("by", "count", "view", per="sku").trait("page", "last", "view", field="page")
    conditions = {
        "a0": "traits.views == 0", "a1": "traits.spend == 0.0", "a2": "traits.by['none'] == 0",
        "a3": "traits.page == 'x'", "a4": "traits.by[event.key] == 1", "a5": "!(traits.page == 'x')",
    }  # fmt: skip
    for name, condition in conditions.items():
        rules.rule(name, "ask", condition=condition)
    world = World(rules.build())
    world.clicks(rec(0, 0, "ask", customer="new", key=None))
    assert [each.rule for each in world.decisions] == ["a0", "a1", "a2"]
    assert world.result.errors == {("clicks", "condition"): 3}  # a3, a4: null is no key, a5
    world.decisions.clear()
    seen = [rec(n, n, sku=sku) for n, sku in enumerate([1, True, "1", 2.5, None, [1], "x"], start=1)]
    world.clicks(*seen)
    for offset, key in enumerate([1, 1.0, True, "1", 2.5, "x", "y"], start=10):
        world.clicks(rec(offset, offset, "ask", key=key))
    read = [world.fired()[n : n + 1][0][0] for n in range(len(world.decisions))]
    # Read at a5: never (page was never seen); at a4: 1, 1.0, true, "1" and "x", each its own key, and no 2.5.
    assert read == ["a1", "a2", "a4"] * 4 + ["a1", "a2"] + ["a1", "a2", "a4"] + ["a1", "a2"]


# ---- times ----


@settings(max_examples=500)
@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)),
    st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]),
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
    st.sampled_from(["+00:00", "Z"]),
)
def test_iso_times_are_read_to_the_millisecond(
    moment: datetime, zone: timezone | None, detail: str, utc: str
) -> None:
    written = moment.replace(tzinfo=zone)
    text = written.isoformat(timespec=detail).replace("+00:00", utc)
    understood = datetime.fromisoformat(text)
    understood = understood if understood.tzinfo else understood.replace(tzinfo=UTC)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(text) == (understood - epoch) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-02T10:00:00Z", T0),
        ("2026-03-02T10:00:00.9999Z", T0 + 999),
        ("2026-03-02T11:00:00+01:00", T0),
        ("2026-03-02", T0 - 10 * 60 * MINUTE),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2023-02-29T00:00:00Z", None),
        ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("2026-04-31T00:00:00Z", None),
        ("2026-03-02T24:00:00Z", None),
        ("2026-03-02T10:00:60Z", None),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", None),
        ("1970-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("9999-12-31T23:59:59-01:00", None),
        ("yesterday", None),
        ("", None),
        ("2" * 10_000, None),
        (0, 0),
        (1_772_445_600, T0),
        (1_772_445_600.25, T0 + 250),
        (T0, T0),
        (float(T0), T0),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (253_402_300_800_000, None),
        ("2026-03-02 10:00:00 UTC", T0),
        ("2026-03-02 10:00:00.123456 UTC", T0 + 123),
        ("2026-03-02T10:00:00 gmt", T0),
        ("2026-03-02t10:00:00.5z", T0 + 500),
        ("2026-03-02 10:00:00Z", T0),
        ("2026-03-02 11:00:00 +0100", T0),
        ("2026-03-02 12:00:00 CET", None),
        ("2026-03-02 UTC", None),
        ("Mon, 02 Mar 2026 10:00:00 GMT", T0),
        ("Mon, 2 Mar 2026 11:00:00 +0100", T0),
        ("2 Mar 2026 10:00 UT", T0),
        ("Mon, 02 Mar 2026 10:00:00 EST", None),
        ("Mon, 31 Feb 2026 10:00:00 GMT", None),
        (1_772_445_600_123_456, T0 + 123),
        (1_772_445_600_123_456_789, T0 + 123),
        (17_724_456_001_234_567, None),
        ("1772445600", T0),
        ("1772445600.25", T0 + 250),
        ("1772445600123", T0 + 123),
        ("1772445600123456", T0 + 123),
        ("1772445600123456789", T0 + 123),
        ("12345", None),
        ("999999999999999999999", None),
        (20_260_302, T0 - 10 * 60 * MINUTE),
        (20260302.0, T0 - 10 * 60 * MINUTE),
        ("20260302", T0 - 10 * 60 * MINUTE),
        (20_260_332, 20_260_332_000),
        (202_603_021_000, T0),
        (20_260_302_100_000, T0),
        ("20260302100000", T0),
        ("02.03.2026", None),
        ("03/02/2026 10:00", None),
        ("2026-03-02T10:00:00" + "0" * 60 + "Z", None),
        (2**64 - 1, None),
        (1e300, None),
        (-1, None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_times_by_example(value: Any, expected: int | None) -> None:
    """BigQuery, mails and systems that write texts or microseconds were `time`, and 20260302 was 1970."""
    assert parse_time(value) == expected


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    time = parse_time(text)
    assert time is None or 0 <= time <= 253_402_300_799_999


# ---- records ----


def bad(value: bytes | None, timestamp: int = T0) -> str | None:
    """The reason of the dead letter that a record becomes, None if it is applied."""
    world = World(Rules().build())
    record = Rec(7, timestamp, value)
    result = world.clicks(record)
    assert result.positions == {"clicks": 8}
    if not result.dead_letters:
        assert result.events == {"clicks": 1}
        return None
    (letter,) = result.dead_letters
    assert (letter.source, letter.record, result.events) == ("clicks", record, {})
    return letter.reason


def event(**fields: Any) -> bytes:
    return orjson.dumps({"event": "view", "customer": "c1", "ts": T0, **fields})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (event(), None),
        (None, "json"),
        (b"", "json"),
        (b"[1]", "json"),
        (b'"text"', "json"),
        (b"{", "json"),
        (b"\xff", "json"),
        (b"NaN", "json"),
        (b'{"x": "\\ud800"}', "json"),
        (b'{"x": ' + b"[" * 2000 + b"]" * 2000 + b"}", "json"),
        (event(customer=None), "customer"),
        (event(customer=""), "customer"),
        (event(customer=True), "customer"),
        (event(customer=1.5), "customer"),
        (event(customer={"id": "c1"}), "customer"),
        (event(customer="x" * 257), "customer"),
        (event(customer="x" * 256), None),
        (event(customer=-12), None),
        (b'{"event": "view"}', "customer"),
        (event(event=None), "event"),
        (event(event=""), "event"),
        (event(event=3), "event"),
        (b'{"customer": "c1"}', "event"),
        (event(ts="no time"), "time"),
        (event(ts=None), "time"),
        (event(ts=-5), "time"),
        (event(ts=True), "time"),
        (b'{"customer": "c1", "event": "view"}', None),  # the record's timestamp
        (event(pad="x" * MAX_EVENT_BYTES), "size"),
    ],
)
def test_what_is_no_event_becomes_a_dead_letter(value: bytes | None, reason: str | None) -> None:
    assert bad(value) == reason


def test_an_event_of_exactly_the_largest_size_is_one() -> None:
    room = MAX_EVENT_BYTES - len(event(pad=""))
    assert bad(event(pad="x" * room)) is None
    assert bad(event(pad="x" * (room + 1))) == "size"


def test_a_record_without_any_time_is_a_dead_letter() -> None:
    assert bad(b'{"customer": "c1", "event": "view"}', timestamp=-1) == "time"


def test_a_bad_record_does_not_stop_those_behind_it() -> None:
    world = World(Rules().trait("views", "count", "view").build())
    result = world.clicks(rec(0, 0), Rec(1, T0, b"?"), Rec(2, T0, None), rec(3, 1), Rec(4, T0, b"?"))
    assert [letter.record.offset for letter in result.dead_letters] == [1, 2, 4]
    assert (result.positions, result.events) == ({"clicks": 5}, {"clicks": 2})


def test_customers_that_are_numbers_are_their_digits() -> None:
    world = World(Rules().trait("views", "count", "view").build())
    world.clicks(rec(0, 0, customer=42), rec(1, 0, customer="42"), rec(2, 0, customer=2**64 - 1))
    assert [key for key, _ in world.state.take_changed()] == [b"42", b"18446744073709551615", b""]


def test_mappings_reach_into_objects() -> None:
    source = Source(
        "deep", "deep.topic", ("who", "id"), ("what", "name"), None, ("when", "at"), ("what", "id")
    )
    world = World(Rules(source).rule("seen", "view").build())
    data = {"who": {"id": "c1"}, "what": {"name": "view", "id": 77}, "when": {"at": "2026-03-02T10:00:00Z"}}
    world.play({"deep": [Rec(0, 9, orjson.dumps(data))]}, ended=["deep"])
    assert (world.decisions[0].event.id, world.decisions[0].event.time) == ("77", T0)


def test_events_without_an_id_are_named_by_their_place() -> None:
    world = World(Rules().rule("seen", "view").rule("bought", "purchase").build())
    ids = ["e1", 5, "", None, 1.5, True]
    world.play(
        {"clicks": [rec(n, n, id=given) for n, given in enumerate(ids)], "orders": [rec(9, 9, id="unmapped")]}
    )
    places = [f"shop.clicks/3/{n}" for n in (2, 3, 4, 5)]
    assert [each.event.id for each in world.decisions] == ["e1", "5", *places, "shop.orders/3/9"]


@pytest.mark.parametrize("by_event_time", [True, False])
def test_a_time_from_the_future_is_replaced_and_counted(by_event_time: bool) -> None:
    now = T0 + DAY
    clock = Clock(wall=lambda: now, by_event_time=by_event_time)
    world = World(Rules().rule("seen", "view").build(), clock)
    ahead = {n: orjson.dumps({"event": "view", "customer": "c1", "ts": now + n}) for n in (300_000, 300_001)}
    world.clicks(Rec(0, now - 7, ahead[300_000]), Rec(1, now - 7, ahead[300_001]))
    assert [each.at - now for each in world.decisions] == [300_000, -7]  # one source: in the order of offsets
    assert world.result.errors == {("clicks", "future_time"): 1}


def test_records_of_a_source_that_the_rules_do_not_know_are_left_where_they_are() -> None:
    world = World(Rules(CLICKS).build())
    result = world.play({"clicks": [rec(0, 0)], "orders": [rec(0, 0), rec(1, 0)]}, ended=["clicks"])
    assert result.positions == {"clicks": 1}
    assert result.errors == {("orders", "unknown_source"): 2}


def test_fields_of_traits_that_do_not_fit_are_not_counted() -> None:
    rules = Rules(ORDERS).trait("spend", "sum", "purchase", field="amount", where="event.currency == 'EUR'")
    rules.trait("store", "last", "purchase", field="store").trait(
        "in_store", "count", "purchase", per="store"
    )
    world = World(rules.build())
    amounts = [1, 2.5, "3", True, None, [4]]
    stores = ["s1", "x" * 1024, "x" * 1025, {"a": 1}, ["s"], None]
    records = [
        rec(n, n, currency="EUR", amount=amount, store=store)
        for n, (amount, store) in enumerate(zip(amounts, stores, strict=True))
    ]
    world.play({"orders": [*records, rec(6, 6, currency="USD", amount=9), rec(7, 7)]})
    assert world.state.trait("c1", "spend", T0) == 3.5
    assert world.state.trait("c1", "store", T0) is None  # JSON's null is a value
    counts = [world.state.trait("c1", "in_store", T0, key) for key in ("s1", "x" * 1024, "x" * 1025)]
    assert counts == [1, 1, 0]
