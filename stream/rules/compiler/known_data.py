"""What is known of events and customers: values that the tests have, types of the tracking plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from stream.rules.compiler.plan import TrackingPlan
from stream.rules.model import RuleSet
from stream.rules.shapes import ANYTHING, Shape
from stream.rules.testcases import RuleTest

Body = Mapping[str, Any]


class Data:
    """`names`: of the tests' events. `customers`: the attributes of each of their customers, and what records
    of profiles say of them; `contexts`: of each record of context its source and what it says; `purposes` of
    consent.
    """

    def __init__(self, plan: TrackingPlan, rules: RuleSet, tests: Iterable[RuleTest]) -> None:
        self._plan = plan
        self._events: dict[str, list[Body]] = defaultdict(list)
        self.customers: list[Body] = []
        self.contexts: list[tuple[str, Body]] = []
        self.purposes: set[str] = set()
        kinds = {source.name: source.kind for source in rules.sources}
        for test in tests:
            self._profile(test.customer.attributes, test.customer.consents)
            for event in test.events:
                source = event.source or rules.first_source or ""
                if kinds[source] == "profile":
                    self._profile(event.fields.get("attributes"), event.fields.get("consents"))
                elif kinds[source] == "context":
                    self.contexts.append((source, event.fields))
                else:
                    self._events[event.name].append(event.fields)

    def _profile(self, attributes: Any, consents: Any) -> None:
        self.customers += [attributes] if isinstance(attributes, Mapping) else []
        self.purposes |= consents.keys() if isinstance(consents, Mapping) else set()

    @property
    def names(self) -> Collection[str]:
        return self._events.keys()

    def events(self, names: Iterable[str]) -> Iterator[Body]:
        """The fields of the tests' events of these names."""
        return (each for name in names for each in self._events.get(name, ()))

    def planned(self, names: Iterable[str]) -> Shape:
        return self._plan.event(tuple(names)) if self._plan.events else ANYTHING

    @property
    def attributes(self) -> Shape:
        return self._plan.attributes or ANYTHING
