"""Traits that start anew: what a crash, a re-reading and strangers make of it."""

from __future__ import annotations

from tests.engine.enginekit import T0, Rules, World, rec


def world() -> World:
    return World(Rules().trait("t", "count", "view", per="sku", clear="purchase").build())


def test_an_order_that_is_read_again_does_not_clear_what_came_since() -> None:
    """Of two sources the one is read again from before the order, the other from behind the view."""
    first = world()
    first.play({"orders": [rec(0, 5)], "clicks": [rec(0, 9, sku="a")]})
    after = first.restored()
    after.play({"orders": [rec(0, 5)]})
    assert after.result.repeats == 1
    assert after.state.trait("c1", "t", T0 + 10, "a") == 1


def test_an_order_of_somebody_who_is_not_known_is_noted_and_clears_nothing_later() -> None:
    first = world()
    first.play({"orders": [rec(0, 5)]})
    after = first.restored()
    after.play({"clicks": [rec(0, 9, sku="a")]})
    after.play({"orders": [rec(0, 5)]})
    assert after.state.trait("c1", "t", T0 + 10) == {"a": 1}


def test_a_trait_that_was_cleared_takes_no_room() -> None:
    cleared, other = world(), world()
    cleared.play({"clicks": [rec(at, at, sku=f"p{at}") for at in range(100)]})
    cleared.play({"orders": [rec(0, 200)]})
    other.play({"clicks": [rec(99, 99, event="nothing")], "orders": [rec(0, 200)]})
    sizes = [sum(len(value) for key, value in each.state.take_changed() if key) for each in (cleared, other)]
    assert sizes[0] - sizes[1] < 10  # one offset more
