"""Reading a definition: each key of a mapping as what it should be, with a finding where it is not.

A reader never stops at an error: it notes the finding and answers None, so that one run finds them all.
Tested by tests/rules/test_compiler.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TypeVar
from zoneinfo import available_timezones

from stream.clock import iana_zone
from stream.content.locales import exact_locale
from stream.diagnostics import Code, Diagnostic, Location
from stream.errors import ExpressionError
from stream.expression import Node, parse, simplify
from stream.hints import did_you_mean
from stream.rules import keys
from stream.rules import scope as conditions
from stream.rules.durations import CALENDARS, parse_duration, parse_rate, parse_time
from stream.rules.files import Entry, Mapped, Scalar, Sequence, Written
from stream.rules.model import FieldPath, Limit, Quiet, Share
from stream.rules.scope import Scope

T = TypeVar("T")

NAME = re.compile(keys.NAME)
VARIABLE = re.compile(keys.VARIABLE)
_TOPIC = re.compile(keys.TOPIC)
_PATH = re.compile(keys.PATH)
_SHARE = re.compile(keys.SHARE)
_HOURS = re.compile(keys.HOURS)
_DURATION_HINT = "write e.g. 90s, 30m, 1h30m, 7d or 4w"
_LEADING_ZERO = re.compile(r"[-+]?0o?[0-9]+")
_RATE_IN_WORDS = re.compile(r"([0-9]{1,4}) *(?:per|an?|/|every) *(calendar\b *)?([A-Za-z]{1,20})")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-9]{2})(?::([0-9]{2}))?")  # a number to base 60 in YAML 1.1


class Findings:
    """What has been found wrong so far."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self.all = list(found)

    def add(self, code: Code, at: Location, message: str, hint: str | None = None) -> None:
        self.all.append(Diagnostic(code, at, message, hint))

    @property
    def refused(self) -> bool:
        """Whether there is an error among them, not only warnings."""
        return any(each.severity == "error" for each in self.all)


class Reader:
    """One definition, or one mapping within it. `what` names it in messages: rule `x`."""

    def __init__(
        self,
        what: str,
        at: Location,
        body: Written,
        findings: Findings,
        *,
        keys: Collection[str],
        open_ended: bool = False,
    ) -> None:
        self.what, self.at, self.findings = what, at, findings
        self.entries = dict(body.entries) if isinstance(body, Mapped) else {}
        self.broken = not isinstance(body, Mapped)
        if self.broken:
            findings.add(
                Code.WRONG_TYPE,
                body.location,
                f"{what} must be a mapping",
                f"its keys are: {', '.join(keys)}",
            )
        for entry in self.entries.values():
            if entry.key not in keys and (not open_ended or entry.key == "<<"):
                code = Code.YAML_1_1 if _is_trap(entry.key, keys) else Code.UNKNOWN_KEY
                findings.add(code, entry.location, f"unknown key `{entry.key}`", _meant(entry.key, keys))

    def need(self, key: str, hint: str | None = None) -> Entry | None:
        """The entry of a key that must be there."""
        entry = self.entries.get(key)
        if entry is None and not self.broken:
            self.findings.add(Code.MISSING_KEY, self.at, f"{self.what} needs `{key}`", hint)
        return entry

    def text(self, key: str) -> str | None:
        scalar = self._text(self.entries.get(key))
        return str(scalar.value) if scalar else None

    def name(self, key: str, choices: Collection[str], kind: str) -> str | None:
        """One of `choices`."""
        return self._name(self.entries.get(key), choices, kind)

    def names(self, key: str, choices: Collection[str], kind: str, most: int) -> tuple[str, ...]:
        """One of `choices` or a list of them, in the order given, each once."""
        entry = self.entries.get(key)
        if entry is None:
            return ()
        items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        if not 1 <= len(items) <= most:
            message = f"`{key}` must have 1 to {most} names"
            self.findings.add(Code.WRONG_LIST, entry.value.location, message)
        found: dict[str, Written] = {}
        for item in items[:most]:
            name = self._name(Entry(key, entry.location, item), choices, kind)
            if name in found:
                message, hint = f"the {kind} `{name}` stands twice", f"also at {found[name].location}"
                self.findings.add(Code.WRONG_LIST, item.location, message, hint)
            elif name is not None:
                found[name] = item
        return tuple(found)

    def _name(self, entry: Entry | None, choices: Collection[str], kind: str) -> str | None:
        scalar = self._text(entry)
        if scalar is None or scalar.value in choices:
            return str(scalar.value) if scalar else None
        known = f"there are: {', '.join(choices)}" if choices else f"no {kind} is defined"
        hint = did_you_mean(str(scalar.value), choices) or known
        self.findings.add(Code.UNKNOWN_NAME, scalar.location, f"unknown {kind} `{scalar.value}`", hint)
        return None

    def new_name(self, key: str, pattern: re.Pattern[str] = NAME) -> str | None:
        """A name that is given here."""
        hint = "small letters, digits and `_`, a letter first"
        hint += "" if pattern is VARIABLE else "; also `-`"
        return self._parsed(Code.WRONG_NAME, key, _checked(pattern), "a name", hint)

    def items(self, key: str, most: int) -> tuple[Written, ...]:
        """What stands in a list."""
        entry = self.entries.get(key)
        if entry is None:
            return ()
        if not isinstance(entry.value, Sequence):
            message, hint = f"`{key}` must be a list", "put `- ` in front of each item"
            self.findings.add(Code.WRONG_TYPE, entry.value.location, message, hint)
            return ()
        if len(entry.value.items) > most:
            message = f"`{key}` has {len(entry.value.items):,} items, at most {most:,} are allowed"
            self.findings.add(Code.WRONG_LIST, entry.value.location, message)
        return entry.value.items[:most]

    def either(self, one: str, other: str) -> None:
        """Of two keys at most one may be there."""
        first, second = self.entries.get(one), self.entries.get(other)
        if first is None or second is None:
            return
        for entry, elsewhere in ((first, second), (second, first)):
            message = f"{self.what} has `{one}` and `{other}`"
            hint = f"leave one of them out; `{elsewhere.key}` stands at {elsewhere.location}"
            self.findings.add(Code.ONE_OR_THE_OTHER, entry.location, message, hint)

    def forbid(self, key: str, why: str, hint: str, code: Code = Code.KEY_OUT_OF_PLACE) -> None:
        """A key that has no place in this definition."""
        if entry := self.entries.get(key):
            self.findings.add(code, entry.location, why, hint)

    def path(self, key: str) -> FieldPath | None:
        """A field path, `properties.order.id`, as its parts."""
        text = self._parsed(
            Code.NO_FIELD_PATH, key, _checked(_PATH), "a field path", "write e.g. properties.order.id"
        )
        return tuple(text.split(".")) if text else None

    def paths(self, key: str, form: str) -> tuple[FieldPath, ...]:
        """The field paths of a list, sorted, each of which must have a form."""
        found: set[str] = set()
        for item in self.items(key, keys.MAX_MARKED):
            scalar = self._text(Entry(key, item.location, item))
            if scalar is None:
                continue
            if re.fullmatch(form, scalar.written) is None:
                message, hint = f"`{key}` has what is no field", "write e.g. event.due_date or customer.size"
                self.findings.add(Code.NO_FIELD_PATH, scalar.location, message, hint)
            elif scalar.written in found:
                message = f"the field `{scalar.written}` stands twice"
                self.findings.add(Code.WRONG_LIST, scalar.location, message)
            found.add(scalar.written)
        if key in self.entries and isinstance(self.entries[key].value, Sequence) and not found:
            at = self.entries[key].location
            self.findings.add(Code.WRONG_LIST, at, f"`{key}` is empty", "leave it out")
        return tuple(tuple(each.split(".")) for each in sorted(found))

    def share(self, key: str) -> Share | None:
        """`12.5%` in hundredths of a per cent."""
        text = self._parsed(Code.NO_SHARE, key, _checked(_SHARE), "a share", "write e.g. 10% or 0.5%")
        return None if text is None else round(float(text.rstrip("%")) * 100)

    def hours(self, key: str) -> Quiet | None:
        """`21:00-08:00` in minutes of the day."""
        hint = 'write e.g. "21:00-08:00"'
        text = self._parsed(Code.NO_HOURS, key, _checked(_HOURS), "hours of the day", hint)
        if text is None:
            return None
        start, end = (int(each[:2]) * 60 + int(each[3:]) for each in text.split("-"))
        if start == end % (24 * 60):
            message = f"`{key}` begins when it ends"
            self.findings.add(Code.NO_HOURS, self.entries[key].value.location, message, hint)
            return None
        return Quiet(start, end)

    def time_zone(self, key: str) -> str | None:
        scalar = self._text(self.entries.get(key))
        if scalar is None:
            return None
        name = str(scalar.value)
        if iana_zone(name) is None:
            hint = did_you_mean(name, available_timezones()) or "write e.g. Europe/Berlin"
            self.findings.add(
                Code.UNKNOWN_TIME_ZONE, scalar.location, f"unknown time zone `{name[:40]}`", hint
            )
        return name

    def locale(self, key: str) -> str | None:
        scalar = self._text(self.entries.get(key))
        if scalar is None:
            return None
        name = str(scalar.value)
        if exact_locale(name) is None:
            hint = "write a language, and a country if you like: de, en-GB"
            message = f"unknown locale `{name[:40]}`"
            self.findings.add(Code.UNKNOWN_LOCALE, scalar.location, message, hint)
        return name

    def time(self, key: str) -> int | None:
        """An ISO 8601 time, UTC if it does not say, in milliseconds."""
        return self._parsed(Code.NO_TIME, key, parse_time, "a time", "write e.g. 2026-03-02T10:00:00Z")

    def topic(self, key: str) -> str | None:
        hint = "letters, digits, `.`, `_` and `-`"
        return self._parsed(Code.NO_TOPIC_NAME, key, _checked(_TOPIC), "a topic's name", hint)

    def duration(self, key: str, *, least: int = 1) -> int | None:
        """Milliseconds."""
        ms = self._parsed(Code.NO_DURATION, key, parse_duration, "a duration", _DURATION_HINT)
        if ms is not None and ms < least:
            self.findings.add(
                Code.NO_DURATION, self.entries[key].value.location, f"`{key}` must be longer than nothing"
            )
        return ms

    def duration_or(self, key: str, words: Collection[str]) -> int | str | None:
        """Milliseconds, or one of some words."""

        def parse_either(text: str) -> int | str:
            return text if text in words else parse_duration(text)

        found = self._parsed(
            Code.NO_DURATION, key, parse_either, f"{', '.join(words)} or a duration", _DURATION_HINT
        )
        if found == 0:
            message = f"`{key}` must be longer than nothing"
            self.findings.add(Code.NO_DURATION, self.entries[key].value.location, message)
        return found

    def rate(self, key: str) -> Limit | None:
        rate = self._parsed(Code.NO_RATE, key, parse_rate, "a rate", _rate_hint(self.entries.get(key)))
        if rate and not (1 <= rate[0] <= keys.MAX_RATE and rate[1]):
            hint = f"from `1 per …` to `{keys.MAX_RATE} per …`, in more than no time"
            self.findings.add(
                Code.NO_RATE, self.entries[key].value.location, f"`{key}` is out of range", hint
            )
        return Limit(*rate) if rate else None

    def integer(self, key: str, low: int, high: int) -> int | None:
        entry = self.entries.get(key)
        if entry is None:
            return None
        value, written = (
            (entry.value.value, entry.value.written) if isinstance(entry.value, Scalar) else (None, "")
        )
        if _LEADING_ZERO.fullmatch(written):
            hint = "YAML 1.1 takes it for octal, YAML 1.2 does not: write the number that you mean"
            self.findings.add(Code.YAML_1_1, entry.value.location, f"`{written}` begins with a zero", hint)
        elif isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        else:
            plain = written.replace("_", "")
            meant = f"write {plain}" if plain != written and plain.isdecimal() else None
            message = f"`{key}` must be a whole number from {low} to {high}"
            self.findings.add(Code.NO_WHOLE_NUMBER, entry.value.location, message, meant)
        return None

    def event_names(self, key: str) -> tuple[str, ...]:
        """One name or a list of them, sorted; their order has no meaning."""
        entry = self.entries.get(key)
        if entry is None:
            return ()
        items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        names: set[str] = set()
        for item in items:
            scalar = self._text(Entry(key, entry.location, item))
            if scalar is None:
                continue
            message = None
            if len(scalar.written) > keys.MAX_EVENT_NAME:
                message = f"an event name of more than {keys.MAX_EVENT_NAME} characters"
            elif scalar.written in names:
                message = f"the event `{scalar.written}` stands twice"
            if message:
                self.findings.add(Code.WRONG_EVENT_NAMES, item.location, message)
            names.add(scalar.written)
        if not 1 <= len(items) <= keys.MAX_NAMES:
            message = f"`{key}` must have 1 to {keys.MAX_NAMES} event names"
            self.findings.add(Code.WRONG_EVENT_NAMES, entry.value.location, message)
        return tuple(sorted(names))

    def condition(self, key: str, scope: Scope) -> Node | None:
        """A condition's checked tree."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        return self.condition_of(entry, scope)

    def condition_of(self, entry: Entry, scope: Scope) -> Node | None:
        """The checked tree, simplified, of an entry whose value is a condition."""
        key, scalar = entry.key, entry.value
        if isinstance(scalar, Scalar) and not scalar.written.strip():
            hint = "leave it out if it should always hold"
            self.findings.add(Code.NO_CONDITION, scalar.location, f"`{key}` is empty", hint)
            return None
        if not isinstance(scalar, Scalar) or not isinstance(scalar.value, str):
            hint = (
                "a condition is a text such as event.price >= 50; if it begins with { or [, put it in quotes"
            )
            self.findings.add(Code.NO_CONDITION, scalar.location, f"`{key}` must be a condition", hint)
            return None
        errors: list[ExpressionError] = []
        node: Node | None = None
        otherwise = Code.CONDITION_SYNTAX
        try:
            node = parse(scalar.value)
            otherwise = Code.CONDITION_TYPES
            errors = conditions.check(node, scope)
        except ExpressionError as failure:
            errors = [failure]
        for error in errors:
            code = error.code or otherwise
            self.findings.add(code, scalar.at(error.offset), error.message, error.hint)
        if node is not None and not errors and (verdict := conditions.settled(node)) is not None:
            hint = "leave it out" if verdict else "this definition is never used"
            message = f"`{key}` {'always' if verdict else 'never'} holds"
            self.findings.add(Code.SETTLED_CONDITION, scalar.at(0), message, hint)
        return node if node is None or errors else simplify(node)

    def _text(self, entry: Entry | None) -> Scalar | None:
        if entry is None:
            return None
        scalar = entry.value
        if isinstance(scalar, Scalar) and isinstance(scalar.value, str) and scalar.value:
            return scalar
        wanted = f"`{entry.key}` must be a text"
        if isinstance(scalar, Scalar) and not scalar.written:
            self.findings.add(Code.WRONG_TYPE, entry.location, f"{wanted}, and not empty")
        else:
            quotes = isinstance(scalar, Scalar) and not isinstance(scalar.value, str)
            hint = "put it in quotes" if quotes else None
            self.findings.add(Code.WRONG_TYPE, scalar.location, wanted, hint)
        return None

    def _parsed(self, code: Code, key: str, parser: Callable[[str], T], what: str, hint: str) -> T | None:
        entry = self.entries.get(key)
        if entry is None:
            return None
        if not isinstance(entry.value, Scalar):
            self.findings.add(code, entry.value.location, f"`{key}` must be {what}", hint)
            return None
        try:
            parsed = parser(entry.value.written)
        except ValueError as error:
            shown = entry.value.written if len(entry.value.written) <= 40 else "…"
            if parser is parse_duration and (clock := _CLOCK.fullmatch(entry.value.written)):
                hint = f"write {_as_duration(clock)}: a time of day or of a stop watch is none"
            self.findings.add(
                code, entry.value.location, f"`{key}` must be {what}, `{shown}` is {error}", hint
            )
            return None
        if not isinstance(entry.value.value, str):
            self.findings.add(code, entry.value.location, f"`{key}` must be {what}", "put it in quotes")
            return None
        return parsed


def check_name(entry: Entry, kind: str, findings: Findings) -> None:
    """The name of a definition; a trait's must also be one that conditions can say."""
    if kind in ("trait", "segment") and not VARIABLE.fullmatch(entry.key):
        hint = f"small letters, digits and `_`, a letter first: conditions say {kind}s.NAME"
        findings.add(Code.WRONG_NAME, entry.location, f"`{entry.key}` cannot be a {kind}'s name", hint)
    elif not NAME.fullmatch(entry.key):
        hint = "small letters, digits, `_` and `-`, a letter first, at most 128"
        findings.add(Code.WRONG_NAME, entry.location, f"`{entry.key}` cannot be the name of a {kind}", hint)


def _checked(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise ValueError("none")

    return check


def _is_trap(key: str, keys: Collection[str]) -> bool:
    """Whether a key that is none comes from YAML 1.1: a merge, or `on` as it was taken for a boolean."""
    return key == "<<" or (key in ("true", "True") and "on" in keys)


def _meant(key: str, keys: Collection[str]) -> str:
    """What to write in place of a key that is none."""
    if _is_trap(key, keys):
        merging = "merging is YAML 1.1: write the keys out, or give the whole value an anchor"
        return merging if key == "<<" else "a tool that takes YAML 1.1 made this of `on`: write `on`"
    return did_you_mean(key, keys) or f"there are: {', '.join(keys)}"


def _rate_hint(entry: Entry | None) -> str:
    """What to write in place of what is perhaps no rate."""
    written = entry.value.written if entry is not None and isinstance(entry.value, Scalar) else ""
    match = _RATE_IN_WORDS.fullmatch(written)
    if match is None:
        return "write e.g. 1 per 7d"
    count, calendar, word = match.groups()
    period = next((each for each in CALENDARS if word.lower().startswith(each)), None)
    if period is None:
        known = ", ".join(CALENDARS)
        return f"of the calendar there are: {known}" if calendar else "write e.g. 1 per 7d"
    if calendar:
        return f"write {count} per calendar {period}"
    days = {"day": "1d", "week": "7d", "month": "30d"}[period]
    return f"write {count} per {days}, or {count} per calendar {period} to begin anew with each {period}"


def _as_duration(clock: re.Match[str]) -> str:
    parts = zip(clock.groups(), "hms", strict=True)
    return "".join(f"{int(part)}{unit}" for part, unit in parts if part and int(part)) or "0s"
