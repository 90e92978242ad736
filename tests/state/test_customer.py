"""Customer states: windows at their borders, and what a change of rules does to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.events._value import ABSENT
from tests.engine.enginekit import CLICKS, DAY, HOUR, MINUTE, T0, Rec, Rules, World, rec
from tests.state.fullstate import FUNCTIONS, a_full_world, everything

SLICE = HOUR // 60


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
    assert world.state.customers.timers == 1
    assert [key for key, _ in world.state.take_changed()] == [b"c1", b""]
    assert world.clicks(rec(5, HOUR, customer="c2")).decisions[0].rule == "left"


def test_what_older_rules_do_not_know_is_written_back_and_known_again_later() -> None:
    """In a rolling update a worker of the old rules takes over what one of the new rules has written."""
    new = a_full_world()
    older = World(Rules(CLICKS).trait("views", "count", "view", over=HOUR).build("old"))
    taken = new.state.take_changed()
    for key, value in taken:
        older.state.load(key, value)
    older.state.customers.rebuild_timers()
    assert older.state.customers.timers == 0
    at = T0 + 209 * MINUTE
    assert older.state.trait("c1", "views", at) == new.state.trait("c1", "views", at) > 0
    older.clicks(rec(35, 209 * MINUTE))  # and it changes what it knows
    third = World(new.rules)
    for key, value in older.state.take_changed():
        third.state.load(key, value)
    third.state.customers.rebuild_timers()
    older.rules = new.rules  # or it is told of the new rules itself
    older.play()
    for world in (third, older):
        assert world.state.customers.timers == 6
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
    assert world.state.customers.timers == 0


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
