"""A rule that has seen the events of some of its steps, and waits for the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from stream.rules.model import Rule

from .records import Event, Key


@dataclass(frozen=True, eq=False)
class Instance:
    """`deadline`: when it fires, or gives up waiting for its next step; None: never.

    `late`: it was due too long ago when its last event came. `first`: when it was first judged, if it was
    deferred.
    """

    rule: Rule
    customer: str
    key: Key | None
    opened: int
    events: tuple[Event, ...]
    late: bool
    deadline: int | None = None
    first: int | None = None

    @property
    def last(self) -> Event:
        return self.events[-1]

    @property
    def complete(self) -> bool:
        return len(self.events) == len(self.rule.steps)

    @property
    def place(self) -> tuple[int, str, int]:
        """Its place among the candidates of an event."""
        return (-self.rule.priority, self.rule.name, self.opened)

    def with_event(self, event: Event) -> Instance:
        """It with one more step; the deadline follows from it."""
        after = replace(self, events=(*self.events, event))
        rule = self.rule
        if not after.complete:
            within = rule.steps[len(after.events)].within
            deadline = None if within is None else event.time + within
        elif rule.timed:
            deadline = event.time + (rule.unless.within if rule.unless else 0) + rule.wait
        else:
            deadline = None
        return replace(after, deadline=deadline)

    def names(self) -> dict[str, Any]:
        """The events of its steps, by their `as`."""
        steps = zip(self.rule.steps, self.events, strict=False)
        return {step.name: event.data for step, event in steps if step.name is not None}


def cause_of(instance: Instance, definition: str) -> tuple[str, ...]:
    """What a trigger's id is a hash of: the rule's definition, the customer and the cause."""
    event = instance.last
    parts = (definition, instance.customer, event.source, event.id)
    return parts if instance.key is None else (*parts, json.dumps(instance.key[1]))
