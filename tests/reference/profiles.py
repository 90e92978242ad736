"""Customers' attributes and consents, as their profile updates left them, and what third parties know.

Reading: an update that would pass a bound changes nothing, but its record came in its turn: the time that it
moved on stays moved on. Attributes are measured after the update.
Reading: of each source of `kind: context` the record that came last counts, whatever its time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .records import MAX_PURPOSES, Consent, ContextRecord, News, is_within_bounds


@dataclass(frozen=True)
class Profile:
    attributes: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by source

    def after(self, update: News) -> Profile | None:
        """With the update: attributes merge, null removes, the newer consent holds. None: it is too much."""
        if isinstance(update, ContextRecord):
            return replace(self, contexts={**self.contexts, update.source: update.data})
        merged = {**self.attributes, **update.attributes}
        attributes = {name: value for name, value in merged.items() if value is not None}
        consents = dict(self.consents)
        for purpose, consent in update.consents.items():
            if purpose not in consents or consent.at >= consents[purpose].at:
                consents[purpose] = consent
        if not is_within_bounds(attributes) or len(consents) > MAX_PURPOSES:
            return None
        return replace(self, attributes=attributes, consents=consents)
