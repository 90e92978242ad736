"""Steps, keys, profiles, segments and the functions of traits: histories worked out by hand.

As in test_worked_examples, each is asked of the model and of the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stream.content.template import Template
from stream.expression import parse
from stream.rules.model import Goal, Limit, Trait

from .conftest import Judge, Run
from .examples import DAY, HOUR, MINUTE, SECOND, Happening, history, rule, rule_set, step, unless
from .histories import START
from .player import expected_of

# -- steps

SAME_SKU = parse("event.sku == viewed.sku")
BASKET = rule(
    "basket",
    step("view", name="viewed", where=0),
    step("add", compares=SAME_SKU, within=60),
)
BASKETS = rule_set(BASKET, where="event.price > 100")
SHOE = {"sku": "shoe", "price": 120}


@pytest.mark.parametrize(
    ("happenings", "fired"),
    [
        ([(0, "view", SHOE), (10, "add", {"sku": "shoe"})], [10]),
        # What does not fit is ignored, whatever it is, and the next that fits is taken.
        ([(0, "view", SHOE), (5, "add", {"sku": "hat"}), (6, "buy", {}), (10, "add", {"sku": "shoe"})], [10]),
        ([(0, "view", SHOE), (5, "add", {}), (10, "add", {"sku": "shoe"})], [10]),
        ([(0, "view", {"sku": "shoe", "price": 100}), (10, "add", {"sku": "shoe"})], []),
        # `within` is inclusive.
        ([(0, "view", SHOE), (60, "add", {"sku": "shoe"})], [60]),
        ([(0, "view", SHOE), (61, "add", {"sku": "shoe"})], []),
        # Another view replaces the first: the hour counts from it, and its sku is the one.
        ([(0, "view", SHOE), (50, "view", SHOE), (110, "add", {"sku": "shoe"})], [110]),
        ([(0, "view", SHOE), (5, "view", {"sku": "hat", "price": 101}), (9, "add", {"sku": "shoe"})], []),
        # After it has fired it begins anew.
        (
            [(0, "view", SHOE), (1, "add", SHOE), (2, "add", SHOE), (3, "view", SHOE), (4, "add", SHOE)],
            [1, 4],
        ),
        # Nobody else's events.
        ([(0, "view", SHOE), (10, "add", {"sku": "shoe", "customer_id": "c2"})], []),
    ],
)
def test_a_view_and_then_the_same_in_the_basket(
    judge: Judge, happenings: Sequence[Happening], fired: list[int]
) -> None:
    assert judge(BASKETS, happenings) == [(at, "basket", "sent") for at in fired]


def test_an_event_is_one_step_and_can_complete_one_instance_and_open_the_next(judge: Judge) -> None:
    rules = rule_set(rule("twice", step("view"), step("view")), rule("thrice", *[step("view")] * 3))
    views: list[Happening] = [(at, "view", {}) for at in range(6)]
    # The event that completes it opens it again: 0+1, 1+2, … and 0+1+2, 2+3+4, since in between it is busy.
    assert judge(rules, views) == [
        (1, "twice", "sent"),
        (2, "thrice", "sent"),
        (2, "twice", "sent"),
        (3, "twice", "sent"),
        (4, "thrice", "sent"),
        (4, "twice", "sent"),
        (5, "twice", "sent"),
    ]


def test_a_late_event_takes_a_step_and_its_time_counts(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), step("b", within=10), step("c", within=10)))
    # b is five before a: fine, but then c must come until five after a.
    assert judge(rules, [(10, "a", {}), (5, "b", {}), (15, "c", {})]) == [(15, "r", "sent")]
    assert judge(rules, [(10, "a", {}), (5, "b", {}), (16, "c", {})]) == []


def test_an_instance_whose_next_step_did_not_come_makes_room_for_another(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), step("b"), step("c", within=10)))
    happenings: list[Happening] = [(0, "a", {}), (1, "b", {}), (12, "a", {}), (13, "b", {}), (14, "c", {})]
    assert judge(rules, happenings) == [(14, "r", "sent")]
    # At eleven it can still come: the `a` of then is ignored, and the `c` completes it.
    in_time: list[Happening] = [*happenings[:2], (11, "a", {}), (11, "c", {}), (12, "b", {}), (13, "c", {})]
    assert judge(rules, in_time) == [(11, "r", "sent")]


def test_a_step_without_within_is_waited_for_without_end(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), step("b")))
    assert judge(rules, [(0, "a", {}), (900 * DAY, "b", {})]) == [(900 * DAY, "r", "sent")]


def test_an_unless_before_the_last_step_closes_nothing(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), step("b"), unless=unless("x", 10)))
    assert judge(rules, [(0, "a", {}), (1, "x", {}), (2, "b", {}), (13, "y", {})]) == [(12, "r", "sent")]
    assert judge(rules, [(0, "a", {}), (2, "b", {}), (12, "x", {}), (13, "y", {})]) == []


@pytest.mark.parametrize(("at", "fired"), [(10, []), (11, [25])])
def test_the_wait_begins_at_the_end_of_the_unless_and_is_not_closed_by_it(
    judge: Judge, at: int, fired: list[int]
) -> None:
    rules = rule_set(rule("r", step("a"), unless=unless("x", 10), wait=15))
    assert judge(rules, [(0, "a", {}), (at, "x", {}), (26, "y", {})]) == [
        (each, "r", "sent") for each in fired
    ]


def test_a_wait_alone_fires_at_its_end_and_judges_then(judge: Judge) -> None:
    rules = rule_set(
        rule("r", step("a"), step("b"), wait=20, condition="now - event_time == duration('0.020s')"),
        rule("s", step("a"), wait=20, condition="traits.views == 1"),
        traits=[Trait("views", "1" * 16, "count", ("view",))],
    )
    happenings: list[Happening] = [(0, "a", {}), (5, "b", {}), (20, "view", {}), (26, "y", {})]
    assert judge(rules, happenings) == [(20, "s", "sent"), (25, "r", "sent")]


def test_an_unless_compares_with_the_steps(judge: Judge) -> None:
    same = parse("event.sku == cart.sku && event.price > first.price")
    rules = rule_set(
        rule("r", step("a", name="first"), step("b", name="cart"), unless=unless("x", 10, compares=same))
    )
    begun: list[Happening] = [(0, "a", {"price": 1}), (0, "b", {"sku": "s"})]
    assert judge(rules, [*begun, (5, "x", {"sku": "s", "price": 2}), (11, "y", {})]) == []
    assert judge(rules, [*begun, (5, "x", {"sku": "s", "price": 1}), (11, "y", {})]) == [(10, "r", "sent")]
    assert judge(rules, [*begun, (5, "x", {"sku": "t", "price": 2}), (11, "y", {})]) == [(10, "r", "sent")]


@pytest.mark.parametrize(
    ("again", "one_step", "two_steps"),
    [(None, 15, [12]), ("restart", 15, []), ("keep", 10, [12])],
)
def test_a_first_step_again(judge: Judge, again: Any, one_step: int, two_steps: list[int]) -> None:
    waiting = rule_set(rule("r", step("a"), wait=10, again=again))
    assert judge(waiting, [(0, "a", {}), (5, "a", {}), (40, "y", {})]) == [(one_step, "r", "sent")]
    # Two steps on, `a` again: it goes on, or begins anew and then lacks the `b`.
    advanced = rule_set(rule("r", step("a"), step("b"), step("c"), again=again))
    happenings: list[Happening] = [(0, "a", {}), (5, "b", {}), (6, "a", {}), (12, "c", {})]
    assert judge(advanced, happenings) == [(at, "r", "sent") for at in two_steps]


@pytest.mark.parametrize(("again", "price"), [(None, 2), ("restart", 2), ("keep", 1)])
def test_an_instance_that_has_not_advanced_is_replaced_unless_it_is_kept(
    judge: Judge, again: Any, price: int
) -> None:
    is_that = f"first.price == {price}"
    rules = rule_set(rule("r", step("a", name="first"), step("b"), again=again, condition=is_that))
    happenings: list[Happening] = [(0, "a", {"price": 1}), (1, "a", {"price": 2}), (2, "b", {})]
    assert judge(rules, happenings) == [(2, "r", "sent")]


def test_an_instance_that_waits_after_its_last_step_has_advanced(judge: Judge) -> None:
    """Two carts within the wait are one reminder where the rule has steps, at the time of the first."""
    rules = rule_set(rule("r", step("a"), step("b"), wait=10))
    happenings: list[Happening] = [(0, "a", {}), (1, "b", {}), (5, "a", {}), (6, "b", {}), (40, "y", {})]
    assert judge(rules, happenings) == [(11, "r", "sent")]


def test_a_key_tells_instances_apart(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a", name="it"), wait=10, key=("props", "sku")))
    keys: list[Any] = [1, True, "1", 1, None, 1.5, ["a"]]
    happenings: list[Happening] = [(at, "a", {"props": {"sku": key}}) for at, key in enumerate(keys)]
    happenings += [(8, "a", {"sku": "no props"}), (40, "y", {})]
    # The second 1 restarts the first; null, a fraction, a list and nothing are no keys.
    assert judge(rules, happenings) == [(at, "r", "sent") for at in (11, 12, 13)]


def test_an_event_without_the_key_matches_nothing_even_at_once(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), key=("sku",)))
    assert judge(rules, [(0, "a", {"sku": 1}), (1, "a", {}), (2, "a", {"sku": 1})]) == [
        (0, "r", "sent"),
        (2, "r", "sent"),
    ]


def test_a_later_step_is_tried_by_the_instances_of_all_keys(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a", name="it"), step("b", compares=parse("event.n > it.n")), key=("n",)))
    happenings: list[Happening] = [(at, "a", {"n": at}) for at in range(3)] + [(5, "b", {"n": 2})]
    assert judge(rules, happenings) == [(5, "r", "sent"), (5, "r", "sent")]
    outcome = expected_of(history(rules, happenings))
    assert len({each.trigger_id for each in outcome.decisions}) == 2


def test_the_oldest_of_more_than_sixteen_keys_closes(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), wait=100, key=("n",)))
    keys = [*range(16), 0, 16]  # the second 0 makes it the newest: 1 is the oldest
    happenings: list[Happening] = [(at, "a", {"n": key}) for at, key in enumerate(keys)]
    fired = [at for at, _, _ in judge(rules, [*happenings, (1000, "y", {})])]
    assert fired == [*range(102, 118)]


def test_candidates_of_one_event_go_by_priority_whether_they_began_with_it_or_before(judge: Judge) -> None:
    rules = rule_set(
        rule("late", step("a"), step("b")),
        rule("high", step("b"), priority=1),
        rule("early", step("a"), step("b"), priority=2),
    )
    happenings: list[Happening] = [(0, "a", {}), (1, "b", {})]
    assert [name for _, name, _ in judge(rules, happenings)] == ["early", "high", "late"]


# -- profiles and segments


def profile(at: int, **parts: Any) -> Happening:
    return (at, "profile", parts)


GOLD = rule_set(
    rule("gold", step("view"), condition="customer.tier == 'gold'"),
    rule("none", step("view"), condition="!has(customer.tier)"),
)


@pytest.mark.parametrize(
    ("happenings", "fired"),
    [
        ([], ["none"]),
        ([profile(0, attributes={"tier": "gold"})], ["gold"]),
        ([profile(0, attributes={"tier": "gold"}), profile(1, attributes={"age": 3})], ["gold"]),
        ([profile(0, attributes={"tier": "gold"}), profile(1, attributes={"tier": "red"})], []),
        ([profile(0, attributes={"tier": "gold"}), profile(1, attributes={"tier": None})], ["none"]),
        ([profile(0, attributes={"tier": "gold"}), profile(1)], ["gold"]),
        ([profile(0, attributes={"tier": "gold"}, customer_id="c2")], ["none"]),
        # Malformed: nothing of it is applied.
        ([profile(0, attributes={"tier": "gold"}, consents={"mail": {"granted": 1, "at": 1}})], ["none"]),
        ([profile(0, attributes={"tier": "gold", "n" * 129: 1})], ["none"]),
        # Too much: the same.
        ([profile(0, attributes={"tier": "gold", "text": "x" * 16_384})], ["none"]),
        ([profile(0, attributes={f"a{n}": n for n in range(200)} | {"tier": "gold"})], ["none"]),
        ([profile(0, attributes={f"a{n}": n for n in range(199)} | {"tier": "gold"})], ["gold"]),
    ],
)
def test_attributes_merge(judge: Judge, happenings: Sequence[Happening], fired: list[str]) -> None:
    assert [name for _, name, _ in judge(GOLD, [*happenings, (5, "view", {})])] == fired


@pytest.mark.parametrize(
    "parts",
    [
        {"attributes": ["tier"]},
        {"attributes": {"n" * 129: None}},
        {"consents": {"mail": {"granted": True}}},
        {"consents": {"mail": {"granted": True, "at": "soon"}}},
        {"consents": {"mail": {"granted": True, "at": START, "basis": 1}}},
        {"consents": {f"p{n}": {"granted": True, "at": START} for n in range(101)}},
        {"attributes": {"text": "x" * 16_384}},
    ],
)
def test_a_profile_update_that_cannot_be_is_put_aside(run: Run, parts: dict[str, Any]) -> None:
    _, dead_letters = run(history(GOLD, [profile(0, **parts), profile(1, attributes={"tier": "red"})]))
    assert [(each.source, each.reason, each.record.offset) for each in dead_letters] == [
        ("profiles", "profile", 0)
    ]


def test_a_customer_has_at_most_a_hundred_purposes(run: Run) -> None:
    updates = [
        profile(at, consents={f"p{number}": {"granted": True, "at": START} for number in range(first, last)})
        for at, (first, last) in enumerate([(0, 60), (60, 100), (100, 101), (0, 100)])
    ]
    _, dead_letters = run(history(GOLD, updates))
    assert [each.record.offset for each in dead_letters] == [2]


def test_a_profile_update_moves_the_time_on(judge: Judge) -> None:
    rules = rule_set(rule("r", step("a"), wait=10))
    assert judge(rules, [(0, "a", {}), profile(11, customer_id="c2", attributes={})]) == [(10, "r", "sent")]


def test_segments_see_each_other_and_an_error_is_a_no(judge: Judge) -> None:
    rules = rule_set(
        rule("loyal", step("view"), condition="segments.loyal"),
        rule("not-staff", step("view"), condition="!segments.staff"),
        rule("early", step("view"), condition="segments.early"),
        segments={
            "staff": "customer.email.endsWith('@brand.example')",
            "loyal": "traits.views >= 2 && !segments.staff",
            "early": "now < timestamp('2026-03-02T10:00:00.003Z')",
        },
        traits=[Trait("views", "1" * 16, "count", ("view",))],
    )
    happenings: list[Happening] = [
        (1, "view", {}),
        (2, "view", {}),
        profile(3, attributes={"email": "me@brand.example"}),
        (3, "view", {}),  # topics go by name where times are equal: this is before the profile
        (4, "view", {}),
    ]
    assert judge(rules, happenings) == [
        (1, "early", "sent"),
        (1, "not-staff", "sent"),
        (2, "early", "sent"),
        (2, "loyal", "sent"),
        (2, "not-staff", "sent"),
        (3, "loyal", "sent"),
        (3, "not-staff", "sent"),
    ]


def test_content_reads_the_steps_and_a_failure_suppresses_and_counts_for_nothing(run: Run) -> None:
    text = Template("{{ viewed.sku }} for {{ customer.name | default: 'you' }}, {{ event.fit }}")
    rules = rule_set(
        rule("r", step("view", name="viewed"), step("add"), content={"text": text}, limit=None, priority=3)
    )
    happenings: list[Happening] = [(0, "view", {"sku": "s"}), (1, "add", {}), (2, "view", {"sku": "t"})]
    happenings += [profile(3, attributes={"name": "Ann"}), (4, "add", {"fit": 41})]
    decisions, _ = run(history(rules, happenings))
    assert [(each.outcome, each.reason) for each in decisions] == [("suppressed", "content"), ("sent", None)]
    [message] = expected_of(history(rules, happenings)).triggers
    assert dict(message.content) == {"text": "t for Ann, 41"}


def test_every_decision_says_the_goals_of_its_rule(run: Run) -> None:
    goals = (Goal(("purchase",), 3 * DAY, ("order", "amount")), Goal(("cart_view",), DAY))
    rules = rule_set(rule("r", step("view"), goals=goals, limit=Limit(1, DAY)))
    decisions, _ = run(history(rules, [(0, "view", {}), (1, "view", {})]))
    assert [(each.outcome, each.goals) for each in decisions] == [("sent", goals), ("suppressed", goals)]


# -- traits

BUYS: list[Happening] = [
    (10, "view", {"n": 4, "c": "b"}),
    (20, "view", {"n": 1.5, "c": "a"}),
    (20, "view", {"n": 2, "c": 1}),
    (0, "view", {"n": 9, "c": "a"}),
    (30, "view", {"n": "5", "c": None}),
    (40, "view", {"n": True, "c": True}),
    (50, "view", {"c": 1.5}),
]


@pytest.mark.parametrize(
    ("function", "field", "condition"),
    [
        ("count", None, "{} == 7"),
        ("sum", "n", "{} == 16.5"),
        ("mean", "n", "{} == 4.125"),
        ("min", "n", "{} == 1.5"),
        ("max", "n", "{} == 9.0"),
        ("first", "n", "{} == 9"),  # the earliest, though it came late
        ("last", "n", "{} == true"),
        ("first", "c", "{} == 'a'"),
        ("last", "c", "{} == 1.5"),
        ("distinct", "c", "{} == 4"),  # a, b, 1, true; neither null nor a fraction
        ("top", "c", "{} == ['a', true, 1]"),  # then by type: bool, number, string
        ("sum", "none", "{} == 0.0"),
        ("distinct", "none", "{} == 0"),
        ("mean", "none", "!has({})"),
        ("min", "none", "!has({})"),
        ("max", "none", "!has({})"),
        ("first", "none", "!has({})"),
        ("last", "none", "!has({})"),
        ("top", "none", "!has({})"),
    ],
)
def test_functions_of_traits(judge: Judge, function: Any, field: str | None, condition: str) -> None:
    trait = Trait("t", "1" * 16, function, ("view",), (field,) if field else None)
    rules = rule_set(rule("r", step("ask"), condition=condition.format("traits.t")), traits=[trait])
    assert judge(rules, [*BUYS, (60, "ask", {})]) == [(60, "r", "sent")]


@pytest.mark.parametrize(
    ("function", "holds"),
    [
        ("min", "traits.t == 2.0"),
        ("first", "traits.t == 2"),
        ("mean", "traits.t == 2.5"),
        ("distinct", "traits.t == 2"),
        ("top", "traits.t == [2, 3]"),
    ],
)
def test_what_slid_out_of_the_window_is_forgotten(judge: Judge, function: Any, holds: str) -> None:
    trait = Trait("t", "1" * 16, function, ("view",), ("n",), over=MINUTE)
    rules = rule_set(rule("r", step("ask"), condition=holds), traits=[trait])
    views: list[Happening] = [(0, "view", {"n": 1}), (30_000, "view", {"n": 2}), (40_000, "view", {"n": 3})]
    assert judge(rules, [*views, (60_999, "ask", {})]) == []
    assert judge(rules, [*views, (61_000, "ask", {})]) == [(61_000, "r", "sent")]


def test_of_equal_times_the_one_that_came_first_is_first_and_the_one_that_came_last_last(
    judge: Judge,
) -> None:
    traits = [
        Trait(name, str(number) * 16, name, ("view",), ("n",))  # type: ignore[arg-type]
        for number, name in enumerate(("first", "last"))
    ]
    rules = rule_set(rule("r", step("ask"), condition="traits.first == 1 && traits.last == 2"), traits=traits)
    views: list[Happening] = [(0, "view", {"n": 1}), (0, "view", {"n": 3}), (0, "view", {"n": 2})]
    assert judge(rules, [*views, (1, "ask", {})]) == [(1, "r", "sent")]


@pytest.mark.parametrize(
    ("times", "holds"),
    [
        ([0, 2, 6, 12], "traits.t.mean == 4.0 && traits.t.since == 8.0"),
        ([6, 0, 12, 2], "traits.t.deviation > 1.63299 && traits.t.deviation < 1.633"),  # sqrt(8 / 3)
        ([0, 10], "traits.t.deviation == 0.0 && traits.t.mean == 10.0"),
        ([20], "traits.t.since == 0.0 && !has(traits.t.mean) && !has(traits.t.deviation)"),
        ([], "!has(traits.t)"),
    ],
)
def test_the_gap_between_events(judge: Judge, times: list[int], holds: str) -> None:
    rules = rule_set(
        rule("r", step("ask"), condition=holds), traits=[Trait("t", "1" * 16, "gap", ("view",), over=HOUR)]
    )
    views: list[Happening] = [(at * SECOND, "view", {}) for at in times]
    assert judge(rules, [*views, (20 * SECOND, "ask", {})]) == [(20 * SECOND, "r", "sent")]


@pytest.mark.parametrize(
    ("function", "holds"),
    [
        ("mean", "traits.t['a'] == 5.25"),
        ("max", "traits.t[1] == 2.0"),
        ("distinct", "traits.t['a'] == 1 && traits.t['z'] == 0"),
        ("top", "traits.t['b'] == [4]"),
        ("sum", "traits.t['z'] == 0.0"),
        ("first", "!has(traits.t.z) && traits.t.b == 4"),
        ("min", "traits.t['a'] == 1.5 && !has(traits.t.z)"),
    ],
)
def test_per_gives_a_map_of_each_function(judge: Judge, function: Any, holds: str) -> None:
    trait = Trait("t", "1" * 16, function, ("view",), ("n",), per=("c",))
    rules = rule_set(rule("r", step("ask"), condition=holds), traits=[trait])
    happenings = [(at, name, {"n": 1, **fields}) for at, name, fields in BUYS if fields.get("n") != 1.5]
    happenings.insert(1, (20, "view", {"n": 1.5, "c": "a"}))
    assert judge(rules, [*happenings, (60, "ask", {})]) == [(60, "r", "sent")]


@pytest.mark.parametrize(("per", "kept"), [(None, 1_000), ("per", 100)])
def test_only_so_many_values_are_kept_those_that_came_last(judge: Judge, per: str | None, kept: int) -> None:
    trait = Trait("t", "1" * 16, "distinct", ("view",), ("n",), per=(per,) if per else None)
    value = "traits.t['p']" if per else "traits.t"
    rules = rule_set(rule("r", step("ask"), condition=f"{value} == {kept}"), traits=[trait])
    views: list[Happening] = [(at, "view", {"n": at, "per": "p"}) for at in range(kept + 5)]
    assert judge(rules, [*views, (5_000, "ask", {})]) == [(5_000, "r", "sent")]
    top = replace(rules, traits=(replace(trait, function="top", k=1),))
    # A value that came twice and was pushed out begins anew.
    condition = parse(f"{value} == [1000000]")
    top = replace(top, rules=(replace(top.rules[0], condition=condition),))
    pushed: Happening = (0, "view", {"n": 1_000_000, "per": "p"})
    assert judge(top, [pushed, pushed, *views[6:], (5_000, "ask", {})]) == [(5_000, "r", "sent")]
    # One that came again in between was not the next to go.
    again = [pushed, *views[:9], pushed, *views[9 : kept + 5]]
    assert judge(top, [*again, (5_000, "ask", {})]) == [(5_000, "r", "sent")]
    assert judge(top, [pushed, pushed, *views, (4_999, *pushed[1:]), (5_000, "ask", {})]) == []


@pytest.mark.parametrize(("function", "field", "kept"), [("count", None, 1_000), ("distinct", "n", 100)])
def test_only_so_many_keys_of_a_map_are_kept(judge: Judge, function: Any, field: Any, kept: int) -> None:
    trait = Trait("t", "1" * 16, function, ("view",), field and (field,), per=("n",))
    rules = rule_set(rule("r", step("ask"), condition="traits.t[event.n] == 1"), traits=[trait])
    views: list[Happening] = [(at, "view", {"n": at}) for at in range(kept + 1)]
    asked: list[Happening] = [(5_000, "ask", {"n": 0}), (5_001, "ask", {"n": 1})]
    assert judge(rules, [*views, *asked]) == [(5_001, "r", "sent")]


def test_a_where_that_ends_in_an_error_does_not_hold(judge: Judge) -> None:
    rules = rule_set(
        rule("r", step("a", where=0), unless=unless("x", 10, where=0)), where="event.price > event.missing"
    )
    assert judge(rules, [(0, "a", {"price": 1}), (11, "y", {})]) == []
    assert judge(rules, [(0, "a", {"price": 2, "missing": 1}), (5, "x", {}), (11, "y", {})]) == [
        (10, "r", "sent")
    ]


# -- what resets


@pytest.mark.parametrize(
    ("happenings", "holds"),
    [
        ([(0, "view", {}), (1, "buy", {}), (2, "view", {}), (3, "ask", {})], "traits.t == 1"),
        ([(0, "view", {}), (1, "buy", {}), (2, "ask", {})], "traits.t == 0"),
        # A rule that begins with the event that clears sees nothing of what was before.
        ([(0, "view", {}), (1, "buy", {})], "traits.t == 0"),
        # The order is that in which they come: a late view counts, and a late purchase clears.
        ([(5, "view", {}), (9, "buy", {}), (2, "view", {}), (10, "ask", {})], "traits.t == 1"),
        ([(5, "view", {}), (2, "buy", {}), (10, "ask", {})], "traits.t == 0"),
        ([(0, "view", {}), (1, "logout", {}), (2, "ask", {})], "traits.t == 0"),
        # Others' events clear nothing of hers.
        ([(0, "view", {}), (1, "buy", {"customer_id": "c2"}), (2, "ask", {})], "traits.t == 1"),
    ],
)
def test_a_trait_starts_anew_at_what_clears_it(
    judge: Judge, happenings: Sequence[Happening], holds: str
) -> None:
    trait = Trait("t", "1" * 16, "count", ("view",), clear=("buy", "logout"))
    rules = rule_set(rule("r", step("ask", "buy"), condition=holds), traits=[trait])
    at = max(each[0] for each in happenings)
    assert (at, "r", "sent") in judge(rules, happenings)


def test_an_event_that_clears_and_counts_is_the_first_of_what_it_begins(judge: Judge) -> None:
    trait = Trait("t", "1" * 16, "sum", ("login", "view"), ("n",), clear=("login",))
    rules = rule_set(rule("r", step("ask"), condition="traits.t == 11.0"), traits=[trait])
    happenings: list[Happening] = [
        (0, "view", {"n": 100}),
        (1, "login", {"n": 10}),
        (2, "view", {"n": 1}),
        (3, "ask", {}),
    ]
    assert judge(rules, happenings) == [(3, "r", "sent")]


@pytest.mark.parametrize("over", [None, MINUTE])
def test_what_clears_a_trait_with_per_clears_each_of_its_values(judge: Judge, over: int | None) -> None:
    trait = Trait("t", "1" * 16, "distinct", ("view",), ("n",), per=("c",), over=over, clear=("buy",))
    holds = "traits.t['a'] == 0 && traits.t['b'] == 1"
    rules = rule_set(rule("r", step("ask"), condition=holds), traits=[trait])
    happenings: list[Happening] = [
        (0, "view", {"c": "a", "n": 1}),
        (1, "view", {"c": "b", "n": 1}),
        (2, "buy", {}),
        (3, "view", {"c": "b", "n": 2}),
        (4, "ask", {}),
    ]
    assert judge(rules, happenings) == [(4, "r", "sent")]


# -- lists

CART = Trait(
    "cart",
    "1" * 16,
    "list",
    ("add",),
    fields=(("sku",), ("product", "price"), ("n",)),
    key=("sku",),
    remove=("take_out",),
    clear=("buy",),
    most=3,
)


def added(at: int, sku: Any, price: Any = 1, **more: Any) -> Happening:
    return (at, "add", {"sku": sku, "product": {"price": price}, **more})


SKUS = "traits.cart.map(i, i.sku) == {}"


@pytest.mark.parametrize(
    ("happenings", "holds"),
    [
        ([added(0, "a", 5), added(1, "b", 7, n=2)], "sum(traits.cart.map(i, i.price)) == 12"),
        ([added(0, "a", 5), added(1, "b", 7, n=2)], "traits.cart[1].n == 2 && !has(traits.cart[0].n)"),
        ([], "size(traits.cart) == 0 && traits.cart == []"),
        # The same key takes the place of the former, and is the newest.
        ([added(0, "a", 5), added(1, "b"), added(2, "a", 9)], SKUS.format("['b', 'a']")),
        ([added(0, "a", 5), added(2, "a", 9)], "traits.cart[0].price == 9 && size(traits.cart) == 1"),
        # The oldest makes room, and does not come back.
        ([added(n, sku) for n, sku in enumerate("abcd")], SKUS.format("['b', 'c', 'd']")),
        ([*(added(n, sku) for n, sku in enumerate("abcd")), (5, "take_out", {"sku": "c"})],
         SKUS.format("['b', 'd']")),
        # 1 and '1' and true are three keys; a list or a decimal is none.
        ([added(0, 1), added(1, "1"), added(2, True), added(3, [1]), added(4, 1.5)],
         "size(traits.cart) == 3"),
        ([added(0, "a"), (1, "take_out", {"sku": "b"}), (2, "take_out", {})], "size(traits.cart) == 1"),
        ([added(0, "a"), (1, "take_out", {"sku": "a"})], "size(traits.cart) == 0"),
        ([added(0, "a"), (1, "buy", {}), added(2, "b")], SKUS.format("['b']")),
        # They are taken in the order in which they come: a late one is the newest.
        ([added(5, "a"), added(2, "b")], SKUS.format("['a', 'b']")),
        ([added(5, "a"), (2, "take_out", {"sku": "a"})], "size(traits.cart) == 0"),
        # What is no text, number, true, false or null is left out of an element; of nothing there is none.
        ([added(0, "a", [5])], "size(traits.cart) == 1 && !has(traits.cart[0].price)"),
        ([added(0, "a", None)], "traits.cart[0].price == null"),
        ([added(0, "a", "x" * 1024)], "!has(traits.cart[0].price)"),  # with the sku one byte too many
        ([added(0, "a", "x" * 1023, n=1)], "size(traits.cart[0].price) == 1023 && traits.cart[0].n == 1"),
    ],
)  # fmt: skip
def test_a_cart(judge: Judge, happenings: Sequence[Happening], holds: str) -> None:
    rules = rule_set(rule("r", step("ask"), condition=holds), traits=[CART])
    assert judge(rules, [*happenings, (10, "ask", {})]) == [(10, "r", "sent")]


def test_a_list_without_a_key_has_an_element_for_each_event(judge: Judge) -> None:
    trait = replace(CART, key=None, remove=(), fields=(("sku",),))
    rules = rule_set(rule("r", step("ask"), condition=SKUS.format("['a', 'a']")), traits=[trait])
    assert judge(rules, [added(0, "a"), added(1, "a"), (2, "add", {"n": 5}), (3, "ask", {})]) == [
        (3, "r", "sent")
    ]


def test_elements_of_a_list_leave_its_window(judge: Judge) -> None:
    trait = replace(CART, over=MINUTE)
    rules = rule_set(rule("r", step("ask"), condition=SKUS.format("['b']")), traits=[trait])
    late: list[Happening] = [added(0, "a"), added(30 * SECOND, "b"), (65 * SECOND, "ask", {})]
    assert judge(rules, late) == [(65 * SECOND, "r", "sent")]


# -- items of an event's list

ORDER = Trait("t", "1" * 16, "sum", ("order",), ("price",), per=("sku",), items=("lines",))
LINES = replace(ORDER, function="count", field=None, per=None)


def ordered(at: int, *lines: Any) -> Happening:
    return (at, "order", {"sku": "event's own", "price": 1000, "lines": list(lines)})


TWO: list[Happening] = [
    ordered(0, {"sku": "a", "price": 5}, {"sku": "b", "price": 7}),
    ordered(1, {"sku": "a", "price": 2}, {"sku": "a", "price": 1}),
]


@pytest.mark.parametrize(
    ("trait", "happenings", "holds"),
    [
        (ORDER, TWO, "traits.t['a'] == 8.0 && traits.t['b'] == 7.0"),
        (replace(ORDER, function="count", field=None), TWO, "traits.t['a'] == 3"),
        (LINES, TWO, "traits.t == 4"),
        (replace(ORDER, function="last", per=None), TWO, "traits.t == 1"),  # of one event the last
        (replace(ORDER, function="distinct", per=None, field=("sku",)), TWO, "traits.t == 2"),
        # What clears and counts begins anew with all elements of its own.
        (replace(ORDER, clear=("order",)), TWO, "traits.t['a'] == 3.0 && traits.t['b'] == 0.0"),
        # Elements that lack something are passed over, the others count.
        (ORDER, [ordered(0, "x", None, {"sku": "a"}, {"price": 1}, {"sku": "a", "price": 2})],
         "traits.t['a'] == 2.0"),
        (LINES, [ordered(0, "x", None, {})], "traits.t == 3"),
        (LINES, [ordered(0, *[{}] * 150)], "traits.t == 100"),
        (ORDER, [(0, "order", {"lines": {"sku": "a", "price": 1}}), (1, "order", {})],
         "traits.t['a'] == 0.0"),
    ],
)  # fmt: skip
def test_a_trait_is_applied_for_each_item(
    judge: Judge, trait: Trait, happenings: Sequence[Happening], holds: str
) -> None:
    rules = rule_set(rule("r", step("ask"), condition=holds), traits=[trait])
    assert judge(rules, [*happenings, (10, "ask", {})]) == [(10, "r", "sent")]


def test_a_cart_that_the_shop_sends_whole_is_its_last_one(judge: Judge) -> None:
    whole = replace(CART, items=("lines",), of=("cart",), clear=("cart",), remove=("take_out",), most=20)
    rules = rule_set(rule("r", step("ask"), condition=SKUS.format("['c', 'd']")), traits=[whole])
    happenings: list[Happening] = [
        (0, "cart", {"lines": [{"sku": "a"}, {"sku": "b"}]}),
        (1, "cart", {"lines": [{"sku": "b"}, {"sku": "c"}, {"sku": "d"}]}),
        (2, "take_out", {"lines": [{"sku": "b"}, {"sku": "z"}]}),
        (3, "ask", {}),
    ]
    assert judge(rules, happenings) == [(3, "r", "sent")]
