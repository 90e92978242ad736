"""What third parties know of a customer: sources of `kind: context`, what is taken, and what keeps it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream.events._value import ABSENT
from stream.expression import parse
from stream.matcher._condition import Names, compile_condition
from stream.rules.model import RuleSet, Source
from stream.state._customer import Customer
from stream.state._layout import Layout
from tests.engine.enginekit import CLICKS, MINUTE, T0, WEATHER, Rec, Rules, World, rec

PANEL = Source("panel", "shop.panel", ("who",), time=("ts",), kind="context")


def rules(*sources: Source, revision: str = "1") -> RuleSet:
    """A rule for each source, which fires where the source has said something of the customer."""
    built = Rules(CLICKS, *sources)
    for source in sources:
        built.rule(source.name, "view", condition=f"has(context.{source.name}.x)")
    return built.build(revision)


def said(offset: int, at: int = 0, **values: Any) -> Rec:
    return Rec(offset, T0 + at, orjson.dumps({"customer": "c1", "who": "c1", "ts": T0 + at, **values}))


def fired(world: World, offset: int, at: int) -> list[str]:
    return [each.rule for each in world.clicks(rec(offset, at)).decisions]


def test_the_latest_record_of_a_source_replaces_the_former() -> None:
    world = World(rules(WEATHER, PANEL))
    world.play({"weather": [said(0, x=1)], "panel": [said(0, 1, x=1)]})
    assert fired(world, 0, 2) == ["panel", "weather"]
    result = world.play({"weather": [said(1, 3, y=2)]})
    assert (result.events, result.positions, result.decisions) == ({"weather": 1}, {"weather": 2}, [])
    assert fired(world, 1, 4) == ["panel"]


def test_a_record_that_is_read_again_changes_nothing() -> None:
    world = World(rules(WEATHER))
    world.play({"weather": [said(0, x=1), said(1, 1, y=1)]})
    assert world.play({"weather": [said(0, x=1)]}).repeats == 1
    assert fired(world, 0, 2) == []


@pytest.mark.parametrize(
    "bad",
    [
        {str(n): n for n in range(198)},  # with customer, who and ts: 201
        {"n" * 129: 1},
        {"text": "x" * 16_384},
    ],
    ids=["many", "long name", "large"],
)
def test_what_is_too_much_is_put_aside_whole(bad: dict[str, Any]) -> None:
    world = World(rules(WEATHER))
    result = world.play({"weather": [said(0, x=1), said(1, 1, **bad), Rec(2, T0 + 2, b"[]")]})
    assert [letter.reason for letter in result.dead_letters] == ["context", "json"]
    assert result.positions == {"weather": 3}
    assert fired(world, 0, 3) == ["weather"]


def test_what_is_nested_deeper_than_it_could_be_kept_is_put_aside() -> None:
    """orjson reads what it cannot write: the worker would have died of it at the next checkpoint."""
    world = World(rules(WEATHER))
    deep = b'{"customer": "c1", "ts": %d, "x": %b}' % (T0, b"[" * 600 + b"]" * 600)
    result = world.play({"weather": [Rec(0, T0, deep)]})
    assert [letter.reason for letter in result.dead_letters] == ["context"]
    world.state.take_changed()


def test_as_much_as_there_may_be_is_taken() -> None:
    world = World(rules(WEATHER))
    world.play({"weather": [said(0, x=1, **{str(n): n for n in range(196)})]})
    assert fired(world, 0, 1) == ["weather"]


def test_it_outlives_a_restart_and_is_erased_with_the_customer() -> None:
    world = World(rules(WEATHER))
    world.play({"weather": [said(0, x=1)]})
    other = world.restored()
    assert fired(other, 0, 1) == ["weather"]
    assert other.play({"weather": [said(0, x=1)]}).repeats == 1
    other.state.load(b"c1", None)
    other.state.customers.rebuild_timers()
    assert fired(other, 1, 2) == []


def test_it_is_waited_for_like_any_source() -> None:
    world = World(rules(WEATHER))
    world.play({"clicks": [rec(0, MINUTE)]}, ended=["clicks"])
    assert world.decisions == []
    world.play({"weather": [said(0, 1, x=1)]})
    assert world.fired() == [("weather", "sent", MINUTE)]


@pytest.mark.parametrize("seen_in_between", [True, False])
def test_what_a_source_said_goes_with_it(seen_in_between: bool) -> None:
    """And does not come back with a source of its name."""
    world = World(rules(WEATHER, PANEL))
    world.play({"weather": [said(0, x=1)], "panel": [said(0, 1, x=1)]})
    world.rules = rules(PANEL, revision="2")
    if seen_in_between:
        assert fired(world, 0, 2) == ["panel"]
    else:
        world.play()
    world.rules = rules(WEATHER, PANEL, revision="3")
    assert fired(world, 1, 3) == ["panel"]


def test_a_source_that_brings_events_by_now_has_said_nothing() -> None:
    world = World(rules(WEATHER))
    world.play({"weather": [said(0, x=1)]})
    events = Source("weather", "shop.weather", ("customer",), ("event",), None, ("ts",))
    world.rules = Rules(CLICKS, events).rule("r", "view", condition="has(context.weather)").build("2")
    assert fired(world, 0, 1) == []


def test_what_older_rules_do_not_know_is_written_back() -> None:
    new = World(rules(WEATHER, PANEL))
    new.play({"weather": [said(0, x=1)], "panel": [said(0, 1, x=1)]})
    older = World(rules(PANEL))
    for key, value in new.state.take_changed():
        older.state.load(key, value)
    older.state.customers.rebuild_timers()
    assert fired(older, 0, 2) == ["panel"]
    third = World(new.rules)
    for key, value in older.state.take_changed():
        third.state.load(key, value)
    third.state.customers.rebuild_timers()
    assert fired(third, 1, 3) == ["panel", "weather"]
    older.rules = new.rules  # or it is told of the new rules itself
    assert fired(older, 1, 3) == ["panel", "weather"]


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("context.weather.temperature > 20.0", True),
        ("context.weather.place.city == 'Oslo'", True),
        ("context.weather['place'] == {'city': 'Oslo'}", True),
        ("has(context.weather)", True),
        ("has(context.panel)", False),
        ("has(context.panel.x)", ABSENT),
        ("context.panel.x == 1", ABSENT),
        ("context.weather.hours.exists(hour, hour > 5)", True),
        ("context.weather.hours.exists(hour, hour > context.weather.temperature)", False),
    ],
)
def test_conditions_on_it(condition: str, value: Any) -> None:
    node = compile_condition(parse(condition), Names(customer=True))
    customer = Customer("c1", Layout(RuleSet("r", (), (), (), (), ())))
    weather = {"temperature": 21.5, "place": {"city": "Oslo"}, "hours": [1, 7]}
    assert node.evaluate({}, "view", customer, contexts={"weather": weather}) is value
    nobody = node.evaluate({}, "view", None)
    assert nobody is (False if condition.startswith("has(context.") and ".x" not in condition else ABSENT)
