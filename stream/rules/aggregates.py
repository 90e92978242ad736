"""The functions of traits, in one table: what a rule file says of each, and what its value is.

The schema, the compiler, the check of conditions and texts, and the engine take from it what they must know
of a function; none of them lists functions of its own. Tested by tests/rules/test_aggregates.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TraitFunction = Literal[
    "count", "sum", "mean", "min", "max", "first", "last", "distinct", "top", "gap", "list"
]
Taken = Literal["number", "scalar", "key", "fields"]
Told = Literal["one", "each"]

MAX_K = 10
DEFAULT_K = 3
MOST_FIELDS = 10  # of an element of a list
MAX_MOST = 100  # elements of a list
DEFAULT_MOST = 20
MAX_ITEMS = 100  # elements of a list in an event, for which a trait is applied


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of traits. `code`: its number in the engine, which never changes.

    `describe`: what it computes, in a few words. `verb`: how a message says that a trait reads its events.
    `takes`: what the event's `field` must hold (a number; text, number or boolean; what can be told apart by
    a key; several `fields`, which make an element of a list); None: it takes no field.
    `takes_k`: the rule file may say how many values it gives.
    `type`: CEL's type of its value. One with `parts` is an object, of which conditions read these fields of
    these types; its type is its name. `nothing`: its value where nothing has been counted; None: it has none.
    `keeps_many`: its state is a value for each of many (different values, times), not one.
    `told`: how a test says what it was beforehand: by `one` value, or by `each` that there was; None: only
    events tell it.
    """

    name: TraitFunction
    code: int
    describe: str
    takes: Taken | None
    type: str
    nothing: int | float | list[Any] | None = None
    verb: str = "is computed from"
    takes_k: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    keeps_many: bool = False
    told: Told | None = "one"

    @property
    def has_parts(self) -> bool:
        """Whether its value is a list or an object, into which an index or a field leads."""
        return self.type == "list" or bool(self.parts)

    @property
    def depth(self) -> int:
        """How many names and indices lead into its value at most."""
        return 2 if self.takes == "fields" else int(self.has_parts)


_NUMBERS = "of a field's numbers"
_VALUES = "a field's oldest or newest value"

# In the order in which messages and the schema name them.
AGGREGATES: Mapping[str, Aggregate] = {
    each.name: each
    for each in (
        Aggregate("count", 1, "how often", None, "int", nothing=0, verb="counts"),
        Aggregate("sum", 2, _NUMBERS, "number", "double", nothing=0.0),
        Aggregate("mean", 4, _NUMBERS, "number", "double", told="each"),
        Aggregate("min", 5, _NUMBERS, "number", "double"),
        Aggregate("max", 6, _NUMBERS, "number", "double"),
        Aggregate("first", 7, _VALUES, "scalar", "dyn"),
        Aggregate("last", 3, _VALUES, "scalar", "dyn"),
        Aggregate(
            "distinct", 8, "how many different values", "key", "int", nothing=0, keeps_many=True, told="each"
        ),
        Aggregate(
            "top", 9, "the most frequent ones", "key", "list", takes_k=True, keeps_many=True, told="each"
        ),
        Aggregate(
            "gap",
            10,
            "the time between two occurrences",
            None,
            "gap",
            parts={"mean": "double", "deviation": "double", "since": "double"},
            keeps_many=True,
            told=None,
        ),
        Aggregate(
            "list",
            11,
            "what is there, such as a cart",
            "fields",
            "list",
            nothing=[],
            keeps_many=True,
            told=None,
        ),
    )
}


def describe_all() -> str:
    """All functions with what they compute: `count` (how often); `sum`, `mean` (of a field's numbers)."""
    by_words: dict[str, list[str]] = {}
    for each in AGGREGATES.values():
        by_words.setdefault(each.describe, []).append(f"`{each.name}`")
    return "; ".join(f"{', '.join(names)} ({words})" for words, names in by_words.items())


def with_k() -> list[str]:
    """The functions that take a `k`."""
    return [each.name for each in AGGREGATES.values() if each.takes_k]


def describe_k() -> str:
    """What a `k` says."""
    return f"how many values a {' or '.join(f'`{name}`' for name in with_k())} gives"
