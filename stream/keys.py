"""The keys that rule files may hold: for each what it says and which values it takes, as JSON Schema.

One table for three readers: the compiler refuses what is not in it, the patterns and bounds are those that
definitions.py enforces, and schema.py gives the whole to editors. What a later version will understand stands
in the `LATER_…` tuples and is refused by name. Tested by tests/unit/test_schema.py, key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream.content import MAX_FIELDS

NAME = "[a-z][a-z0-9_-]{0,127}"
VARIABLE = "(?!(?:true|false|null|in)$)[a-z][a-z0-9_]{0,127}"
TOPIC = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}"
PATH = r"[^\s.\[\]]+(?:\.[^\s.\[\]]+)*"
DURATION = r"(?=[0-9])" + "".join(f"(?:[0-9]{{1,12}}{unit})?" for unit in "wdhms")

MAX_EVENT_NAME = 256
MAX_NAMES = 100  # event names of one definition
MAX_PRIORITY = 1_000_000
MAX_RATE = 1000
FUNCTIONS = ("count", "sum", "last")
LATER_FUNCTIONS = ("mean", "min", "max", "first", "distinct", "top", "gap")

Form = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it says in a sentence, the JSON Schema of its value, and whether it must be there."""

    describe: str
    form: Form
    needed: bool = False


def _text(*examples: str) -> Form:
    return {"type": "string", "minLength": 1, "examples": list(examples)}


def _pattern(pattern: str, *examples: str) -> Form:
    return {"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)}


def _duration(*examples: str) -> Form:
    return _pattern(DURATION, *examples)


def _condition(*examples: str) -> Form:
    return {"type": "string", "minLength": 1, "pattern": r"\S", "examples": list(examples)}


_EVENT_NAME: Form = {"type": "string", "minLength": 1, "maxLength": MAX_EVENT_NAME}
_EVENT_NAMES: Form = {
    "anyOf": [
        _EVENT_NAME,
        {
            "type": "array",
            "items": _EVENT_NAME,
            "minItems": 1,
            "maxItems": MAX_NAMES,
            "uniqueItems": True,
        },
    ],
    "examples": ["purchase", "add_to_cart", ["home", "search"]],
}


def mapping(keys: Mapping[str, Key]) -> Form:
    """The schema of a mapping with these keys and no other."""
    form: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"description": key.describe, **key.form} for name, key in keys.items()},
        "additionalProperties": False,
    }
    needed = [name for name, key in keys.items() if key.needed]
    return {**form, "required": needed} if needed else form


EVENT: Mapping[str, Key] = {
    "is": Key("Every record of the topic is an event of this name.", _text("purchase"), needed=True),
}
SOURCE: Mapping[str, Key] = {
    "topic": Key(
        "The Kafka topic, if it is called otherwise than the source.", _pattern(TOPIC, "shop.orders")
    ),
    "event": Key(
        "The field with the event's name, or `{is: NAME}` if every record is the same event.",
        {"anyOf": [_pattern(PATH, "event"), mapping(EVENT)], "examples": ["event", {"is": "purchase"}]},
        needed=True,
    ),
    "customer": Key(
        "The field with the customer's id; dots lead into objects.",
        _pattern(PATH, "customer_id", "properties.customer.id"),
        needed=True,
    ),
    "time": Key(
        "The field with the event's time (ISO 8601, or epoch seconds or milliseconds). "
        "Without it the record's own timestamp counts.",
        _pattern(PATH, "ts"),
    ),
    "id": Key(
        "The field with the event's id. Without it topic, partition and offset are the id.",
        _pattern(PATH, "event_id"),
    ),
}
LATER_SOURCE = ("kind",)

TRAIT: Mapping[str, Key] = {
    "function": Key(
        "What is computed: `count` (how often), `sum` (of a field) or `last` (a field's newest value).",
        {"type": "string", "enum": list(FUNCTIONS)},
        needed=True,
    ),
    "of": Key("The event, or a list of events, that it is computed from.", _EVENT_NAMES, needed=True),
    "field": Key("The field of the event that `sum` and `last` take.", _pattern(PATH, "amount", "store")),
    "where": Key(
        "Only events for which this holds count. It sees the event only.",
        _condition("event.currency == 'EUR'"),
    ),
    "per": Key(
        "One value for each value of this field: `traits.NAME[event.FIELD]`.", _pattern(PATH, "category")
    ),
    "over": Key("How far back. Without it: everything ever seen.", _duration("30m", "7d", "90d")),
}
LATER_TRAIT = ("k",)

CHANNEL: Mapping[str, Key] = {
    "topic": Key("The Kafka topic that its triggers go to.", _pattern(TOPIC, "triggers.email"), needed=True),
    "consent": Key(
        "The consent that it needs. `none`, for a channel that needs none, is all that can be said yet.",
        {"type": "string", "enum": ["none"]},
        needed=True,
    ),
    "address": Key(
        "The field of the event that says where to send it.",
        _pattern(r"event\." + PATH, "event.session"),
    ),
}
LATER_CHANNEL = ("cap", "quiet")

UNLESS: Mapping[str, Key] = {
    "on": Key(
        "The event that makes the rule fall silent, or a list of such events.", _EVENT_NAMES, needed=True
    ),
    "where": Key("Only if this holds of that event. It sees the event only.", _condition("event.amount > 0")),
    "within": Key("How long to wait for it; then the rule goes on.", _duration("30m", "1d"), needed=True),
}
SEND: Mapping[str, Key] = {
    "channel": Key(
        "The channel to send to: one of `channels`.",
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1},
            ],
            "examples": ["email"],
        },
        needed=True,
    ),
    "content": Key(
        "What to say, field by field. Texts may use "
        "{{ event.… }}, {{ traits.… }}, {{ event_name }} and {{ rule }}.",
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "maxProperties": MAX_FIELDS,
            "examples": [{"subject": "Still thinking about {{ event.category }}?"}],
        },
    ),
}
LATER_SEND = ("variants",)

RULE: Mapping[str, Key] = {
    "describe": Key("What the rule is for, in a sentence.", _text("Something was left in the cart")),
    "on": Key("When this event happens; a name or a list of names.", _EVENT_NAMES, needed=True),
    "where": Key("And the event looks like this. It sees the event only.", _condition("event.price >= 50")),
    "unless": Key("Wait; if this happens meanwhile, forget it.", mapping(UNLESS)),
    "if": Key(
        "And, when the time has come, this is true of the customer.",
        _condition("traits.purchases_90d >= 5", "traits.views_7d[event.category] >= 2"),
    ),
    "send": Key("Where to send what.", mapping(SEND), needed=True),
    "limit": Key(
        "Not more often than this for one customer, in any such stretch of time.",
        _pattern(f"[0-9]{{1,4}} +per +{DURATION}", "1 per 7d", "3 per 30d"),
    ),
    "priority": Key(
        "Higher goes first; 0 if it is not said.",
        {"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY, "examples": [50]},
    ),
}
LATER_RULE = ("steps", "wait", "again", "key", "group", "holdout", "goal", "stale_after", "quiet")
