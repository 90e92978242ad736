"""Customers' attributes and consents, as their profile updates left them, and what third parties know.

Reading: an update that would pass a bound, or in which something else is wrong, changes nothing but what it
takes back; its record came in its turn: the time that it moved on stays moved on. Attributes are measured
after the update.
Reading: of two consents to a purpose the one with the later time holds, of equal times the withdrawal. A time
that is ahead of the wall clock is that of the record, or now. A grant with such a time loses to any
withdrawal that comes after it.
Reading: a withdrawal is also of the purposes whose names look alike (`records.plainly`), and of `*` all of
them, known or not: a grant has to be later. A tombstone of somebody known is such a one as of its arrival.
Reading: what it takes back besides withdrawals is the end of a consent, which may come earlier.
Reading: of each source of `kind: context` the record that came last counts, whatever its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .records import (
    EVERY,
    MAX_NAME,
    MAX_PURPOSES,
    Consent,
    ContextRecord,
    News,
    ProfileUpdate,
    Statement,
    Tombstone,
    is_within_bounds,
    plainly,
)


@dataclass(frozen=True)
class Profile:
    attributes: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by source

    def after(self, news: News, now: int, *, bounded: bool, known: bool = True) -> tuple[Profile, str | None]:
        """With the news, as far as they count, and the reason if their record is put aside.

        `bounded`: `now` is the wall clock, and nothing was said after it. `known`: the customer is.
        """
        match news:
            case ContextRecord():
                return replace(self, contexts={**self.contexts, news.source: news.data}), None
            case Tombstone(kind="context"):
                rest = {source: data for source, data in self.contexts.items() if source != news.source}
                return replace(self, contexts=rest), None
            case Tombstone():
                withdrawn = [each.at for each in self.consents.values() if not each.granted]
                at = max([min(news.came, now), *withdrawn])
                gone = {EVERY: Consent(False, at, None, None)} if known else {}
                return Profile(consents=gone, contexts=self.contexts), None
        said = believed(news, now, bounded=bounded)
        merged = {**self.attributes, **news.attributes}
        attributes = {name: value for name, value in merged.items() if value is not None}
        consents = self.agreed(said, all_of_it=True)
        if news.flaw is None and is_within_bounds(attributes) and len(consents) <= MAX_PURPOSES:
            return replace(self, attributes=attributes, consents=consents), None
        return replace(self, consents=self.agreed(said, all_of_it=False)), news.flaw or "profile"

    def agreed(self, said: Mapping[str, Consent], *, all_of_it: bool) -> dict[str, Consent]:
        """What is held after some was said: all of it, or only what is taken back."""
        held = dict(self.consents)
        for purpose, grant in said.items():
            old = held.get(purpose)
            if not grant.granted or not (all_of_it or ends_before(grant, old)):
                continue
            is_newer = old is None or grant.at > old.at or (grant.at == old.at and old.granted)
            if is_newer and not any(
                each.at >= grant.at and not each.granted and (other == EVERY or is_alike(other, purpose))
                for other, each in held.items()
            ):
                held[purpose] = grant
        for purpose, withdrawal in said.items():
            if withdrawal.granted:
                continue
            for other, old in list(held.items()):
                if not old.doubtful and withdrawal.at < old.at:
                    continue
                if purpose != EVERY and not is_alike(other, purpose):
                    continue
                if old.at > withdrawal.at:
                    held[other] = replace(withdrawal, at=old.at)
                elif purpose == EVERY:
                    del held[other]
                else:
                    held[other] = withdrawal
            if all_of_it or (len(held) < MAX_PURPOSES and len(purpose) <= MAX_NAME):
                held.setdefault(purpose, withdrawal)
        return held


def is_alike(one: str, other: str) -> bool:
    return plainly(one) == plainly(other)


def ends_before(grant: Consent, old: Consent | None) -> bool:
    if old is None or not old.granted or grant.expires is None:
        return False
    return old.expires is None or grant.expires < old.expires


def believed(news: ProfileUpdate, now: int, *, bounded: bool) -> dict[str, Consent]:
    """What the news say, with times to believe."""
    came = min(news.came, now)

    def dated(said: Statement) -> Consent:
        at, ahead = said.at, bounded and said.at is not None and said.at > now
        if at is None or ahead:
            at = came
        elif not said.granted:
            at = max(at, min(at + said.span - 1, came))
        return Consent(said.granted, at, said.basis, said.expires, said.granted and ahead)

    return {purpose: dated(each) for purpose, each in news.said.items()}
