"""The keys that rule files may hold: for each what it says and which values it takes, as JSON Schema.

One table for three readers: the compiler refuses what is not in it, the patterns and bounds are those that
compiler/values.py enforces, and schema.py gives the whole to editors. Tested key by key by
tests/rules/test_schema.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stream.content.formats import FORMATS, MAX_FIELDS
from stream.rules import aggregates
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, MAX_K
from stream.rules.durations import CALENDARS
from stream.rules.field_paths import PATH

NAME = "[a-z][a-z0-9_-]{0,127}"
VARIABLE = "(?!(?:true|false|null|in)$)[a-z][a-z0-9_]{0,127}"
TOPIC = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}"
DURATION = r"(?=[0-9])" + "".join(f"(?:[0-9]{{1,12}}{unit})?" for unit in "wdhms")
RATE = f"[0-9]{{1,4}} +per +(?:{DURATION}|calendar +(?:{'|'.join(CALENDARS)}))"
SHARE = r"(?:100(?:\.0{1,2})?|[0-9]{1,2}(?:\.[0-9]{1,2})?)%"
_DAYTIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
HOURS = f"{_DAYTIME}-(?:{_DAYTIME}|24:00)"
ADDRESS = r"(?:event|customer)\." + PATH
MARKED = r"(?:event|customer|context)\." + PATH
PURPOSE = f"(?!none$){NAME}"
KEY = r"event\." + PATH

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
    MARKED: "Write a field, such as event.due_date or customer.size",
    PURPOSE: "Small letters, digits, `_` and `-`, a letter first, at most 128; not none",
    KEY: "Write a field of the event, such as event.sku",
}

MAX_EVENT_NAME = 256
MAX_NAMES = 100  # event names of one definition
MAX_PRIORITY = 1_000_000
MAX_RATE = 1000
MAX_STEPS = 10
MAX_CHANNELS = 10  # of one rule
MAX_VARIANTS = 20
MAX_TEST_EVENTS = 1_000
MAX_SUBJECTS = 20  # sensitive ones
MAX_MARKED = 100  # fields of one
MAX_GOALS = 10  # of one rule
MAX_DISCLOSED = 20  # sources of one rule
KINDS = ("event", "profile", "context")
ADDRESS_KINDS = ("text", "object")
AGAIN = ("restart", "keep")
QUIET = ("defer", "drop")

Form = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it says in a sentence, the JSON Schema of its value, and whether it must be there."""

    describe: str
    form: Form
    needed: bool = False


def _text(*examples: str) -> Form:
    return {"type": "string", "minLength": 1, "examples": list(examples)}


def says(message: str) -> Form:
    """What an editor shows in place of a regular expression, or of a type that is another one."""
    return {"patternErrorMessage": message, "errorMessage": message}


def _pattern(pattern: str, *examples: str) -> Form:
    return {
        "type": "string",
        "pattern": f"^{pattern}$",
        **says(MEANT[pattern]),
        "examples": list(examples),
    }


def _duration(*examples: str) -> Form:
    return _pattern(DURATION, *examples)


def _condition(*examples: str) -> Form:
    message = "Write a condition, such as event.price >= 50"
    return {
        "type": "string",
        "minLength": 1,
        "pattern": r"\S",
        **says(message),
        "examples": list(examples),
    }


def _choice(choices: Iterable[str]) -> Form:
    return {"type": "string", "enum": list(choices)}


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


def _names(most: int, *examples: str) -> Form:
    """One name or a list of them."""
    one = _pattern(NAME)
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": most, "uniqueItems": True}
    return {"anyOf": [one, several], "examples": [list(examples)]}


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
    "kind": Key(
        "`event`, if it is not said; `profile` for a topic with attributes and consents of customers; "
        "`context` for one with what third parties know of them, such as the weather.",
        _choice(KINDS),
    ),
    "topic": Key(
        "The Kafka topic, if it is called otherwise than the source.", _pattern(TOPIC, "shop.orders")
    ),
    "event": Key(
        "The field with the event's name, or `{is: NAME}` if every record is the same event.",
        {"anyOf": [_pattern(PATH, "event"), mapping(EVENT)], "examples": ["event", {"is": "purchase"}]},
    ),
    "customer": Key(
        "The field with the customer's id; dots lead into objects, an odd name stands in quotes.",
        _pattern(PATH, "customer_id", "properties.customer.id", "properties.'customer id'"),
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
    "dedupe": Key(
        "Leave out an event whose `id` the customer has had within this time.", _duration("1d", "7d")
    ),
}

TRAIT: Mapping[str, Key] = {
    "function": Key(
        f"What is computed: {aggregates.describe_all()}.",
        _choice(AGGREGATES),
        needed=True,
    ),
    "of": Key("The event, or a list of events, that it is computed from.", _EVENT_NAMES, needed=True),
    "field": Key("The field of the event that the function takes.", _pattern(PATH, "amount", "store")),
    "where": Key(
        "Only events for which this holds count. It sees the event only.",
        _condition("event.currency == 'EUR'"),
    ),
    "per": Key(
        "One value for each value of this field: `traits.NAME[event.FIELD]`.", _pattern(PATH, "category")
    ),
    "over": Key("How far back. Without it: everything ever seen.", _duration("30m", "7d", "90d")),
    "k": Key(
        f"{aggregates.describe_k().capitalize()}; {DEFAULT_K} if it is not said.",
        {"type": "integer", "minimum": 1, "maximum": MAX_K, "examples": [3]},
    ),
}

SEGMENT: Form = _condition("traits.spend_90d > 500.0", "customer.email.endsWith('@brand.example')")

ADDRESS_OF: Mapping[str, Key] = {
    "of": Key(
        "Where to send it: an attribute of the customer, or a field of the event.",
        _pattern(ADDRESS, "customer.postal_address"),
        needed=True,
    ),
    "kind": Key(
        "What is found there: `text`, if it is not said, or `object`, such as a postal address in parts.",
        _choice(ADDRESS_KINDS),
    ),
}
CHANNEL: Mapping[str, Key] = {
    "topic": Key("The Kafka topic that its triggers go to.", _pattern(TOPIC, "triggers.email"), needed=True),
    "consent": Key(
        "The consent that it needs, by its purpose; `none` for a channel that needs none.",
        _pattern(NAME, "marketing_email", "none"),
        needed=True,
    ),
    "address": Key(
        "Where to send it: an attribute of the customer, or a field of the event. A text of 1 to 320 "
        "characters, or with `{of: …, kind: object}` an object.",
        {
            "anyOf": [_pattern(ADDRESS), mapping(ADDRESS_OF)],
            "examples": [
                "customer.email",
                "event.session",
                {"of": "customer.postal_address", "kind": "object"},
            ],
        },
    ),
    "cap": Key(
        "Not more often than this for one customer, whatever the rule, in any such stretch of time; "
        "`1 per calendar day`: from midnight to midnight where the customer is.",
        _pattern(RATE, "1 per 1d", "1 per calendar day"),
    ),
    "quiet": Key(
        "Hours in which nothing is sent, in the customer's own time: it waits for their end.",
        _pattern(HOURS, "21:00-08:00"),
    ),
    "format": Key(
        "What its texts are: `text`, if it is not said; `line`, a text without line breaks (as are fields "
        "called subject, title or headline); `html`, where values never become markup; "
        "`json`, documents that stay documents. Or for single fields of content; all others are `text`.",
        {
            "anyOf": [
                _choice(FORMATS),
                {
                    "type": "object",
                    "additionalProperties": _choice(FORMATS),
                    "minProperties": 1,
                    "maxProperties": MAX_FIELDS,
                },
            ],
            "examples": ["html", {"body": "html"}],
        },
    ),
}

SUBJECT: Mapping[str, Key] = {
    "events": Key("The events that are about it; a name or a list of names.", _EVENT_NAMES),
    "fields": Key(
        "The fields that are about it: of events, of customers' attributes, or of `context`.",
        {
            "type": "array",
            "items": _pattern(MARKED),
            "minItems": 1,
            "maxItems": MAX_MARKED,
            "uniqueItems": True,
            "examples": [["event.due_date", "customer.due_date"]],
        },
    ),
    "consent": Key(
        "The purpose that a customer must have consented to; the subject's name, if it is not said.",
        _pattern(PURPOSE, "pregnancy_advice"),
    ),
}
POLICY: Mapping[str, Key] = {
    "timezone": Key(
        "The time zone of customers whose own (the attribute `timezone`) is not known.",
        _text("Europe/Berlin"),
    ),
    "locale": Key(
        "The language and country of customers whose own (the attribute `locale`) are not known, for dates "
        "and amounts. English, if it is not said.",
        _text("de", "de-AT"),
    ),
    "cap": Key(
        "Not more often than this for one customer, over all channels that need consent.",
        _pattern(RATE, "3 per 7d", "3 per calendar week"),
    ),
    "suppress": Key(
        "While this is true of a customer, nothing is sent.", _condition("traits.complaints > 0")
    ),
    "holdout": Key("The share of customers that never get anything, to compare with.", _pattern(SHARE, "5%")),
    "stale_after": Key("Events that come later than this fire nothing.", _duration("15m")),
    "sensitive": Key(
        "Subjects that are nobody's business: what is about one goes only to who has consented to just that.",
        {
            "type": "object",
            "patternProperties": {
                f"^{NAME}$": {
                    "description": "A sensitive subject: the events and fields that are about it.",
                    **mapping(SUBJECT),
                    "anyOf": [{"required": ["events"]}, {"required": ["fields"]}],
                }
            },
            "additionalProperties": False,
            "errorMessage": f"A subject's name: {MEANT[NAME].lower()}",
            "maxProperties": MAX_SUBJECTS,
            "examples": [{"pregnancy": {"events": ["nursery_view"], "fields": ["customer.due_date"]}}],
        },
    ),
}

STEP: Mapping[str, Key] = {
    "on": Key("When this event happens; a name or a list of names.", _EVENT_NAMES, needed=True),
    "where": Key(
        "And the event looks like this. It sees the event, and those of earlier steps by their names.",
        _condition("event.sku == viewed.sku"),
    ),
    "as": Key(
        "A name for the step's event, for later conditions and for texts.", _pattern(VARIABLE, "viewed")
    ),
    "within": Key(
        "How long after the step before it may come; the first step has none.", _duration("1h", "7d")
    ),
}
UNLESS: Mapping[str, Key] = {
    "on": Key(
        "The event that makes the rule fall silent, or a list of such events.", _EVENT_NAMES, needed=True
    ),
    "where": Key(
        "Only if this holds of that event. It sees the event, and those of the steps by their names.",
        _condition("event.amount > 0"),
    ),
    "within": Key("How long to wait for it; then the rule goes on.", _duration("30m", "1d"), needed=True),
}
GOAL: Mapping[str, Key] = {
    "on": Key(
        "The event that the message should lead to, or a list of such events.", _EVENT_NAMES, needed=True
    ),
    "within": Key("How long after the message it counts.", _duration("3d"), needed=True),
    "value": Key("The field of that event that says how much it was worth.", _pattern(PATH, "amount")),
}
_CONTENT = Key(
    "What to say, field by field. Texts may use {{ event.… }}, {{ customer.… }}, {{ traits.… }} and more.",
    {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "minProperties": 1,
        "maxProperties": MAX_FIELDS,
        "examples": [{"subject": "Still thinking about {{ event.category }}?"}],
    },
)
VARIANT: Mapping[str, Key] = {
    "name": Key("What it is called in results.", _pattern(NAME, "plain"), needed=True),
    "share": Key(
        "The share of customers that get it; the shares of a rule add up to 100%.",
        _pattern(SHARE, "50%"),
        needed=True,
    ),
    "content": replace(_CONTENT, needed=True),
}
SEND: Mapping[str, Key] = {
    "channel": Key(
        "The channel to send to, or several in order of preference: "
        "the first that is consented to and has an address.",
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1},
                    "minItems": 1,
                    "maxItems": MAX_CHANNELS,
                    "uniqueItems": True,
                },
            ],
            "examples": ["email", ["email", "web"]],
        },
        needed=True,
    ),
    "content": _CONTENT,
    "variants": Key(
        "Several messages in place of `content`, each to its share of the customers.",
        {
            "type": "array",
            "items": mapping(VARIANT),
            "minItems": 1,
            "maxItems": MAX_VARIANTS,
            "examples": [
                [
                    {"name": "plain", "share": "50%", "content": {"banner": "Free delivery today"}},
                    {"name": "short", "share": "50%", "content": {"banner": "Free delivery"}},
                ]
            ],
        },
    ),
}

RULE: Mapping[str, Key] = {
    "describe": Key("What the rule is for, in a sentence.", _text("Something was left in the cart")),
    "on": Key("When this event happens; a name or a list of names.", _EVENT_NAMES),
    "where": Key("And the event looks like this. It sees the event only.", _condition("event.price >= 50")),
    "steps": Key(
        "One thing after another, in place of `on` and `where`: each step takes the next event that fits.",
        {
            "type": "array",
            "items": mapping(STEP),
            "minItems": 1,
            "maxItems": MAX_STEPS,
            "examples": [[{"on": "product_view", "as": "viewed"}, {"on": "add_to_cart", "within": "1h"}]],
        },
    ),
    "unless": Key("Wait; if this happens meanwhile, forget it.", mapping(UNLESS)),
    "wait": Key("Wait this long before it is judged and sent.", _duration("2h")),
    "again": Key(
        "When it begins once more while it waits: `restart` always begins anew, `keep` lets the first count. "
        "If it is not said, what has not gone beyond its first step begins anew.",
        _choice(AGAIN),
    ),
    "key": Key(
        "One at a time for each value of this field of the first step's event, not one for the customer.",
        _pattern(KEY, "event.sku"),
    ),
    "if": Key(
        "And, when the time has come, this is true of the customer.",
        _condition("traits.purchases_90d >= 5", "traits.views_7d[event.category] >= 2"),
    ),
    "send": Key("Where to send what.", mapping(SEND), needed=True),
    "limit": Key(
        "Not more often than this for one customer, in any such stretch of time; "
        "`1 per calendar day` (`week`, `month`): by the calendar where the customer is.",
        _pattern(RATE, "1 per 7d", "3 per 30d", "3 per calendar month"),
    ),
    "priority": Key(
        "Higher goes first; 0 if it is not said.",
        {"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY, "examples": [50]},
    ),
    "group": Key("Of the rules of one group, one fires for one event.", _pattern(NAME, "cart")),
    "holdout": Key("The share of customers that do not get it, to compare with.", _pattern(SHARE, "10%")),
    "goal": Key("What the message should lead to.", mapping(GOAL)),
    "goals": Key(
        "Several goals in place of `goal`; by the first one the rule is judged.",
        {
            "type": "array",
            "items": mapping(GOAL),
            "minItems": 1,
            "maxItems": MAX_GOALS,
            "examples": [[{"on": "cart_view", "within": "1d"}, {"on": "purchase", "within": "7d"}]],
        },
    ),
    "stale_after": Key(
        "Events that come later than this fire nothing; the policy's, if it is not said.", _duration("2m")
    ),
    "quiet": Key(
        "What becomes of it in quiet hours: `defer`, if it is not said: it waits for their end, for a day at "
        "most; `drop`; or how long it may wait at most.",
        {"anyOf": [_choice(QUIET), _duration("4h")], "examples": ["drop", "4h"]},
    ),
    "sensitive": Key(
        "The sensitive subjects (of `policy`) that it is about: it goes only to who has consented to each.",
        _names(MAX_SUBJECTS, "pregnancy"),
    ),
    "discloses": Key(
        "The sources of `kind: context` of which its texts may tell; others may only decide whether it goes.",
        _names(MAX_DISCLOSED, "weather"),
    ),
}

TEST_CUSTOMER: Mapping[str, Key] = {
    "id": Key("The customer's id.", _text("c1")),
    "attributes": Key(
        "What a profile says of the customer.", {"type": "object", "examples": [{"email": "a@b.example"}]}
    ),
    "consents": Key(
        "A list of purposes that the customer has consented to, or what a profile record says of each.",
        {
            "anyOf": [
                {"type": "array", "items": _pattern(NAME), "uniqueItems": True},
                {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "granted": {"type": "boolean"},
                            "at": {"type": "string"},
                            "basis": {"type": "string"},
                            "expires": {"type": "string"},
                        },
                        "additionalProperties": False,
                    },
                },
            ],
            "examples": [["marketing_email"]],
        },
    ),
}
TEST_EVENT: Mapping[str, Key] = {
    "at": Key("When it happens, from the test's start.", _duration("0m", "1h30m"), needed=True),
    "event": Key("The event's name; a record of profiles or of context has none.", _text("purchase")),
    "source": Key(
        "The source that it comes from; the first one of events, if it is not said.", _text("clicks")
    ),
    "late": Key("How long after its time it is processed; at once, if it is not said.", _duration("2h")),
}
EXPECTATION: Mapping[str, Key] = {
    "at": Key("When it is sent, from the test's start.", _duration("30m")),
    "rule": Key("The rule that sends it.", _text("cart-left-behind")),
    "channel": Key("The channel that it is sent on.", _text("email")),
    "variant": Key("The variant that is sent.", _text("plain")),
    "content": Key(
        "What it says; fields that are left out are not compared.",
        {"type": "object", "additionalProperties": {"type": "string"}, "examples": [{"subject": "Hello"}]},
    ),
}
TEST: Mapping[str, Key] = {
    "name": Key("What it shows, in a sentence.", _text("a purchase cancels the reminder"), needed=True),
    "rule": Key("Judge this rule only; all, if it is not said.", _text("cart-left-behind")),
    "customer": Key("Who the events are of.", mapping(TEST_CUSTOMER)),
    "start": Key(
        "When it begins (ISO 8601); 2026-03-02T10:00:00Z if it is not said.", _text("2026-03-02T10:00:00Z")
    ),
    "events": Key(
        "What happens, in order: each with `at`, `event` and the event's own fields, "
        "or `at`, `source` and what a record of profiles or of context says.",
        {
            "type": "array",
            "items": {
                **mapping(TEST_EVENT),
                "additionalProperties": True,
                "anyOf": [{"required": ["event"]}, {"required": ["source"]}],
            },
            "maxItems": MAX_TEST_EVENTS,
            "examples": [[{"at": "0m", "event": "add_to_cart", "price": 80}]],
        },
        needed=True,
    ),
    "until": Key("How far time goes on after the last event, from the start.", _duration("2h")),
    "arm": Key(
        "A variant's name, or `holdout`; if it is not said, nobody is held out and any variant counts.",
        _pattern(NAME, "holdout", "plain"),
    ),
    "expect": Key(
        "What is sent: these, all of them, in order; `[]` is silence.",
        {
            "type": "array",
            "items": mapping(EXPECTATION),
            "examples": [[], [{"at": "30m", "channel": "email"}]],
        },
        needed=True,
    ),
}
