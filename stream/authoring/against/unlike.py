"""The decisions of two rule sets that have no equal on the other side, customer by customer.

Two decisions are equal if their lines in the files of two backtests are, but for the `revision`, and for the
`trigger_id` where the rule's definition changed, since the id is made of it. What is equal mostly comes in
the same portion of the events, and is forgotten there; the rest is sorted on disk by customer. So memory does
not grow with the history, whatever the rules do.

What quiet hours put off is kept all the same: whether the message then came at all is part of what differs.
Tested by tests/authoring/against/test_run.py, and as a property by test_property.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeVar

import orjson

from stream.authoring.backtest.run import lines
from stream.history._past import PastEvent
from stream.history.event_files import Portion
from stream.history.sorting import Sorter
from stream.rules.model import RuleSet
from stream.structs import Decision, Result

T = TypeVar("T")
Side = Literal["live", "new"]
SIDES: tuple[Side, Side] = ("live", "new")


class Unlike(NamedTuple):
    """A decision of one side: its line, without what tells equal ones apart (`form`), and what it says.
    `place`: of the event that caused it; empty where a timer did.
    """

    at: int
    line: bytes
    form: bytes
    said: dict[str, Any]
    place: str

    @property
    def is_sent(self) -> bool:
        return bool(self.said["outcome"] == "sent")

    @property
    def is_put_off(self) -> bool:
        return bool(self.said["outcome"] == "deferred")

    @property
    def state(self) -> str:
        """`sent`, or what kept the message back: of one that shadow mode alone did, `shadow`."""
        if self.is_sent:
            return "sent"
        return "put off" if self.is_put_off else str(self.said["reason"] or self.said["outcome"])


class Nowhere:
    """Where a timer's decisions come from."""

    partition = 0

    def place_of(self, number: int) -> str:
        return ""


NOWHERE = Nowhere()
KEPT = b""  # the form of what is not forgotten, whether or not it has an equal
AT_ONCE = 50_000  # decisions of a side that are held until the other has had the same events


@dataclass(slots=True)
class UnlikeMatch:
    """What is unlike of one match: of a rule, a customer and an event. `put_off`: on which sides quiet hours
    did that, alike or not.
    """

    rule: str
    live: list[Unlike] = field(default_factory=list)
    new: list[Unlike] = field(default_factory=list)
    put_off: set[Side] = field(default_factory=set)

    def written(self) -> Iterator[PastEvent]:
        """Each as in the file of a backtest, with its `side`, to be put in the order of time."""
        for rank, (side, found) in enumerate((("live", self.live), ("new", self.new))):
            for each in found:
                line = b'{"side":"%s",%s\n' % (side.encode(), each.line[1:])
                yield PastEvent(NOWHERE, rank, each.at, 0, each.at, None, line)


class UnlikeDecisions:
    """`take` what a side has decided, `settle` once both have had the same events; then ask `by_customer`."""

    def __init__(self, live: RuleSet, new: RuleSet, sorter: Sorter) -> None:
        self._sorter = sorter
        self._revisions = {"live": live.revision, "new": new.revision}
        ids = {rule.name: rule.stable_id for rule in live.rules}
        self._redefined = {
            rule.name for rule in new.rules if ids.get(rule.name, rule.stable_id) != rule.stable_id
        }
        self._taken: dict[Side, list[tuple[Decision, bytes]]] = {"live": [], "new": []}

    def take(self, side: Side, result: Result) -> None:
        self._taken[side] += lines(result, self._revisions[side])
        if len(self._taken[side]) > AT_ONCE:  # such as all reminders that are due at the end
            self.settle()

    def settle(self, portion: Portion | None = None) -> None:
        """Forget what is equal. `portion`: what both sides have had since the last time."""
        if not any(self._taken.values()):
            return
        forms = {
            side: [self._form_of(side, decision, line) for decision, line in taken]
            for side, taken in self._taken.items()
        }
        equal = Counter(forms["live"]) & Counter(forms["new"])
        del equal[KEPT]
        places = _Places(portion)
        for number, side in enumerate(SIDES):
            left = _without(self._taken[side], forms[side], equal)
            self._sorter.add(places.event_of(decision, line, number) for decision, line in left)
            self._taken[side] = []

    def by_customer(self) -> Iterator[list[UnlikeMatch]]:
        """Once; the customers in no order that means anything."""
        for _, together in groupby(self._sorter.sorted(), attrgetter("order")):
            matches: dict[tuple[str, ...], UnlikeMatch] = {}
            for event in together:
                side, found = self._read(event)
                of = matches.setdefault(self._match(found.said), UnlikeMatch(found.said["rule"]))
                getattr(of, side).append(found)
                if found.is_put_off:
                    of.put_off.add(side)
            if unlike := [each for each in matches.values() if _without_equals(each)]:
                yield unlike

    def _form_of(self, side: Side, decision: Decision, line: bytes) -> bytes:
        if decision.outcome == "deferred":
            return KEPT
        return self._form(side, decision.rule, decision.trigger_id, line)

    def _form(self, side: Side, rule: str, trigger_id: str, line: bytes) -> bytes:
        """Both stand before everything that an event or a customer says."""
        form = line.replace(b'"revision":"%s",' % self._revisions[side].encode(), b"", 1)
        return form.replace(trigger_id.encode(), b"", 1) if rule in self._redefined else form

    def _match(self, said: dict[str, Any]) -> tuple[str, ...]:
        rule = said["rule"]
        if rule in self._redefined:
            return rule, said["event"]["id"], said["event"]["time"]
        return rule, said["trigger_id"]

    def _read(self, event: PastEvent) -> tuple[Side, Unlike]:
        side, line = SIDES[event.rank], event.value or b""
        said = orjson.loads(line)
        form = self._form(side, said["rule"], said["trigger_id"], line)
        return side, Unlike(event.timestamp, line, form, said, event.place)


class _Places:
    """The records of a portion, to find where a decision was caused."""

    def __init__(self, portion: Portion | None) -> None:
        self._records = {} if portion is None else portion.records
        self._found: dict[str, dict[int, PastEvent]] = {}

    def event_of(self, decision: Decision, line: bytes, side: int) -> PastEvent:
        """A decision as what can be sorted."""
        cause = self._cause(decision)
        origin, number = (NOWHERE, 0) if cause is None else (cause.origin, cause.number)
        digest = blake2b(decision.customer_id.encode(), digest_size=8).digest()
        order = int.from_bytes(digest, "little") >> 1  # 63 bits: no two customers have the same
        return PastEvent(origin, side, order, number, decision.at, None, line)

    def _cause(self, decision: Decision) -> PastEvent | None:
        source = decision.source
        if decision.timed or source not in self._records:
            return None
        if source not in self._found:
            self._found[source] = {each.offset: each for each in self._records[source]}
        return self._found[source].get(decision.offset)


def _without_equals(match: UnlikeMatch) -> bool:
    """Take out what is equal after all; whether anything is left."""
    forms = {
        side: [each.form for each in found] for side, found in (("live", match.live), ("new", match.new))
    }
    equal = Counter(forms["live"]) & Counter(forms["new"])
    match.live = list(_without(match.live, forms["live"], equal))
    match.new = list(_without(match.new, forms["new"], equal))
    return bool(match.live or match.new)


def _without(found: Sequence[T], forms: Sequence[bytes], equal: Counter[bytes]) -> Iterator[T]:
    """Those that are left when `equal` is taken away. `forms`: theirs, in the same order."""
    left = equal.copy()
    for each, form in zip(found, forms, strict=True):
        if left[form]:
            left[form] -= 1
        else:
            yield each
