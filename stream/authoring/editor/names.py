"""Which names there are in a folder of rule files, and what is said of each: for completion and for hover.

Taken from the definitions as they are written, right or not. An event's fields are those of the tracking
plan, those that sources map, and those that the tests' events have.
Tested by tests/authoring/editor/test_completion.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from stream.rules import field_paths
from stream.rules.aggregates import AGGREGATES
from stream.rules.compiler.plan import ENGINES
from stream.rules.compiler.values import path_of
from stream.rules.files import Entry, Mapped, RuleFiles, Scalar, Sequence, Written
from stream.rules.keys import TEST_EVENT
from stream.rules.model import FieldPath
from stream.rules.shapes import CEL_TYPES, FIELD_TYPES, FieldType, type_of
from stream.rules.trait_shapes import TraitShape

MAX_FIELDS = 2_000  # of one event that are known


@dataclass(frozen=True, slots=True)
class KnownField:
    """What is known of a field: `said` where it is from, in words."""

    type: FieldType = "any"
    said: str = ""
    describe: str = ""
    values: tuple[Any, ...] = ()

    @property
    def cel(self) -> str:
        """Its type as conditions have it."""
        return CEL_TYPES[self.type]


Fields = dict[FieldPath, KnownField]


def text_of(node: Written | None, key: str = "") -> str:
    """A scalar's text, or that of a key of a mapping; empty if there is none."""
    if key:
        entry = node.entries.get(key) if isinstance(node, Mapped) else None
        node = None if entry is None else entry.value
    return node.written if isinstance(node, Scalar) else ""


def inner(node: Written | None, key: str) -> Written | None:
    """What stands below a key of a mapping."""
    entry = node.entries.get(key) if isinstance(node, Mapped) else None
    return None if entry is None else entry.value


def entries_of(node: Written | None) -> Iterable[Entry]:
    return node.entries.values() if isinstance(node, Mapped) else ()


def items_of(node: Written | None) -> Iterable[Written]:
    """The items of a list; what is none counts as a list of one."""
    if isinstance(node, Sequence):
        return node.items
    return () if node is None else (node,)


def texts_of(node: Written | None) -> list[str]:
    """A text, or the texts of a list."""
    return [each.written for each in items_of(node) if isinstance(each, Scalar)]


@dataclass
class KnownNames:
    """Of all files together; everything is worked out when it is asked for."""

    files: RuleFiles = field(default_factory=RuleFiles)

    @cached_property
    def events(self) -> dict[str, str]:
        """The names of events, with what the plan says of each."""
        found = {name: text_of(entry.value, "describe") for name, entry in self.files.events.items()}
        for name in self._used_events():
            found.setdefault(name, "")
        found.pop("", None)
        return found

    def _used_events(self) -> Iterator[str]:
        for entry in self.files.sources.values():
            yield text_of(inner(entry.value, "event"), "is")
        for entry in self.files.rules.values():
            rule = entry.value
            steps = [rule, *items_of(inner(rule, "steps")), inner(rule, "unless"), inner(rule, "goal")]
            for each in (*steps, *items_of(inner(rule, "goals"))):
                yield from texts_of(inner(each, "on"))
        for entry in self.files.traits.values():
            yield from texts_of(inner(entry.value, "of"))
        for test in self.files.tests:
            for event in items_of(inner(test, "events")):
                yield text_of(event, "event")

    @cached_property
    def _fields(self) -> dict[str, Fields]:
        """By event."""
        found: dict[str, Fields] = {name: {} for name in self.events}
        for name, entry in self.files.events.items():
            found[name].update(_planned(inner(entry.value, "fields"), "in the tracking plan"))
        for test in self.files.tests:
            for event in items_of(inner(test, "events")):
                known = found.get(text_of(event, "event"))
                if known is not None:
                    _observe(known, event, ())
        for name, known in found.items():
            sources = texts_of(inner(self._entry("events", name), "source"))
            for source, entry in self.files.sources.items():
                if text_of(entry.value, "kind") in ("", "event") and (not sources or source in sources):
                    for key in ("event", "customer", "time", "id"):
                        if (path := path_of(text_of(entry.value, key))) is not None:
                            known.setdefault(path, KnownField("any", f"the `{key}` of source `{source}`"))
        return found

    def fields(self, on: Iterable[str]) -> Fields:
        """The fields that an event of one of these names can have; of any, if none of them is known."""
        names = [each for each in on if self._fields.get(each)] or list(self._fields)
        found: Fields = {}
        for name in names:
            for path, known in self._fields[name].items():
                if path in found and found[path].type != known.type:
                    known = replace(found[path], type="any")
                found[path] = known
        return found

    @cached_property
    def attributes(self) -> Fields:
        """Of customers."""
        found: Fields = dict.fromkeys(
            ((each,) for each in ENGINES), KnownField("string", "the program reads it")
        )
        profiles = {""}
        for source, entry in self.files.sources.items():
            if text_of(entry.value, "kind") == "profile":
                profiles.add(source)
                said = f"in the plan of source `{source}`"
                found.update(_planned(inner(entry.value, "attributes"), said))
        for entry in self.files.channels.values():
            address = text_of(entry.value, "address") or text_of(inner(entry.value, "address"), "of")
            path = path_of(address)
            if path and path[0] == "customer" and len(path) > 1:
                found.setdefault(path[1:], KnownField("any", f"the address of channel `{entry.key}`"))
        for test in self.files.tests:
            _observe(found, inner(inner(test, "customer"), "attributes"), (), skip=())
            for event in items_of(inner(test, "events")):
                if text_of(event, "source") in profiles:
                    _observe(found, inner(event, "attributes"), (), skip=())
        return found

    @cached_property
    def contexts(self) -> dict[str, Fields]:
        """The fields of the sources of context, by source."""
        found: dict[str, Fields] = {}
        for source, entry in self.files.sources.items():
            if text_of(entry.value, "kind") == "context":
                found[source] = dict(_planned(inner(entry.value, "fields"), "in the source's plan"))
        for test in self.files.tests:
            for event in items_of(inner(test, "events")):
                if (known := found.get(text_of(event, "source"))) is not None:
                    _observe(known, event, ())
        return found

    @cached_property
    def purposes(self) -> dict[str, str]:
        """Of consent, with where each is from."""
        found: dict[str, str] = {}
        for name, entry in self.files.channels.items():
            found.setdefault(text_of(entry.value, "consent"), f"channel `{name}` needs it")
        for name, entry in self.files.sources.items():
            for each in texts_of(inner(entry.value, "consents")):
                found.setdefault(each, f"customers of source `{name}` give it")
        for subject in self.subjects:
            found.setdefault(subject, "a sensitive subject needs it")
        return {name: said for name, said in found.items() if name not in ("", "none")}

    @cached_property
    def groups(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, entry in self.files.rules.items():
            if group := text_of(entry.value, "group"):
                found.setdefault(group, f"as of rule `{name}`")
        return found

    @cached_property
    def subjects(self) -> list[str]:
        policy = self.files.policy.get("sensitive")
        return [] if policy is None else [each.key for each in entries_of(policy.value)]

    def variants(self, rule: str | None = None) -> dict[str, str]:
        """With their rules; of one rule, or of all."""
        found: dict[str, str] = {}
        for name, entry in self.files.rules.items():
            if rule in (None, "", name):
                for each in items_of(inner(inner(entry.value, "send"), "variants")):
                    found.setdefault(text_of(each, "name"), f"of rule `{name}`")
        found.pop("", None)
        return found

    def trait(self, name: str) -> TraitShape | None:
        entry = self.files.traits.get(name)
        if entry is None:
            return None
        function = text_of(entry.value, "function")
        return TraitShape(function if function in AGGREGATES else None, inner(entry.value, "per") is not None)

    def _entry(self, section: str, name: str) -> Written | None:
        entry = getattr(self.files, section).get(name)
        return None if entry is None else entry.value


def _planned(node: Written | None, said: str) -> Iterator[tuple[FieldPath, KnownField]]:
    for entry in entries_of(node):
        path = path_of(entry.key)
        if path is None:
            continue
        written = text_of(entry.value) or text_of(entry.value, "type")
        kind: FieldType = next((each for each in FIELD_TYPES if each == written), "any")
        values = tuple(
            each.value for each in items_of(inner(entry.value, "values")) if isinstance(each, Scalar)
        )
        yield path, KnownField(kind, said, text_of(entry.value, "describe"), values)


def _observe(
    known: Fields, node: Written | None, around: FieldPath, skip: Iterable[str] = TEST_EVENT
) -> None:
    """What a test says of an object. Fields that are known already stay as they are."""
    for entry in entries_of(node):
        path = (*around, entry.key)
        if len(known) >= MAX_FIELDS or (not around and entry.key in skip):
            continue
        if path_of(field_paths.write(path)) != path:
            continue
        value = entry.value
        kind: FieldType = "list" if isinstance(value, Sequence) else "object"
        if isinstance(value, Scalar):
            kind = type_of(value.value)
        before = known.setdefault(path, KnownField(kind, "as tests have it"))
        if before.said == "as tests have it" and before.type != kind and kind != "any":
            known[path] = replace(before, type=kind if before.type == "any" else "any")
        if isinstance(value, Mapped):
            _observe(known, value, path)
