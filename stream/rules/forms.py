"""The forms that values take: patterns, what an editor says where one does not match, JSON Schemas.

The compiler and the schema take the patterns from here. Tested by tests/rules/test_schema.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stream.rules.durations import CALENDARS
from stream.rules.field_paths import PATH

NAME = "[a-z][a-z0-9_-]{0,127}"
VARIABLE = "(?!(?:true|false|null|in)$)[a-z][a-z0-9_]{0,127}"
TOPIC = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}"
DURATION = r"(?=[0-9])" + "".join(f"(?:[0-9]{{1,12}}{unit})?" for unit in "wdhms")
DATE = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYTIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
TIME_OF_DAY = _DAYTIME
DAY_AND_TIME = f"(?:{'|'.join(WEEKDAYS)}) +{_DAYTIME}"
MOMENT = f"(?:{DURATION}|{DATE}|{DAY_AND_TIME})"  # of a test: from its start, a date, or the first such day
HISTORY = r"(?![/\\])[^\x00-\x1f\\]{1,500}"
RATE = f"[0-9]{{1,4}} +per +(?:{DURATION}|calendar +(?:{'|'.join(CALENDARS)}))"
SHARE = r"(?:100(?:\.0{1,2})?|[0-9]{1,2}(?:\.[0-9]{1,2})?)%"
HOURS = f"{_DAYTIME}-(?:{_DAYTIME}|24:00)"
ADDRESS = r"(?:event|customer)\." + PATH
ATTRIBUTE = r"customer\." + PATH
MARKED = r"(?:event|customer|context)\." + PATH
PURPOSE = f"(?!none$){NAME}"
KEY = r"event\." + PATH
MAX_EVENT_NAME = 256
EVENT_NAME = rf"[\s\S]{{1,{MAX_EVENT_NAME}}}"

# What to write, where something does not match. Who adds a pattern says so here.
MEANT = {
    NAME: "Small letters, digits, `_` and `-`, a letter first, at most 128",
    VARIABLE: "Small letters, digits and `_`, a letter first, at most 128; not true, false, null or in",
    TOPIC: "Letters, digits, `.`, `_` and `-`, at most 249",
    PATH: "Write a field path, such as properties.order.id or properties.'coupon code'",
    DURATION: "Write a duration, such as 90s, 30m, 1h30m, 7d or 4w",
    RATE: "Write a rate, such as 1 per 7d or 3 per calendar week",
    SHARE: "Write a share, such as 10% or 0.5%",
    HOURS: 'Write hours of the day, such as "21:00-08:00"',
    ADDRESS: "Write an attribute or a field, such as customer.email or event.session",
    TIME_OF_DAY: 'Write a time of day, such as "09:00"',
    ATTRIBUTE: "Write an attribute, such as customer.birthday",
    MARKED: "Write a field, such as event.due_date or customer.size",
    PURPOSE: "Small letters, digits, `_` and `-`, a letter first, at most 128; not none",
    KEY: "Write a field of the event, such as event.sku",
    EVENT_NAME: f"As producers write it, {MAX_EVENT_NAME} characters at most",
    MOMENT: "Write a duration or a date, such as 1h30m, 2026-03-09T09:00 or monday 09:00",
    HISTORY: "Write a path from the rule file's folder, such as history/regular.jsonl",
}

Form = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it says in a sentence, the JSON Schema of its value, and whether it must be there."""

    describe: str
    form: Form
    needed: bool = False


def text(*examples: str) -> Form:
    return {"type": "string", "minLength": 1, "examples": list(examples)}


def says(message: str) -> Form:
    """What an editor shows in place of a regular expression, or of a type that is another one."""
    return {"patternErrorMessage": message, "errorMessage": message}


def pattern(expression: str, *examples: str) -> Form:
    return {
        "type": "string",
        "pattern": f"^{expression}$",
        **says(MEANT[expression]),
        "examples": list(examples),
    }


def duration(*examples: str) -> Form:
    return pattern(DURATION, *examples)


def condition(*examples: str) -> Form:
    return _cel("Write a condition, such as event.price >= 50", examples)


def expression(*examples: str) -> Form:
    return _cel("Write an expression, such as event.price * event.quantity", examples)


def _cel(message: str, examples: Iterable[str]) -> Form:
    return {
        "type": "string",
        "minLength": 1,
        "pattern": r"\S",
        **says(message),
        "examples": list(examples),
    }


def choice(choices: Iterable[str]) -> Form:
    return {"type": "string", "enum": list(choices)}


def several(one: Form, most: int, *examples: Any) -> Form:
    """One of a kind or a list of them."""
    array = {"type": "array", "items": one, "minItems": 1, "maxItems": most, "uniqueItems": True}
    return {"anyOf": [one, array], "examples": list(examples)}


def mapping(keys: Mapping[str, Key]) -> Form:
    """The schema of a mapping with these keys and no other."""
    form: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"description": key.describe, **key.form} for name, key in keys.items()},
        "additionalProperties": False,
    }
    needed = [name for name, key in keys.items() if key.needed]
    return {**form, "required": needed} if needed else form
