"""What waits: messages that quiet hours put off, timers that come late. Times are milliseconds after T0."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.clock import Clock
from stream.expression import parse
from stream.rules.model import Channel, Policy, Quiet, RuleSet, Step, Unless
from tests.engine.enginekit import DAY, HOUR, MINUTE, T0, Rec, Rules, World, rec

NIGHT = Channel("web", "triggers.web", quiet=Quiet(10 * 60, 12 * 60))  # the worlds begin at 10:00
MORNING = 2 * HOUR


def at_night(*, key: bool = False) -> RuleSet:
    """A cart that is left for a minute, for a channel that is quiet for two hours."""
    rules = Rules()
    rules.policy, rules.channels = Policy(timezone="UTC"), (NIGHT,)
    if not key:
        return rules.rule(
            "left", "cart", unless=("purchase", MINUTE, "event.amount > 0"), channels=(NIGHT,)
        ).build()
    rules.rule("left", "cart", steps=(Step(("cart",), name="cart"),), channels=(NIGHT,), key=("sku",))
    [rule] = rules.rules
    unless = Unless(("purchase",), MINUTE, compares=parse("event.sku == cart.sku"))
    return replace(rules.build(), rules=(replace(rule, unless=unless),))


def order(offset: int, at: int, **fields: object) -> Rec:
    return rec(offset, at, "ignored", **{"amount": 1, **fields})


def put_off(*, key: bool = False, **fields: object) -> World:
    """A message that waits for the morning."""
    world = World(at_night(key=key))
    world.clicks(rec(0, 0, "cart", **fields), rec(1, MINUTE + 1, "view", "other"))
    assert [each.outcome for each in world.decisions] == ["deferred"]
    return world


# ---- what closes an instance closes what quiet hours have put off ----


def test_who_has_bought_before_the_morning_gets_no_reminder_of_a_cart() -> None:
    world = put_off()
    world.play({"orders": [order(7, HOUR)]})
    world.clicks(rec(2, DAY, "view", "other"))
    assert world.fired() == [("left", "quiet", MINUTE), ("left", "unless", HOUR)]
    closed = world.decisions[-1]
    assert (closed.outcome, closed.trigger_id) == ("suppressed", world.decisions[0].trigger_id)
    assert closed.event == world.decisions[0].event, "of the cart, not of the purchase"
    assert (closed.source, closed.offset, closed.timed) == ("orders", 7, False), "the purchase is its cause"
    assert world.state.customers.timers == 0


def test_a_purchase_at_the_end_of_quiet_hours_still_closes_and_a_later_one_does_not() -> None:
    for bought, reason in ((MORNING, "unless"), (MORNING + 1, "sent")):
        world = put_off()
        world.play({"orders": [order(0, bought)]})
        assert world.fired()[1:] == [("left", reason, MORNING)]


def test_what_does_not_fit_leaves_it_waiting() -> None:
    world = put_off()
    world.play({"orders": [order(0, HOUR, amount=0), order(1, HOUR, customer="c2")]})
    world.clicks(rec(2, DAY, "view", "other"))
    assert world.fired()[1:] == [("left", "sent", MORNING)]


def test_with_a_key_a_purchase_closes_what_waits_of_its_own_key() -> None:
    world = World(at_night(key=True))
    world.clicks(rec(0, 0, "cart", sku="a"), rec(1, 0, "cart", sku="b"), rec(2, MINUTE + 1, "view"))
    world.play({"orders": [order(0, HOUR, sku="b")]})
    world.clicks(rec(3, DAY, "view", "other"))
    waited, closed = world.decisions[0], world.decisions[1]
    assert [each.reason or each.outcome for each in world.decisions] == ["quiet", "quiet", "unless", "sent"]
    assert world.decisions[2].trigger_id == closed.trigger_id
    assert world.decisions[3].trigger_id == waited.trigger_id


def test_a_purchase_after_a_restart_closes_what_was_put_off_before_it() -> None:
    other = put_off(key=True, sku="a").restored()
    other.play({"orders": [order(0, HOUR, sku="a")]})
    assert other.fired() == [("left", "unless", HOUR)]
    other = other.restored()
    other.clicks(rec(2, DAY, "view", "other"))
    assert other.decisions == []
    assert other.state.customers.timers == 0


def test_a_purchase_that_is_read_again_closes_nothing_twice() -> None:
    world = put_off()
    world.play({"orders": [order(0, HOUR)]})
    other = world.restored()
    other.play({"orders": [order(0, HOUR)]})
    assert other.decisions == []
    assert other.result.repeats == 1


def test_a_rule_without_unless_waits_whatever_happens() -> None:
    rules = Rules()
    rules.policy = Policy(timezone="UTC")
    two_steps = (Step(("cart",)), Step(("purchase",)))
    world = World(rules.rule("bought", "", steps=two_steps, channels=(NIGHT,)).build())
    world.clicks(rec(0, 0, "cart"))
    world.play({"orders": [order(0, 1), order(1, HOUR)]})
    world.clicks(rec(1, DAY, "view", "other"))
    assert world.fired() == [("bought", "quiet", 1), ("bought", "sent", MORNING)]


# ---- late events ----


def live(rules: RuleSet, now: int) -> World:
    """A worker whose clock shows T0 + `now`."""
    return World(rules, Clock(wall=lambda: T0 + now))


def after(stale_after: int | None) -> RuleSet:
    rules = Rules()
    rules.policy = Policy(stale_after=stale_after)
    return rules.rule("left", "cart", unless=("purchase", HOUR)).build()


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (30 * MINUTE, "sent"),  # twenty minutes too old, and its hour is not over
        (HOUR, "sent"),
        (HOUR + 10 * MINUTE, "sent"),  # its hour was over, and not by more than `stale_after`
        (HOUR + 10 * MINUTE + 1, "stale"),
    ],
)
def test_a_cart_that_came_late_is_reminded_of_if_its_deadline_was_still_ahead(now: int, reason: str) -> None:
    clock = now
    world = World(after(10 * MINUTE), Clock(wall=lambda: T0 + clock))
    world.clicks(rec(0, 0, "cart"))
    clock = max(now, HOUR + 1)
    world.play()
    assert world.fired() == [("left", reason, HOUR)]


def test_by_the_clock_of_the_events_the_same_holds() -> None:
    for seen, reason in ((HOUR, "sent"), (HOUR + 10 * MINUTE, "sent"), (HOUR + 10 * MINUTE + 1, "stale")):
        world = World(after(10 * MINUTE))
        world.clicks(rec(0, seen, "view", "other"), rec(1, 0, "cart"), rec(2, DAY, "view", "other"))
        assert world.fired() == [("left", reason, HOUR)]


def test_what_fires_at_once_is_stale_by_the_age_of_its_event() -> None:
    rules = Rules()
    rules.policy = Policy(stale_after=10 * MINUTE)
    world = live(rules.rule("now", "cart").build(), 10 * MINUTE + 1)
    world.clicks(rec(0, 0, "cart"), rec(1, 1, "cart"))
    assert world.fired() == [("now", "stale", 0), ("now", "sent", 1)]


@pytest.mark.parametrize(
    ("stale_after", "late", "reason"),
    [
        (10 * MINUTE, DAY, "sent"),
        (10 * MINUTE, DAY + 1, "stale"),
        (None, DAY, "sent"),
        (None, DAY + 1, "stale"),
        (3 * DAY, 3 * DAY, "sent"),
        (3 * DAY, 3 * DAY + 1, "stale"),
    ],
)
def test_a_reminder_that_an_outage_held_up_goes_a_day_late_at_most(
    stale_after: int | None, late: int, reason: str
) -> None:
    now = 0
    world = World(after(stale_after), Clock(wall=lambda: T0 + now))
    world.clicks(rec(0, 0, "cart"))
    now = HOUR + late
    world.play()
    assert world.fired() == [("left", reason, HOUR)]


def test_what_quiet_hours_put_off_before_an_outage_goes_a_day_late_at_most() -> None:
    for late, reason in ((DAY, "sent"), (DAY + 1, "stale")):
        now = MINUTE + 1
        world = World(at_night(), Clock(wall=lambda: T0 + now))  # noqa: B023
        world.clicks(rec(0, 0, "cart"))
        world.play()
        now = MORNING + late
        world.play()
        assert world.fired() == [("left", "quiet", MINUTE), ("left", reason, MORNING)]


def test_in_a_replay_no_timer_is_late_however_long_nothing_happens() -> None:
    world = World(after(10 * MINUTE))
    world.clicks(rec(0, 0, "cart"), rec(1, 30 * DAY, "view"))
    assert world.fired() == [("left", "sent", HOUR)]
