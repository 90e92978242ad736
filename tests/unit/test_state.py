"""Customer states: windows at their borders, rule changes, and a reader of bytes that believes nothing."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream._codec import decode, decode_reached, encode, encode_reached
from stream._state import ABSENT, Layout
from stream.engine import PartitionState
from stream.errors import StateError
from stream.program import Channel, Limit, Policy, Quiet, Step
from tests.unit.enginekit import (
    BARE,
    CLICKS,
    DAY,
    HOUR,
    MINUTE,
    ORDERS,
    PROFILES,
    T0,
    Rec,
    Rules,
    World,
    rec,
)

SLICE = HOUR // 60
NIGHTLY = Channel("nightly", "triggers.nightly", cap=Limit(2, DAY), quiet=Quiet(0, 20 * 60))


NEVER = Step(("never",), within=HOUR)
FUNCTIONS = ("mean", "min", "max", "first", "distinct", "top")


def everything() -> Rules:
    """A rule set that makes every kind of part."""
    rules = (
        Rules(CLICKS, ORDERS, PROFILES)
        .trait("views", "count", "view", over=HOUR)
        .trait("total", "count", "view")
        .trait("by_sku", "count", "view", per="sku", over=HOUR)
        .trait("spend", "sum", "purchase", field="amount", over=DAY)
        .trait("spend_at", "sum", "purchase", field="amount", per="store")
        .trait("page", "last", "view", field="page", over=HOUR)
        .trait("page_of", "last", "view", field="page", per="sku")
        .trait("rhythm", "gap", "view", over=DAY)
        .trait("rhythm_of", "gap", "view", per="sku")
        .rule("left", "cart", unless=("purchase", 30 * MINUTE))
        .rule("wished", "wish", unless=("purchase", DAY), key=("id",), stale_after=MINUTE)
        .rule("seen", "view", limit=(3, DAY))
        .rule(
            "paired", "", steps=(Step(("wish",), name="wish"), Step(("view",)), Step(("never",), within=HOUR))
        )
        .rule("open", "", steps=(Step(("cart",)), Step(("never",))))
        .rule("night", "wish", channels=(NIGHTLY,), group="g")
        .rule("timed", "cart", wait=MINUTE, group="g")
    )
    for name in FUNCTIONS:
        rules.trait(name, name, "view", field="n", over=DAY).trait(
            f"{name}_of", name, "view", field="n", per="sku"
        )
    rules.channels = (BARE, NIGHTLY)
    rules.policy = Policy(timezone="UTC", cap=Limit(5, DAY))
    return rules


def profile(offset: int, at: int, **parts: Any) -> Rec:
    data = {"customer": "c1", "ts": T0 + at, **parts}
    return Rec(offset, T0 + at, orjson.dumps(data))


def a_full_world() -> World:
    world = World(everything().build())
    skus = ["a", "ü", 7, 2**63 + 5, True, False, -3]
    pages = ["/home", "", None, 1.5, -(2**40), 2**64 - 1, True, False]
    records = [
        rec(n, n * 7 * MINUTE, "view", sku=skus[n % len(skus)], page=pages[n % len(pages)], n=n % 4)
        for n in range(30)
    ]
    more = [
        rec(30, 205 * MINUTE, "cart"),
        rec(31, 206 * MINUTE, "wish", id=12),
        rec(32, 207 * MINUTE, "view"),
    ]
    late = rec(33, 100 * MINUTE, "wish", id=True)
    orders = [rec(n, n * 50 * MINUTE, amount=n * 1.1, store=f"s{n}") for n in range(4)]
    said = {"mail": {"granted": True, "at": T0, "basis": "form"}, "post": {"granted": False, "at": T0 + 1}}
    profiles = [profile(0, 0, attributes={"tier": "gold", "tags": ["a", None]}, consents=said)]
    world.play({"clicks": [*records, *more, late], "orders": orders, "profiles": profiles})
    world.clicks(rec(34, 208 * MINUTE, "other"))
    outcomes = {(each.rule, each.outcome) for each in world.decisions}
    assert {("night", "deferred"), ("timed", "sent")} <= outcomes
    assert world.state.timers == 6  # left, wished twice, paired, night twice
    return world


# ---- windows ----


@pytest.mark.parametrize(
    ("event_at", "read_at", "expected"),
    [
        (0, 0, 1),
        (0, HOUR, 1),  # nothing younger than the window is left out …
        (0, HOUR + SLICE - 1, 1),  # (the 61st slice, T0 is aligned)
        (0, HOUR + SLICE, 0),  # … and nothing older than the window and a slice is counted
        (SLICE - 1, HOUR + SLICE - 1, 1),
        (SLICE - 1, HOUR + SLICE, 0),
        (SLICE - 1, 0, 1),  # the slice that holds the time of reading counts as a whole
        (SLICE, 0, 0),  # a later slice does not
    ],
)
def test_a_window_covers_the_slice_of_its_time_and_the_sixty_before(
    event_at: int, read_at: int, expected: int
) -> None:
    world = World(Rules().trait("views", "count", "view", over=HOUR).build())
    world.clicks(rec(0, event_at))
    assert world.state.trait("c1", "views", T0 + read_at) == expected


def test_the_width_of_a_slice_is_rounded_up() -> None:
    world = World(Rules().trait("views", "count", "view", over=100).build())  # 100 / 60 → 2 ms
    world.clicks(rec(0, 0))
    assert world.state.trait("c1", "views", T0 + 121) == 1
    assert world.state.trait("c1", "views", T0 + 122) == 0


def test_an_event_out_of_order_goes_to_its_own_slice() -> None:
    world = World(Rules().trait("views", "count", "view", over=HOUR).build())
    world.clicks(rec(0, 50 * MINUTE), rec(1, 10 * MINUTE), rec(2, 10 * MINUTE), rec(3, 30 * MINUTE))
    assert world.state.trait("c1", "views", T0 + 30 * MINUTE) == 3
    assert world.state.trait("c1", "views", T0 + 71 * MINUTE) == 2


def test_a_straggler_older_than_two_windows_counts_for_itself_and_nothing_else() -> None:
    world = World(Rules().trait("views", "count", "view", over=HOUR).build())
    world.clicks(rec(0, 3 * HOUR), rec(1, 0))
    assert world.state.trait("c1", "views", T0) == 1
    world.clicks(rec(2, 3 * HOUR + SLICE))
    assert world.state.trait("c1", "views", T0) == 0
    assert world.state.trait("c1", "views", T0 + 3 * HOUR + SLICE) == 2


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 180), st.integers(1, 9)), min_size=1, max_size=60),
    st.integers(0, 300),
    st.sampled_from(["count", "sum", "last"]),
)
def test_windows_are_what_a_list_of_events_gives(
    events: list[tuple[int, int]], at: int, function: str
) -> None:
    world = World(Rules().trait("t", function, "view", field="n", over=60).build())  # slices of 1 ms
    world.clicks(*[rec(offset, time, n=n) for offset, (time, n) in enumerate(events)])
    newest = max(time for time, _ in events)
    at = max(at, newest - 60)  # further back, slices may be gone
    known = [(time, n) for time, n in events if at - 60 <= time <= at]
    expected: object = len(known)
    if function == "sum":
        expected = float(sum(n for _, n in known))
    elif function == "last":
        latest = max((time for time, _ in known), default=None)
        expected = [n for time, n in known if time == latest][-1] if known else ABSENT
    assert world.state.trait("c1", "t", T0 + at) == expected
    assert world.restored().state.trait("c1", "t", T0 + at) == expected


def test_a_thousand_values_of_per_are_kept_and_the_least_recently_updated_goes() -> None:
    world = World(Rules().trait("by_sku", "count", "view", per="sku").build())
    world.clicks(*[rec(n, n, sku=f"p{n}") for n in range(1000)], rec(1000, 1000, sku="p0"))
    world.clicks(rec(1001, 1001, sku="new"))
    counts = [world.state.trait("c1", "by_sku", T0, key) for key in ("p0", "p1", "p2", "new")]
    assert counts == [2, 0, 1, 1]
    again = world.restored()
    for each in (world, again):
        each.clicks(rec(1002, 1002, sku="newer"))
    assert again.state.take_changed() == world.state.take_changed()


def test_values_of_per_that_are_out_of_reach_are_forgotten() -> None:
    world = World(Rules().trait("by_sku", "count", "view", per="sku", over=60).build())
    world.clicks(*[rec(n, n * 10, sku=f"p{n}") for n in range(500)])
    ((_, value), _) = world.state.take_changed()
    assert b"p499" in value
    assert b"p400" not in value


# ---- the byte form ----


def test_the_byte_form_is_read_back_as_it_was() -> None:
    world = a_full_world()
    layout = Layout(world.rules)
    changed = world.state.take_changed()
    for key, value in changed[:-1]:
        assert encode(decode(layout, key.decode(), value)) == value
    assert decode_reached(changed[-1][1]) == {
        "clicks": T0 + 208 * MINUTE,
        "orders": T0 + 150 * MINUTE,
        "profiles": T0,
        "": T0 + 208 * MINUTE,
    }


def test_a_restored_state_goes_on_as_the_original() -> None:
    world = a_full_world()
    other = world.restored()
    assert (other.state.customers, other.state.timers) == (world.state.customers, world.state.timers)
    assert other.state.take_changed() == []
    more = {
        "clicks": [rec(n, n * 7 * MINUTE, sku="a", page=f"/{n}") for n in range(32, 60)],
        "orders": [rec(4, 250 * MINUTE, amount=5, store="s1")],
    }
    assert world.play(more).decisions == other.play(more).decisions != []
    assert world.state.take_changed() == other.state.take_changed()


def test_what_was_reached_is_the_last_record_and_says_so_once() -> None:
    world = World(everything().build())
    world.clicks(rec(0, 0), rec(1, MINUTE, customer="c2"))
    assert [key for key, _ in world.state.take_changed()] == [b"c1", b"c2", b""]
    assert world.state.take_changed() == []
    world.clicks(rec(2, HOUR, "nothing"))
    assert world.state.take_changed() == [(b"", encode_reached({"clicks": T0 + HOUR, "": T0 + HOUR}))]
    world.state.load(b"", None)
    assert world.play().watermark is None


def test_deleted_customers_are_gone() -> None:
    world = a_full_world()
    other = world.restored()
    other.state.load(b"c1", None)
    other.state.ready()
    assert (other.state.customers, other.state.timers, other.state.state_bytes) == (0, 0, 0)


def test_the_size_is_that_of_the_records() -> None:
    world = a_full_world()
    changed = world.state.take_changed()
    assert world.state.state_bytes == sum(len(value) for key, value in changed if key)


@pytest.mark.parametrize("key", [b"\xff", b"x" * 257])
def test_a_key_that_is_no_customer_is_an_error(key: bytes) -> None:
    with pytest.raises(StateError):
        World(everything().build()).state.load(key, b"\x02\x00\x00\x00\x00\x00\x00\x00\x00")


@pytest.mark.parametrize(
    "read", [lambda value: PartitionState(everything().build()).load(b"c", value), decode_reached]
)
def test_a_version_from_the_future_is_an_error_with_a_hint(read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StateError, match="version") as caught:
        read(b"\x03\x00\x00\x00\x00")
    assert caught.value.hint


def refuse_or_take(layout: Layout, value: bytes) -> None:
    """Reading gives a StateError, or a state that can be written and read again."""
    try:
        customer = decode(layout, "c1", value)
    except StateError as error:
        assert "c1" not in str(error)  # noqa: PT017  # either outcome is fine
        return
    again = encode(customer)
    assert encode(decode(layout, "c1", again)) == again


def the_full_value() -> tuple[Layout, bytes]:
    world = a_full_world()
    return Layout(world.rules), dict(world.state.take_changed())[b"c1"]


def test_no_truncated_state_is_read() -> None:
    layout, value = the_full_value()
    for size in range(len(value)):
        with pytest.raises(StateError):
            decode(layout, "c1", value[:size])
    with pytest.raises(StateError):
        decode(layout, "c1", value + b"\x00")


def test_a_part_that_is_longer_than_what_it_holds_is_an_error() -> None:
    layout = Layout(Rules().trait("total", "count", "view").build())

    def state(body: bytes) -> bytes:
        return (
            b"\x02\x00"
            + b"\x00\x00\x00\x00"
            + b"\x01"
            + b"\x0btrait-total"
            + bytes([len(body)])
            + body
            + b"\x00\x00"
        )

    assert encode(decode(layout, "c1", state(b"\x01\x00\x05"))) == state(b"\x01\x00\x05")
    with pytest.raises(StateError, match="longer"):
        decode(layout, "c1", state(b"\x01\x00\x05\x00"))


def test_no_flipped_bit_does_harm() -> None:
    layout, value = the_full_value()
    for bit in range(8 * len(value)):
        flipped = bytearray(value)
        flipped[bit // 8] ^= 1 << bit % 8
        refuse_or_take(layout, bytes(flipped))


LAYOUT, VALUE = the_full_value()


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xff" * 20)
@example(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f")  # a count of 2^62
def test_random_bytes_do_no_harm(noise: bytes) -> None:
    refuse_or_take(LAYOUT, noise)
    refuse_or_take(LAYOUT, b"\x01" + noise)
    with contextlib.suppress(StateError):
        decode_reached(b"\x01" + noise)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(VALUE) - 1), st.binary(max_size=6)), min_size=1, max_size=4))
def test_spliced_bytes_do_no_harm(splices: list[tuple[int, bytes]]) -> None:
    value = VALUE
    for at, noise in splices:
        value = value[:at] + noise + value[at + len(noise) :]
    refuse_or_take(LAYOUT, value)


def test_infinities_and_no_numbers_survive() -> None:
    world = World(Rules().trait("spend", "sum", "purchase", field="amount").build())
    world.play({"orders": [rec(0, 0, amount=1e308), rec(1, 1, amount=1e308)]})
    (key, value), _ = world.state.take_changed()
    assert struct.pack("<d", float("inf")) in value
    world.state.load(key, value)
    assert world.state.trait("c1", "spend", T0) == float("inf")


# ---- a change of rules ----


def test_parts_of_unchanged_definitions_are_kept_and_others_start_anew() -> None:
    world = World(everything().build())
    world.play({"clicks": [rec(0, 0, sku="a"), rec(1, 1, "cart")], "orders": [rec(0, 2, amount=3)]})
    world.clicks(rec(2, 3, "cart"), rec(3, 4, "wish"))
    changed = Rules().trait("spend", "sum", "purchase", field="amount", over=DAY)
    changed.trait("added", "count", "view").trait("views", "count", "view", over=HOUR)
    changed.rule("left", "cart", unless=("purchase", 30 * MINUTE))
    world.rules = changed.build("2")
    world.clicks(rec(4, 5))
    read = [world.state.trait("c1", name, T0 + 5) for name in ("spend", "views", "added")]
    assert read == [3.0, 2, 1]
    assert world.state.timers == 1
    assert [key for key, _ in world.state.take_changed()] == [b"c1", b""]
    assert world.clicks(rec(5, HOUR, customer="c2")).decisions[0].rule == "left"


def test_what_older_rules_do_not_know_is_written_back_and_known_again_later() -> None:
    """In a rolling update a worker of the old rules takes over what one of the new rules has written."""
    new = a_full_world()
    older = World(Rules(CLICKS).trait("views", "count", "view", over=HOUR).build("old"))
    taken = new.state.take_changed()
    for key, value in taken:
        older.state.load(key, value)
    older.state.ready()
    assert older.state.timers == 0
    at = T0 + 209 * MINUTE
    assert older.state.trait("c1", "views", at) == new.state.trait("c1", "views", at) > 0
    older.clicks(rec(35, 209 * MINUTE))  # and it changes what it knows
    third = World(new.rules)
    for key, value in older.state.take_changed():
        third.state.load(key, value)
    third.state.ready()
    older.rules = new.rules  # or it is told of the new rules itself
    older.play()
    for world in (third, older):
        assert world.state.timers == 6
        assert world.state.trait("c1", "views", at) == new.state.trait("c1", "views", at) + 1
        for name in (*FUNCTIONS, "rhythm", "spend"):
            assert world.state.trait("c1", name, at) == new.state.trait("c1", name, at)
        assert world.state.trait("c1", "page_of", at, "a") == new.state.trait("c1", "page_of", at, "a")


def test_a_rules_sends_survive_a_change_of_its_steps_but_its_open_instances_do_not() -> None:
    first = Rules().rule("r", "view", limit=(1, DAY)).rule("left", "cart", wait=HOUR, id="one")
    second = Rules().rule("r", "view", limit=(1, DAY), id="other", where="event.x == 1")
    second.rule("left", "cart", wait=HOUR, id="two")
    world = World(first.build())
    world.clicks(rec(0, 0), rec(1, 1, "cart"))
    world.rules = second.build("2")
    world.clicks(rec(2, 2, x=1))
    assert world.fired() == [("r", "sent", 0), ("r", "limit", 2)]
    assert world.state.timers == 0


def test_a_length_beyond_the_end_is_refused_before_it_is_read() -> None:
    """The number itself was counted as what is left, and as many bytes after the end were read."""
    for form in (b"\x02\x00\x01", b"\x02\x01\x02a", b"\x02\x00\x00\x00\x00\x00\x01\x02a"):
        with pytest.raises(StateError, match="goes beyond its end"):
            decode(Layout(Rules().build()), "c1", form)


@pytest.mark.parametrize("seen_in_between", [True, False])
def test_a_definition_that_went_and_came_back_starts_anew(seen_in_between: bool) -> None:
    with_views = Rules().trait("views", "count", "view").trait("carts", "count", "cart").build("1")
    without = Rules().trait("carts", "count", "cart").build("2")
    world = World(with_views)
    world.clicks(rec(0, 0), rec(1, 1, "cart"))
    world.rules = without
    world.clicks(*[rec(2, 2, "cart", customer="c1" if seen_in_between else "c2")])
    world.rules = Rules().trait("views", "count", "view").trait("carts", "count", "cart").build("3")
    world.play()
    assert world.state.trait("c1", "views", T0) == 0
    assert world.state.trait("c1", "carts", T0) == 1 + seen_in_between


def test_events_at_hand_survive_a_change_of_rules() -> None:
    world = World(everything().build())
    world.play({"clicks": [rec(n, n) for n in range(5)] + [Rec(5, T0, b"?")]}, limit=2)
    assert world.state.pending == 4
    world.rules = Rules().trait("total", "count", "view").build("2")
    result = world.play()
    assert (result.positions, result.events) == ({"clicks": 6}, {"clicks": 3})
    assert [letter.record.offset for letter in result.dead_letters] == [5]
