"""`traits` and `segments`: what is known about a customer."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from stream.diagnostics import Code
from stream.expression import Literal, Node
from stream.rules import field_paths, keys
from stream.rules.aggregates import (
    AGGREGATES,
    DEFAULT_K,
    DEFAULT_MOST,
    MAX_K,
    MAX_MOST,
    MOST_FIELDS,
    Aggregate,
    TraitFunction,
    describe_k,
)
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.conditions import condition, condition_of, value_of
from stream.rules.compiler.definition import Definition
from stream.rules.compiler.identity import trait_id
from stream.rules.files import Entry, Sequence
from stream.rules.model import FieldPath, Segment, Trait
from stream.rules.scope import Shapes, customer_scope, event_scope, value_scope
from stream.rules.selections import names_of


def read_trait(run: Compilation, entry: Entry) -> Trait:
    read = run.definition("trait", entry, keys.TRAIT)
    read.need("function", f"one of {', '.join(AGGREGATES)}")
    read.need("of", "the events that it is computed from")
    function = read.name("function", AGGREGATES, "function")
    aggregate = None if function is None else AGGREGATES[function]
    if aggregate is not None and not aggregate.takes_k:
        why = f"a `{function}` has no `k`: it says {describe_k()}"
        read.forbid("k", why, "leave it out", Code.NOT_FOR_THIS_FUNCTION)
    _check_list(read, aggregate)
    if "items" in read.entries:
        hint = "name a `field` of the elements"
        read.forbid("value", "`value` sees the event, and `items` are of an element", hint)
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
        fields=_fields(read),
        key=values.path(read, "key"),
        remove=values.event_names(read, "remove"),
        items=values.path(read, "items"),
        most=values.integer(read, "most", 1, MAX_MOST) or DEFAULT_MOST,
    )
    _check_events(read, trait)
    _check_items(read, trait)
    return replace(trait, stable_id=trait_id(trait, run.texts))


def _value(read: Definition, function: Aggregate | None, shapes: Shapes) -> Node | None:
    """What the function takes, where it is worked out; if it takes anything, that or a `field` is there."""
    if function is not None and function.takes is None:
        hint = "leave it out, or use `per` or `where`"
        for key in ("field", "value"):
            read.forbid(key, f"a `{function.name}` has no `{key}`", hint, Code.NOT_FOR_THIS_FUNCTION)
        return None
    if function is not None and function.takes == "fields":
        return None
    if "value" not in read.entries:
        if function is not None:
            read.need("field", f"what to take the {function.name} of, or `value`, which works it out")
        return None
    read.either("field", "value")
    takes = None if function is None else function.takes
    return value_of(read.entries["value"], value_scope(shapes), takes, read.findings)


def _check_list(read: Definition, function: Aggregate | None) -> None:
    """What only a list has, and what it has not."""
    if function is None:
        return
    if function.takes != "fields":
        for key in ("fields", "key", "remove", "most"):
            why = f"a `{function.name}` has no `{key}`: it is for a `list`"
            read.forbid(key, why, "leave it out", Code.NOT_FOR_THIS_FUNCTION)
        return
    read.need("fields", "what an element has, e.g. [sku, name, price]")
    for key, hint in (
        ("field", "name it in `fields`"),
        ("value", "name what it is made of in `fields`, and work it out in a condition"),
        ("per", "give it a `key`, by which elements are told apart, or leave it out"),
    ):
        read.forbid(key, f"a `{function.name}` has no `{key}`", hint, Code.NOT_FOR_THIS_FUNCTION)
    if "remove" in read.entries and "key" not in read.entries:
        read.need("key", "the field that says which element to remove")


def _fields(read: Definition) -> tuple[FieldPath, ...]:
    """The fields of an element, in the order given; each has a name of its own there."""
    found: dict[str, FieldPath] = {}
    for item in read.items("fields", MOST_FIELDS):
        scalar = read.scalar(Entry("fields", item.location, item))
        if scalar is None:
            continue
        path = values.path_of(scalar.written)
        if path is None:
            message, hint = f"`{scalar.written}` is no field path", field_paths.hint(scalar.written)
            read.findings.add(Code.NO_FIELD_PATH, item.location, message, hint)
            continue
        if path[-1] in found:
            message = f"two of `fields` are called `{path[-1]}`: an element has each name once"
            read.findings.add(Code.WRONG_LIST, item.location, message, "leave one of them out")
        found[path[-1]] = path
    entry = read.entries.get("fields")
    if entry is not None and isinstance(entry.value, Sequence) and not entry.value.items:
        read.findings.add(Code.WRONG_LIST, entry.value.location, "`fields` is empty", "name one, e.g. [sku]")
    return tuple(found.values())


def _check_events(read: Definition, trait: Trait) -> None:
    """What removes an element does nothing else."""
    for other, names in (("of", trait.of), ("clear", trait.clear)):
        for name in sorted({*trait.remove} & {*names}):
            message = f"`remove` and `{other}` both have the event `{name}`"
            hint = "an event adds an element, removes one, or clears them all"
            read.findings.add(Code.WRONG_EVENT_NAMES, read.entries["remove"].value.location, message, hint)


def _check_items(read: Definition, trait: Trait) -> None:
    """Paths of an element begin in it, not in the event."""
    if trait.items is None:
        return
    whole = (("field", trait.field), ("per", trait.per), ("key", trait.key))
    for key, path in (*whole, *(("fields", each) for each in trait.fields)):
        within = path[len(trait.items) :] if path is not None else ()
        if path is not None and within and path[: len(trait.items)] == trait.items:
            message = f"`{field_paths.write(path)}` is looked for in each element of `items`"
            place = read.entries[key].value.location
            read.findings.add(Code.NO_FIELD_PATH, place, message, f"write {field_paths.write(within)}")


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
