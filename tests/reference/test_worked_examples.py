"""Small histories worked out by hand from the contract, asked of the model and of the engine.

They hold the model to something that is not code: a mistake that model and engine share would pass every
generated history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stream.expression import parse
from stream.rules.model import Limit, Rule, Trait
from stream.structs import Decision

from .conftest import Judge, Run
from .examples import DAY, MINUTE, SECOND, Happening, history, rule, rule_set, step, unless
from .histories import START, History, Rec
from .player import Player, Portion, restart

VIEW = rule("view", step("product_view"))

CART = rule_set(
    rule("cart", step("add_to_cart", where=0), unless=unless("purchase", 30 * MINUTE)),
    where="event.price >= 50",
)


@pytest.mark.parametrize(
    ("happenings", "fired"),
    [
        ([(0, "add_to_cart", {"price": 80}), (31, "page_view", {})], [30]),
        ([(0, "add_to_cart", {"price": 49.99}), (31, "page_view", {})], []),
        ([(0, "add_to_cart", {"price": "80"}), (31, "page_view", {})], []),
        ([(0, "add_to_cart", {}), (31, "page_view", {})], []),
        ([(0, "add_to_cart", {"price": 80}), (10, "purchase", {}), (31, "page_view", {})], []),
        # Inclusive: at the limit still counts, and the timer fires when the watermark is later.
        ([(0, "add_to_cart", {"price": 80}), (30, "purchase", {}), (31, "page_view", {})], []),
        ([(0, "add_to_cart", {"price": 80}), (30, "page_view", {})], []),
        ([(0, "add_to_cart", {"price": 80}), (31, "purchase", {})], [30]),
        # A second cart restarts the half hour; one that does not fit does not.
        (
            [(0, "add_to_cart", {"price": 80}), (20, "add_to_cart", {"price": 60}), (51, "page_view", {})],
            [50],
        ),
        ([(0, "add_to_cart", {"price": 80}), (20, "add_to_cart", {"price": 6}), (51, "page_view", {})], [30]),
        # Another customer's event moves the time on but touches nothing.
        ([(0, "add_to_cart", {"price": 80}), (31, "purchase", {"customer_id": "c2"})], [30]),
        # The timer stands where the clock stood still: nothing has come since.
        ([(0, "add_to_cart", {"price": 80})], []),
    ],
)
def test_a_cart_left_behind(judge: Judge, happenings: Sequence[Happening], fired: list[int]) -> None:
    in_minutes = [(at * MINUTE, name, fields) for at, name, fields in happenings]
    assert judge(CART, in_minutes) == [(at * MINUTE, "cart", "sent") for at in fired]


def test_a_purchase_in_the_backlog_of_the_other_topic_cancels(judge: Judge) -> None:
    """Both topics are read at once after an outage: the order is the events', not the topics'."""
    backlog: list[Happening] = [(0, "add_to_cart", {"price": 80}), (DAY, "page_view", {})]
    assert judge(CART, [*backlog, (10 * MINUTE, "purchase", {})]) == []
    assert judge(CART, backlog) == [(30 * MINUTE, "cart", "sent")]


def test_an_event_is_counted_before_it_is_judged(judge: Judge) -> None:
    rules = rule_set(
        replace(VIEW, name="first", stable_id="f" * 16, condition=parse("traits.views == 1")),
        replace(VIEW, name="third", stable_id="d" * 16, condition=parse("traits.views >= 3")),
        traits=[Trait("views", "1" * 16, "count", ("product_view",))],
    )
    views: list[Happening] = [(at, "product_view", {}) for at in (0, 1, 2)]
    assert judge(rules, views) == [(0, "first", "sent"), (2, "third", "sent")]


@pytest.mark.parametrize(
    ("later", "counted"),
    [
        # W = 60 s in slices of 1 s: the slice that holds t and the 60 before it.
        (59 * SECOND, 2),
        (60 * SECOND + 999, 2),
        (61 * SECOND, 1),
    ],
)
def test_a_window_ends_with_a_slice(judge: Judge, later: int, counted: int) -> None:
    rules = rule_set(
        replace(VIEW, name="again", stable_id="a" * 16, condition=parse(f"traits.views == {counted}")),
        traits=[Trait("views", "1" * 16, "count", ("product_view",), over=MINUTE)],
    )
    decisions = judge(rules, [(999, "product_view", {}), (later, "product_view", {})])
    assert (later, "again", "sent") in decisions


def test_a_slice_is_rounded_up_to_a_millisecond(judge: Judge) -> None:
    """61 ms in 60 slices are slices of 2 ms: START is even, so one at +1 is in the first, out at 122."""
    rules = rule_set(
        replace(VIEW, name="again", stable_id="a" * 16, condition=parse("traits.views == 2")),
        traits=[Trait("views", "1" * 16, "count", ("product_view",), over=61)],
    )
    assert judge(rules, [(1, "product_view", {}), (121, "product_view", {})]) == [(121, "again", "sent")]
    assert judge(rules, [(1, "product_view", {}), (122, "product_view", {})]) == []


def test_what_was_sent_exactly_the_limit_ago_does_not_count(judge: Judge) -> None:
    rules = rule_set(replace(VIEW, name="daily", stable_id="a" * 16, limit=Limit(1, DAY)))
    views: list[Happening] = [(at, "product_view", {}) for at in (0, DAY - 1, DAY, DAY + 1)]
    assert judge(rules, views) == [
        (0, "daily", "sent"),
        (DAY - 1, "daily", "limit"),
        (DAY, "daily", "sent"),
        (DAY + 1, "daily", "limit"),
    ]


def test_a_timer_judges_as_of_its_deadline(judge: Judge) -> None:
    """Views after the deadline are there when the clock passes it, but not in what is judged."""
    rules = rule_set(
        rule(
            "quiet",
            step("add_to_cart"),
            unless=unless("purchase", 90 * SECOND),
            condition="traits.views == 0",
        ),
        traits=[Trait("views", "1" * 16, "count", ("product_view",), over=MINUTE)],
    )
    begun: list[Happening] = [(0, "product_view", {}), (1, "add_to_cart", {})]
    assert judge(rules, [*begun, (2 * MINUTE, "product_view", {})]) == [(90 * SECOND + 1, "quiet", "sent")]
    # At the deadline a view is within the window still.
    assert judge(rules, [*begun, (90 * SECOND + 1, "product_view", {}), (2 * MINUTE, "page_view", {})]) == []


def test_one_and_true_and_text_are_different_keys(judge: Judge) -> None:
    rules = rule_set(
        replace(VIEW, name="second", stable_id="2" * 16, condition=parse("traits.views[event.kind] == 2")),
        traits=[Trait("views", "1" * 16, "count", ("product_view",), per=("kind",))],
    )
    kinds: list[Any] = [1, True, "1", 1, None, None]
    views: list[Happening] = [(at, "product_view", {"kind": kind}) for at, kind in enumerate(kinds)]
    assert judge(rules, views) == [(3, "second", "sent")]


def test_errors_are_absorbed_on_either_side(judge: Judge) -> None:
    def holds(condition: str) -> bool:
        rules = rule_set(replace(VIEW, name="r", stable_id="a" * 16, condition=parse(condition)))
        return judge(rules, [(0, "product_view", {"price": 5, "name": "x"})]) != []

    assert holds("event.missing > 1 || event.price > 1")
    assert holds("event.price > 1 || event.missing > 1")
    assert not holds("event.missing > 1 && event.price > 1")
    assert holds("!(event.missing > 1 && event.price > 9)")
    assert not holds("event.name > 1")
    assert holds("event.name != 1")
    assert holds("event.price == 5.0")


def test_timers_that_are_due_together_go_by_deadline_priority_and_name(judge: Judge) -> None:
    def waiting(name: str, priority: int, within: int) -> Rule:
        return rule(name, step("add_to_cart"), unless=unless("purchase", within), priority=priority)

    rules = rule_set(waiting("a", 5, 20), waiting("d", 1, 10), waiting("b", 0, 10), waiting("c", 0, 10))
    fired = judge(rules, [(0, "add_to_cart", {}), (100, "page_view", {})])
    assert [name for _, name, _ in fired] == ["d", "b", "c", "a"]


def one_record(value: bytes | None) -> History:
    """A world of a single record, at offset 7 and stamped five seconds after the start."""
    rules = rule_set(VIEW)
    record = Rec(7, START + 5_000, None, value)
    return History(rules, 3, {"clickstream": [record], "transactions": [], "profiles": []})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "json"),
        (b"", "json"),
        (b"{", "json"),
        (b'["event"]', "json"),
        (b'{"event": "product_view", "customer_id": "c1", "price": 1e400}', "json"),
        (b'{"event": "product_view", "customer_id": "\xff"}', "json"),
        (b'{"event": "product_view"}', "customer"),
        (b'{"event": "product_view", "customer_id": null}', "customer"),
        (b'{"event": "product_view", "customer_id": ""}', "customer"),
        (b'{"event": "product_view", "customer_id": true}', "customer"),
        (b'{"customer_id": "c1"}', "event"),
        (b'{"event": 1, "customer_id": "c1"}', "event"),
        (b'{"event": "product_view", "customer_id": "c1", "ts": "soon"}', "time"),
        (b'{"event": "product_view", "customer_id": "c1", "ts": -1}', "time"),
        (b'{"event": "product_view", "customer_id": "c1", "ts": 1e20}', "time"),
        (b'{"event": "product_view", "customer_id": "c1", "ts": false}', "time"),
    ],
)
def test_a_record_that_is_no_event_is_put_aside(run: Run, value: bytes | None, reason: str) -> None:
    decisions, dead_letters = run(one_record(value))
    assert decisions == []
    assert [(letter.source, letter.reason, letter.record.value) for letter in dead_letters] == [
        ("clickstream", reason, value)
    ]


@pytest.mark.parametrize(
    ("written", "after"),
    [
        ('"2026-03-02T10:00:01Z"', 1_000),
        ('"2026-03-02T10:00:01.250Z"', 1_250),
        ('"2026-03-02T12:30:01+02:30"', 1_000),
        ('"2026-03-02T10:00:01"', 1_000),
        ('"2026-03-02"', -36_000_000),
        ("1772445601", 1_000),
        ("1772445600.25", 250),
        ("1772445601000", 1_000),
    ],
)
def test_the_ways_to_write_a_time(run: Run, written: str, after: int) -> None:
    value = f'{{"event": "product_view", "customer_id": 42, "event_id": 9, "ts": {written}}}'
    [decision], _ = run(one_record(value.encode()))
    assert (decision.at - START, decision.customer_id, decision.event.id) == (after, "42", "9")


def test_what_an_event_does_not_say_is_taken_from_its_record(run: Run) -> None:
    [decision], _ = run(one_record(b'{"event": "product_view", "customer_id": "c1"}'))
    assert (decision.event.time - START, decision.event.id) == (5_000, "clicks/3/7")


def test_live_the_wall_clock_fires_when_all_is_read_and_sets_wrong_clocks_right(run: Run) -> None:
    cart: Happening = (0, "add_to_cart", {"price": 80})
    for wall, fired in ((30 * MINUTE, []), (30 * MINUTE + 1, [30 * MINUTE])):
        world = replace(history(CART, [cart]), wall=START + wall, by_event_time=False)
        assert [each.at - START for each in run(world)[0]] == fired
    # Five minutes ahead are believed, more are not: the record came when the clock said `stamped`.
    for ahead, believed in ((5 * MINUTE, 5 * MINUTE), (5 * MINUTE + 1, 0)):
        world = history(rule_set(VIEW), [(ahead, "product_view", {})])
        records = {
            name: [each._replace(timestamp=START) for each in world.records[name]] for name in world.records
        }
        [decision], _ = run(replace(world, records=records, wall=START, by_event_time=False))
        assert decision.at - START == believed


def test_live_a_customers_own_event_passes_the_deadline_though_the_wall_clock_has_not(run: Run) -> None:
    """A device two minutes fast: its purchase comes after the half hour, so the reminder goes first."""
    happenings: list[Happening] = [
        (0, "add_to_cart", {"price": 80}),
        (0, "add_to_cart", {"price": 80, "customer_id": "c2"}),
        (31 * MINUTE, "purchase", {}),
    ]
    world = replace(history(CART, happenings), wall=START + 29 * MINUTE, by_event_time=False)
    assert [(each.at - START, each.customer_id) for each in run(world)[0]] == [(30 * MINUTE, "c1")]


def after_a_crash(world: History, applied: int) -> tuple[list[Decision], list[Decision]]:
    """The decisions of a run that crashes after some events and reads all again, and of one that does not."""
    whole, first = Player(world), Player(world)
    whole.play()
    first.call(Portion((60, 60, 60, 60), limit=applied, drain=False))
    snapshot = first.snapshot()
    second = restart(world, snapshot, {})
    second.play()
    return first.decisions + second.decisions, whole.decisions


def test_a_purchase_before_the_cart_read_again_after_a_crash_does_not_cancel_its_reminder() -> None:
    """It cancelled nothing when it came, so nothing but its offset says that it has been."""
    happenings: list[Happening] = [
        (0, "purchase", {}),
        (1, "add_to_cart", {"price": 80}),
        (31 * MINUTE, "page_view", {}),
    ]
    decisions, expected = after_a_crash(history(CART, happenings), applied=2)
    assert [each.at - START for each in decisions] == [30 * MINUTE + 1]
    assert decisions == expected


def test_a_late_cart_after_a_crash_is_reminded_of_as_without_the_crash() -> None:
    """How far the time had come is remembered: the cart's half hour was over before its purchase was read."""
    late: list[Happening] = [
        (100 * MINUTE, "page_view", {}),
        (0, "add_to_cart", {"price": 80}),
        (20 * MINUTE, "buy", {}),
    ]
    rules = replace(CART, rules=(replace(CART.rules[0], unless=unless("buy", 30 * MINUTE)),))
    world = history(rules, late)
    first = Player(world)
    first.call(Portion((1, 0, 0, 0), limit=10, drain=True))
    second = restart(world, first.snapshot(), first.positions)
    second.play()
    assert [each.at - START for each in second.decisions] == [30 * MINUTE]
