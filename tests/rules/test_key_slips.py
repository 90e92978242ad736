"""Keys that people know from other programs: found at their place, with the key that says the same here."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.check import check

RULES = """\
sources:
  clicks: {event: event, customer: user_id, time: ts, SOURCE}
traits:
  spend: {function: sum, of: purchase, field: amount, TRAIT}
segments:
  big: traits.spend > 100
channels:
  web: {topic: web, consent: none, CHANNEL}
rules:
  slip:
    on: view
    if: segments.big
    unless: {on: purchase, within: 30m, UNLESS}
    send: {channel: web, content: {text: Hi}, SEND}
    limit: 1 per 7d
    goal: {on: purchase, within: 3d, GOAL}
    RULE
  several:
    steps: [{on: view, as: viewed}, {on: purchase, within: 1d, STEP}]
    send: {channel: web, content: {text: Hello}}
    limit: 1 per 7d
    goal: {on: purchase, within: 3d}
tests:
  - {name: a view, events: [{at: 0m, event: view}], expect: [], TEST}
SECTION
"""

# Where it is written, what, and what must be said.
SLIPS = [
    # Of a test's customer: each came with the three keys that there are, and the attribute was left out.
    (
        "TEST",
        "customer: {email: a@b.example}",
        "is it an attribute? Write customer: {attributes: {email: …}}",
    ),
    ("TEST", "customer: {preferred_channel: web}", "customer: {attributes: {preferred_channel: …}}"),
    ("TEST", "customer: {user_id: c1}", "write `id`"),
    ("TEST", "customer: {properties: {age: 5}}", "write `attributes`"),
    ("TEST", "customer: {attribute: {age: 5}}", "did you mean `attributes`?"),
    ("TEST", "customer: {consent: [marketing]}", "did you mean `consents`?"),
    ("TEST", "customer: {segments: [big]}", "what the segment asks for: `attributes` of the customer"),
    ("TEST", "customer: {traits: {spend: 5}}", "`known: {NAME: …}`, beside `customer`"),
    ("TEST", "customer: {known: {spend: 5}}", "`known` stands beside `customer`"),
    ("TEST", "attributes: {email: a@b.example}", "write `customer: {attributes: {…}, consents: […]}`"),
    ("TEST", "consents: [marketing]", "write `customer: {attributes: {…}, consents: […]}`"),
    ("TEST", "traits: {spend: 5}", "`known: {NAME: …}`, beside `customer`"),
    ("TEST", "segments: [big]", "what the segment asks for"),
    ("GOAL", "where: event.a == 1", "sent under one of their own"),
    ("GOAL", "if: event.a == 1", "sent under one of their own"),
    ("RULE", "after: 2h", "write `wait`"),
    ("RULE", "delay: 2h", "write `wait`"),
    ("RULE", "if_not: event.a == 1", "`unless`"),
    ("RULE", "if not: event.a == 1", '`if: "!(…)"`'),
    ("RULE", "when: event.a == 1", "write `if`"),
    ("RULE", "condition: event.a == 1", "write `if`"),
    ("RULE", "filter: event.a == 1", "write `if`"),
    ("RULE", "trigger: view", "write `on`"),
    ("RULE", "event: view", "write `on`"),
    ("RULE", "then: {channel: web}", "send: {channel"),
    ("RULE", "message: Hi", "send: {channel"),
    ("RULE", "content: {text: Hi}", "send: {channel"),
    ("RULE", "channel: web", "send: {channel"),
    ("RULE", "variants: []", "below `send`"),
    ("RULE", "segment: big", "segments.NAME"),
    ("RULE", "audience: big", "segments.NAME"),
    ("RULE", "cooldown: 7d", "write `limit`"),
    ("RULE", "throttle: 1 per 7d", "write `limit`"),
    ("RULE", "cap: 1 per 7d", "write `limit`"),
    ("RULE", "conversion: purchase", "write `goal`"),
    ("RULE", "expires: 2d", "write `stale_after`"),
    ("RULE", "else: {}", "a second rule"),
    ("RULE", "enabled: false", "write `mode: shadow`"),
    ("RULE", "active: no", "stream disable"),
    ("RULE", "disabled: true", "stream disable"),
    ("RULE", "dry_run: true", "write `mode: shadow`"),
    ("RULE", "percentage: 5%", "write `rollout`"),
    ("RULE", "mute: 14d", "write `silences`"),
    ("CHANNEL", "bypass: quiet", "write e.g. `exempt: [suppress, cap, silence, quiet]`"),
    ("RULE", "schedule: daily", 'each day: `every: {day: "09:00"}`'),
    ("RULE", 'cron: "0 9 * * *"', 'write e.g. `every: {week: monday, at: "09:00"}`'),
    ("RULE", "birthday: customer.birthday", "write `every: {year: customer.birthday"),
    ("RULE", "end_date: 2026-02-01", "timestamp("),
    ("RULE", "timezone: Europe/Vienna", "policy"),
    ("RULE", 'quiet_hours: "21:00-08:00"', "the channel's"),
    ("RULE", 'quiet: "21:00-08:00"', "the channel's `quiet`; here write defer, drop"),
    ("RULE", "quiet: 9pm-8am", "the channel's `quiet`; here write defer, drop"),
    ("RULE", "consent: marketing", "the channel has it"),
    ("RULE", "name: a slip", "the rule's name"),
    ("RULE", "owner: crm", "`describe`"),
    ("RULE", "description: a slip", "write `describe`"),
    ("RULE", "Stale-After: 2d", "did you mean `stale_after`?"),
    ("UNLESS", "event: purchase", "write `on`"),
    ("UNLESS", "if: event.a == 1", "write `where`"),
    ("STEP", "after: 1h", "write `within`"),
    ("STEP", "alias: bought", "write `as`"),
    ("STEP", "filter: event.a == 1", "write `where`"),
    ("SEND", "if: event.a == 1", "there are: channel"),
    ("GOAL", "window: 3d", "write `within`"),
    ("GOAL", "revenue: amount", "write `value`"),
    ("TRAIT", "window: 90d", "write `over`"),
    ("TRAIT", "last: 90d", "write `over`"),
    ("TRAIT", "event: purchase", "write `of`"),
    ("TRAIT", "group_by: category", "write `per`"),
    ("TRAIT", "if: event.a == 1", "write `where`"),
    ("TRAIT", "aggregation: sum", "write `function`"),
    ("CHANNEL", "limit: 1 per 1d", "write `cap`"),
    ("CHANNEL", 'quiet_hours: "21:00-08:00"', "write `quiet`"),
    ("SOURCE", "user: user_id", "write `customer`"),
    ("SOURCE", "timestamp: ts", "write `time`"),
    ("SOURCE", "message_id: id", "write `id`"),
    ("TEST", "given: []", "write `events`"),
    ("TEST", "assert: []", "write `expect`"),
    ("SECTION", "campaigns: {}", "write `rules`"),
    ("SECTION", "audiences: {}", "write `segments`"),
    ("SECTION", "settings: {}", "write `policy`"),
]


@pytest.mark.parametrize(("place", "written", "said"), SLIPS, ids=[each[1] for each in SLIPS])
def test_a_key_of_another_program_comes_with_ours(
    tmp_path: Path, place: str, written: str, said: str
) -> None:
    before, after = RULES.split(place)
    for other in {each for each, _, _ in SLIPS} - {place}:
        before, after = (part.replace(f", {other}", "").replace(other, "") for part in (before, after))
    lines = before + written + after
    (tmp_path / "shop.yaml").write_text(lines, encoding="utf-8")
    (found,) = check(tmp_path).diagnostics
    assert found.location.line == before.count("\n") + 1
    assert said in (found.hint or ""), found
