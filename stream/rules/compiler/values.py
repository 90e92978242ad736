"""What rule files write in a form of its own: durations, rates, shares, hours, field paths, event names.

Each function reads one key of a definition, and answers None where it is missing or wrong.
Tested by tests/rules/test_compiler.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import cast

from stream.cel.times import duration_of_iso
from stream.clock import iana_zone
from stream.content.locales import exact_locale
from stream.diagnostics import Code
from stream.hints import did_you_mean_zone
from stream.rules import field_paths, forms, keys
from stream.rules.compiler.definition import Definition, matching
from stream.rules.durations import CALENDARS, parse_duration, parse_rate, parse_time
from stream.rules.files import Entry, Scalar, Sequence
from stream.rules.model import WHOLE, Exemption, FieldPath, Limit, Quiet, Share

_TOPIC = matching(re.compile(forms.TOPIC))
_SHARE = matching(re.compile(forms.SHARE))
_HOURS = matching(re.compile(forms.HOURS))
_DURATION_HINT = "write e.g. 90s, 30m, 1h30m, 7d or 4w"
_LEADING_ZERO = re.compile(r"[-+]?0o?[0-9]+")
_RATE_IN_WORDS = re.compile(
    r"([0-9]{1,4}) *(?:per|an?|/|every) *(?:([0-9]{1,4}) +)?(calendar\b *)?([A-Za-z]{1,20})"
)
_UNBOUNDED = frozenset(("none", "no", "never", "unlimited", "infinite", "false", "off", "null", "~", "0"))
_TIMES_IN_WORDS = {"once": "1", "twice": "2"}
_SPAN_IN_WORDS = re.compile(
    r"(?i)([0-9]{1,6}) *(s|m|h|d|w)(?:ec(?:ond)?s?|in(?:ute)?s?|(?:ou)?rs?|ays?|eeks?)?"
)
_HOURS_IN_WORDS = re.compile(
    r"(?i)([0-9]{1,2})(?:[:.]([0-9]{2}))? *([ap]m)? *(?:-|–|to|until) *"
    r"([0-9]{1,2})(?:[:.]([0-9]{2}))? *([ap]m)?"
)
_CLOCK_TIME = re.compile(r"[0-9]:[0-9]{2}|[0-9] ?[ap]m\b")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-9]{2})(?::([0-9]{2}))?")  # a number to base 60 in YAML 1.1


def path(read: Definition, key: str) -> FieldPath | None:
    """A field path, `properties.order.id`, as its parts."""
    hint = field_paths.hint(_written(read.entries.get(key)))
    return read.parsed(Code.NO_FIELD_PATH, key, field_paths.read, "a field path", hint)


def path_of(text: str) -> FieldPath | None:
    """The names of a field path, None if it is none."""
    try:
        return field_paths.read(text)
    except ValueError:
        return None


def paths(read: Definition, key: str, form: str) -> tuple[FieldPath, ...]:
    """The field paths of a list, sorted, each of which must have a form."""
    found: set[str] = set()
    for item in read.items(key, keys.MAX_MARKED):
        scalar = read.scalar(Entry(key, item.location, item))
        if scalar is None:
            continue
        if re.fullmatch(form, scalar.written) is None:
            message, hint = f"`{key}` has what is no field", "write e.g. event.due_date or customer.size"
            if re.match(r"(?:event|customer|context)[.\[]", scalar.written):
                hint = field_paths.hint(scalar.written)
            read.findings.add(Code.NO_FIELD_PATH, scalar.location, message, hint)
        elif scalar.written in found:
            message = f"the field `{scalar.written}` stands twice"
            read.findings.add(Code.WRONG_LIST, scalar.location, message)
        found.add(scalar.written)
    if key in read.entries and isinstance(read.entries[key].value, Sequence) and not found:
        at = read.entries[key].location
        read.findings.add(Code.WRONG_LIST, at, f"`{key}` is empty", "leave it out")
    return tuple(sorted(map(field_paths.read, found)))


def share(read: Definition, key: str) -> Share | None:
    """`12.5%` in hundredths of a per cent."""
    hint = _share_hint(_written(read.entries.get(key)))
    text = read.parsed(Code.NO_SHARE, key, _SHARE, "a share", hint)
    return None if text is None else round(float(text.rstrip("%")) * 100)


def holdout(read: Definition) -> Share:
    """The share of a control group, which leaves somebody to be sent to."""
    found = share(read, "holdout") or 0
    if found >= WHOLE:
        message = "`holdout` holds everybody out"
        read.findings.add(Code.NO_SHARE, read.entries["holdout"].value.location, message)
    return found


def rollout(read: Definition) -> Share:
    """The share of the customers to whom a rule speaks: somebody."""
    found = share(read, "rollout")
    if found == 0:
        message, hint = "`rollout` reaches nobody", "write `mode: shadow` to only look at what it would send"
        read.findings.add(Code.NO_SHARE, read.entries["rollout"].value.location, message, hint)
    return WHOLE if found is None else found


def hours(read: Definition, key: str) -> Quiet | None:
    """`21:00-08:00` in minutes of the day."""
    hint = _hours_hint(_written(read.entries.get(key)))
    text = read.parsed(Code.NO_HOURS, key, _HOURS, "hours of the day", hint)
    if text is None:
        return None
    start, end = (int(each[:2]) * 60 + int(each[3:]) for each in text.split("-"))
    if start == end % (24 * 60):
        message = f"`{key}` begins when it ends"
        read.findings.add(Code.NO_HOURS, read.entries[key].value.location, message, hint)
        return None
    return Quiet(start, end)


def time_zone(read: Definition, key: str) -> str | None:
    scalar = read.scalar(read.entries.get(key))
    if scalar is None:
        return None
    name = str(scalar.value)
    if iana_zone(name) is None:
        hint = did_you_mean_zone(name) or "write e.g. Europe/Berlin"
        read.findings.add(Code.UNKNOWN_TIME_ZONE, scalar.location, f"unknown time zone `{name[:40]}`", hint)
    return name


def locale(read: Definition, key: str) -> str | None:
    scalar = read.scalar(read.entries.get(key))
    if scalar is None:
        return None
    name = str(scalar.value)
    if exact_locale(name) is None:
        hint = "write a language, and a country if you like: de, en-GB"
        message = f"unknown locale `{name[:40]}`"
        read.findings.add(Code.UNKNOWN_LOCALE, scalar.location, message, hint)
    return name


def time(read: Definition, key: str) -> int | None:
    """An ISO 8601 time, UTC if it does not say, in milliseconds."""
    return read.parsed(Code.NO_TIME, key, parse_time, "a time", "write e.g. 2026-03-02T10:00:00Z")


def topic(read: Definition, key: str) -> str | None:
    hint = "letters, digits, `.`, `_` and `-`"
    return read.parsed(Code.NO_TOPIC_NAME, key, _TOPIC, "a topic's name", hint)


def duration(read: Definition, key: str, *, least: int = 1) -> int | None:
    """Milliseconds."""
    hint = duration_hint(read.entries.get(key))
    ms = read.parsed(Code.NO_DURATION, key, parse_duration, "a duration", hint)
    if ms is not None and ms < least:
        read.findings.add(
            Code.NO_DURATION, read.entries[key].value.location, f"`{key}` must be longer than nothing"
        )
    return ms


def exempt(read: Definition) -> tuple[Exemption, ...]:
    """What does not hold messages, in one order."""
    entry = read.entries.get("exempt")
    if entry is None:
        return ()
    items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
    never = {
        each.written: each for each in items if isinstance(each, Scalar) and each.written in keys.NEVER_EXEMPT
    }
    for name, scalar in never.items():
        hint = f"leave it out; there are: {', '.join(keys.EXEMPT)}"
        read.findings.add(Code.UNKNOWN_NAME, scalar.location, f"nothing is exempt from `{name}`", hint)
    choices = (*keys.EXEMPT, *never)
    found = read.names("exempt", choices, "exemption", len(choices))
    return tuple(cast(Exemption, each) for each in keys.EXEMPT if each in found)


def duration_or(read: Definition, key: str, words: Collection[str]) -> int | str | None:
    """Milliseconds, or one of some words."""

    def parse_either(text: str) -> int | str:
        return text if text in words else parse_duration(text)

    hint = _DURATION_HINT
    if _CLOCK_TIME.search(_written(read.entries.get(key))):
        hint = f"hours are the channel's `quiet`; here write {', '.join(words)} or e.g. 4h"
    found = read.parsed(Code.NO_DURATION, key, parse_either, f"{', '.join(words)} or a duration", hint)
    if found == 0:
        message = f"`{key}` must be longer than nothing"
        read.findings.add(Code.NO_DURATION, read.entries[key].value.location, message)
    return found


def rate(read: Definition, key: str) -> Limit | None:
    rate = read.parsed(Code.NO_RATE, key, parse_rate, "a rate", _rate_hint(read.entries.get(key)))
    if rate and not (1 <= rate[0] <= keys.MAX_RATE and rate[1]):
        hint = f"from `1 per …` to `{keys.MAX_RATE} per …`, in more than no time"
        read.findings.add(Code.NO_RATE, read.entries[key].value.location, f"`{key}` is out of range", hint)
    return Limit(*rate) if rate else None


def integer(read: Definition, key: str, low: int, high: int) -> int | None:
    entry = read.entries.get(key)
    if entry is None:
        return None
    value, written = (
        (entry.value.value, entry.value.written) if isinstance(entry.value, Scalar) else (None, "")
    )
    if _LEADING_ZERO.fullmatch(written):
        hint = "YAML 1.1 takes it for octal, YAML 1.2 does not: write the number that you mean"
        read.findings.add(Code.YAML_1_1, entry.value.location, f"`{written}` begins with a zero", hint)
    elif isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    else:
        plain = written.replace("_", "")
        meant = f"write {plain}" if plain != written and plain.isdecimal() else None
        message = f"`{key}` must be a whole number from {low} to {high}"
        read.findings.add(Code.NO_WHOLE_NUMBER, entry.value.location, message, meant)
    return None


def event_names(read: Definition, key: str) -> tuple[str, ...]:
    """One name or a list of them, sorted; their order has no meaning."""
    entry = read.entries.get(key)
    if entry is None:
        return ()
    items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
    names: set[str] = set()
    for item in items:
        scalar = read.scalar(Entry(key, entry.location, item))
        if scalar is None:
            continue
        message = None
        if len(scalar.written) > forms.MAX_EVENT_NAME:
            message = f"an event name of more than {forms.MAX_EVENT_NAME} characters"
        elif scalar.written in names:
            message = f"the event `{scalar.written}` stands twice"
        if message:
            read.findings.add(Code.WRONG_EVENT_NAMES, item.location, message)
        names.add(scalar.written)
    if not 1 <= len(items) <= keys.MAX_NAMES:
        message = f"`{key}` must have 1 to {keys.MAX_NAMES} event names"
        read.findings.add(Code.WRONG_EVENT_NAMES, entry.value.location, message)
    return tuple(sorted(names))


def duration_hint(entry: Entry | None, otherwise: str = _DURATION_HINT) -> str:
    """What to write in place of what is perhaps not a duration."""
    span = _SPAN_IN_WORDS.fullmatch(_written(entry))
    if span and (meant := f"{int(span[1])}{span[2].lower()}") != span[0]:  # else it is too long
        return f"write {meant}"
    if of_iso := duration_of_iso(_written(entry)):
        return f"write {of_iso}"
    clock = _CLOCK.fullmatch(_written(entry))
    if clock is None:
        return otherwise
    parts = zip(clock.groups(), "hms", strict=True)
    meant = "".join(f"{int(part)}{unit}" for part, unit in parts if part and int(part)) or "0s"
    return f"write {meant}: a time of day or of a stop watch is none"


def _written(entry: Entry | None) -> str:
    return entry.value.written if entry is not None and isinstance(entry.value, Scalar) else ""


def _share_hint(written: str) -> str:
    """What to write in place of a number: `0.1` and `10` are 10%."""
    try:
        number = float(written.replace(" %", "").rstrip("%"))
    except ValueError:
        number = 0
    if not 0 < number <= 100:
        return "write e.g. 10% or 0.5%"
    meant = f"{number * 100 if number < 1 and '%' not in written else number:.4g}%"
    return f"write {meant}" if re.fullmatch(forms.SHARE, meant) else "write e.g. 10% or 0.5%"


def _hours_hint(written: str) -> str:
    """What to write in place of `8pm-9am` and `20-9`."""
    match = _HOURS_IN_WORDS.fullmatch(written)
    parts = match.groups() if match else ()
    clocks = []
    for hour, minute, half in (parts[:3], parts[3:]) if parts else ():
        until = int(hour) % 12 + (12 if half.lower() == "pm" else 0) if half else int(hour)
        clocks.append(f"{until:02}:{minute or '00'}")
    meant = "-".join(clocks)
    is_right = re.fullmatch(forms.HOURS, meant) and clocks[0] != clocks[1]
    return f'write "{meant}"' if is_right else 'write e.g. "21:00-08:00"'


def _rate_hint(entry: Entry | None) -> str:
    """What to write in place of what is perhaps not a rate."""
    if _written(entry).lower() in _UNBOUNDED:
        return "leave it out: then there is none"
    first, blank, rest = _written(entry).partition(" ")
    written = _TIMES_IN_WORDS.get(first.lower(), first) + blank + rest
    count, slash, span = written.partition("/")
    if slash and re.fullmatch(r"[0-9]{1,4}", count.strip()) and re.fullmatch(forms.DURATION, span.strip()):
        return f"write {count.strip()} per {span.strip()}"
    match = _RATE_IN_WORDS.fullmatch(written)
    if match is None:
        return "write e.g. 1 per 7d"
    count, times, calendar, word = match.groups()
    often = int(times or 1)
    period = next((each for each in CALENDARS if word.lower().startswith(each)), None)
    if word.lower().startswith(("hour", "minute")):
        return f"write {count} per {often}{word[0].lower()}"
    if period is None:
        known = ", ".join(CALENDARS)
        return f"of the calendar there are: {known}" if calendar else "write e.g. 1 per 7d"
    if calendar and often == 1:
        return f"write {count} per calendar {period}"
    rolling = f"write {count} per {often * {'day': 1, 'week': 7, 'month': 30}[period]}d"
    if often > 1:
        return rolling
    return f"{rolling}, or {count} per calendar {period} to begin anew with each {period}"
