"""`traits` and `segments`: what is known about a customer."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from stream.codes import Code
from stream.expression import Literal
from stream.rules import keys
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, MAX_K, TraitFunction, describe_k
from stream.rules.compiler.context import Context
from stream.rules.compiler.identity import trait_id
from stream.rules.files import Entry
from stream.rules.model import Segment, Trait
from stream.rules.scope import customer_scope, event_scope, names_of


def read_trait(context: Context, entry: Entry) -> Trait:
    read = context.reader("trait", entry, keys.TRAIT)
    read.need("function", f"one of {', '.join(AGGREGATES)}")
    read.need("of", "the events that it is computed from")
    function = read.name("function", AGGREGATES, "function")
    aggregate = None if function is None else AGGREGATES[function]
    if aggregate is not None and aggregate.takes is not None:
        read.need("field", f"what to take the {function} of")
    elif aggregate is not None:
        hint = "leave it out, or use `per` or `where`"
        read.forbid("field", f"a `{function}` has no `field`", hint, Code.NOT_FOR_THIS_FUNCTION)
    if aggregate is not None and not aggregate.takes_k:
        why = f"a `{function}` has no `k`: it says {describe_k()}"
        read.forbid("k", why, "leave it out", Code.NOT_FOR_THIS_FUNCTION)
    trait = Trait(
        name=entry.key,
        stable_id="",
        function=cast(TraitFunction, function or "last"),  # a stand-in: there is a finding
        of=read.event_names("of"),
        field=read.path("field"),
        where=context.predicate(read.condition("where", event_scope())),
        per=read.path("per"),
        over=read.duration("over"),
        k=read.integer("k", 1, MAX_K) or DEFAULT_K,
    )
    return replace(trait, stable_id=trait_id(trait, context.texts))


def read_segments(context: Context) -> list[Segment]:
    """All segments, each after those that it names."""
    scope = customer_scope(context.traits, context.segments, context.contexts)
    read = context.section("segments", context.files.segments)
    found = {}
    for name, entry in context.files.segments.items():
        condition = read.condition_of(entry, scope)
        found[name] = Segment(name, Literal(False) if condition is None else condition)
    return _in_order(context, found)


def _in_order(context: Context, segments: dict[str, Segment]) -> list[Segment]:
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
                context.error(Code.SEGMENTS_IN_A_CIRCLE, context.files.segments[following], message, hint)
                return []
            elif following not in ordered:
                path.append(following)
                rest.append(iter(named[following]))
    return list(ordered.values())
