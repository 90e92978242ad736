"""Conditions held against the types that fields have in the tests, where no tracking plan says them; what is
in lists no plan says.

A field counts as what all events of its name, all customers, or all records of a source of context, have
there: where two tests differ, it can be anything. So `event.price == '50'` is warned of beside tests with
numbers, and `event.line_items.sku` beside tests with a list of items.
Tested by tests/rules/test_tested.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from stream.diagnostics import Code
from stream.errors import ExpressionError
from stream.expression import Node, parse
from stream.rules.aggregates import AGGREGATES, Taken
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.taken import check_value
from stream.rules.compiler.uses import Keys, lead
from stream.rules.files import Entry, Scalar
from stream.rules.model import RuleSet, Step, Unless
from stream.rules.scope import Scope, check, rule_scope
from stream.rules.shapes import ANYTHING, Shape, either, type_of, with_items
from stream.rules.testcases import RuleTest
from stream.rules.trait_shapes import Traits, with_fields

Names = tuple[str, ...]


class _Condition(NamedTuple):
    """One as it was compiled, and its place; `on`: names of its event, `named`: those of steps it sees."""

    node: Node
    entry: Entry
    keys: Keys
    on: Names = ()
    named: Mapping[str, Names] = {}
    takes: Taken | None = None  # what a trait's function takes of it, if it is no condition

    def errors(self, node: Node, scope: Scope) -> list[ExpressionError]:
        return check(node, scope) if self.takes is None else check_value(node, scope, self.takes)


def warn_of_types(run: Compilation, rules: RuleSet, tests: Sequence[RuleTest]) -> None:
    """Adds a warning for what does not fit the types that the tests have."""
    events, customers, contexts = _tested(rules, tests)
    customer = either(customers)
    context = {name: either(contexts[name] or [ANYTHING]) for name in run.contexts}
    context |= {name: with_items(planned, context[name]) for name, planned in run.plan.contexts.items()}
    if run.plan.attributes is not None:
        customer = with_items(run.plan.attributes, customer)

    @lru_cache
    def shape(names: Names) -> Shape:
        seen = either([each for name in names for each in events.get(name, (ANYTHING,))])
        return with_items(run.plan.event(names), seen) if run.plan.events else seen

    traits = _with_known(with_fields(run.traits, rules.traits, shape), tests)
    for condition in _conditions(run, rules):
        shapes = {name: shape(names) for name, names in condition.named.items()}
        shapes |= {"event": shape(condition.on), "customer": customer, "context": Shape("object", context)}
        scope = rule_scope(traits, run.segments, condition.named, run.contexts, shapes)
        if any(error.code is None for error in condition.errors(condition.node, scope)):
            _warn(run, condition, scope)


def _warn(run: Compilation, condition: _Condition, scope: Scope) -> None:
    """The findings at their places, which only what is written has: two conditions can be compiled to one."""
    _, written = lead(condition.entry, condition.keys)
    if isinstance(written, Scalar):
        for error in condition.errors(parse(str(written.value)), scope):
            if error.code is None:
                message = f"{error.message}, as the tests have it"
                run.findings.add(Code.NOT_AS_TESTED, written.at(error.offset), message, error.hint)


def _tested(
    rules: RuleSet, tests: Iterable[RuleTest]
) -> tuple[dict[str, list[Shape]], list[Shape], dict[str, list[Shape]]]:
    """What the tests have: events by name, customers, and records of context by source."""
    kinds = {source.name: source.kind for source in rules.sources}
    events: dict[str, list[Shape]] = defaultdict(list)
    customers: list[Shape] = []
    contexts: dict[str, list[Shape]] = defaultdict(list)
    for test in tests:
        customers.append(_shape(test.customer.attributes))
        for event in test.events:
            source = event.source or rules.first_source or ""
            kind = kinds[source]
            if kind == "profile":
                customers.append(_shape(event.fields.get("attributes") or {}))
            elif kind == "event":
                events[event.name].append(_shape(event.fields))
            else:
                contexts[source].append(_shape(event.fields))
    return events, customers, contexts


def _with_known(traits: Traits, tests: Iterable[RuleTest]) -> Traits:
    """With what tests say that traits hold at their start."""
    found = dict(traits)
    for known in (each for test in tests for each in test.known):
        trait = found[known.trait]
        field = either((trait.field, *map(_shape, known.values)))
        key = trait.key if known.key is None else either((trait.key, _shape(known.key)))
        found[known.trait] = replace(trait, field=field, key=key)
    return found


def _shape(value: Any) -> Shape:
    if isinstance(value, list):
        return Shape("list", items=either(map(_shape, value)) if value else None)
    if not isinstance(value, Mapping):
        return Shape(type_of(value), seen=frozenset((value,)) if isinstance(value, str) else frozenset())
    return Shape("object", {name: _shape(inner) for name, inner in value.items()})


def _conditions(run: Compilation, rules: RuleSet) -> Iterator[_Condition]:
    def awaited(step: Step | Unless, entry: Entry, keys: Keys) -> Iterator[_Condition]:
        node = step.compares if step.where is None else rules.predicates[step.where]
        if node is not None:
            yield _Condition(node, entry, (*keys, "where"), step.on, dict(named))

    for rule in rules.rules:
        entry = run.files.rules[rule.name]
        named: dict[str, Names] = {}
        single = len(rule.steps) == 1 and rule.steps[0].name is None
        for number, step in enumerate(rule.steps):
            yield from awaited(step, entry, () if single else ("steps", number))
            named |= {} if step.name is None else {step.name: step.on}
        if rule.unless is not None:
            yield from awaited(rule.unless, entry, ("unless",))
        if rule.condition is not None:
            yield _Condition(rule.condition, entry, ("if",), rule.steps[-1].on, named)
    for trait in rules.traits:
        if trait.where is not None:
            yield _Condition(
                rules.predicates[trait.where], run.files.traits[trait.name], ("where",), trait.of
            )
        takes = AGGREGATES[trait.function].takes
        if trait.value is not None and takes is not None:
            entry = run.files.traits[trait.name]
            yield _Condition(trait.value, entry, ("value",), trait.of, takes=takes)
    for segment in rules.segments:
        yield _Condition(segment.condition, run.files.segments[segment.name], ())
    yield from _suppressing(run, rules)


def _suppressing(run: Compilation, rules: RuleSet) -> Iterator[_Condition]:
    for channel in rules.channels:
        if channel.suppress is not None:
            yield _Condition(channel.suppress, run.files.channels[channel.name], ("suppress",))
    if rules.policy.suppress is not None:
        yield _Condition(rules.policy.suppress, run.files.policy["suppress"], ())
