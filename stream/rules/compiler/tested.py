"""Conditions held against the types that fields have in the tests, where no tracking plan says them.

A field counts as what all events of its name, or all customers, have there: where two tests differ, it can be
anything. So `event.price == '50'` is warned of beside tests with numbers, and `event.line_items.sku` beside
tests with a list of items.
Tested by tests/rules/test_tested.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stream.diagnostics import Code
from stream.expression import parse
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.uses import Keys, lead
from stream.rules.files import Entry, Scalar
from stream.rules.model import RuleSet
from stream.rules.scope import check, rule_scope
from stream.rules.shapes import ANYTHING, Shape, either, type_of
from stream.rules.testcases import RuleTest

Names = tuple[str, ...]


class _Condition(NamedTuple):
    """Where one may stand; `on`: the names of its event, `named`: those of the steps that it sees."""

    entry: Entry
    keys: Keys
    on: Names = ()
    named: Mapping[str, Names] = {}


def warn_of_types(run: Compilation, rules: RuleSet, tests: Sequence[RuleTest]) -> None:
    """Adds a warning for what does not fit the types that the tests have."""
    events, customers = _tested(rules, tests)
    events = {} if run.plan.events else events
    customer = ANYTHING if run.plan.attributes is not None else either(customers)

    def shape(names: Names) -> Shape:
        known = [each for name in names for each in events.get(name, (ANYTHING,))]
        return either(known)

    for condition in _conditions(run, rules):
        _, written = lead(condition.entry, condition.keys)
        if not isinstance(written, Scalar):
            continue
        shapes = {name: shape(names) for name, names in condition.named.items()}
        shapes |= {"event": shape(condition.on), "customer": customer}
        scope = rule_scope(run.traits, run.segments, condition.named, run.contexts, shapes)
        for error in check(parse(str(written.value)), scope):
            if error.code is None:
                message = f"{error.message}, as the tests have it"
                run.findings.add(Code.NOT_AS_TESTED, written.at(error.offset), message, error.hint)


def _tested(rules: RuleSet, tests: Iterable[RuleTest]) -> tuple[dict[str, list[Shape]], list[Shape]]:
    """What the events of the tests look like, by name, and the customers."""
    kinds = {source.name: source.kind for source in rules.sources}
    events: dict[str, list[Shape]] = defaultdict(list)
    customers: list[Shape] = []
    for test in tests:
        customers.append(_shape(test.customer.attributes))
        for event in test.events:
            kind = kinds[event.source or rules.first_source or ""]
            if kind == "profile":
                customers.append(_shape(event.fields.get("attributes") or {}))
            elif kind == "event":
                events[event.name].append(_shape(event.fields))
    return events, customers


def _shape(value: Any) -> Shape:
    if not isinstance(value, Mapping):
        return Shape(type_of(value))
    return Shape("object", {name: _shape(inner) for name, inner in value.items()})


def _conditions(run: Compilation, rules: RuleSet) -> Iterator[_Condition]:
    for rule in rules.rules:
        entry = run.files.rules[rule.name]
        named: dict[str, Names] = {}
        for number, step in enumerate(rule.steps):
            yield _Condition(entry, ("steps", number, "where"), step.on, dict(named))
            named |= {} if step.name is None else {step.name: step.on}
        yield _Condition(entry, ("where",), rule.steps[0].on)
        if rule.unless is not None:
            yield _Condition(entry, ("unless", "where"), rule.unless.on, named)
        yield _Condition(entry, ("if",), rule.steps[-1].on, named)
    for trait in rules.traits:
        yield _Condition(run.files.traits[trait.name], ("where",), trait.of)
    for segment in rules.segments:
        yield _Condition(run.files.segments[segment.name], ())
    if rules.policy.suppress is not None:
        yield _Condition(run.files.policy["suppress"], ())
