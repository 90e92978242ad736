"""What is known of events and customers: values that the tests have, types of the tracking plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stream.rules.compiler.plan import TrackingPlan
from stream.rules.model import RuleSet
from stream.rules.shapes import ANYTHING, Shape
from stream.rules.testcases import RuleTest

Body = Mapping[str, Any]


class Data:
    """`customers`: the attributes of each customer of the tests, and what records of profiles say of them."""

    def __init__(self, plan: TrackingPlan, rules: RuleSet, tests: Iterable[RuleTest]) -> None:
        self._plan = plan
        self._events: dict[str, list[Body]] = defaultdict(list)
        self.customers: list[Body] = []
        kinds = {source.name: source.kind for source in rules.sources}
        for test in tests:
            self.customers.append(test.customer.attributes)
            for event in test.events:
                kind = kinds[event.source or rules.first_source or ""]
                if kind == "profile":
                    said = event.fields.get("attributes")
                    self.customers += [said] if isinstance(said, Mapping) else []
                elif kind == "event":
                    self._events[event.name].append(event.fields)

    def events(self, names: Iterable[str]) -> Iterator[Body]:
        """The fields of the tests' events of these names."""
        return (each for name in names for each in self._events.get(name, ()))

    def planned(self, names: Iterable[str]) -> Shape:
        return self._plan.event(tuple(names)) if self._plan.events else ANYTHING

    @property
    def attributes(self) -> Shape:
        return self._plan.attributes or ANYTHING
