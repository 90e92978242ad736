"""What the first events are called, and have: so that a rule that matched nothing can be told of `Purchase`.

Only the first events of each source are looked at, as each costs a reading of its JSON.
Tested by tests/authoring/backtest/test_seen_names.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from stream.hints import did_you_mean
from stream.history._past import PastEvent
from stream.rules.model import FieldPath, RuleSet

MOST_LOOKED_AT = 1_000  # of each source


class SeenNames:
    """The names of events, and of their fields, each with the place of the first that had it."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._paths = {each.name: each.event for each in rules.sources if each.event is not None}
        self._left = dict.fromkeys(self._paths, MOST_LOOKED_AT)
        self._events: dict[str, str] = {}
        self._fields: dict[str, str] = {}

    def look(self, source: str, records: Iterable[PastEvent]) -> None:
        """Take note of the first events of a source."""
        for record in records if self._left.get(source) else ():
            self._left[source] -= 1
            try:
                body = orjson.loads(record.value or b"")
            except orjson.JSONDecodeError:
                body = None
            name = _at(body, self._paths[source])
            if isinstance(body, dict) and isinstance(name, str):
                self._events.setdefault(name, record.place)
                for each in body:
                    self._fields.setdefault(each, record.place)
            if not self._left[source]:
                return

    def misspelt(self, silent: Iterable[str]) -> Iterator[str]:
        """What rules that matched nothing wait for, and what is called otherwise."""
        wanted = {name for rule in self._rules.rules if rule.name in silent for name in rule.steps[0].on}
        for name in sorted(wanted - self._events.keys()):
            if near := did_you_mean(name, self._events) or _like(name, self._events):
                place = self._events[near.split("`")[1]]
                yield f"none of the first events is called `{name}`, first {place}: {near}"

    def meant(self, path: str) -> str:
        """What to say beside a field of the event that is not there: the one that is called alike."""
        root, _, field = path.partition(".")
        if root != "event" or not field or field in self._fields:
            return ""
        near = did_you_mean(field, self._fields) or _like(field, self._fields)
        return f" ({near} First {self._fields[near.split('`')[1]]})" if near else ""


def _like(name: str, names: Iterable[str]) -> str | None:
    """Of names that differ in capitals, `_` and the like only."""
    plain = _plain(name)
    return next((f"did you mean `{each}`?" for each in names if _plain(each) == plain), None)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _at(body: object, path: FieldPath) -> object:
    for part in path:
        body = body.get(part) if isinstance(body, dict) else None
    return body
