"""`every` and `date`: a clock starts the rule.

Tested by tests/rules/test_occasions.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from stream.diagnostics import Code
from stream.hints import did_you_mean
from stream.moments import DAY
from stream.rules import forms, keys
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.definition import Definition
from stream.rules.files import Entry, Scalar, Sequence
from stream.rules.model import LAST_DAY, Channel, Every, FieldPath, Occasion

_TIME_OF_DAY = re.compile(forms.TIME_OF_DAY)
_IN_WORDS = re.compile(r"(?i)([0-9]{1,2})(?:[:.h]([0-9]{2}))?(?::[0-9]{2})? *([ap]m|h|uhr)?")
_CRON = re.compile(r"[-0-9*/,A-Za-z]+(?: +[-0-9*/,A-Za-z]+){4}|@[a-z]+")
_EACH_WEEK = 'write e.g. `every: {week: monday, at: "09:00"}`'
# What takes an event, and what to write in its place.
_WITHOUT_EVENT = {
    "where": "ask it of the customer, in `if`",
    "unless": "ask in `if` whether it has happened",
    "wait": "say in `at` and `before` when it is to go",
    "again": "leave it out",
    "key": "leave it out: a customer has one clock for each rule",
}


def read_occasion(run: Compilation, rule: Definition) -> Occasion | None:
    """When the clock starts a rule; None where an event does."""
    begins = [key for key in ("on", "steps", "every", "date") if key in rule.entries]
    if not {"every", "date"} & set(begins):
        return None
    for other in begins[1:]:
        rule.either(begins[0], other)
    for key, hint in _WITHOUT_EVENT.items():
        rule.forbid(key, f"`{key}` has no place here: a clock starts the rule, so there is no event", hint)
    if "every" in rule.entries:
        return _every(run, rule.entries["every"])
    return _date(run, rule.entries["date"])


def check_channels(run: Compilation, rule: Definition, channels: Iterable[Channel]) -> None:
    """Without an event there is no field of it to send to."""
    for channel in channels:
        if channel.address is not None and channel.address[0] == "event":
            message = f"channel `{channel.name}` sends to a field of the event, and a clock has none"
            hint = "send on a channel whose `address` is an attribute, such as customer.email"
            run.error(Code.KEY_OUT_OF_PLACE, rule.entries["send"], message, hint)


def _every(run: Compilation, entry: Entry) -> Occasion:
    if isinstance(entry.value, Scalar):
        run.error(
            Code.WRONG_TYPE, entry, "`every` must say which day, and when", _instead(entry.value.written)
        )
        return Occasion()
    read = run.definition("every", entry, keys.EVERY)
    units = [each for each in keys.UNITS if each in read.entries]
    for other in units[1:]:
        read.either(units[0], other)
    if not units and not read.broken:
        hint = f'each day: `{{day: "{_written(read, "at") or "09:00"}"}}`; else `week`, `month` or `year`'
        run.error(Code.MISSING_KEY, entry, "`every` does not say how often", hint)
    unit: Every | None = next((each for each in keys.UNITS if each in units), None)  # type: ignore[misc]
    if unit == "day":
        read.forbid("at", "`day` says the time already", 'write `every: {day: "09:00"}`')
    elif units:
        read.need("at", 'the time of the day, e.g. "09:00"')
    if unit != "year":
        read.forbid("before", "`before` goes with `year` only", "write the day itself")
    return Occasion(
        unit,
        _minute(read, "day" if unit == "day" else "at") or 0,
        _weekdays(read) if unit == "week" else _days(run, read),
        _attribute(read, "year"),
        _days_before(read, keys.MAX_BEFORE),
    )


def _date(run: Compilation, entry: Entry) -> Occasion:
    read = run.definition("date", entry, keys.DATE_OF)
    read.need("of", "the attribute that says the date, e.g. customer.trial_ends")
    of = _attribute(read, "of")
    if "at" in read.entries:
        return Occasion(None, _minute(read, "at") or 0, (), of, _days_before(read, 10 * keys.MAX_BEFORE))
    return Occasion(None, None, (), of, values.duration(read, "before") or 0)


def _minute(read: Definition, key: str) -> int | None:
    """Of the day."""

    def parse(text: str) -> int:
        if not _TIME_OF_DAY.fullmatch(text):
            raise ValueError("none")
        return int(text[:2]) * 60 + int(text[3:])

    return read.parsed(Code.NO_HOURS, key, parse, "a time of day", _time_hint(_written(read, key)))


def _time_hint(written: str) -> str:
    """What to write in place of `9:00` and `6pm`."""
    found = _IN_WORDS.fullmatch(written)
    if found is None:
        return 'write e.g. "09:00"'
    hour, half = int(found[1]), (found[3] or "").lower()
    if half in ("am", "pm"):
        hour = hour % 12 + (12 if half == "pm" else 0)
    meant = f"{hour:02}:{found[2] or '00'}"
    return f'write "{meant}"' if _TIME_OF_DAY.fullmatch(meant) else 'write e.g. "09:00"'


def _weekdays(read: Definition) -> tuple[int, ...]:
    names = read.names("week", forms.WEEKDAYS, "day of the week", len(forms.WEEKDAYS))
    return tuple(sorted(map(forms.WEEKDAYS.index, names)))


def _days(run: Compilation, read: Definition) -> tuple[int, ...]:
    """Of the month."""
    entry = read.entries.get("month")
    if entry is None:
        return ()
    items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
    if not 1 <= len(items) <= keys.MAX_DAYS:
        run.error(Code.WRONG_LIST, entry, f"`month` must have 1 to {keys.MAX_DAYS} days")
    found: set[int] = set()
    for item in items:
        value = item.value if isinstance(item, Scalar) else None
        day = LAST_DAY if value == keys.LAST else value
        if not isinstance(day, int) or isinstance(day, bool) or not 1 <= day <= LAST_DAY:
            message = "`month` must be a day of the month"
            run.findings.add(Code.NO_WHOLE_NUMBER, item.location, message, "write 1 to 31, or last")
        elif day in found:
            run.findings.add(Code.WRONG_LIST, item.location, f"the day {value} stands twice")
        else:
            found.add(day)
    return tuple(sorted(found))


def _attribute(read: Definition, key: str) -> FieldPath | None:
    """The path of an attribute, without `customer`."""
    path, entry = values.path(read, key), read.entries.get(key)
    if path is None or entry is None:
        return None
    if path[0] != "customer" or len(path) == 1:
        message = f"`{key}` must be an attribute of the customer"
        written = _written(read, key)
        hint = "write e.g. customer.birthday"
        if re.fullmatch(r"[0-9]{2}-[0-9]{2}", written):
            hint = "a day of the year is an attribute; a fixed one: `month`, and ask for the month in `if`"
        elif path[0] != "event" and len(path) == 1 and did_you_mean(path[0], ("customer",)) is None:
            hint = f"write customer.{written}"
        read.findings.add(Code.NO_FIELD_PATH, entry.value.location, message, hint)
        return None
    return path[1:]


def _days_before(read: Definition, most: int) -> int:
    """Whole days: where `at` says the time, an hour before means nothing."""
    before = values.duration(read, "before") or 0
    days, rest = divmod(before, DAY)
    if rest or days > most:
        message = (
            f"`before` must be from 1 to {most} whole days" if days > most else "`before` must be whole days"
        )
        hint = "write e.g. 7d or 2w" + ("" if days > most else "; `at` says the time")
        read.findings.add(Code.NO_DURATION, read.entries["before"].value.location, message, hint)
    return days


def _written(read: Definition, key: str) -> str:
    entry = read.entries.get(key)
    return entry.value.written if entry is not None and isinstance(entry.value, Scalar) else ""


def _instead(written: str) -> str:
    """What to write in place of one word, or of what cron reads."""
    word = written.casefold().rstrip("s")
    if word in forms.WEEKDAYS:
        return f'write `every: {{week: {word}, at: "09:00"}}`'
    if word in ("day", "daily", "24h", "1d", "@daily"):
        return 'write `every: {day: "09:00"}`'
    return _cron(written) or _EACH_WEEK


def _cron(written: str) -> str | None:
    """What `0 9 * * 1` says."""
    if not _CRON.fullmatch(written) or written.startswith("@"):
        return None
    minute, hour, day, month, weekday = written.split()
    if not (minute.isdecimal() and hour.isdecimal() and month == "*"):
        return None
    at = f"{int(hour):02}:{int(minute):02}"
    if not _TIME_OF_DAY.fullmatch(at):
        return None
    if day == weekday == "*":
        return f'write `every: {{day: "{at}"}}`'
    if day == "*" and re.fullmatch("[0-7]", weekday):
        return f'write `every: {{week: {forms.WEEKDAYS[(int(weekday) - 1) % 7]}, at: "{at}"}}`'
    if weekday == "*" and day.isdecimal():
        return f'write `every: {{month: {day}, at: "{at}"}}`'
    return None
