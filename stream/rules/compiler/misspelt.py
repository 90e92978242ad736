"""Names that are probably misspelt, where no tracking plan says which there are.

Known is what the tests have: the names and fields of their events, the attributes and consents of their
customers. A name that they do not have, and that differs by a slip from one that they have, is warned of: by
a letter too many, too few or another, by two that are swapped, by `_`, `-` and capitals. Names that differ by
a number do so on purpose; short ones often do: of them only what fingers do by themselves counts (`_slips`).
Of events, attributes and purposes, what other definitions name is known, too, as long as only one definition
has the odd one, or more have the other.
Tested by tests/rules/test_misspelt.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from stream.diagnostics import Code
from stream.hints import did_you_mean, foreign, unseen
from stream.rules import field_paths
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.known_data import Data
from stream.rules.compiler.plan import ENGINES, TrackingPlan
from stream.rules.compiler.uses import Use, place_of, uses
from stream.rules.files import Entry
from stream.rules.model import RuleSet
from stream.rules.shapes import Shape

_DIGITS = re.compile("[0-9]+")
_SHORT, _LONG = 4, 64  # letters: of shorter names many differ by one, of longer ones nobody knows
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
Path = tuple[str | None, ...]  # None: whatever item of a list


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
        for length in range(1, len(path) + 1):
            if (start := tuple(path[:length])) not in self.known:
                # Nobody knows a key that is worked out, and that a list has no fields is said elsewhere.
                if start[-1] is not None and (*start[:-1], None) not in self.known:
                    self.named.append(_Named(start, entry, use))
                return


def warn_of_slips(run: Compilation, rules: RuleSet, data: Data) -> None:
    """Adds a warning for each name that is probably misspelt, and for texts that show what no test has."""
    plan = run.plan
    known = _Known(rules, data, plan)
    events = _Kind(Code.MISSPELT_EVENT, "event", known.events, [])
    purposes = _Kind(Code.MISSPELT_PURPOSE, "purpose", known.purposes, [])
    fields = _Kind(Code.UNKNOWN_FIELD, "field", known.fields, [], others_count=False)
    attributes = _Kind(Code.MISSPELT_ATTRIBUTE, "attribute", known.attributes, [])
    contexts = _Kind(Code.UNKNOWN_FIELD, "field", known.contexts, [], others_count=False)
    by_root = {"event": fields, "customer": attributes, "context": contexts}
    found = list(uses(run.files, rules))
    constant = [use.event for _, use in found if use.keys == _CONSTANT]
    known.events |= {(use.event,) for _, use in found if use.event in constant and use.keys != _CONSTANT}
    for entry, use in found:
        root, *parts = use.path or ("",)
        if odd := _never(use, known, rules):
            code, path, message, hint = odd
            if not (plan.events if path == "event" else plan.attributes is not None):
                run.findings.add(code, place_of(entry, use), message, hint)
        elif use.event is not None:
            events.add((use.event,), entry, use)
        elif use.purpose is not None:
            purposes.add((use.purpose,), entry, use)
        elif root == "event" and use.shown and (never := known.never(parts, use.of, plan)):
            number, others = never
            path = _shown(tuple(parts[:number]))
            message = f"rule `{entry.key}` shows the field `{path}`, which no event of the tests has"
            meant = did_you_mean(str(parts[number - 1]), others)
            if (dotted := tuple(str(parts[number - 1]).split("."))) in known.fields:
                meant = f"write {_as_written(dotted, use)}"
            run.findings.add(Code.UNKNOWN_FIELD, place_of(entry, use, number), message, meant)
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


_CONSTANT = ("event", "is")  # of a source


class _Known:
    """The names that tests and sources have."""

    def __init__(self, rules: RuleSet, data: Data, plan: TrackingPlan) -> None:
        self.data = data
        self.events: set[Path] = {(name,) for name in data.names}
        self.mapped: set[Path] = {
            path[:length]
            for source in rules.sources
            for path in (source.event, source.customer, source.time, source.id)
            if path is not None
            for length in range(1, len(path) + 1)
        }
        self.fields = {*self.mapped, *_all_paths(data.events(data.names))}
        self.attributes: set[Path] = {*((each,) for each in ENGINES), *_all_paths(data.customers)}
        self.attributes |= set(_planned(plan.said))
        self.contexts: set[Path] = {(each.name,) for each in rules.sources}
        self.contexts |= {(name, *path) for name, body in data.contexts for path in _paths(body)}
        self.purposes: set[Path] = {(each,) for each in data.purposes}

    def never(
        self, path: Sequence[str | None], events: tuple[str, ...], plan: TrackingPlan
    ) -> tuple[int, set[str]] | None:
        """How much of a path no event of these names has, if the tests have some, and what is there instead.
        A tracking plan knows all but what is in lists.
        """
        reached, others, tested = 0, set[str](), False
        for body in self.data.events(events):
            tested = True
            length, around = _reached(body, path)
            if length == len(path):
                return None
            if length > reached:
                reached, others = length, set()
            others |= around.keys() if length == reached else set()
        start = tuple(path[: reached + 1])
        if not tested or start in self.mapped or (plan.events and None not in start):
            return None
        return reached + 1, others


def _reached(value: Any, path: Sequence[str | None]) -> tuple[int, Mapping[str, Any]]:
    """How many parts of a path are there, and the object that has no more of them; all of them where nobody
    can say, and where something else is in the way.
    """
    for number, part in enumerate(path):
        if isinstance(value, list) and value and (part is None or part in ("first", "last")):
            found = [_reached(each, path[number + 1 :]) for each in value]
            length, around = max(found, key=lambda each: each[0])
            return number + 1 + length, around
        if not isinstance(value, Mapping) or part is None:
            break
        if part not in value:
            return (len(path), {}) if part == "size" else (number, value)
        value = value[part]
    return len(path), {}


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
    if odd := _unseen(use, known):
        return odd
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


def _unseen(use: Use, known: _Known) -> tuple[Code, str, str, str] | None:
    """What nobody sees in a name that no test has."""
    code, what, root = Code.UNKNOWN_FIELD, "field", "customer" if use.path[:1] == ("customer",) else "event"
    names = [part for part in use.path if part is not None]
    if use.event is not None:
        code, what, names = Code.MISSPELT_EVENT, "event", [use.event]
    if (use.event,) in known.events or any(use.path[1:] in each for each in (known.fields, known.attributes)):
        return None
    for name in names:
        odd = unseen(name) or foreign(name) or ("space at its end" if name != name.strip() else None)
        if odd is not None:
            return code, root, f"the name of the {what} `{name}` has a {odd}", "type it anew"
    return None


_SURELY = ("attributes", "traits", "segments", "consents")  # of the others an attribute may be called so
_PATHS = (("field",), ("per",), ("value",))


def _paths(value: Any, before: Path = ()) -> Iterator[Path]:
    """Every path in an object, or of an item of a list."""
    named = value.items() if isinstance(value, Mapping) else ()
    items = ((None, each) for each in value) if isinstance(value, list) else ()
    for name, inner in chain(named, items):
        yield (*before, name)
        yield from _paths(inner, (*before, name))


def _planned(shape: Shape, before: Path = ()) -> Iterator[Path]:
    for name, inner in (shape.fields or {}).items():
        yield (*before, name)
        yield from _planned(inner, (*before, name))


def _all_paths(values: Iterable[Any]) -> set[Path]:
    return {path for each in values for path in _paths(each)}


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
        more = {each for each in alike if times[path] == 1 or times[each] > times[path]}
        if tested or more:
            meant = min(tested or more, key=_shown)
            others = "" if times[path] > 1 else " and no other definition"
            message = f"no test{others} has the {kind.what} `{_shown(path)}`"
            hint = f"did you mean `{_shown(meant)}`?"
            if _shown(path) == _shown(meant):  # a dot within a name, or none
                message = f"no test{others} has the {kind.what} `{_written(path)}`"
                hint = f"write {_as_written(meant, use)}"
            at = place_of(entry, use, _first_other(path, meant))
            run.findings.add(kind.code, at, message, hint)
            said.add(path)


def _first_other(path: Path, meant: Path) -> int:
    """The number, counted with the root, of the part in which they differ first."""
    for number, (one, other) in enumerate(zip(path, meant, strict=False), 1):
        if one != other:
            return number
    return min(len(path), len(meant))


def _shown(path: Path) -> str:
    return "".join("[]" if part is None else f".{part}" for part in path).removeprefix(".")


def _written(path: Path) -> str:
    return field_paths.write([str(part) for part in path])


def _as_written(path: Path, use: Use) -> str:
    """A path as a condition has it, or as other keys do."""
    if use.shown or use.keys[-1:] in (("where",), ("if",), ("value",), ()):
        names = [str(part) for part in path]
        return f"{use.path[0]}{field_paths.in_condition(names).removeprefix('event')}"
    return _written(path)


def _without_digits(path: Path) -> tuple[str, ...]:
    return tuple(_DIGITS.sub("", part or "") for part in path)


def _keys(path: Path) -> set[str]:
    """What names have in common that differ by a slip."""
    plain = _plain(path)
    keys = {f"= {plain}"} if len(plain) > 1 else set()
    if _SHORT < len(plain) <= _LONG:
        keys |= {plain} | {plain[:at] + plain[at + 1 :] for at in range(len(plain))}
    return keys


def _plain(path: Path) -> str:
    return "".join(filter(str.isalnum, "".join(part or "" for part in path))).casefold()


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
