"""What a part of a run cost, by looks at a process while it works: the same for a worker and for its peers.

Each look is the time, the CPU time of the process (/proc) and how many events it says it has applied. Between
two looks all three are taken to grow evenly, which is wrong by less than the time between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Look:
    """At one process, at one moment of the monotonic clock."""

    at: float
    cpu: float
    events: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Of so many events."""

    events: float
    seconds: float
    cpu_seconds: float

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_seconds_per_100k(self) -> float:
        return self.cpu_seconds / self.events * 100_000


def between_events(looks: Sequence[Look], first: int, last: int) -> Cost:
    """What the events from number `first` to number `last` cost."""
    (began, began_cpu), (ended, ended_cpu) = _at_events(looks, first), _at_events(looks, last)
    return Cost(last - first, ended - began, ended_cpu - began_cpu)


def between_times(looks: Sequence[Look], began: float, ended: float) -> Cost:
    """What happened between the last look before `began` and the last before `ended`."""
    first = max((look for look in looks if look.at <= began), key=lambda look: look.at)
    last = max((look for look in looks if look.at <= ended), key=lambda look: look.at)
    return Cost(last.events - first.events, last.at - first.at, last.cpu - first.cpu)


def _at_events(looks: Sequence[Look], number: int) -> tuple[float, float]:
    """When so many events had been applied, and the CPU time at that moment."""
    for before, after in pairwise(looks):
        if before.events <= number <= after.events and before.events < after.events:
            share = (number - before.events) / (after.events - before.events)
            return (
                before.at + share * (after.at - before.at),
                before.cpu + share * (after.cpu - before.cpu),
            )
    raise ValueError(f"nobody looked before and after event {number:,}")
