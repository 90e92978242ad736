"""What is told of a customer is what the engine did, for everybody of both demo data sets."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.authoring.backtest import run as backtests
from stream.authoring.explain.timeline import Change, Timeline, timeline
from stream.demo.data import events
from stream.expression import chain, terms_of, unparse
from stream.history.event_files import Between, event_files
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import Rule, RuleSet
from tests.authoring.explain import explainkit
from tests.authoring.explain.explainkit import line, rules_in, tell

CUSTOMERS = 40  # of each demo data set
RULES = Path("rules")


def decided(told: Timeline) -> list[tuple[str, str, str | None]]:
    return [
        (each.trigger_id, each.outcome, each.reason) for moment in told.moments for each in moment.decisions
    ]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The demo's events of some customers, and who they are."""
    shops: dict[bool, list[bytes]] = {True: [], False: []}
    for each in events():
        shop = shops[each.key.startswith(b"cdnow")]
        if each.key not in shop:
            shop.append(each.key)
        if each.topic != "profiles":
            break
    who = {key for shop in shops.values() for key in islice(shop, 0, None, max(len(shop) // CUSTOMERS, 1))}
    path = tmp_path_factory.mktemp("explain") / "demo.jsonl"
    with path.open("wb") as file:
        for each in events():
            if each.key in who:
                file.write(b'{"source":"%b",%b\n' % (each.topic.encode(), each.value[1:]))
    return path, sorted(key.decode() for key in who)


def test_every_decision_of_the_demo_is_told_as_a_backtest_makes_it(history: tuple[Path, list[str]]) -> None:
    path, customers = history
    rules, out = load_rules(RULES), io.BytesIO()
    with event_files([str(path)], rules) as files:
        backtests.run(rules, files, out=out)
    expected: dict[str, list[tuple[str, str, str | None]]] = defaultdict(list)
    for each in map(orjson.loads, out.getvalue().splitlines()):
        outcome = each.get("outcome", "sent")
        expected[each["customer_id"]].append((each["trigger_id"], outcome, each.get("reason")))
    assert sum(map(len, expected.values())) > 100
    assert {outcome for decisions in expected.values() for _, outcome, _ in decisions} > {
        "sent",
        "suppressed",
    }
    for customer in customers:
        with event_files([str(path)], rules) as files:
            assert decided(timeline(rules, files, customer)) == expected[customer], customer


def test_what_is_said_to_have_failed_would_have_let_the_rule_go_on(history: tuple[Path, list[str]]) -> None:
    """Without the terms that were false, a rule that stayed silent fires, or comes further."""
    path, customers = history
    rules, seen = load_rules(RULES), 0
    for customer in customers[::4]:
        with event_files([str(path)], rules) as files:
            told = timeline(rules, files, customer)
        for rule, part, false in list(failed(told))[:2]:
            eased = without(rules, rule, part, false)
            with event_files([str(path)], eased) as files:
                again = timeline(eased, files, customer)
            before = sum(each.rule == rule and each.part == part and each.held for each in judged(told))
            after = sum(each.rule == rule and each.part == part and each.held for each in judged(again))
            assert after > before, (customer, rule, part, false)
            seen += 1
    assert seen > 10


def judged(told: Timeline) -> Iterator[Any]:
    for moment in told.moments:
        yield from moment.judged


def failed(told: Timeline) -> Iterator[tuple[str, str, set[str]]]:
    for each in judged(told):
        if each.rule and not each.held and each.part in ("where", "if"):
            yield each.rule, each.part, {term.text for term in each.terms if term.outcome != "true"}


def without(rules: RuleSet, name: str, part: str, texts: set[str]) -> RuleSet:
    """The rules, of one the terms left out."""
    rule = next(each for each in rules.rules if each.name == name)
    if part == "if":
        tree = rule.condition
    else:
        assert rule.steps[0].where is not None
        tree = rules.predicates[rule.steps[0].where]
    assert tree is not None
    rest = [each for each in terms_of("_&&_", tree) if unparse(each) not in texts]
    eased = chain("_&&_", tuple(rest)) if rest else None
    changed: Rule
    predicates = rules.predicates
    if part == "if":
        changed = replace(rule, condition=eased)
    elif eased is None:
        changed = replace(rule, steps=(replace(rule.steps[0], where=None), *rule.steps[1:]))
    else:
        changed = replace(rule, steps=(replace(rule.steps[0], where=len(predicates)), *rule.steps[1:]))
        predicates = (*predicates, eased)
    every = tuple(changed if each is rule else each for each in rules.rules)
    return replace(rules, rules=every, predicates=predicates)


def test_an_event_says_what_it_changed(tmp_path: Path) -> None:
    profile = {
        "source": "profiles",
        "customer": "c1",
        "attributes": {"vip": True},
        "timestamp": "2026-03-02T09:00:00Z",
    }
    told = tell(
        tmp_path, [profile, line(0, "view", sku="a", price=20), line(5, "view", "c2"), line(9, "buy")]
    )
    first, second, third = told.moments
    assert first.changes == (Change("customer.vip", None, None, True),)
    assert second.changes == (Change("traits.by_sku", "a", 0, 1), Change("traits.views", None, 0, 1))
    assert (second.event, second.source, second.place) == ("view", "clicks", f"{tmp_path}/events.jsonl:2")
    assert (third.event, third.changes, third.judged) == ("buy", (), ())


def test_an_event_that_clears_traits_says_what_is_gone(tmp_path: Path) -> None:
    text = explainkit.RULES.replace("of: view,", "of: view, clear: buy,")
    told = tell(tmp_path, [line(0, "view", sku="a"), line(9, "buy")], rules=rules_in(tmp_path, text))
    assert told.moments[1].changes == (
        Change("traits.by_sku", None, {"a": 1}, None),
        Change("traits.views", None, 1, 0),
    )


def test_time_that_passes_by_the_events_of_others_is_a_moment(tmp_path: Path) -> None:
    told = tell(tmp_path, [line(0, "cart"), line(50, "view", "c2")])
    begun, due = told.moments
    assert [(each.before, each.after and each.after.rule) for each in begun.progressed] == [(None, "left")]
    assert (due.at - begun.at, due.event) == (30 * 60_000, "")
    assert [(each.before and each.before.rule, each.after) for each in due.progressed] == [("left", None)]
    assert [each.rule for each in due.decisions] == ["left"]


def test_what_is_due_after_the_last_event_needs_until(tmp_path: Path) -> None:
    events = [line(0, "cart")]
    assert [each.rule for each in tell(tmp_path, events).open] == ["left"]
    until = Between(until=tell(tmp_path, events).moments[0].at + 3_600_000)
    told = tell(tmp_path, events, between=until)
    assert told.open == ()
    assert [each.rule for each in told.moments[-1].decisions] == ["left"]


def test_a_record_that_counts_for_nothing_says_why(tmp_path: Path) -> None:
    twice = line(0, "view", sku="a", price=20)
    told = tell(
        tmp_path, [twice, twice, {"source": "clicks", "customer": "c1", "ts": "2026-03-02T11:00:00Z"}]
    )
    reasons = [each.put_aside for each in told.moments]
    assert reasons[0] is None
    assert str(reasons[1]).startswith("dedupe")
    assert reasons[2]


def test_a_customer_is_found_by_a_number_and_by_an_escaped_id(tmp_path: Path) -> None:
    events = [
        line(0, "buy", customer=7),
        b'{"source":"clicks","event":"buy","customer":"\\u0037","ts":"2026-03-02T10:01:00Z"}',
    ]
    assert len(tell(tmp_path, events, "7").moments) == 2
    assert tell(tmp_path, [line(0, "buy", customer="77", note="7")], "7").moments == ()


def test_since_plays_what_was_before_without_telling_it(tmp_path: Path) -> None:
    events = [line(0, "view", price=20, sku="a"), line(60, "view", price=20, sku="a", gift=True)]
    start = tell(tmp_path, events).moments[1].at
    told = tell(tmp_path, events, between=Between(since=start))
    assert [each.event for each in told.moments] == ["view"]
    assert [each.rule for each in told.moments[0].decisions] == ["viewed"]


def test_nothing_is_told_of_others(tmp_path: Path) -> None:
    rules = rules_in(tmp_path)
    told = tell(tmp_path, [line(0, "view", "c2", price=20), line(1, "view", price=5)], rules=rules)
    assert len(told.moments) == 1
    assert {each.customer_id for moment in told.moments for each in moment.decisions} <= {"c1"}
