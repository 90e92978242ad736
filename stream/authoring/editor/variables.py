"""The variables of a condition or a text at a place, and the fields that a path into them leads to.

Tested by tests/authoring/editor/test_completion.py and tests/authoring/editor/test_hover.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.authoring.editor.around import SeenEvents
from stream.authoring.editor.functions import ANY, shown
from stream.authoring.editor.names import Fields, KnownField, KnownNames, text_of
from stream.authoring.editor.roles import Role
from stream.rules.aggregates import AGGREGATES
from stream.rules.model import FieldPath

_SAYS = {
    "event": ("object", "The event: its fields."),
    "event_name": ("string", "The event's name."),
    "event_time": ("timestamp", "When the event happened."),
    "customer": ("object", "The customer: the attributes that profiles say."),
    "now": ("timestamp", "When it is judged: the time of the event, or of the timer that is due."),
    "traits": ("object", "What is computed of the customer's events."),
    "segments": ("object", "The named conditions of the customer, each true or false."),
    "context": ("object", "What third parties know of the customer, by source."),
    "rule": ("string", "The rule's name."),
}
_OF_EVENT = ("event", "event_name", "event_time")
_OF_CUSTOMER = ("customer", "now", "traits", "segments", "context")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, or what a path leads to. `fields`: what can be selected of it, and what each is."""

    type: str
    says: str
    fields: Mapping[str, Variable] = field(default_factory=dict)
    values: tuple[object, ...] = ()


def visible(role: Role, seen: SeenEvents, names: KnownNames) -> dict[str, Variable]:
    """The variables that a condition or a text names."""
    roots: tuple[str, ...] = ()
    if role.kind == "text" or role.sees == "rule":
        roots = (*_OF_EVENT, *_OF_CUSTOMER)
    elif role.sees in ("event", "value"):
        roots = _OF_EVENT
    elif role.sees == "customer":
        roots = _OF_CUSTOMER
    roots += ("rule",) if role.kind == "text" else ()
    found = {root: _root(root, seen, names) for root in roots}
    if role.sees != "customer" and role.sees != "value":
        for step, on in (seen.steps or {}).items():
            says = f"The event of the step `{step}` ({', '.join(on)})."
            found[step] = Variable("object", says, _nested(names.fields(on)))
    return found


def _root(root: str, seen: SeenEvents, names: KnownNames) -> Variable:
    kind, says = _SAYS[root]
    if root == "event":
        on = f" It is {' or '.join(f'`{each}`' for each in seen.on)}." if any(seen.on) else ""
        return Variable(kind, says + on, _nested(names.fields(seen.on)))
    if root == "event_name":
        return Variable(kind, says, values=seen.on if any(seen.on) else tuple(names.events))
    if root == "customer":
        return Variable(kind, says, _nested(names.attributes))
    if root == "traits":
        return Variable(kind, says, {name: trait(name, names) for name in names.files.traits})
    if root == "segments":
        found = {
            name: Variable("bool", f"Segment: `{text_of(entry.value).strip()}`")
            for name, entry in names.files.segments.items()
        }
        return Variable(kind, says, found)
    if root == "context":
        found = {
            name: Variable("object", f"What the source `{name}` says.", _nested(fields))
            for name, fields in names.contexts.items()
        }
        return Variable(kind, says, found)
    return Variable(kind, says)


def trait(name: str, names: KnownNames) -> Variable:
    """What is said of a trait, in a sentence."""
    shape, entry = names.trait(name), names.files.traits[name]
    of = text_of(entry.value, "function") or "?"
    aggregate = AGGREGATES.get(of)
    says = f"Trait: `{of}`"
    says += f" ({aggregate.describe})" if aggregate else ""
    taken = text_of(entry.value, "field") or text_of(entry.value, "value")
    says += f", of `{taken}`" if taken else ""
    over, per = text_of(entry.value, "over"), text_of(entry.value, "per")
    says += f", over {over}" if over else ", over all time"
    says += f", one value for each `{per}`: `traits.{name}[event.{per}]`" if per else ""
    parts = {}
    kind = ANY
    if shape is not None:
        kind = shown(shape.type)
        parts = {part: Variable(shown(each), f"Of the trait `{name}`.") for part, each in shape.parts.items()}
    return Variable(kind, says + ".", parts)


def _nested(fields: Fields) -> dict[str, Variable]:
    found: dict[str, tuple[KnownField | None, Fields]] = {}
    for path, known in fields.items():
        own, below = found.get(path[0], (None, {}))
        if len(path) > 1:
            below = {**below, path[1:]: known}
        found[path[0]] = (known if len(path) == 1 else own, below)
    return {name: _field(own, below) for name, (own, below) in found.items()}


def _field(own: KnownField | None, below: Fields) -> Variable:
    known = own or KnownField("object" if below else "any")
    says = known.describe or (f"Field, {known.said}." if known.said else "")
    if known.describe and known.said:
        says += f" ({known.said})"
    return Variable(shown(known.cel), says, _nested(below), known.values)


def lead(path: FieldPath, variables: Mapping[str, Variable]) -> Variable | None:
    """What a path leads to, beginning with a variable."""
    first, *rest = path
    here = variables.get(first)
    for part in rest:
        if here is None:
            return None
        if here.fields and part not in here.fields and first == "traits":
            continue  # the key of a trait with `per`
        here = here.fields.get(part)
    return here
