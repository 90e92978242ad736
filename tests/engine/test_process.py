"""The engine: order, timers, once, limits, decisions. Times are milliseconds after T0."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.clock import Clock
from stream.content import template as content
from stream.content.formats import Format
from stream.content.locales import Region
from stream.content.template import Reference
from stream.engine import PartitionState, process, trigger_id
from stream.errors import ContentError
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import Channel, Policy
from stream.structs import Batch, Unwritten
from tests.engine.enginekit import DAY, HOUR, MINUTE, T0, WEB, Rec, Rules, World, rec


class Template:
    """Content that says what it was given; `fails` as a template with an undefined variable does."""

    references = (Reference(("event",), 0),)
    is_plain = False
    plain = None

    def __init__(self, render: Callable[[Mapping[str, Any]], str]) -> None:
        self._render = render

    def render(self, bindings: Mapping[str, Any], form: Format, region: Region, taken: object) -> str:
        return self._render(bindings)


def fails(_: Mapping[str, Any]) -> str:
    raise ContentError("undefined")


def cart_rules() -> Rules:
    return Rules().rule(
        "left", "cart", where="event.price >= 50", unless=("purchase", 30 * MINUTE, "event.amount > 0")
    )


def order(offset: int, at: int, **fields: Any) -> Rec:
    return rec(offset, at, "ignored", **{"amount": 1, **fields})


# ---- rules ----


def test_a_rule_fires_where_its_on_where_and_if_hold() -> None:
    rules = Rules().trait("views", "count", "view", per="sku", over=HOUR)
    rules.rule("hot", "view", where="event.price > 10", condition="traits.views[event.sku] >= 2")
    world = World(rules.build())
    world.clicks(
        rec(0, 0, sku="a", price=20),  # the trait is updated first, but this is only the first
        rec(1, 1, sku="a", price=5),
        rec(2, 2, sku="b", price=20),
        rec(3, 3, "cart", sku="a", price=20),
        rec(4, 4, sku="a", price=20, customer="c2"),
        rec(5, 5, sku="a", price=20),
    )
    assert world.fired() == [("hot", "sent", 5)]


def test_candidates_of_one_event_are_judged_by_priority_and_name() -> None:
    rules = Rules().rule("b", "view").rule("a", "view").rule("z", "view", priority=5).rule("c", "x view")
    world = World(rules.build())
    world.clicks(rec(0, 0))
    assert [each.rule for each in world.decisions] == ["z", "a", "b", "c"]


def test_a_trigger_says_what_a_channel_needs() -> None:
    content = {
        "text": Template(lambda given: f"{given['event']['sku']} {given['event_name']} {given['rule']}"),
        "seen": Template(lambda given: str(given["traits"]["views"])),
        "by": Template(lambda given: f"{given['traits']['by']['a']}{given['traits']['by']['none']}"),
        "all": Template(lambda given: ",".join(given["traits"])),
    }
    rules = Rules().trait("views", "count", "view").trait("by", "count", "view", per="sku")
    rules.channels = (WEB,)
    rules.rule("seen", "view", content=content, priority=7, channels=(WEB,))
    world = World(rules.build())
    result = world.clicks(rec(0, 0, sku="a", contact={"address": "a@b.example"}, id="e9"))
    (trigger,), (decision,) = result.triggers, result.decisions
    assert trigger.decision is decision
    assert (trigger.topic, trigger.priority, trigger.appended_at) == ("triggers.web", 7, T0 + 5)
    assert trigger.address == "a@b.example"
    assert trigger.content == {"text": "a view seen", "seen": "1", "by": "10", "all": "views,by"}
    assert (decision.customer_id, decision.channel, decision.variant) == ("c1", "web", None)
    assert (decision.outcome, decision.reason, decision.timed) == ("sent", None, False)
    assert (decision.event.name, decision.event.id, decision.event.time) == ("view", "e9", T0)
    assert decision.trigger_id == trigger_id("rule-seen", "c1", "clicks", "e9")


def test_a_trait_without_a_value_is_missing_from_content() -> None:
    rules = (
        Rules()
        .trait("page", "last", "visit", field="page")
        .trait("pages", "last", "visit", field="page", per="x")
    )
    found: list[object] = []

    def look(given: Mapping[str, Any]) -> str:
        found.extend(
            ("page" in given["traits"], "nothing" in given["traits"], "k" in given["traits"]["pages"])
        )
        with pytest.raises(KeyError):
            given["traits"]["pages"]["k"]
        return ""

    world = World(rules.rule("seen", "view", content={"text": Template(look)}).build())
    world.clicks(rec(0, 0))
    assert found == [False, False, False]


def test_without_an_address_nothing_is_sent() -> None:
    world = World(Rules().rule("seen", "view", channels=(WEB,)).build())
    world.clicks(rec(0, 0), rec(1, 1, contact="x"), rec(2, 2, contact={"address": ""}))
    assert [each.reason for each in world.decisions] == ["address"] * 3


def test_content_that_fails_suppresses_and_uses_up_nothing() -> None:
    rules = Rules().rule("seen", "view", content={"text": Template(fails)}, limit=(1, DAY))
    world = World(rules.build())
    world.clicks(rec(0, 0), rec(1, 1))
    assert world.fired() == [("seen", "content", 0), ("seen", "content", 1)]
    assert {each.unwritten for each in world.decisions} == {Unwritten("text", None)}


def test_a_message_that_was_not_sent_for_want_of_a_variable_did_not_say_of_which() -> None:
    texts = {"subject": "Hello", "text": "Hi {{ customer['first name'] }}, {{ event.id }}"}
    long = {"text": "{{ event." + "a" * 300 + " }}"}
    unwritten = []
    for each in (texts, long):
        templates = {name: content.Template(text) for name, text in each.items()}
        world = World(Rules().rule("seen", "view", content=templates).build())
        world.clicks(rec(0, 0))
        (decision,) = world.decisions
        assert (decision.outcome, decision.reason) == ("suppressed", "content")
        unwritten.append(decision.unwritten)
    assert unwritten == [Unwritten("text", "customer.first name"), Unwritten("text", f"event.{'a' * 250}")]
    assert world.result.triggers == []


def test_a_text_is_written_for_the_channel_that_is_chosen() -> None:
    """The page cannot be reached without a session, and what is markup there is text in the app."""
    page = Channel("page", "triggers.page", None, ("event", "session"), format="html")
    app = Channel("app", "triggers.app", formats=(("data", "json"),))
    texts = {"data": content.Template('"{{ event.name }}"'), "title": content.Template("{{ event.name }}")}
    rules = Rules().rule("seen", "view", content=texts, channels=(page, app))
    rules.channels = (page, app)
    world = World(rules.build())
    result = world.clicks(rec(0, 0, name='<"b">', session="s"), rec(1, 1, name='<"b">'))
    assert [each.content for each in result.triggers] == [
        {"data": '"&lt;&quot;b&quot;&gt;"', "title": "&lt;&quot;b&quot;&gt;"},
        {"data": '"\\u003c\\"b\\">"', "title": '<"b">'},
    ]


def test_a_date_is_the_policys_where_the_customer_has_none() -> None:
    """And a message with a date that nobody can know is not sent, and counted by its reason."""
    texts = {"text": content.Template("{{ event_time | date: '%H:%M' }} {{ now | date: 'long' }}")}
    rules = Rules().rule("seen", "view", content=texts)
    rules.policy = Policy(timezone="Asia/Tokyo", locale="de")
    result = World(rules.build()).clicks(rec(0, 0))
    assert [each.content for each in result.triggers] == [{"text": "19:00 2. März 2026"}]
    rules.policy = Policy(locale="de")
    world = World(rules.build())
    world.clicks(rec(0, 0))
    assert world.fired() == [("seen", "content", 0)]


def test_ids_tell_rules_customers_sources_and_events_apart() -> None:
    ids = [
        trigger_id(*parts)
        for parts in [
            ("a", "b", "c", "d"),
            ("ab", "", "c", "d"),
            ("a", "b", "cd", ""),
            ("a", "1:b", "c", "d"),
        ]
    ]
    assert len(set(ids)) == 4
    assert {len(each) for each in ids} == {32}
    assert trigger_id("a", "b", "c", "d") == "b10566b71f82a1b1cb3e13f610d870a1"  # for ever


def test_conditions_that_end_in_an_error_do_not_hold_and_are_counted() -> None:
    rules = Rules().rule("a", "view", where="event.x > 1").rule("b", "view", where="event.x > 1")
    rules.predicates[1:] = []  # the two share one predicate
    rules.rules[1] = replace(rules.rules[1], steps=rules.rules[0].steps)
    rules.rule("c", "view", condition="event.flag").rule("d", "view", condition="event.none == 1 || true")
    world = World(rules.build())
    world.clicks(rec(0, 0, flag="yes"))
    assert [each.rule for each in world.decisions] == ["d"]
    assert world.result.errors == {("clicks", "condition"): 2}  # the shared one is judged once


# ---- limits ----


def test_a_limit_rolls_and_only_what_was_sent_uses_it_up() -> None:
    world = World(Rules().rule("seen", "view", limit=(2, 100)).build())
    world.clicks(*[rec(n, at) for n, at in enumerate([0, 10, 99, 100, 109, 110])])
    outcomes = ["sent", "sent", "limit", "sent", "limit", "sent"]
    assert [outcome for _, outcome, _ in world.fired()] == outcomes


def test_limits_are_a_rules_and_a_customers_own() -> None:
    world = World(Rules().rule("a", "view", limit=(1, DAY)).rule("b", "view", limit=(1, DAY)).build())
    world.clicks(rec(0, 0), rec(1, 0, customer="c2"), rec(2, 0))
    assert [outcome for _, outcome, _ in world.fired()] == ["sent"] * 4 + ["limit"] * 2


# ---- timers ----


@pytest.mark.parametrize(
    ("bought_at", "fires"), [(1, False), (30 * MINUTE, False), (30 * MINUTE + 1, True), (None, True)]
)
def test_within_is_inclusive(bought_at: int | None, fires: bool) -> None:
    world = World(cart_rules().build())
    orders = [] if bought_at is None else [order(0, bought_at)]
    world.play({"clicks": [rec(0, 0, "cart", price=50), rec(1, HOUR, customer="c2")], "orders": orders})
    assert world.fired() == ([("left", "sent", 30 * MINUTE)] if fires else [])
    assert world.state.customers.timers == 0
    assert all(each.timed for each in world.decisions)


def test_a_timer_waits_until_the_watermark_is_later_than_its_deadline() -> None:
    world = World(cart_rules().build())
    world.clicks(rec(0, 0, "cart", price=50), rec(1, 30 * MINUTE, customer="c2"))
    assert world.fired() == []
    assert world.result.next_deadline == T0 + 30 * MINUTE
    world.clicks(rec(2, 30 * MINUTE + 1, customer="c2"))
    assert world.fired() == [("left", "sent", 30 * MINUTE)]
    assert world.result.next_deadline is None


def test_events_that_do_not_fit_close_nothing() -> None:
    world = World(cart_rules().build())
    world.play({
        "clicks": [rec(0, 0, "cart", price=50), rec(1, HOUR)],
        "orders": [order(0, 1, amount=0), order(1, 1, customer="c2"), order(2, 2, amount=None)],
    })  # fmt: skip
    assert world.fired() == [("left", "sent", 30 * MINUTE)]
    assert world.result.errors == {("orders", "condition"): 1}


def test_a_second_cart_starts_the_half_hour_again() -> None:
    world = World(cart_rules().build())
    world.clicks(rec(0, 0, "cart", price=60), rec(1, 20 * MINUTE, "cart", price=70), rec(2, HOUR))
    assert world.fired() == [("left", "sent", 50 * MINUTE)]
    assert world.decisions[0].event.time == T0 + 20 * MINUTE


def test_an_event_closes_what_waits_before_it_opens_anew() -> None:
    world = World(Rules().rule("quiet", "view", unless=("view", 10)).build())
    world.clicks(rec(0, 0), rec(1, 5), rec(2, 20))
    assert world.fired() == [("quiet", "sent", 15)]
    assert world.state.customers.timers == 1  # that of the last view, which does not close itself


def test_timers_fire_by_deadline_priority_rule_and_customer() -> None:
    rules = Rules()
    for name, within, priority in [("b", 10, 0), ("a", 10, 0), ("late", 11, 9), ("first", 10, 3)]:
        rules.rule(name, "cart", unless=("purchase", within), priority=priority)
    world = World(rules.build())
    world.clicks(rec(0, 0, "cart", customer="c2"), rec(1, 0, "cart", customer="c10"), rec(2, 99))
    order_of = [(each.rule, each.customer_id) for each in world.decisions]
    names = ["first", "a", "b", "late"]
    assert order_of == [(name, customer) for name in names for customer in ("c10", "c2")]


def test_a_timer_judges_as_of_its_deadline() -> None:
    rules = (
        Rules().trait("views", "count", "view", over=HOUR).trait("spend", "sum", "purchase", field="amount")
    )
    rules.rule(
        "left", "cart", unless=("gone", 30 * MINUTE), condition="traits.views == 1 && event.price == 7"
    )
    world = World(rules.build())
    world.clicks(rec(0, 0), rec(1, 1, "cart", price=7), rec(2, 40 * MINUTE), rec(3, 40 * MINUTE))
    assert world.fired() == [("left", "sent", 30 * MINUTE + 1)]


def test_a_condition_that_fails_at_the_deadline_says_nothing() -> None:
    rules = Rules().rule("left", "cart", unless=("gone", 10), condition="event.none == 1")
    world = World(rules.build())
    world.clicks(rec(0, 0, "cart"), rec(1, 99, customer="c2"))
    assert world.fired() == []
    assert world.result.errors == {("clicks", "condition"): 1}
    assert world.state.customers.timers == 0


def test_a_purchase_in_the_backlog_cancels_the_reminder_that_it_should() -> None:
    now = T0 + 10 * HOUR
    world = World(cart_rules().build(), Clock(wall=lambda: now))
    world.play({"clicks": [rec(0, 0, "cart", price=60)]}, ended=["clicks"])
    assert world.fired() == []  # orders lag: nobody knows yet
    world.play({"orders": [order(0, 10 * MINUTE)]})
    assert world.fired() == []
    assert world.state.customers.timers == 0


def test_live_the_wall_clock_fires_once_everything_was_read() -> None:
    now = [T0 + 30 * MINUTE]
    world = World(cart_rules().build(), Clock(wall=lambda: now[0]))
    world.clicks(rec(0, 0, "cart", price=60))
    assert world.fired() == []
    assert world.result.watermark == now[0]
    now[0] += 1
    world.play(ended=["clicks"])
    assert world.fired() == []  # orders may still come
    assert world.result.watermark is None
    world.play()
    assert world.fired() == [("left", "sent", 30 * MINUTE)]


@pytest.mark.parametrize("by_event_time", [True, False])
def test_the_source_that_lags_most_decides_the_watermark(by_event_time: bool) -> None:
    world = World(cart_rules().build(), Clock(wall=lambda: T0 + DAY, by_event_time=by_event_time))
    clicks = [rec(0, 0, "cart", price=60), rec(1, 10 * MINUTE)]
    world.play({"clicks": clicks, "orders": [order(0, 40 * MINUTE, customer="c2")]}, ended=[])
    assert (world.fired(), world.result.watermark) == ([], T0 + 10 * MINUTE)
    world.play({"clicks": [rec(2, 50 * MINUTE)]}, ended=[])
    assert (world.fired(), world.result.watermark) == ([("left", "sent", 30 * MINUTE)], T0 + 40 * MINUTE)


def test_the_wall_clock_bounds_what_lags_behind() -> None:
    world = World(cart_rules().build(), Clock(wall=lambda: T0))
    world.play({"clicks": [rec(0, 0, "cart", price=60), rec(1, 4 * MINUTE)]}, ended=["orders"])
    assert world.result.watermark == T0


def test_a_customers_own_event_fires_what_was_due_before_it() -> None:
    world = World(cart_rules().build(), Clock(wall=lambda: T0 + 28 * MINUTE))
    world.clicks(
        rec(0, 0, "cart", price=60), rec(1, 31 * MINUTE), rec(2, 31 * MINUTE, "cart", customer="c2", price=60)
    )
    assert world.fired() == [("left", "sent", 30 * MINUTE)]


def test_many_replaced_instances_do_not_pile_up() -> None:
    world = World(Rules().rule("left", "cart", unless=("purchase", DAY)).build())
    world.clicks(rec(0, 0, "cart", customer="first"))  # stays on top of the heap, so that none below comes up
    world.clicks(rec(1, 0, "cart"))
    before = sys.getallocatedblocks()
    for start in range(0, 20_000, 5000):
        world.clicks(*[rec(n + 2, n, "cart") for n in range(start, start + 5000)])
    assert world.state.customers.timers == 2
    assert sys.getallocatedblocks() - before < 20_000  # a thousand or two of them, not all
    world.clicks(rec(20_002, 2 * DAY, customer="c2"))
    assert world.fired() == [("left", "sent", DAY), ("left", "sent", 19_999 + DAY)]


def test_timers_count_against_the_limit_of_a_call() -> None:
    world = World(Rules().rule("left", "cart", unless=("purchase", 10)).build())
    world.clicks(*[rec(n, 0, "cart", customer=f"c{n}") for n in range(10)])
    calls = 0
    result = world.play({"clicks": [rec(10, 99, "view")]}, limit=4)
    while result.more:
        assert len(result.decisions) <= 4
        result = world.play(limit=4)
        calls += 1
    assert [each.customer_id for each in world.decisions] == [f"c{n}" for n in range(10)]
    assert calls == 2


# ---- order between sources ----


def test_sources_are_merged_by_event_time_and_name() -> None:
    rules = Rules().rule("v", "view").rule("p", "purchase")
    world = World(rules.build())
    world.play({"orders": [order(0, 1), order(1, 3)], "clicks": [rec(0, 1), rec(1, 2), rec(2, 4)]})
    assert [(rule, at) for rule, _, at in world.fired()] == [("v", 1), ("p", 1), ("v", 2), ("p", 3), ("v", 4)]


def test_within_a_source_offsets_count_even_when_times_go_back() -> None:
    world = World(Rules().rule("v", "view").rule("p", "purchase").build())
    world.play({"clicks": [rec(0, 5), rec(1, 1), rec(2, 6)], "orders": [order(0, 3)]})
    assert [(rule, at) for rule, _, at in world.fired()] == [("p", 3), ("v", 5), ("v", 1), ("v", 6)]


def test_a_source_that_lags_is_waited_for_and_one_at_its_end_is_not() -> None:
    world = World(Rules().rule("v", "view").rule("p", "purchase").build())
    result = world.play({"clicks": [rec(0, 5)]}, ended=["clicks"])
    assert (world.fired(), result.more, world.state.pending, result.positions) == ([], False, 1, {})
    result = world.play({"orders": [order(0, 1)]}, ended=["clicks"])
    assert ([rule for rule, _, _ in world.fired()], result.more) == (["p"], False)
    result = world.play()
    assert ([rule for rule, _, _ in world.fired()], result.positions) == (["p", "v"], {"clicks": 1})
    assert world.state.pending == 0


def test_a_call_applies_no_more_than_its_limit() -> None:
    world = World(Rules().rule("v", "view").build())
    result = world.play({"clicks": [rec(n, n) for n in range(7)]}, limit=3)
    assert (result.more, result.positions, result.events) == (True, {"clicks": 3}, {"clicks": 3})
    result = world.play(limit=3)
    assert result.more
    result = world.play(limit=3)
    assert (result.more, result.positions, result.events) == (False, {"clicks": 7}, {"clicks": 1})
    assert (world.play().positions, world.state.pending) == ({}, 0)


def test_pending_records_can_be_forgotten_and_read_again() -> None:
    world = World(Rules().rule("v", "view").build())
    records = [rec(n, n) for n in range(5)]
    world.play({"clicks": records}, limit=2)
    world.state.forget_pending()
    assert world.state.pending == 0
    result = world.clicks(*records)
    assert (result.repeats, result.events) == (2, {"clicks": 3})
    assert len(world.decisions) == 5


# ---- once ----


def a_history() -> dict[str, list[Rec]]:
    clicks = [
        rec(n, n * 3 * MINUTE, ["view", "cart", "other"][n % 3], customer=f"c{n % 4}", sku="a", price=60)
        for n in range(60)
    ]
    return {"clicks": clicks, "orders": [order(n, n * 17 * MINUTE, customer=f"c{n % 3}") for n in range(10)]}


def all_rules() -> Rules:
    rules = cart_rules().trait("views", "count", "view", per="sku", over=HOUR)
    rules.trait("spend", "sum", "purchase", field="amount", over=DAY)
    return rules.rule("hot", "view", condition="traits.views[event.sku] >= 2", limit=(1, HOUR)).rule(
        "buyer", "purchase", condition="traits.spend >= 2.0"
    )


def test_records_that_are_read_again_change_nothing() -> None:
    world = World(all_rules().build())
    world.play(a_history())
    assert {rule for rule, _, _ in world.fired()} == {"left", "hot", "buyer"}
    again = world.restored()
    result = again.play(a_history())
    assert (again.decisions, again.state.take_changed()) == ([], [])
    assert (result.repeats, result.events) == (
        68,
        {"clicks": 2},
    )  # the last two fitted nothing: no later offset
    assert result.positions == {"clicks": 60, "orders": 10}


def test_an_event_that_found_nothing_to_close_closes_nothing_when_it_is_read_again() -> None:
    history = {"orders": [order(0, 10)], "clicks": [rec(0, 20, "cart", price=60)]}
    world = World(cart_rules().build())
    world.play(history)
    again = world.restored()
    again.play(history)
    assert again.state.customers.timers == 1


def test_the_same_input_gives_the_same_result() -> None:
    results = []
    for _ in range(2):
        world = World(all_rules().build())
        results.append((world.play(a_history()), world.state.take_changed()))
    assert results[0] == results[1]


CALLS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 4), st.sampled_from([1, 2, 5, 5000])), max_size=20
)
EVENT = st.tuples(
    st.integers(0, 3 * HOUR).map(lambda at: at - at % MINUTE),
    st.sampled_from(["view", "cart", "other"]),
    st.sampled_from(["c1", "c2"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENT, max_size=30), st.lists(EVENT, max_size=8), CALLS, st.booleans())
def test_how_the_input_is_cut_changes_nothing(
    clicks: list[tuple[int, str, str]],
    orders: list[tuple[int, str, str]],
    calls: list[tuple[int, int, int]],
    crash: bool,
) -> None:
    history = {
        name: [
            rec(n, at, event, customer, sku="a", price=60, amount=1)
            for n, (at, event, customer) in enumerate(each)
        ]
        for name, each in (("clicks", clicks), ("orders", orders))
    }
    whole = World(all_rules().build())
    whole.play(history)
    cut = World(all_rules().build())
    rest = {name: list(records) for name, records in history.items()}
    decisions, durable = [], {}
    for some, others, limit in [*calls, (99, 99, 5000)]:
        taken = {name: rest[name][:count] for name, count in (("clicks", some), ("orders", others))}
        rest = {name: rest[name][len(taken[name]) :] for name in rest}
        ended = [name for name in rest if not rest[name]]
        result = cut.play(taken, ended=ended, limit=limit)
        decisions += result.decisions
        if crash and not cut.state.pending:
            durable.update(cut.state.take_changed())
            cut = World(cut.rules)
            for key, value in durable.items():
                cut.state.load(key, value)
    while result.more:
        result = cut.play()
        decisions += result.decisions
    assert decisions == whole.decisions
    assert {**durable, **dict(cut.state.take_changed())} == dict(whole.state.take_changed())


# ---- memory ----


def test_memory_does_not_grow_with_events() -> None:
    rules = all_rules().trait("page", "last", "view", field="page", over=HOUR).build()
    world = World(rules)
    process = psutil.Process()
    sizes = []
    for start in range(0, 300_000, 10_000):
        records = [
            rec(
                n,
                n * 1000,
                ["view", "cart"][n % 2],
                customer=f"c{n % 50}",
                sku=f"p{n % 40}",
                page=f"/{n}",
                price=60,
            )
            for n in range(start, start + 10_000)
        ]
        world.play({"clicks": records}, limit=10_000)
        assert world.state.pending == 0
        world.decisions.clear()
        world.state.take_changed()
        if start >= 100_000:
            sizes.append(process.memory_info().rss)
    assert max(sizes[-5:]) - max(sizes[:5]) < 4 << 20


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("send: {channel: web, content: {text: '{{ event.sku }}'}}", range(200)),
        ("if: event.pad != '', send: {channel: web, content: {text: '{{ event.sku }}'}}", range(500, 800)),
        ("send: {channel: web, content: {text: '{% assign e = event %}{{ e.sku }}'}}", range(500, 800)),
    ],
)
def test_a_waiting_instance_keeps_of_its_event_what_its_rule_can_read(
    rule: str, kept: range, tmp_path: Path
) -> None:
    """A customer with four carts open cost four whole events, in memory and in the changelog."""
    (tmp_path / "rules.yaml").write_text(
        "sources: {clicks: {event: event, customer: customer, time: ts, id: id}}\n"
        "channels: {web: {topic: web, consent: none}}\n"
        f"rules: {{left: {{on: cart, unless: {{on: buy, within: 30m}}, {rule}}}}}\n"
    )
    rules = load_rules(tmp_path)
    clock = Clock(by_event_time=True)
    ended = frozenset({"clicks"})
    cart = rec(0, 0, "cart", sku="s1", pad="x" * 500)
    before = PartitionState(rules)
    process(Batch(0, {"clicks": [cart]}, ended), rules, before, clock)
    taken = before.take_changed()
    assert len(dict(taken)[b"c1"]) in kept
    after = PartitionState(rules)
    for key, value in taken:
        after.load(key, value)
    result = process(Batch(0, {"clicks": [rec(1, HOUR, customer="c2")]}, ended), rules, after, clock)
    assert [trigger.content for trigger in result.triggers] == [{"text": "s1"}]
