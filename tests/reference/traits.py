"""What traits come to: worked out anew, each time, from all events that the trait counts.

Reading: an event that has nothing of use to the function, in its field or by what is worked out of it, is not
counted, by no function. That is an error but where a field is not there, or null.
Reading: `has(traits.t.key)` of a trait with `per` holds where the key reads as a value, counted or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from stream.cel.values import Lookup, Timestamp
from stream.expression import ExpressionError, evaluate
from stream.rules.model import Trait

from .failures import why
from .records import NOTHING, Event, Key, kind_of, look_up, map_key

SLICES = 60
MAX_VALUES = 1_000  # of a customer's trait: values of `distinct` and `top`, times of `gap`, keys of `per`
MAX_VALUES_PER_KEY = MAX_KEYS_OF_VALUES = 100  # the same where a trait with `per` keeps many things per key
MAX_ITEMS = 100  # elements of a list in an event
MAX_TEXT = 1_024  # bytes of the texts of an element of a list, together
SCALARS = ("null", "bool", "number", "string")


class Keyed(Lookup):
    """The value of a trait with `per`: what each key comes to, and what an absent key reads as."""

    def __init__(self, values: dict[Key, Any], absent: Any) -> None:
        self.values = values
        self.absent = absent

    def look_up(self, key: Any) -> Any:
        known = map_key(key)
        value = self.values.get(known, self.absent) if known is not None else NOTHING
        if value is NOTHING:
            raise KeyError
        return value


def is_of_use(trait: Trait, event: Event) -> bool:
    """Whether a trait counts an event that its `of` and `where` let through."""
    if trait.per is not None and map_key(look_up(event.data, trait.per)) is None:
        return False
    value = taken(trait, event)
    match trait.function:
        case "count" | "gap":
            return True
        case "sum" | "mean" | "min" | "max":
            return kind_of(value) == "number" and math.isfinite(value)
        case "first" | "last":
            return kind_of(value) in SCALARS
        case "distinct" | "top":
            return map_key(value) is not None
        case "list":
            return has_key(trait, event) and (event.name in trait.remove or bool(element(trait, event)[0]))


def occurrences(trait: Trait, event: Event) -> list[Event]:
    """What a trait looks at: the event, or one for each element of its list, with the element's fields."""
    if trait.items is None:
        return [event]
    items = look_up(event.data, trait.items)
    found = items[:MAX_ITEMS] if isinstance(items, list) else []
    return [replace(event, data=each if isinstance(each, dict) else {}) for each in found]


def wrong_items(trait: Trait, event: Event) -> list[tuple[str, str | None]]:
    """The same of the list itself."""
    items = None if trait.items is None else look_up(event.data, trait.items)
    if isinstance(items, list):
        return [("items", "cost")] if len(items) > MAX_ITEMS else []
    return [] if kind_of(items) in ("nothing", "null") else [("items", "value")]


def has_key(trait: Trait, event: Event) -> bool:
    return trait.key is None or map_key(look_up(event.data, trait.key)) is not None


def element(trait: Trait, event: Event) -> tuple[dict[str, Any], list[str]]:
    """An element of a list, and the names of the fields that there are and that it cannot keep.

    Reading: the fields are taken in the order given, as long as their texts have room.
    """
    kept, left_out, room = {}, [], MAX_TEXT
    for path in trait.fields:
        value = look_up(event.data, path)
        size = len(value.encode()) if isinstance(value, str) else 0
        if kind_of(value) in SCALARS and size <= room:
            kept[path[-1]] = value
            room -= size
        elif kind_of(value) != "nothing":
            left_out.append(path[-1])
    return kept, left_out


def taken(trait: Trait, event: Event) -> Any:
    """What a trait takes of an event; NOTHING where there is nothing, or an error."""
    if trait.value is None:
        return look_up(event.data, trait.field) if trait.field else NOTHING
    try:
        return evaluate(trait.value, facts_of(event))
    except ExpressionError:
        return NOTHING


def whys_not(trait: Trait, event: Event) -> list[tuple[str, str | None]]:
    """The parts that are wrong with an event, each with why (see `failures`)."""
    if trait.function == "list" and has_key(trait, event):
        return [] if event.name in trait.remove else [("fields", "value") for _ in element(trait, event)[1]]
    failed = None if is_of_use(trait, event) else why_not(trait, event)
    return [] if failed is None else [failed]


def why_not(trait: Trait, event: Event) -> tuple[str, str | None] | None:
    """The part that is wrong with an event that is of no use, and why (see `failures`); None: nothing is."""
    if trait.function == "list":
        assert trait.key is not None, "it has one that is of no use"
        return unless_missing("key", look_up(event.data, trait.key))
    if trait.per is not None and map_key(key := look_up(event.data, trait.per)) is None:
        return unless_missing("per", key)
    if trait.value is not None:
        return "value", why(trait.value, facts_of(event))
    return unless_missing("field", taken(trait, event))


def unless_missing(part: str, value: Any) -> tuple[str, str] | None:
    return None if kind_of(value) in ("nothing", "null") else (part, "value")


def facts_of(event: Event) -> dict[str, Any]:
    """What every condition sees of an event."""
    return {"event": event.data, "event_name": event.name, "event_time": Timestamp(event.time * 1_000_000)}


def value_of(trait: Trait, counted: Sequence[Event], at: int) -> Any:
    """A trait's value at a time, from what it counted in the order in which it came; or NOTHING."""
    if trait.per is None:
        return summarise(trait, counted, at)
    many = trait.function in ("distinct", "top", "gap")
    path = trait.per
    groups = newest_groups(
        lambda event: look_up(event.data, path), counted, MAX_KEYS_OF_VALUES if many else MAX_VALUES
    )
    return Keyed(
        {key: summarise(trait, group, at) for key, group in groups.items()}, summarise(trait, [], at)
    )


def newest_groups(
    value_in: Callable[[Event], Any], events: Iterable[Event], most: int
) -> dict[Key, list[Event]]:
    """Events by a value in them, of the values that came last; one that goes is forgotten."""
    groups: dict[Key, list[Event]] = {}
    for event in events:
        key = map_key(value_in(event))
        assert key is not None, "such events are not counted"
        groups[key] = [*groups.pop(key, []), event]  # now the last one
        if len(groups) > most:
            del groups[next(iter(groups))]
    return groups


def summarise(trait: Trait, counted: Sequence[Event], at: int) -> Any:
    """What a trait's function says about what it counted: the slice that holds `at` and the 60 before it."""
    events = [event for event in counted if in_window(trait, event.time, at)]
    if trait.function == "count":
        return len(events)
    if trait.function == "list":
        return elements(trait, counted, at)
    if trait.function == "gap":
        return gap(sorted(event.time for event in counted)[-most(trait) :], trait, at)
    if trait.function in ("distinct", "top"):
        groups = newest_groups(partial(taken, trait), counted, most(trait))
        counts = {
            key: sum(in_window(trait, each.time, at) for each in group) for key, group in groups.items()
        }
        ranked = sorted((-count, key) for key, count in counts.items() if count)  # bool < number < string
        if trait.function == "distinct":
            return len(ranked)
        return [value for _, (_, value) in ranked[: trait.k]] or NOTHING
    values = [taken(trait, event) for event in events]
    if trait.function == "sum":
        return sum(map(float, values), 0.0)
    if not events:
        return NOTHING
    times = [event.time for event in events]
    match trait.function:
        case "mean":
            return sum(map(float, values)) / len(values)
        case "min":
            return float(min(values))
        case "max":
            return float(max(values))
        case "first":
            return values[times.index(min(times))]
    return values[len(times) - 1 - times[::-1].index(max(times))]


def elements(trait: Trait, counted: Sequence[Event], at: int) -> list[dict[str, Any]]:
    """A list, played from what came: the newest last, each in place of that with its key, at most so many."""
    there: dict[Any, Event] = {}
    for number, event in enumerate(counted):
        key = number if trait.key is None else map_key(look_up(event.data, trait.key))
        there.pop(key, None)
        if event.name not in trait.remove:
            there[key] = event
        if len(there) > trait.most:
            del there[next(iter(there))]
    return [element(trait, each)[0] for each in there.values() if in_window(trait, each.time, at)]


def most(trait: Trait) -> int:
    return MAX_VALUES if trait.per is None else MAX_VALUES_PER_KEY


def in_window(trait: Trait, time: int, at: int) -> bool:
    if trait.over is None:
        return True
    width = -(-trait.over // SLICES)
    return at // width - SLICES <= time // width <= at // width


def gap(times: Sequence[int], trait: Trait, at: int) -> Any:
    """Mean and population standard deviation of the seconds between events, and seconds since the last."""
    times = [time for time in times if in_window(trait, time, at)]
    if not times:
        return NOTHING
    value = {"since": (at - times[-1]) / 1000}
    if gaps := [(after - before) / 1000 for before, after in pairwise(times)]:
        mean = sum(gaps) / len(gaps)
        value["mean"] = mean
        value["deviation"] = math.sqrt(sum((each - mean) ** 2 for each in gaps) / len(gaps))
    return value
