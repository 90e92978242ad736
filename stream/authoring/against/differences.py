"""What two rule sets decide otherwise, added up match by match: gained, lost and changed messages, and why.

A match that one side sent and the other did not is *gained* or *lost*; one that both sent, and whose messages
are not the same, is *changed*. What a side says of a match that it did not send is why it did not, or
`no match` where it had no such match. Tested by tests/authoring/against/test_run.py and test_property.py.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from stream.authoring.against.unlike import Unlike, UnlikeMatch

Kind = Literal["gained", "lost", "changed"]
KINDS: tuple[Kind, ...] = ("gained", "lost", "changed")
NOTHING = "no match"

# What a message says, by the names that people have for it; all else is called as records call it.
_PARTS = {"content": "text", "at": "time", "goals": "goal"}
_SAME = {"trigger_id", "revision", "rule", "customer_id", "event", "outcome"}


class Move(NamedTuple):
    """What became of a match on one side, and on the other."""

    live: str
    new: str


class ShownDifference(NamedTuple):
    """One message that is gained, lost or changed, as each side has it."""

    at: str
    kind: Kind
    customer: str
    place: str
    event: Mapping[str, str]
    live: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


@dataclass(slots=True)
class RuleDifferences:
    """Of one rule. `gained`, `lost` and `changed` by channel; `parts`: what of those that changed."""

    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    moves: Counter[Move] = field(default_factory=Counter)
    customers: int = 0
    examples: list[ShownDifference] = field(default_factory=list)


class Differences:
    """Added up customer by customer. `customers`: who gains, loses or gets another message; `by_kind`: which.
    `examples` of each rule and kind are kept: the first ones.
    """

    def __init__(self, examples: int) -> None:
        self.rules: defaultdict[str, RuleDifferences] = defaultdict(RuleDifferences)
        self.customers = 0
        self.by_kind: Counter[Kind] = Counter()
        self.decisions = 0
        self._keep = examples

    def add(self, matches: Iterable[UnlikeMatch]) -> None:
        """All that is unlike of one customer."""
        kinds: set[Kind] = set()
        rules: set[str] = set()
        for match in matches:
            rule = self.rules[match.rule]
            self.decisions += len(match.live) + len(match.new)
            for live, new in _pairs(match):
                kind = self._compare(rule, match, live, new)
                if kind is not None:
                    kinds.add(kind)
                    rules.add(match.rule)
        self.customers += bool(kinds)
        self.by_kind.update(kinds)
        for name in rules:
            self.rules[name].customers += 1

    def _compare(
        self, rule: RuleDifferences, match: UnlikeMatch, live: Unlike | None, new: Unlike | None
    ) -> Kind | None:
        states = Move(*(_state(match, side, each) for side, each in (("live", live), ("new", new))))
        if states.live != states.new:
            rule.moves[states] += 1
        if "sent" not in states:
            return None
        kind: Kind = "changed" if states.live == states.new else "gained" if states.new == "sent" else "lost"
        said = (new if states.new == "sent" else live).said  # type: ignore[union-attr]  # what is sent is there
        getattr(rule, kind)[said["channel"]] += 1
        if live is not None and new is not None and kind == "changed":
            rule.parts.update(_parts(live.said, new.said))
        self._show(rule, kind, said, live, new)
        return kind

    def _show(
        self,
        rule: RuleDifferences,
        kind: Kind,
        said: Mapping[str, Any],
        live: Unlike | None,
        new: Unlike | None,
    ) -> None:
        """Keep it if it is among the first of its kind."""
        place = next((each.place for each in (new, live) if each is not None and each.place), "")
        one, other = (_message(each) if each is not None and each.is_sent else None for each in (live, new))
        shown = ShownDifference(said["at"], kind, said["customer_id"], place, said["event"], one, other)
        insort(rule.examples, shown, key=itemgetter(0, 2))
        alike = [each for each in rule.examples if each.kind == kind]
        if len(alike) > self._keep:
            rule.examples.remove(alike[-1])


def _message(sent: Unlike) -> dict[str, Any]:
    return {name: sent.said[name] for name in ("at", "channel", "variant", "content")}


def _pairs(match: UnlikeMatch) -> Iterator[tuple[Unlike | None, Unlike | None]]:
    """What was sent with what was sent; then what only one side sent with why the other did not."""
    sent = [[each for each in side if each.is_sent] for side in (match.live, match.new)]
    held = [
        [each for each in side if not each.is_sent and not each.is_put_off]
        for side in (match.live, match.new)
    ]
    both = min(map(len, sent))
    yield from zip(sent[0][:both], sent[1][:both], strict=True)
    live, new = ([*one[both:], *rest] for one, rest in zip(sent, held, strict=True))
    yield from zip_longest(live, new)
    waits = [any(each.is_put_off for each in side) for side in (match.live, match.new)]
    if not any(sent) and not any(held) and waits[0] != waits[1]:
        yield None, None


def _state(match: UnlikeMatch, side: str, decision: Unlike | None) -> str:
    if decision is not None:
        return decision.state
    return "put off" if side in match.put_off else NOTHING


def _parts(live: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """What of two messages is not the same."""
    names = (live.keys() | new.keys()) - _SAME
    return {_PARTS.get(name, name) for name in names if live.get(name) != new.get(name)}
