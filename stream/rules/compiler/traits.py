"""`traits` and `segments`: what is known about a customer."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from stream.diagnostics import Code
from stream.expression import Literal, Node
from stream.rules import keys
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, MAX_K, Aggregate, TraitFunction, describe_k
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.conditions import condition, condition_of, value_of
from stream.rules.compiler.definition import Definition
from stream.rules.compiler.identity import trait_id
from stream.rules.files import Entry
from stream.rules.model import Segment, Trait
from stream.rules.scope import Shapes, customer_scope, event_scope, names_of, value_scope


def read_trait(run: Compilation, entry: Entry) -> Trait:
    read = run.definition("trait", entry, keys.TRAIT)
    read.need("function", f"one of {', '.join(AGGREGATES)}")
    read.need("of", "the events that it is computed from")
    function = read.name("function", AGGREGATES, "function")
    aggregate = None if function is None else AGGREGATES[function]
    if aggregate is not None and not aggregate.takes_k:
        why = f"a `{function}` has no `k`: it says {describe_k()}"
        read.forbid("k", why, "leave it out", Code.NOT_FOR_THIS_FUNCTION)
    of = values.event_names(read, "of")
    shapes = run.plan.shapes(of)
    trait = Trait(
        name=entry.key,
        stable_id="",
        function=cast(TraitFunction, function or "last"),  # a stand-in: there is a finding
        of=of,
        field=values.path(read, "field"),
        where=run.predicate(condition(read, "where", event_scope(shapes=shapes))),
        per=values.path(read, "per"),
        over=values.duration(read, "over"),
        k=values.integer(read, "k", 1, MAX_K) or DEFAULT_K,
        value=_value(read, aggregate, shapes),
        clear=values.event_names(read, "clear"),
    )
    return replace(trait, stable_id=trait_id(trait, run.texts))


def _value(read: Definition, function: Aggregate | None, shapes: Shapes) -> Node | None:
    """What the function takes, where it is worked out; if it takes anything, that or a `field` is there."""
    if function is not None and function.takes is None:
        hint = "leave it out, or use `per` or `where`"
        for key in ("field", "value"):
            read.forbid(key, f"a `{function.name}` has no `{key}`", hint, Code.NOT_FOR_THIS_FUNCTION)
        return None
    if "value" not in read.entries:
        if function is not None:
            read.need("field", f"what to take the {function.name} of, or `value`, which works it out")
        return None
    read.either("field", "value")
    takes = None if function is None else function.takes
    return value_of(read.entries["value"], value_scope(shapes), takes, read.findings)


def read_segments(run: Compilation) -> list[Segment]:
    """All segments, each after those that it names."""
    scope = customer_scope(run.traits, run.segments, run.contexts, run.plan.shapes())
    found = {}
    for name, entry in run.files.segments.items():
        condition = condition_of(entry, scope, run.findings)
        found[name] = Segment(name, Literal(False) if condition is None else condition)
    return _in_order(run, found)


def _in_order(run: Compilation, segments: dict[str, Segment]) -> list[Segment]:
    """Depth first, without recursion: a chain of segments may be as long as a file allows."""
    named = {
        name: [each for each in dict.fromkeys(names_of(segment.condition, "segments")) if each in segments]
        for name, segment in segments.items()
    }
    ordered: dict[str, Segment] = {}
    for start in segments:
        path, rest = [start], [iter(named[start])]
        while rest and path[0] not in ordered:
            following = next(rest[-1], None)
            if following is None:
                ordered[path[-1]] = segments[path[-1]]
                path.pop()
                rest.pop()
                if not path:
                    break
            elif following in path:
                circle = [*path[path.index(following) :], following]
                message = f"segment `{following}` depends on itself: {' → '.join(circle)}"
                hint = "one of them must do without the others"
                run.error(Code.SEGMENTS_IN_A_CIRCLE, run.files.segments[following], message, hint)
                return []
            elif following not in ordered:
                path.append(following)
                rest.append(iter(named[following]))
    return list(ordered.values())
