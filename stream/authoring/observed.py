"""What events are seen to have: fields, types, and of a few texts the values. Never more than its bounds.

What looks as if it were a person's is not kept. A key within an object that does, or that is one of very
many, is data and no field: then the object is kept without its fields. A value is kept only if it is short,
one of few, looks like nobody's, and enough customers have it.
Tested by tests/authoring/test_tracking_plan.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.rules import field_paths
from stream.rules.compiler.values import path_of
from stream.rules.model import FieldPath
from stream.rules.shapes import FieldType, type_of

MAX_FIELDS = 4_000  # of all events together: a rule file holds as many
MAX_KEYS = 200  # of one object; with more, they are data
MAX_DEPTH = 8  # objects within one another
MAX_KEY = 64  # characters of one,
MAX_PATH = 128  # and of all parts of a path
MAX_VALUES = 12  # different ones of one field
MAX_VALUE = 24  # characters
OFTEN = 20  # how often a value must have been seen to be shown,
BY_MANY = 5  # and with how many customers

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d{2}:?\d{2}))?)?"
)
_ABOUT_PEOPLE = re.compile(
    r"name|mail|phone|mobile|address|street|city|town|zip|postal|birth|gender|user|customer|person|contact"
    r"|account|password|token|session|device|cookie|iban|card|ip$",
    re.IGNORECASE,
)
_LIKE_A_PERSONS = re.compile(
    r"@|(?:\d\D{0,2}){5}|^\d{1,3}(?:\.\d{1,3}){3}$|^(?=.*\d)[0-9a-f-]{12,}$", re.IGNORECASE
)


def looks_like_a_persons(text: str) -> bool:
    """An e-mail address, a telephone or other long number, a network address, an id in hexadecimal digits."""
    return _LIKE_A_PERSONS.search(text) is not None


@dataclass(slots=True)
class Values:
    """How often each text was seen, and with which customers, up to BY_MANY of them."""

    counts: Counter[str] = field(default_factory=Counter)
    customers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, value: str, customer: int) -> bool:
        """False where there are too many, or where one may not be shown."""
        if len(value) > MAX_VALUE or looks_like_a_persons(value) or not value.isprintable():
            return False
        self.counts[value] += 1
        if len(self.customers[value]) < BY_MANY:
            self.customers[value].add(customer)
        return len(self.counts) <= MAX_VALUES

    def shown(self) -> list[str]:
        """All of them, in order, or none; one alone is no choice."""
        enough = len(self.counts) > 1 and all(
            count >= OFTEN and len(self.customers[value]) >= BY_MANY for value, count in self.counts.items()
        )
        return sorted(self.counts) if enough else []


@dataclass(slots=True)
class SeenField:
    """`values` is None once they cannot be shown. `is_open`: an object whose keys are data."""

    types: Counter[FieldType] = field(default_factory=Counter)
    values: Values | None = field(default_factory=Values)
    is_open: bool = False

    @property
    def type(self) -> FieldType:
        types = set(self.types)
        if types == {"time", "string"}:
            return "string"
        return types.pop() if len(types) == 1 else "any"


class Room:
    """How many fields may still be kept, of all objects together."""

    def __init__(self, fields: int = MAX_FIELDS) -> None:
        self.fields = fields


@dataclass(slots=True)
class Observed:
    """Objects of one kind: events of one name, attributes of customers. `left_out`: keys that are no name."""

    room: Room
    count: int = 0
    sources: set[str] = field(default_factory=set)
    fields: dict[FieldPath, SeenField] = field(default_factory=dict)
    is_open: bool = False
    left_out: int = 0
    _children: Counter[FieldPath] = field(default_factory=Counter)

    def take(self, event: Mapping[str, Any], customer: int, *, without: Collection[FieldPath] = ()) -> None:
        """`without`: fields that are not the event's own, and what is around them."""
        self.count += 1
        rest: list[tuple[FieldPath, Mapping[str, Any]]] = [((), event)]
        while rest:
            around, body = rest.pop()
            for name, value in body.items():
                if self._opened(around):
                    break
                path = (*around, name)
                if path in without:
                    if isinstance(value, dict):
                        rest.append((path, value))
                elif (seen := self._field(around, name)) is not None:
                    self._add(seen, path, value, customer)
                    if isinstance(value, dict) and not seen.is_open and len(path) < MAX_DEPTH:
                        rest.append((path, value))

    def _opened(self, path: FieldPath) -> bool:
        return self.is_open or any(
            path[:length] in self.fields and self.fields[path[:length]].is_open
            for length in range(1, len(path) + 1)
        )

    def _field(self, around: FieldPath, name: str) -> SeenField | None:
        """None for a key that is none, or that is one of too many."""
        path = (*around, name)
        if path in self.fields:
            return self.fields[path]
        is_data = len(name) > MAX_KEY or looks_like_a_persons(name)
        if (is_data and not around) or (not is_data and path_of(field_paths.write((name,))) != (name,)):
            self.left_out += 1
            return None
        too_many = self._children[around] >= MAX_KEYS or not self.room.fields
        if is_data or too_many or sum(map(len, path)) > MAX_PATH:
            self._open(around)
            return None
        self.room.fields -= 1
        self._children[around] += 1
        seen = self.fields[path] = SeenField()
        if any(map(_ABOUT_PEOPLE.search, path)):
            seen.values = None
        return seen

    def _add(self, seen: SeenField, path: FieldPath, value: Any, customer: int) -> None:
        if value is None:
            return
        kind = type_of(value)
        if kind == "string" and _TIME.fullmatch(value):
            kind = "time"
        seen.types[kind] += 1
        if seen.values is not None and (kind != "string" or not seen.values.add(value, customer)):
            seen.values = None

    def _open(self, around: FieldPath) -> None:
        """Forget what is in it, and take no more of it."""
        below = [path for path in self.fields if len(path) > len(around) and path[: len(around)] == around]
        for path in below:
            del self.fields[path]
            self._children.pop(path, None)
        self.room.fields += len(below)
        self._children.pop(around, None)
        if around in self.fields:
            self.fields[around].is_open = True
        else:
            self.is_open = True

    def described(self, *, with_values: bool = True) -> dict[str, Any]:
        """Each field's type, or with its values; of an object that has fields these."""
        found: dict[str, Any] = {}
        mixed: set[FieldPath] = set()  # objects that are sometimes none
        for path, seen in sorted(self.fields.items()):
            if any(path[:length] in mixed for length in range(1, len(path))):
                continue
            if self._children[path] and seen.type == "object":
                continue
            mixed |= {path} if self._children[path] else set()
            values = seen.values.shown() if with_values and seen.values and seen.type == "string" else []
            found[field_paths.write(path)] = {"type": seen.type, "values": values} if values else seen.type
        return found
