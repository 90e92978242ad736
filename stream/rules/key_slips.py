"""Keys that other programs have, and what says the same here.

Looked up for a key that a definition does not have, before a key that is spelt like it is proposed.
Tested by tests/rules/test_key_slips.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from stream.hints import did_you_mean

_NOT = 'write `if: "!(…)"`, or `unless` for an event that must not come meanwhile'
_SEND = "write `send: {channel: …, content: {…}}`"
_DATES = "write it into `if`: now < timestamp('2026-01-31', 'Europe/Berlin')"
_CUSTOMER = "write `customer: {attributes: {…}, consents: […]}`"
_OF_A_GOAL = "a goal counts every event of its name: have those that are meant sent under one of their own"
_CLOCK = 'write e.g. `every: {week: monday, at: "09:00"}`; each day: `every: {day: "09:00"}`'
_HOURS = 'quiet hours are the channel\'s: quiet: "21:00-08:00"'

# Words that stand for a key, one of the definition's keys by which it is told, and what to say if that is not
# to write this key. The first line that fits counts.
_MEANT = (
    # rules
    ("after delay delay_by wait_for sleep pause", "wait", None),
    ("if_not ifnot not unless_if if_none except exclude", "unless", _NOT),
    ("then do action actions message messages text body template content channel channels to", "send", _SEND),
    ("variants ab_test split experiment", "send", "`variants` stand below `send`"),
    ("segment segments audience audiences list", "if", "write `if: segments.NAME`"),
    ("cooldown throttle frequency frequency_cap rate_limit capping cap max debounce", "limit", None),
    ("dry_run test_mode draft shadow simulate", "mode", "write `mode: shadow`"),
    ("percentage percent rollout_percentage ramp canary sample", "rollout", None),
    ("conversion conversions conversion_event success target kpi", "goal", None),
    ("mute silence mutes pause_others suppresses", "silences", None),
    (
        "bypass ignore always transactional override",
        "exempt",
        "write e.g. `exempt: [suppress, cap, silence, quiet]`",
    ),
    ("expires expiry ttl stale max_age valid_for", "stale_after", None),
    ("else otherwise elseif", "unless", "write a second rule with the opposite condition"),
    (
        "enabled active disabled paused status",
        "send",
        "write `mode: shadow`, which sends nothing; or without a deploy: stream disable RULE",
    ),
    ("schedule cron daily weekly monthly yearly", "every", _CLOCK),
    ("anniversary birthday annually", "every", 'write `every: {year: customer.birthday, at: "09:00"}`'),
    (
        "on_date due deadline days_before",
        "date",
        'write `date: {of: customer.DATE, before: 2d, at: "10:00"}`',
    ),
    ("start until from end start_date end_date valid_from valid_until", "if", _DATES),
    ("timezone tz time_zone", "send", "the policy has a `timezone`, and customers the attribute `timezone`"),
    ("quiet_hours dnd do_not_disturb", "send", _HOURS),
    ("consent consents opt_in address", "send", "the channel has it"),
    ("name title id", "send", "the key above it is the rule's name"),
    ("tags labels owner team author", "describe", "write it into `describe`, or into a comment behind `#`"),
    # all
    ("when condition conditions filter filters criteria", "if", None),
    ("when if condition conditions filter filters criteria", "where", None),
    ("trigger triggers event events event_name on_event", "on", None),
    ("trigger event events event_name on", "of", None),
    ("description desc comment note notes", "describe", None),
    ("after window timeframe period", "within", None),
    # traits
    ("window timeframe period lookback within last", "over", None),
    ("type aggregate aggregation agg fn operation", "function", None),
    ("group_by by partition_by key", "per", None),
    ("property attribute of_field column", "field", None),
    # channels
    ("limit frequency frequency_cap rate_limit capping", "cap", None),
    ("quiet_hours dnd do_not_disturb", "quiet", None),
    ("to recipient", "address", None),
    # sources
    ("user user_id userid customer_id customerid uid distinct_id profile_id", "customer", None),
    ("timestamp ts event_time occurred_at date", "time", None),
    ("event_id message_id uuid", "id", None),
    ("type", "kind", None),
    # events, steps, goals, tests
    ("schema properties props attributes", "fields", None),
    ("alias name label", "as", None),
    ("revenue amount", "value", None),
    ("where if filter condition", "value", _OF_A_GOAL),
    ("given input inputs", "events", None),
    ("then expected expects assert result output", "expect", None),
    ("description title it", "name", None),
    ("attributes consents consent profile", "arm", _CUSTOMER),
    ("traits trait", "arm", "what traits are beforehand: `known: {NAME: …}`, beside `customer`"),
    (
        "segments segment",
        "arm",
        "say what the segment asks for: `attributes` of the customer, `known` traits",
    ),
    # sections
    ("triggers campaigns journeys flows workflows", "rules", None),
    ("audiences cohorts", "segments", None),
    ("variables features metrics aggregates properties", "traits", None),
    ("topics streams inputs", "sources", None),
    ("destinations outputs", "channels", None),
    ("settings config global defaults", "policy", None),
)


def meant(key: str, keys: Collection[str]) -> str | None:
    """What was probably meant by a key that is none of `keys`."""
    plain = re.sub(r"[^a-z0-9]+", "_", key.casefold()).strip("_")
    for words, told_by, hint in _MEANT:
        if told_by in keys and plain in words.split():
            return hint or f"write `{told_by}`"
    return did_you_mean(key, keys)
