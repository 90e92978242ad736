"""Why a rule fires or not for one customer: what the engine tells, and that asking changes nothing."""

from __future__ import annotations

from stream.expression import parse
from stream.rules.model import Policy, Segment, Step
from stream.structs import Judgement
from tests.engine.enginekit import HOUR, T0, Rules, World, rec


def listen(world: World, customer: str = "c1") -> list[Judgement]:
    told: list[Judgement] = []
    world.state.explain(customer, told.append)
    return told


def said(told: list[Judgement]) -> list[tuple[str, str, bool, dict[str, str]]]:
    return [(each.rule, each.part, each.held, {t.text: t.outcome for t in each.terms}) for each in told]


def test_every_conjunct_of_every_rule_of_the_event_is_told() -> None:
    rules = Rules().trait("views", "count", "view", over=HOUR)
    rules.rule(
        "a", "view", where="event.price > 10 && event.kind == 'x'", condition="traits.views >= 2 && true"
    )
    rules.rule("b", "view", where="event.kind == 'y' && event.none == 1").rule("other", "buy")
    world = World(rules.build())
    told = listen(world)
    world.clicks(rec(0, 0, price=20, kind="x"), rec(1, 5, customer="c2", price=20, kind="x"))
    assert said(told) == [
        ("a", "where", True, {"event.price > 10": "true", 'event.kind == "x"': "true"}),
        ("b", "where", False, {'event.kind == "y"': "false", "event.none == 1": "error"}),
        ("a", "if", False, {"traits.views >= 2": "false", "true": "true"}),
    ]
    assert {(each.event, each.at) for each in told} == {("view", T0)}
    del told[:]
    world.clicks(rec(2, 6, price=20, kind="x"))
    assert ("a", "if", True, {"traits.views >= 2": "true", "true": "true"}) in said(told)


def test_later_steps_and_unless_are_told_with_what_was_captured() -> None:
    cart = Step(("cart",), compares=parse("event.sku == seen.sku"), within=HOUR)
    rules = Rules().rule(
        "s", "view", steps=(Step(("view",), name="seen"), cart), unless=("buy", HOUR, "event.amount > 1")
    )
    world = World(rules.build())
    told = listen(world)
    world.clicks(rec(0, 0, sku="a"), rec(1, 1, event="cart", sku="b"), rec(2, 2, event="cart", sku="a"))
    world.clicks(rec(3, 3, event="buy", amount=1))
    parts = [(part, held, terms) for _, part, held, terms in said(told)]
    assert parts == [
        ("where", True, {}),
        ("step 2", False, {"event.sku == seen.sku": "false"}),
        ("step 2", True, {"event.sku == seen.sku": "true"}),
        ("unless", False, {"event.amount > 1": "false"}),
    ]


def test_what_is_judged_by_a_timer_is_told_as_of_its_deadline() -> None:
    rules = Rules().rule("w", "view", wait=HOUR, condition="event.price > 5")
    world = World(rules.build())
    told = listen(world)
    world.clicks(rec(0, 0, price=9))
    world.clicks(rec(1, 2 * HOUR, event="none"))
    assert said(told)[-1] == ("w", "if", True, {"event.price > 5": "true"})
    assert told[-1].at == T0 + HOUR


def test_segments_traits_and_the_policys_suppress_are_told_of_no_rule() -> None:
    rules = Rules().trait("views", "count", "view", over=HOUR, where="event.x > 1")
    rules.segments.append(Segment("odd", parse("traits.views == 1")))
    rules.segments.append(Segment("unasked", parse("customer.none")))
    rules.policy = Policy(suppress=parse("customer.banned == true || event.x > 8"))
    rules.rule("a", "view", condition="segments.odd")
    world = World(rules.build())
    told = listen(world)
    world.clicks(rec(0, 0, x=1), rec(1, 1, x=9))
    own = [(each.part, each.held, [t.outcome for t in each.terms]) for each in told if not each.rule]
    assert own == [
        ("trait views", False, ["false"]),
        ("segment odd", False, []),
        ("trait views", True, ["true"]),
        ("segment odd", True, []),
        ("suppress", True, ["true"]),
    ]


def test_asking_changes_neither_decisions_nor_counts() -> None:
    def play(asked: bool) -> World:
        rules = Rules()
        rules.segments.append(Segment("odd", parse("customer.none == 1")))
        rules.rule("a", "view", where="event.x > 1", condition="segments.odd || event.y")
        rules.rule("b", "view", condition="segments.odd")
        world = World(rules.build())
        if asked:
            listen(world)
        world.clicks(rec(0, 0, x=2, y=True), rec(1, 1, y=True), rec(2, 2, x="3"))
        return world

    plain, asked = play(False), play(True)
    assert plain.decisions == asked.decisions
    assert plain.result.errors == asked.result.errors
    assert plain.state.take_changed() == asked.state.take_changed()


def test_asking_ends_and_follows_the_customer_over_a_change_of_rules() -> None:
    world = World(Rules().rule("a", "view").build())
    told = listen(world)
    world.clicks(rec(0, 0))
    world.state.adopt(Rules().rule("b", "view", where="event.x == 1").build())
    world.rules = world.state.rules
    world.clicks(rec(1, 1, x=1))
    world.state.explain(None)
    world.clicks(rec(2, 2, x=1))
    assert [each.rule for each in told] == ["a", "a", "b", "b"]
