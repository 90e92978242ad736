"""The keys that rule files may hold: for each what it says and which values it takes, as JSON Schema.

One table for three readers: the compiler refuses what is not in it, the patterns and bounds are those that
compiler/values.py enforces, and schema.py gives the whole to editors. Tested key by key by
tests/rules/test_schema.py.
Longer than 600 lines, because it is one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stream.content.formats import FORMATS, MAX_FIELDS
from stream.diagnostics import Code
from stream.rules import aggregates
from stream.rules.aggregates import AGGREGATES, DEFAULT_K, DEFAULT_MOST, MAX_K, MAX_MOST, MOST_FIELDS
from stream.rules.field_paths import PATH
from stream.rules.forms import (
    ADDRESS,
    ATTRIBUTE,
    HISTORY,
    HOURS,
    KEY,
    MARKED,
    MAX_EVENT_NAME,
    MEANT,
    MOMENT,
    NAME,
    PURPOSE,
    RATE,
    SHARE,
    TIME_OF_DAY,
    TOPIC,
    VARIABLE,
    WEEKDAYS,
    Form,
    Key,
    choice,
    condition,
    duration,
    expression,
    mapping,
    pattern,
    several,
    text,
)
from stream.rules.shapes import FIELD_TYPES

MAX_NAMES = 100  # event names of one definition
MAX_PLANNED = 1_000  # fields of one event, or attributes
MAX_VALUES = 100  # of one field
MAX_SOURCES = 20  # of one event
MAX_PRIORITY = 1_000_000
MAX_RATE = 1000
MAX_STEPS = 10
MAX_DAYS = 31  # of a month
MAX_BEFORE = 366  # days before an anniversary
MAX_CHANNELS = 10  # of one rule
MAX_VARIANTS = 20
MAX_TEST_EVENTS = 1_000
MAX_KNOWN = 10_000  # occurrences of one trait that a test says there were
MAX_SUBJECTS = 20  # sensitive ones
MAX_MARKED = 100  # fields of one
MAX_GOALS = 10  # of one rule
MAX_DISCLOSED = 20  # sources of one rule
MAX_SILENCING = 50  # rules
KINDS = ("event", "profile", "context")
ADDRESS_KINDS = ("text", "object")
AGAIN = ("restart", "keep")
QUIET = ("defer", "drop")
EXEMPT = ("suppress", "cap", "silence", "quiet")
NEVER_EXEMPT = ("consent", "address", "sensitive")
MODES = ("live", "shadow")
EXPECTED = ("sent", "shadow")
LAST = "last"  # day of a month
UNITS = ("day", "week", "month", "year")
OF_EVENTS = ("where", "unless", "wait", "again", "key")  # keys of rules that an event begins

_EVENT_NAME: Form = {"type": "string", "minLength": 1, "maxLength": MAX_EVENT_NAME}
_EVENT_NAMES = several(_EVENT_NAME, MAX_NAMES, "purchase", "add_to_cart", ["home", "search"])

WARNINGS = tuple(each.value for each in Code if each.severity == "warning")
ALLOW = Key(
    "Warnings that are meant, by their codes: `stream check` does not show them here.",
    {
        "type": "array",
        "items": choice(WARNINGS),
        "minItems": 1,
        "uniqueItems": True,
        "examples": [["W505"]],
    },
)


def _values(*examples: Any) -> Form:
    one = {"type": ["string", "number", "boolean"]}
    form = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_VALUES, "uniqueItems": True}
    return {**form, "examples": list(examples)}


PLANNED_FIELD: Mapping[str, Key] = {
    "type": Key(
        "What it holds; `any`, if it is not said. A `number` is whole or not, a `time` a text in ISO 8601.",
        choice(FIELD_TYPES),
    ),
    "describe": Key("What it means, in a sentence.", text("What the customer paid, with tax")),
    "values": Key(
        "All that it can be: a condition or a test that says something else is warned of.",
        _values(["EUR", "USD"]),
    ),
    "examples": Key("What it may be, for who reads the plan.", _values(["boots", "bags"])),
}


def _planned(describe: str, *examples: Any) -> Key:
    """Fields by their paths, each with its type or more."""
    one = {"anyOf": [choice(FIELD_TYPES), mapping(PLANNED_FIELD)]}
    form = {
        "type": "object",
        "patternProperties": {f"^{PATH}$": one},
        "additionalProperties": False,
        "errorMessage": MEANT[PATH],
        "maxProperties": MAX_PLANNED,
        "examples": list(examples),
    }
    return Key(describe, form)


PLANNED_EVENT: Mapping[str, Key] = {
    "describe": Key("When it happens, in a sentence.", text("An order was paid")),
    "source": Key(
        "The source that it comes from, or a list of sources; any, if it is not said.",
        several(pattern(NAME), MAX_SOURCES, "clickstream", ["shop", "till"]),
    ),
    "fields": _planned(
        "All fields that it can have, besides those that its source maps; any, if it is not said.",
        {"amount": "number", "order.id": "string"},
    ),
}

EVENT: Mapping[str, Key] = {
    "is": Key("Every record of the topic is an event of this name.", text("purchase"), needed=True),
}
SOURCE: Mapping[str, Key] = {
    "kind": Key(
        "`event`, if it is not said; `profile` for a topic with attributes and consents of customers; "
        "`context` for one with what third parties know of them, such as the weather.",
        choice(KINDS),
    ),
    "topic": Key(
        "The Kafka topic, if it is called otherwise than the source.", pattern(TOPIC, "shop.orders")
    ),
    "event": Key(
        "The field with the event's name, or `{is: NAME}` if every record is the same event.",
        {"anyOf": [pattern(PATH, "event"), mapping(EVENT)], "examples": ["event", {"is": "purchase"}]},
    ),
    "customer": Key(
        "The field with the customer's id; dots lead into objects, an odd name stands in quotes.",
        pattern(PATH, "customer_id", "properties.customer.id", "properties.'customer id'"),
        needed=True,
    ),
    "time": Key(
        "The field with the event's time (ISO 8601, or epoch seconds or milliseconds). "
        "Without it the record's own timestamp counts.",
        pattern(PATH, "ts"),
    ),
    "id": Key(
        "The field with the event's id. Without it topic, partition and offset are the id.",
        pattern(PATH, "event_id"),
    ),
    "dedupe": Key(
        "Leave out an event whose `id` the customer has had within this time.", duration("1d", "7d")
    ),
    "attributes": _planned(
        "Of a source of profiles: all attributes that its customers can have.",
        {"email": "string", "due_date": "time"},
    ),
    "consents": Key(
        "Of a source of profiles: all purposes that its customers can consent to.",
        {
            "type": "array",
            "items": pattern(PURPOSE),
            "minItems": 1,
            "maxItems": MAX_NAMES,
            "uniqueItems": True,
            "examples": [["marketing_email", "push"]],
        },
    ),
    "fields": _planned("Of a source of context: all that its records say.", {"temperature": "number"}),
    "allow": ALLOW,
}

TRAIT: Mapping[str, Key] = {
    "function": Key(
        f"What is computed: {aggregates.describe_all()}.",
        choice(AGGREGATES),
        needed=True,
    ),
    "of": Key("The event, or a list of events, that it is computed from.", _EVENT_NAMES, needed=True),
    "field": Key("The field of the event that the function takes.", pattern(PATH, "amount", "store")),
    "value": Key(
        "What the function takes, worked out, in place of `field`. It sees the event only.",
        expression("double(event.total_price)", "event.price * event.quantity"),
    ),
    "where": Key(
        "Only events for which this holds count. It sees the event only.",
        condition("event.currency == 'EUR'"),
    ),
    "per": Key(
        "One value for each value of this field: `traits.NAME[event.FIELD]`.", pattern(PATH, "category")
    ),
    "over": Key("How far back. Without it: everything ever seen.", duration("30m", "7d", "90d")),
    "fields": Key(
        "Of a `list`: the fields of the event that make up an element, each called by its last name.",
        {
            "type": "array",
            "items": pattern(PATH),
            "minItems": 1,
            "maxItems": MOST_FIELDS,
            "examples": [["sku", "name", "price", "quantity"]],
        },
    ),
    "key": Key(
        "Of a `list`: the field by which elements are told apart. One takes the place of that with the same.",
        pattern(PATH, "sku"),
    ),
    "remove": Key(
        "Of a `list` with `key`: the event, or a list of events, that takes an element away.", _EVENT_NAMES
    ),
    "most": Key(
        f"Of a `list`: how many elements it has at most; {DEFAULT_MOST} if it is not said. The oldest goes.",
        {"type": "integer", "minimum": 1, "maximum": MAX_MOST, "examples": [10]},
    ),
    "items": Key(
        "A list in the event: the trait is applied for each of its elements, whose `field`, `per`, `fields` "
        "and `key` are meant.",
        pattern(PATH, "line_items"),
    ),
    "clear": Key(
        "The event, or a list of events, at which it starts anew, as if nothing had been before.",
        _EVENT_NAMES,
    ),
    "k": Key(
        f"{aggregates.describe_k().capitalize()}; {DEFAULT_K} if it is not said.",
        {"type": "integer", "minimum": 1, "maximum": MAX_K, "examples": [3]},
    ),
    "allow": ALLOW,
}

SEGMENT: Form = condition("traits.spend_90d > 500.0", "customer.email.endsWith('@brand.example')")

ADDRESS_OF: Mapping[str, Key] = {
    "of": Key(
        "Where to send it: an attribute of the customer, or a field of the event.",
        pattern(ADDRESS, "customer.postal_address"),
        needed=True,
    ),
    "kind": Key(
        "What is found there: `text`, if it is not said, or `object`, such as a postal address in parts.",
        choice(ADDRESS_KINDS),
    ),
}
_EXEMPT_FORM = several(choice(EXEMPT), len(EXEMPT), ["suppress", "cap", "silence", "quiet"])
CHANNEL: Mapping[str, Key] = {
    "topic": Key("The Kafka topic that its triggers go to.", pattern(TOPIC, "triggers.email"), needed=True),
    "consent": Key(
        "The consent that it needs, by its purpose; `none` for a channel that needs none.",
        pattern(NAME, "marketing_email", "none"),
        needed=True,
    ),
    "address": Key(
        "Where to send it: an attribute of the customer, or a field of the event. A text of 1 to 320 "
        "characters, or with `{of: …, kind: object}` an object.",
        {
            "anyOf": [pattern(ADDRESS), mapping(ADDRESS_OF)],
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
        pattern(RATE, "1 per 1d", "1 per calendar day"),
    ),
    "quiet": Key(
        "Hours in which nothing is sent, in the customer's own time: it waits for their end.",
        pattern(HOURS, "21:00-08:00"),
    ),
    "suppress": Key(
        "While this is true of a customer, nothing is sent here; the policy's holds for every channel.",
        condition("traits.complaints >= 3"),
    ),
    "exempt": Key(
        "What holds nothing that is sent here: `suppress`, `cap`, `silence` of other rules, `quiet`. "
        "Nothing is exempt from consent, address and sensitive subjects.",
        _EXEMPT_FORM,
    ),
    "format": Key(
        "What its texts are: `text`, if it is not said; `line`, a text without line breaks (as are fields "
        "called subject, title or headline); `html`, where values never become markup; "
        "`json`, documents that stay documents. Or for single fields of content; all others are `text`.",
        {
            "anyOf": [
                choice(FORMATS),
                {
                    "type": "object",
                    "additionalProperties": choice(FORMATS),
                    "minProperties": 1,
                    "maxProperties": MAX_FIELDS,
                },
            ],
            "examples": ["html", {"body": "html"}],
        },
    ),
    "allow": ALLOW,
}

SUBJECT: Mapping[str, Key] = {
    "events": Key("The events that are about it; a name or a list of names.", _EVENT_NAMES),
    "fields": Key(
        "The fields that are about it: of events, of customers' attributes, or of `context`.",
        {
            "type": "array",
            "items": pattern(MARKED),
            "minItems": 1,
            "maxItems": MAX_MARKED,
            "uniqueItems": True,
            "examples": [["event.due_date", "customer.due_date"]],
        },
    ),
    "consent": Key(
        "The purpose that a customer must have consented to; the subject's name, if it is not said.",
        pattern(PURPOSE, "pregnancy_advice"),
    ),
}
POLICY: Mapping[str, Key] = {
    "timezone": Key(
        "The time zone of customers whose own (the attribute `timezone`) is not known.",
        text("Europe/Berlin"),
    ),
    "locale": Key(
        "The language and country of customers whose own (the attribute `locale`) are not known, for dates "
        "and amounts. English, if it is not said.",
        text("de", "de-AT"),
    ),
    "cap": Key(
        "Not more often than this for one customer, over all channels that need consent.",
        pattern(RATE, "3 per 7d", "3 per calendar week"),
    ),
    "suppress": Key("While this is true of a customer, nothing is sent.", condition("traits.complaints > 0")),
    "holdout": Key("The share of customers that never get anything, to compare with.", pattern(SHARE, "5%")),
    "stale_after": Key("Events that come later than this fire nothing.", duration("15m")),
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
    "allow": replace(ALLOW, describe="Warnings that are meant in all of the rule files, by their codes."),
}

STEP: Mapping[str, Key] = {
    "on": Key("When this event happens; a name or a list of names.", _EVENT_NAMES, needed=True),
    "where": Key(
        "And the event looks like this. It sees the event, and those of earlier steps by their names.",
        condition("event.sku == viewed.sku"),
    ),
    "as": Key(
        "A name for the step's event, for later conditions and for texts.", pattern(VARIABLE, "viewed")
    ),
    "within": Key(
        "How long after the step before it may come; the first step has none.", duration("1h", "7d")
    ),
}
UNLESS: Mapping[str, Key] = {
    "on": Key(
        "The event that makes the rule fall silent, or a list of such events.", _EVENT_NAMES, needed=True
    ),
    "where": Key(
        "Only if this holds of that event. It sees the event, and those of the steps by their names.",
        condition("event.amount > 0"),
    ),
    "within": Key("How long to wait for it; then the rule goes on.", duration("30m", "1d"), needed=True),
}
GOAL: Mapping[str, Key] = {
    "on": Key(
        "The event that the message should lead to, or a list of such events.", _EVENT_NAMES, needed=True
    ),
    "within": Key("How long after the message it counts.", duration("3d"), needed=True),
    "value": Key("The field of that event that says how much it was worth.", pattern(PATH, "amount")),
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
    "name": Key("What it is called in results.", pattern(NAME, "plain"), needed=True),
    "share": Key(
        "The share of customers that get it; the shares of a rule add up to 100%.",
        pattern(SHARE, "50%"),
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

_DAY_OF_MONTH: Form = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 31}, {"enum": [LAST]}]}
_AT = Key("The time of that day, where the customer is.", pattern(TIME_OF_DAY, "09:00", "18:30"))
EVERY: Mapping[str, Key] = {
    "day": Key("Each day at this time.", pattern(TIME_OF_DAY, "09:00")),
    "week": Key(
        "Each week on this day, or on each of several.",
        several(choice(WEEKDAYS), len(WEEKDAYS), "monday", ["tuesday", "friday"]),
    ),
    "month": Key(
        "Each month on this day, 1 to 31 or `last`, or on each of several; a month without the day: on its "
        "last.",
        several(_DAY_OF_MONTH, MAX_DAYS, 25, LAST, [1, 15]),
    ),
    "year": Key(
        "Each year on the day of this date, an attribute; the first time in the year after it.",
        pattern(ATTRIBUTE, "customer.birthday"),
    ),
    "before": Key("With `year`: so many days earlier.", duration("7d")),
    "at": _AT,
}
DATE_OF: Mapping[str, Key] = {
    "of": Key(
        "The attribute that says the date, or the time.",
        pattern(ATTRIBUTE, "customer.trial_ends"),
        needed=True,
    ),
    "before": Key("So many days earlier; without `at` any duration.", duration("2d", "2h")),
    "at": Key(f"{_AT.describe[:-1]}; if it is not said, at the very time that the attribute says.", _AT.form),
}
RULE: Mapping[str, Key] = {
    "describe": Key("What the rule is for, in a sentence.", text("Something was left in the cart")),
    "on": Key("When this event happens; a name or a list of names.", _EVENT_NAMES),
    "where": Key("And the event looks like this. It sees the event only.", condition("event.price >= 50")),
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
    "every": Key(
        "When the clock says so, in place of an event: each day, week, month, or year.",
        {**mapping(EVERY), "examples": [{"week": "monday", "at": "09:00"}, {"day": "18:30"}]},
    ),
    "date": Key(
        "Once, on a date that an attribute says, in place of an event.",
        {**mapping(DATE_OF), "examples": [{"of": "customer.trial_ends", "before": "2d", "at": "10:00"}]},
    ),
    "unless": Key("Wait; if this happens meanwhile, forget it.", mapping(UNLESS)),
    "wait": Key("Wait this long before it is judged and sent.", duration("2h")),
    "again": Key(
        "When it begins once more while it waits: `restart` always begins anew, `keep` lets the first count. "
        "If it is not said, what has not gone beyond its first step begins anew.",
        choice(AGAIN),
    ),
    "key": Key(
        "One at a time for each value of this field of the first step's event, not one for the customer.",
        pattern(KEY, "event.sku"),
    ),
    "if": Key(
        "And, when the time has come, this is true of the customer.",
        condition("traits.purchases_90d >= 5", "traits.views_7d[event.category] >= 2"),
    ),
    "send": Key("Where to send what.", mapping(SEND), needed=True),
    "limit": Key(
        "Not more often than this for one customer, in any such stretch of time; "
        "`1 per calendar day` (`week`, `month`): by the calendar where the customer is.",
        pattern(RATE, "1 per 7d", "3 per 30d", "3 per calendar month"),
    ),
    "priority": Key(
        "Higher goes first; 0 if it is not said.",
        {"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY, "examples": [50]},
    ),
    "group": Key("Of the rules of one group, one fires for one event.", pattern(NAME, "cart")),
    "holdout": Key("The share of customers that do not get it, to compare with.", pattern(SHARE, "10%")),
    "rollout": Key("The share of customers to whom it speaks; no control group.", pattern(SHARE, "5%")),
    "mode": Key("`shadow`: it decides, and sends nothing; `live`, if it is not said.", choice(MODES)),
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
        "Events that come later than this fire nothing; the policy's, if it is not said.", duration("2m")
    ),
    "quiet": Key(
        "What becomes of it in quiet hours: `defer`, if it is not said: it waits for their end, for a day at "
        "most; `drop`; or how long it may wait at most.",
        {"anyOf": [choice(QUIET), duration("4h")], "examples": ["drop", "4h"]},
    ),
    "silences": Key(
        "From its sending on, other rules send nothing for so long on channels that need consent.",
        duration("14d"),
    ),
    "exempt": Key(
        "What holds none of its messages: `suppress`, `cap`, `silence` of other rules, `quiet`. "
        "Nothing is exempt from consent, address and sensitive subjects.",
        _EXEMPT_FORM,
    ),
    "sensitive": Key(
        "The sensitive subjects (of `policy`) that it is about: it goes only to who has consented to each.",
        several(pattern(NAME), MAX_SUBJECTS, ["pregnancy"]),
    ),
    "discloses": Key(
        "The sources of `kind: context` of which its texts may tell; others may only decide whether it goes.",
        several(pattern(NAME), MAX_DISCLOSED, ["weather"]),
    ),
    "allow": ALLOW,
}

TEST_CUSTOMER: Mapping[str, Key] = {
    "id": Key("The customer's id.", text("c1")),
    "attributes": Key(
        "What a profile says of the customer.", {"type": "object", "examples": [{"email": "a@b.example"}]}
    ),
    "consents": Key(
        "A list of purposes that the customer has consented to, or what a profile record says of each.",
        {
            "anyOf": [
                {"type": "array", "items": pattern(NAME), "uniqueItems": True},
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
    "at": Key(
        "When it happens: from the test's start, or a date and time, the customer's own if no zone is said; "
        "of `monday 09:00` the first one from the start on.",
        pattern(MOMENT, "0m", "1h30m", "2026-03-09T09:00", "monday 09:00"),
        needed=True,
    ),
    "event": Key("The event's name; a record of profiles or of context has none.", text("purchase")),
    "source": Key(
        "The source that it comes from; the first one of events, if it is not said.", text("clicks")
    ),
    "late": Key("How long after its time it is processed; at once, if it is not said.", duration("2h")),
}
EXPECTATION: Mapping[str, Key] = {
    "at": Key(
        "When it is sent: from the test's start, or a date and time.",
        pattern(MOMENT, "30m", "2026-03-09T09:30", "monday 09:00"),
    ),
    "rule": Key("The rule that sends it.", text("cart-left-behind")),
    "channel": Key("The channel that it is sent on.", text("email")),
    "variant": Key("The variant that is sent.", text("plain")),
    "outcome": Key("`shadow`: by a rule in shadow mode. Either, if it is not said.", choice(EXPECTED)),
    "content": Key(
        "What it says; fields that are left out are not compared.",
        {"type": "object", "additionalProperties": {"type": "string"}, "examples": [{"subject": "Hello"}]},
    ),
}
TEST: Mapping[str, Key] = {
    "name": Key("What it shows, in a sentence.", text("a purchase cancels the reminder"), needed=True),
    "rule": Key("Judge this rule only; all, if it is not said.", text("cart-left-behind")),
    "customer": Key("Who the events are of.", mapping(TEST_CUSTOMER)),
    "start": Key(
        "When it begins (ISO 8601; the customer's own time if no zone is said). "
        "2026-03-02T10:00:00Z, if it is left out.",
        text("2026-03-02T10:00:00Z", "2026-03-09T09:00"),
    ),
    "known": Key(
        "Traits that are true beforehand: their values at the start, as if all had happened at that moment.",
        {
            "type": "object",
            "additionalProperties": {"type": ["number", "string", "boolean", "array", "object"]},
            "minProperties": 1,
            "examples": [
                {"spend_90d": 520, "views_7d": {"shoes": 3}, "favourites": ["shoes", "shoes", "bags"]}
            ],
        },
    ),
    "history": Key(
        "A file of JSON lines with what happened before the start, as for `stream backtest`; from the folder "
        "of the rule file.",
        pattern(HISTORY, "history/regular-customer.jsonl"),
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
    "until": Key(
        "How far time goes on after the last event: from the start, or a date and time.",
        pattern(MOMENT, "2h", "2026-03-10"),
    ),
    "arm": Key(
        "A variant's name, or `holdout`; if it is not said, nobody is held out and any variant counts.",
        pattern(NAME, "holdout", "plain"),
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
    "allow": ALLOW,
}
