"""Customers' attributes and consents, as their profile updates left them.

Reading: an update that would pass a bound changes nothing, but its record came in its turn: the time that it
moved on stays moved on. Attributes are measured as compact JSON in UTF-8, after the update.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .records import MAX_PURPOSES, Consent, ProfileUpdate

MAX_ATTRIBUTES = 200
MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class Profile:
    attributes: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)

    def after(self, update: ProfileUpdate) -> Profile | None:
        """With the update: attributes merge, null removes, the newer consent holds. None: it is too much."""
        merged = {**self.attributes, **update.attributes}
        attributes = {name: value for name, value in merged.items() if value is not None}
        consents = dict(self.consents)
        for purpose, consent in update.consents.items():
            if purpose not in consents or consent.at >= consents[purpose].at:
                consents[purpose] = consent
        size = len(json.dumps(attributes, ensure_ascii=False, separators=(",", ":")).encode())
        if len(attributes) > MAX_ATTRIBUTES or size > MAX_BYTES or len(consents) > MAX_PURPOSES:
            return None
        return Profile(attributes, consents)
