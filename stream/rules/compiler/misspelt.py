"""Names that are probably misspelt, where no tracking plan says which there are.

Known is what the tests have: the names and fields of their events, the attributes and consents of their
customers. A name that they do not have, and that differs by a slip from one that they have, is warned of: by
a letter too many, too few or another, by two that are swapped, by `_`, `-` and capitals. Names that differ by
a number do so on purpose; short ones often do: of them only what fingers do by themselves counts (`_slips`).
Of events, attributes and purposes, what other definitions name is known, too, as long as only one definition
has the odd one.
Tested by tests/rules/test_misspelt.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple, cast

from stream.diagnostics import Code
from stream.hints import did_you_mean
from stream.rules import field_paths
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.plan import ENGINES
from stream.rules.compiler.uses import Use, place_of, uses
from stream.rules.files import Entry
from stream.rules.model import RuleSet
from stream.rules.testcases import RuleTest

_DIGITS = re.compile("[0-9]+")
_SHORT, _LONG = 4, 64  # letters: of shorter names many differ by one, of longer ones nobody knows
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
Path = tuple[str, ...]


class _Named(NamedTuple):
    """A name as a definition has it; `path` has its parts, more than one of a field or an attribute."""

    path: Path
    entry: Entry
    use: Use


class _Kind(NamedTuple):
    """Names that could be meant for one another. `known`: what the tests have; of fields, all around them.

    `others_count`: what other definitions name is known, too.
    """

    code: Code
    what: str
    known: set[Path]
    named: list[_Named]
    others_count: bool = True

    def add(self, path: Sequence[str | None], entry: Entry, use: Use) -> None:
        """Note a name: of a path as much as is not known, and of that the first part."""
        parts = tuple(takewhile(lambda part: part is not None, path))
        for length in range(1, len(parts) + 1):
            if parts[:length] not in self.known:
                self.named.append(_Named(cast(Path, parts[:length]), entry, use))
                return


def warn_of_slips(run: Compilation, rules: RuleSet, tests: Sequence[RuleTest]) -> None:
    """Adds a warning for each name that is probably misspelt, and for texts that show what no test has."""
    known = _Known(rules, tests)
    plan = run.plan
    events = _Kind(Code.MISSPELT_EVENT, "event", known.events, [])
    purposes = _Kind(Code.MISSPELT_PURPOSE, "purpose", known.purposes, [])
    fields = _Kind(Code.UNKNOWN_FIELD, "field", known.fields, [], others_count=False)
    attributes = _Kind(Code.MISSPELT_ATTRIBUTE, "attribute", known.attributes, [])
    contexts = _Kind(Code.UNKNOWN_FIELD, "field", known.contexts, [], others_count=False)
    by_root = {"event": fields, "customer": attributes, "context": contexts}
    for entry, use in uses(run.files, rules):
        root, *parts = use.path or ("",)
        if odd := _never(use, known, rules):
            code, path, message, hint = odd
            if not (plan.events if path == "event" else plan.attributes is not None):
                run.findings.add(code, place_of(entry, use), message, hint)
        elif use.event is not None:
            events.add((use.event,), entry, use)
        elif use.purpose is not None:
            purposes.add((use.purpose,), entry, use)
        elif root == "event" and use.shown and parts and not plan.events and known.never(parts[0], use.of):
            message = f"rule `{entry.key}` shows the field `{parts[0]}`, which no event of the tests has"
            meant = did_you_mean(str(parts[0]), known.fields_of(use.of))
            run.findings.add(Code.UNKNOWN_FIELD, place_of(entry, use, 1), message, meant)
        elif root in by_root:
            by_root[root].add(parts, entry, use)
    for kind, is_planned in (
        (events, bool(plan.events)),
        (fields, bool(plan.events)),
        (attributes, plan.attributes is not None),
        (purposes, plan.purposes is not None),
        (contexts, False),
    ):
        if not is_planned:
            _warn(run, kind)


class _Known:
    """The names that tests and sources have."""

    def __init__(self, rules: RuleSet, tests: Iterable[RuleTest]) -> None:
        self.events: set[Path] = {(each.constant,) for each in rules.sources if each.constant is not None}
        self.samples: dict[str, set[str]] = defaultdict(set)  # the fields of the tests' events, by name
        self.mapped = {
            path[:length]
            for source in rules.sources
            for path in (source.event, source.customer, source.time, source.id)
            if path is not None
            for length in range(1, len(path) + 1)
        }
        self.fields = set(self.mapped)
        self.attributes: set[Path] = {(each,) for each in ENGINES}
        self.contexts: set[Path] = {(each.name,) for each in rules.sources}
        self.purposes: set[Path] = set()
        kinds = {source.name: source.kind for source in rules.sources}
        for test in tests:
            self._profile(test.customer.attributes, test.customer.consents)
            for event in test.events:
                source = event.source or rules.first_source or ""
                if kinds[source] == "profile":
                    self._profile(event.fields.get("attributes"), event.fields.get("consents"))
                elif kinds[source] == "context":
                    self.contexts |= set(_paths({source: event.fields}))
                else:
                    self.events.add((event.name,))
                    self.samples[event.name] |= event.fields.keys()
                    self.fields |= set(_paths(event.fields))

    def _profile(self, attributes: Any, consents: Any) -> None:
        self.attributes |= set(_paths(attributes))
        self.purposes |= {(each,) for each in consents} if isinstance(consents, Mapping) else set()

    def fields_of(self, events: Iterable[str]) -> set[str]:
        return {field for name in events for field in self.samples.get(name, ())}

    def never(self, field: str | None, events: Iterable[str]) -> bool:
        """Whether the tests have events of these names, and none of them has the field."""
        known = self.fields_of(events)
        tested = any(name in self.samples for name in events)
        return tested and field is not None and field not in known and (field,) not in self.mapped


_NOT_BELOW_CUSTOMER = {
    "attributes": "an attribute is `customer.NAME`",
    "properties": "an attribute is `customer.NAME`",
    "traits": "a trait is `traits.NAME`",
    "segments": "a segment is `segments.NAME`",
    "consents": "consents are asked for by the channel: `consent` there",
    "id": "the id is no attribute: it is a field of the event, such as `event.{}`",
    "customer_id": "the id is no attribute: it is a field of the event, such as `event.{}`",
}


def _never(use: Use, known: _Known, rules: RuleSet) -> tuple[Code, str, str, str] | None:
    """What is no slip of a letter and never there, with what to write: several events in one text, `event.`
    in front of a path within the event, the parts of a profile's record.
    """
    if use.event is not None:
        several = [each.strip() for each in use.event.split(",")]
        if (use.event,) not in known.events and (len(several) > 1 or use.event == "*"):
            hint = f"write [{', '.join(several)}]" if len(several) > 1 else "name them, in a list"
            return Code.MISSPELT_EVENT, "event", f"no event is called `{use.event}`", hint
        return None
    root, *parts = use.path or ("",)
    within = root == "event" and parts[:1] == ["event"] and len(parts) > 1 and use.keys[-1:] in _PATHS
    if within and not any(path[:1] == ("event",) and len(path) > 1 for path in known.fields):
        right = field_paths.write([str(each) for each in parts[1:]])
        message = f"`{use.keys[-1]}` is a path within the event, which has no object `event`"
        return Code.UNKNOWN_FIELD, "event", message, f"write `{use.keys[-1]}: {right}`"
    name = str(parts[0]) if parts else ""
    sure = name in _SURELY or len(known.attributes) > len(ENGINES)  # the tests' customers have some
    if root == "customer" and sure and name in _NOT_BELOW_CUSTOMER and (name,) not in known.attributes:
        ids = next((each.customer for each in rules.sources if each.kind == "event"), ())
        hint = _NOT_BELOW_CUSTOMER[name].format(".".join(ids))
        return (
            Code.MISSPELT_ATTRIBUTE,
            "customer",
            f"`customer` has attributes, and none is called `{name}`",
            hint,
        )
    return None


_SURELY = ("attributes", "traits", "segments", "consents")  # of the others an attribute may be called so
_PATHS = (("field",), ("per",), ("value",))


def _paths(value: Any, before: Path = ()) -> Iterator[Path]:
    """Every path in an object."""
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        yield (*before, name)
        yield from _paths(inner, (*before, name))


def _warn(run: Compilation, kind: _Kind) -> None:
    times = Counter(path for path, _ in {(each.path, each.entry.location) for each in kind.named})
    odd: dict[str, list[Path]] = defaultdict(list)  # by what they have in common with others
    for path in times:
        for key in _keys(path) | {f"~ {_plain(path)}"}:
            odd[key].append(path)
    near: dict[Path, set[Path]] = defaultdict(set)
    for other in {*kind.known, *(times if kind.others_count else ())}:
        keys = _keys(other) | {f"~ {slip}" for slip in _slips(_plain(other))}
        for path in {path for key in keys for path in odd.get(key, ())}:
            if _without_digits(path) != _without_digits(other):
                near[path].add(other)
    said: set[Path] = set()  # of two that are alike, one is wrong
    for path, entry, use in kind.named:
        alike = near[path] - said
        tested = alike & kind.known
        if tested or (alike and times[path] == 1):
            meant = min(tested or alike)
            others = "" if times[path] > 1 else " and no other definition"
            message = f"no test{others} has the {kind.what} `{'.'.join(path)}`"
            at = place_of(entry, use, _first_other(path, meant))
            run.findings.add(kind.code, at, message, f"did you mean `{'.'.join(meant)}`?")
            said.add(path)


def _first_other(path: Path, meant: Path) -> int:
    """The number, counted with the root, of the part in which they differ first."""
    for number, (one, other) in enumerate(zip(path, meant, strict=False), 1):
        if one != other:
            return number
    return min(len(path), len(meant))


def _without_digits(path: Path) -> str:
    return _DIGITS.sub("", ".".join(path))


def _keys(path: Path) -> set[str]:
    """What names have in common that differ by a slip."""
    plain = _plain(path)
    keys = {f"= {plain}"} if len(plain) > 1 else set()
    if _SHORT < len(plain) <= _LONG:
        keys |= {plain} | {plain[:at] + plain[at + 1 :] for at in range(len(plain))}
    return keys


def _plain(path: Path) -> str:
    return "".join(filter(str.isalnum, "".join(path))).casefold()


def _slips(name: str) -> set[str]:
    """What becomes of a short name by two letters that are swapped, one that is hit twice or not at all, or
    the key beside it: not of its first letter, nor of an `s` at its end, which make other words.
    """
    if not 1 < len(name) <= _SHORT or not name.isalpha():
        return set()
    found = {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(len(name) - 1)}
    found |= {name[: at + 1] + name[at:] for at in range(len(name))}
    for at in range(1, len(name)) if len(name) > _SHORT - 2 else ():
        beside = _BESIDE.get(name[at], ())
        found |= {name[:at] + key + name[at + 1 :] for key in beside}
        found |= {name[:at] + key + name[at:] for key in beside}
        found |= {name[:at] + name[at + 1 :]} if name[at:] != "s" else set()
    return found - {name}


_KEYS_AROUND = ((0, -1), (0, 1), (1, -1), (1, 0), (-1, 0), (-1, 1))  # rows stand aslant
_BESIDE: Mapping[str, list[str]] = {
    letter: [
        _ROWS[row + down][at + across]
        for down, across in _KEYS_AROUND
        if 0 <= row + down < len(_ROWS) and 0 <= at + across < len(_ROWS[row + down])
    ]
    for row, letters in enumerate(_ROWS)
    for at, letter in enumerate(letters)
}
