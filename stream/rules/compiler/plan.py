"""`events`, the tracking plan, and what sources say of their profiles and context: which names there are.

It is no part of the rule set: it changes nothing of what rules do. `planned` holds the names in all places
against it; conditions take the types of fields from it. Tested by tests/rules/test_plan.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from stream.diagnostics import Code
from stream.rules import field_paths, forms, keys
from stream.rules.compiler import values
from stream.rules.durations import event_time
from stream.rules.files import Entry, Mapped, Scalar, Sequence
from stream.rules.model import FieldPath, Source
from stream.rules.shapes import ANYTHING, FIELD_TYPES, FieldType, Shape, either, of_paths, type_of

if TYPE_CHECKING:
    from stream.rules.compiler.compilation import Compilation
    from stream.rules.compiler.definition import Definition

ENGINES = ("timezone", "locale", "preferred_channel")  # attributes that the program itself reads
_MAX_DEPTH = 32  # parts of a field's path
_WHERE_FIELDS_STAND = (
    "fields of events stand below `events`, attributes of customers in the source of profiles"
)


@dataclass(frozen=True, slots=True)
class Planned:
    """An event of the plan; `sources`: where it comes from, empty if that is not said."""

    shape: Shape
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackingPlan:
    """Which names there are. `events` is empty where there is no tracking plan; None: any attribute, purpose.

    `said`: the attributes that sources of profiles name, also where another does not say its own.
    `contexts`: by source, of those that say what their records hold. `name_at`: where an event of any source
    has its name; None where that differs, or is nowhere.
    """

    events: Mapping[str, Planned] = field(default_factory=dict)
    attributes: Shape | None = None
    said: Shape = ANYTHING
    purposes: frozenset[str] | None = None
    contexts: Mapping[str, Shape] = field(default_factory=dict)
    name_at: FieldPath | None = None
    _seen: dict[tuple[str, ...], Shape] = field(default_factory=dict, repr=False)

    def event(self, names: Collection[str]) -> Shape:
        """An event that has one of these names."""
        key = tuple(names)
        if key not in self._seen:
            self._seen[key] = either([self.events[each].shape for each in key if each in self.events])
        return self._seen[key]

    def shapes(
        self, on: Collection[str] = (), steps: Mapping[str, Collection[str]] | None = None
    ) -> dict[str, Shape]:
        """Of the variables of a condition: its event has a name of `on`, those of `steps` have others."""
        named = {"event_name": Shape("string", values=tuple(on))}
        if self.name_at is not None and on:
            named[field_paths.in_condition(self.name_at)] = named["event_name"]
        if not self.says_something:
            return named
        return {
            **named,
            "event": self.event(on),
            "customer": self.attributes or ANYTHING,
            "context": Shape("object", self.contexts),
            **{name: self.event(of) for name, of in (steps or {}).items()},
        }

    @property
    def says_something(self) -> bool:
        return bool(self.events or self.contexts) or (self.attributes, self.purposes) != (None, None)


NO_PLAN = TrackingPlan()


def read_plan(run: Compilation, sources: Iterable[Source]) -> TrackingPlan:
    carriers = {source.name: source for source in sources if source.kind == "event"}
    events = {name: _event(run, entry, carriers) for name, entry in run.files.events.items()}
    attributes: list[Shape | None] = []
    purposes: list[frozenset[str] | None] = []
    contexts = {}
    for source in sources:
        written = run.files.sources[source.name].value
        entries = written.entries if isinstance(written, Mapped) else {}
        of_this = {"profile": ("attributes", "consents"), "context": ("fields",), "event": ()}[source.kind]
        for key in ("attributes", "consents", "fields"):
            if key in entries and key not in of_this:
                message = f"a source of {_RECORDS[source.kind]} has no `{key}`"
                run.error(Code.KEY_OUT_OF_PLACE, entries[key], message, _WHERE_FIELDS_STAND)
        if source.kind == "profile":
            attributes.append(_fields(run, entries.get("attributes")))
            purposes.append(_purposes(run, entries.get("consents")))
        elif source.kind == "context" and (shape := _fields(run, entries.get("fields"))) is not None:
            contexts[source.name] = _with_mapped(shape, [source])
    names_at = {source.event for source in carriers.values()}
    # What one source of profiles does not say may be anything.
    known = [each for each in attributes if each is not None]
    granted = [each for each in purposes if each is not None]
    return TrackingPlan(
        events=events,
        attributes=_with_engines(either(known)) if known and len(known) == len(attributes) else None,
        said=either(known),
        purposes=frozenset().union(*granted) if granted and len(granted) == len(purposes) else None,
        contexts=contexts,
        name_at=next(iter(names_at)) if len(names_at) == 1 else None,
    )


_RECORDS = {"profile": "profiles", "context": "context", "event": "events"}


def _event(run: Compilation, entry: Entry, carriers: Mapping[str, Source]) -> Planned:
    if not 1 <= len(entry.key) <= forms.MAX_EVENT_NAME:
        message = f"an event's name has 1 to {forms.MAX_EVENT_NAME} characters"
        run.error(Code.WRONG_EVENT_NAMES, entry, message)
    read = run.definition("event", entry, keys.PLANNED_EVENT)
    read.text("describe")
    sources = read.names("source", carriers, "source of events", keys.MAX_SOURCES)
    for name in sources:
        if carriers[name].constant not in (None, entry.key):
            message = f"the source `{name}` carries no event but `{carriers[name].constant}`"
            run.error(Code.NOT_AS_PLANNED, read.entries["source"], message)
    shape = _fields(run, read.entries.get("fields"))
    mapping = [carriers[name] for name in sources] or carriers.values()
    return Planned(ANYTHING if shape is None else _with_mapped(shape, mapping), sources)


def _with_mapped(shape: Shape, sources: Iterable[Source]) -> Shape:
    """With the fields that sources map, of which a plan need not speak."""
    for source in sources:
        for path in (source.event, source.customer, source.time, source.id):
            if path and shape.missing(path) is not None:
                shape = either((shape, of_paths({path: ANYTHING})))
    return shape


def _with_engines(shape: Shape) -> Shape:
    """With the attributes that the program reads, which are there for it."""
    return replace(shape, fields={**dict.fromkeys(ENGINES, Shape("string")), **(shape.fields or {})})


def _fields(run: Compilation, entry: Entry | None) -> Shape | None:
    """The object whose fields are described, by their paths."""
    if entry is None:
        return None
    if not isinstance(entry.value, Mapped):
        message, hint = f"`{entry.key}` must map fields to their types", "write e.g. {amount: number}"
        run.findings.add(Code.WRONG_TYPE, entry.value.location, message, hint)
        return None
    if len(entry.value.entries) > keys.MAX_PLANNED:
        run.error(Code.WRONG_LIST, entry, f"more than {keys.MAX_PLANNED:,} fields")
    read = run.definition(entry.key, entry, entry.value.entries)
    found: dict[FieldPath, Shape] = {}
    for each in entry.value.entries.values():
        path = values.path_of(each.key)
        if path is None or len(path) > _MAX_DEPTH:
            hint = f"write e.g. order.id, with at most {_MAX_DEPTH} parts"
            run.error(Code.NO_FIELD_PATH, each, f"`{each.key[:80]}` is no field path", hint)
        elif isinstance(each.value, Mapped):
            found[path] = _field(run, each)
        else:
            found[path] = Shape(cast(FieldType, read.name(each.key, FIELD_TYPES, "type") or "any"))
    _check_parents(run, entry.value, found)
    return of_paths(found)


def _field(run: Compilation, entry: Entry) -> Shape:
    read = run.definition("field", entry, keys.PLANNED_FIELD)
    read.text("describe")
    kind = cast(FieldType, read.name("type", FIELD_TYPES, "type") or "any")
    _values(run, read, "examples", kind)
    return Shape(kind, values=_values(run, read, "values", kind))


def _values(run: Compilation, field: Definition, key: str, kind: FieldType) -> tuple[Any, ...]:
    """Texts, numbers, true or false, of the field's type, each once."""
    known: list[Any] = []
    items = field.items(key, keys.MAX_VALUES)
    for item in items:
        value = item.value if isinstance(item, Scalar) else None
        if value is None or not isinstance(item, Scalar):
            message = f"`{key}` must be texts, numbers, true or false"
            run.findings.add(Code.WRONG_TYPE, item.location, message)
        elif not fits(value, kind):
            message = f"{field.what} is a {kind}, `{item.written[:80]}` is none"
            run.findings.add(Code.NOT_AS_PLANNED, item.location, message)
        elif value in known:
            run.findings.add(Code.WRONG_LIST, item.location, f"`{item.written[:80]}` stands twice")
        else:
            known.append(value)
    entry = field.entries.get(key)
    if entry is not None and isinstance(entry.value, Sequence) and not items:
        run.error(Code.WRONG_LIST, entry, f"`{key}` is empty", "leave it out")
    return tuple(known)


def fits(value: Any, kind: FieldType) -> bool:
    """Whether a value can be that of a field of this type. What is null can be anything."""
    found = type_of(value)
    if kind == "time" and found == "string":
        return event_time(value) is not None
    return "any" in (found, kind) or found == kind


def _check_parents(run: Compilation, body: Mapped, found: Mapping[FieldPath, Shape]) -> None:
    """What has fields is an object."""
    for path, entry in ((values.path_of(each.key) or (), each) for each in body.entries.values()):
        for length in range(1, len(path)):
            around = found.get(path[:length], ANYTHING)
            if around.type not in ("object", "any"):
                message = f"`{'.'.join(path[:length])}` is a {around.type}: it has no field `{path[length]}`"
                hint = "nothing is said of what is in a list" if around.type == "list" else "write `object`"
                run.error(Code.NOT_AS_PLANNED, entry, message, hint)


def _purposes(run: Compilation, entry: Entry | None) -> frozenset[str] | None:
    if entry is None:
        return None
    form = "write e.g. consents: [marketing_email]"
    items = entry.value.items if isinstance(entry.value, Sequence) else ()
    if not 1 <= len(items) <= keys.MAX_NAMES:
        message = f"`consents` must be a list of 1 to {keys.MAX_NAMES} purposes"
        run.findings.add(Code.WRONG_LIST, entry.value.location, message, form)
    found: set[str] = set()
    for item in items:
        name = item.value if isinstance(item, Scalar) else None
        if not isinstance(name, str) or not re.fullmatch(forms.PURPOSE, name):
            run.findings.add(Code.WRONG_NAME, item.location, "this is no name of a purpose", form)
        elif name in found:
            run.findings.add(Code.WRONG_LIST, item.location, f"the purpose `{name}` stands twice")
        else:
            found.add(name)
    return frozenset(found)
