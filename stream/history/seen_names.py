"""Names that the rules ask for, held against those that past events have: what never came, and what probably
did in its place.

A rule that waits for an event that never comes never fires, a trait that counts it stays as it is, and of
`unless` everybody gets the message. A purpose that no channel asks for is perhaps one that is misspelt. Where
not all of the past is given, such as one of three topics, that is as it should be; so it is said, and nothing
ends for it.

Whether an event came is known of all (`event_files`). What else there is called so or so is looked for among
the first records of each source, as each costs a reading of its JSON.
Tested by tests/history/test_seen_names.py.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import orjson

from stream.hints import did_you_mean
from stream.history._past import PastEvent
from stream.rules.model import RuleSet, Source

LOOKED_AT = {"event": 1_000, "profile": 10_000, "context": 0}  # records of a source
MOST = 10  # names that are said
MOST_PATHS = 1_000
MOST_LEVELS = 4  # of objects within each other that are looked into
SAME_PURPOSE = 0.85  # `marketing_emial` is meant to be `marketing_email`, and `marketing_sms` is not
EVERYTHING = frozenset({"*", "all"})  # names of no purpose

_is_name = re.compile(r"[\w.-]{1,128}").fullmatch  # what is none may be somebody's address


def asked_for(rules: RuleSet) -> Mapping[str, list[str]]:
    """Who asks for each name of an event, in the words of a rule file."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for who, names in _asking(rules):
        for name in names:
            found[name].append(who)
    return found


def _asking(rules: RuleSet) -> Iterator[tuple[str, Iterable[str]]]:
    for rule in rules.rules:
        yield f"rule {rule.name}", dict.fromkeys(name for step in rule.steps for name in step.on)
        if rule.unless is not None:
            yield f"`unless` of rule {rule.name}", rule.unless.on
        yield f"the goal of rule {rule.name}", dict.fromkeys(name for goal in rule.goals for name in goal.on)
    for trait in rules.traits:
        yield f"traits.{trait.name}", trait.events


class SeenNames:
    """What the first records of each source have, each with the place of the first that has it: names of
    events, of their fields (`event.…`) and of attributes (`customer.…`), and purposes of consents.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._sources = {each.name: each for each in rules.sources}
        self._left = {each.name: LOOKED_AT[each.kind] for each in rules.sources}
        self._events: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._within: defaultdict[str, list[str]] = defaultdict(list)  # of what is an object
        self._purposes: dict[str, str] = {}
        self._meant: dict[str, str] = {}

    def look(self, source: str, records: Iterable[PastEvent]) -> None:
        """Take note of the first records of a source."""
        if not self._left.get(source):
            return
        for record in records:
            self._left[source] -= 1
            try:
                body = orjson.loads(record.value or b"")
            except orjson.JSONDecodeError:
                body = None
            if isinstance(body, dict):
                self._note(self._sources[source], body, record.place)
            if not self._left[source]:
                return

    def _note(self, source: Source, body: dict[str, Any], place: str) -> None:
        if source.kind == "profile":
            if isinstance(consents := body.get("consents"), dict):
                for purpose in filter(_is_name, consents):
                    self._purposes.setdefault(purpose, place)
            self._note_paths("customer", body.get("attributes"), place)
            return
        name: Any = body if source.constant is None else source.constant
        for part in source.event or ():
            name = name.get(part) if isinstance(name, dict) else None
        if isinstance(name, str):
            self._events.setdefault(name, place)
            self._note_paths("event", body, place)

    def _note_paths(self, root: str, body: object, place: str, levels: int = MOST_LEVELS) -> None:
        if not isinstance(body, dict) or not levels:
            return  # what a list has is not looked into
        for name, value in body.items():
            path = f"{root}.{name}"
            if path not in self._paths:
                if len(self._paths) >= MOST_PATHS:
                    return
                self._paths[path] = place
                self._within[root].append(name)
            self._note_paths(path, value, place, levels - 1)

    def notes(self, absent: Iterable[str]) -> Iterator[str]:
        """A line for each event that did not come, and for purposes that nobody asks for."""
        asked = asked_for(self._rules)
        missing = sorted(asked.keys() & set(absent))  # of two rule sets that are compared, these rules'
        come = [name for name in asked if name not in set(missing)]
        for name in missing[:MOST]:
            first, *more = asked[name]
            others = f" and {len(more):,} more ask for" if more else " asks for"
            yield f"no `{name}` came, which {first}{others}{self._instead(name, come)}"
        if len(missing) > MOST:
            yield f"nor did {len(missing) - MOST:,} more events that are asked for: --json has their names"
        yield from self._unasked_purposes()

    def _instead(self, name: str, come: Iterable[str]) -> str:
        """What to say beside an event that did not come."""
        near = _like(name, [*self._events, *come])
        if near is None:
            return ""
        at = f" First {self._events[near]}" if near in self._events else ""
        return f" (did you mean `{near}`?{at})"

    def _unasked_purposes(self) -> Iterator[str]:
        """A purpose that is spelt otherwise than a channel's grants nothing."""
        asked = {each.consent for each in self._rules.channels if each.consent is not None}
        asked |= {each.consent for each in self._rules.policy.sensitive}
        others: list[str] = []
        told = 0
        for purpose, place in sorted(self._purposes.items()):
            if purpose in asked or purpose in EVERYTHING:
                continue
            near = _like(purpose, asked, cutoff=SAME_PURPOSE) if told < MOST else None
            if near is None:
                others.append(purpose)
                continue
            told += 1
            fix = f"if it is `{near}`, rename it, or write `consent: {purpose}` into the channel"
            yield f"no channel asks for the consent `{purpose}`, first {place} ({fix})"
        if others and asked:
            names = ", ".join(f"`{each}`" for each in others[:MOST])
            more = f" and {len(others) - MOST:,} more" if len(others) > MOST else ""
            first = self._purposes[others[0]]
            yield f"no channel asks for the consent{'s' * (len(others) > 1)} {names}{more}, first {first}"

    def meant(self, path: str) -> str:
        """What to say beside a field that is not there: what is called alike, or what an object has."""
        if path not in self._meant:
            self._meant[path] = self._look_up(path) if len(self._meant) < MOST_PATHS else ""
        return self._meant[path]

    def _look_up(self, path: str) -> str:
        root, _, last = path.rpartition(".")
        if path in self._paths:
            if not (within := self._within.get(path)):
                return ""
            return f" (it is an object: name a field of it, such as `{path}.{within[0]}`)"
        if (near := _like(last, self._within.get(root, ()))) is not None:
            return f" (did you mean `{near}`? First {self._paths[f'{root}.{near}']})"
        # `amount` for `order.amount`: the only one of this name
        deeper = [each for each in self._paths if each.startswith(f"{path.partition('.')[0]}.")]
        same = [each for each in deeper if each.rpartition(".")[2] == last]
        return f" (did you mean `{same[0]}`? First {self._paths[same[0]]})" if len(same) == 1 else ""


def _like(name: str, names: Collection[str], cutoff: float | None = None) -> str | None:
    """Of some names the one that differs in capitals, `_` and the like only, else one that is spelt alike."""
    plain = _plain(name)
    for each in names:
        if plain and _plain(each) == plain:
            return each
    if cutoff is not None:
        return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=cutoff)), None)
    near = did_you_mean(name, names)
    return None if near is None else near.split("`")[1]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()
