"""A customer's traits and sends as slow and obvious Python: what the packed ones are compared with."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from stream.events._value import ABSENT
from stream.rules.model import Trait

SLICES, KEPT, MOST, MOST_NESTED = 60, 120, 1000, 100
Key = tuple[type, Any]  # so that 1 and True are two


@dataclass
class Window:
    """By slice: what `fold` makes of the amounts."""

    function: str
    slices: dict[int, Any] = field(default_factory=dict)

    def put(self, index: int, time: int, amount: float, value: Any) -> None:
        if index not in self.slices:
            newest = max([index, *self.slices])
            self.slices = {at: each for at, each in self.slices.items() if at >= newest - KEPT}
            self.slices[index] = self.first(time, amount, value)
        else:
            self.slices[index] = self.fold(self.slices[index], time, amount, value)

    def first(self, time: int, amount: float, value: Any) -> Any:
        return (time, value) if self.function in ("first", "last") else [amount]

    def fold(self, old: Any, time: int, amount: float, value: Any) -> Any:
        if self.function == "first":
            return (time, value) if time < old[0] else old
        if self.function == "last":
            return (time, value) if time >= old[0] else old
        return [*old, amount]

    def within(self, last: int) -> list[Any]:
        return [self.slices[at] for at in sorted(self.slices) if last - SLICES <= at <= last]

    def newest(self) -> int:
        return max(self.slices)

    def read(self, last: int) -> Any:
        found = self.within(last)
        if self.function == "count":
            return sum(len(each) for each in found)
        if self.function == "sum":
            return math_sum(found)
        if not found:
            return ABSENT
        if self.function == "mean":
            return math_sum(found) / sum(len(each) for each in found)
        if self.function in ("min", "max"):
            return (min if self.function == "min" else max)(amount for each in found for amount in each)
        return found[0][1] if self.function == "first" else found[-1][1]


def math_sum(slices: list[list[float]]) -> float:
    """Each slice in the order of its events, then the slices from the oldest on."""
    total = 0.0
    for each in slices:
        part = each[0]
        for amount in each[1:]:
            part += amount
        total += part
    return total


@dataclass
class Values:
    k: int
    most: int
    windows: dict[Key, Window] = field(default_factory=dict)

    def put(self, index: int, value: Any, *, endless: bool) -> bool:
        place = Place(self.windows, (type(value), value), Window("count"), index, self.most, endless)
        return place.put_into(lambda window: window.put(index, 0, 1.0, None))

    def newest(self) -> int:
        return max(window.newest() for window in self.windows.values())


@dataclass
class Place:
    """Where a cell is, and the one that it is if it is new."""

    cells: dict[Key, Any]
    key: Key
    new: Any
    index: int
    most: int
    endless: bool

    def put_into(self, change: Any) -> bool:
        cell = self.cells.pop(self.key, self.new)
        crowded = bool(change(cell))
        self.cells[self.key] = cell  # as the last
        oldest = next(iter(self.cells))
        full = len(self.cells) > self.most
        if full or (not self.endless and self.cells[oldest].newest() < self.index - KEPT):
            del self.cells[oldest]
        return full or crowded


@dataclass
class Times:
    width: int
    most: int
    times: list[int] = field(default_factory=list)

    def put(self, time: int) -> bool:
        times = sorted([*self.times, time])
        if self.width:
            times = [each for each in times if each // self.width >= times[-1] // self.width - KEPT]
        self.times = times[-self.most :]
        return len(times) > self.most

    def newest(self) -> int:
        return self.times[-1] // self.width

    def read(self, last: int, at: int) -> Any:
        times = self.times
        if self.width:
            times = [each for each in times if last - SLICES <= each // self.width <= last]
        if not times:
            return ABSENT
        found = {"since": (at - times[-1]) / 1000}
        if len(times) > 1:
            mean = (times[-1] - times[0]) / (len(times) - 1)
            squares = 0.0
            for one, other in itertools.pairwise(times):
                apart = other - one - mean
                squares += apart * apart  # `** 2` may differ in the last bit
            found["mean"] = mean / 1000
            found["deviation"] = math.sqrt(squares / (len(times) - 1)) / 1000
        return found


class ModelTrait:
    """One trait of one customer."""

    def __init__(self, trait: Trait) -> None:
        self.function, self.k, self.per = trait.function, trait.k, trait.per is not None
        self.width = 0 if trait.over is None else -(-trait.over // SLICES)
        nested = self.per and trait.function in ("distinct", "top", "gap")
        self.most = MOST_NESTED if nested else MOST
        self.cells: dict[Key, Any] = {}

    def new(self) -> Any:
        if self.function == "gap":
            return Times(self.width, self.most)
        return Values(self.k, self.most) if self.function in ("distinct", "top") else Window(self.function)

    def observe(self, time: int, amount: float, value: Any, key: Any) -> bool:
        index = time // self.width if self.width else 0

        def change(cell: Any) -> bool:
            if self.function == "gap":
                return bool(cell.put(time))
            if self.function in ("distinct", "top"):
                return bool(cell.put(index, value, endless=not self.width))
            cell.put(index, time, amount, value)
            return False

        name = (type(key), key) if self.per else (type(None), None)
        endless = not self.width or not self.per
        return Place(self.cells, name, self.new(), index, self.most, endless).put_into(change)

    def read(self, at: int, key: Any) -> Any:
        last = at // self.width if self.width else 0
        cell = self.cells.get((type(key), key) if self.per else (type(None), None))
        if cell is None:
            return {"count": 0, "distinct": 0, "sum": 0.0}.get(self.function, ABSENT)
        if self.function == "gap":
            return cell.read(last, at)
        if self.function not in ("distinct", "top"):
            return cell.read(last)
        counts = {key: window.read(last) for key, window in cell.windows.items() if window.read(last)}
        if self.function == "distinct":
            return len(counts)
        order = {bool: 0, int: 1, str: 2}
        found = sorted(counts, key=lambda name: (-counts[name], order[name[0]], name[1]))
        return [name[1] for name in found[: self.k]] or ABSENT
