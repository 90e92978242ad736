"""What people write of spans, rates, shares and hours comes with what to write in its place, worked out."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

RULES = """
sources: {clicks: {event: event, customer: user}}
channels: {web: {topic: web, consent: none, quiet: "21:00-08:00"}}
policy: {timezone: UTC}
traits: {visits: {function: count, of: home}}
segments: {regular: traits.visits > 9}
rules:
  hi:
    on: home
    unless: {on: buy, within: 30m}
    if: traits.visits > 2
    send: {channel: web, content: {text: Hi}}
    limit: 1 per 7d
    holdout: 12%
    goal: {on: buy, within: 3d}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("within: 30m", "within: 6 hours", "write 6h"),
        ("within: 30m", "within: 1 day", "write 1d"),
        ("within: 30m", "within: 2weeks", "write 2w"),
        ("within: 30m", "within: 45 Min", "write 45m"),
        ("within: 30m", "within: P1D", "write 1d"),
        ("within: 30m", "within: PT1H30M", "write 1h30m"),
        ("within: 30m", "within: P2W", "write 2w"),
        ("within: 30m", "within: P1M", "write e.g. 90s, 30m, 1h30m, 7d or 4w"),
        ("1 per 7d", "none", "leave it out: then there is none"),
        ("1 per 7d", "unlimited", "leave it out: then there is none"),
        ("function: count, of", "function: avg, field: price, of", "write `mean`"),
        ("function: count, of", "function: unique, field: price, of", "write `distinct`"),
        ("within: 30m", "within: 3 months", "write e.g. 90s, 30m, 1h30m, 7d or 4w"),
        ("1 per 7d", "once per week", "write 1 per 7d, or 1 per calendar week to begin anew with each week"),
        ("1 per 7d", "twice a day", "write 2 per 1d, or 2 per calendar day to begin anew with each day"),
        ("1 per 7d", "1/7d", "write 1 per 7d"),
        ("12%", "0.1", "write 10%"),
        ("12%", "10", "write 10%"),
        ("12%", "150", "write e.g. 10% or 0.5%"),
        ('"21:00-08:00"', "20-9", 'write "20:00-09:00"'),
        ('"21:00-08:00"', "8pm-9am", 'write "20:00-09:00"'),
        ('"21:00-08:00"', "12am to 7:30 am", 'write "00:00-07:30"'),
        ('"21:00-08:00"', "25-9", 'write e.g. "21:00-08:00"'),
        ("traits.visits > 2", "visits > 2", "write `traits.visits`."),
        ("traits.visits > 2", "regular", "write `segments.regular`."),
    ],
)
def test_who_knew_what_they_meant_was_told_no_more_than_an_example(
    tmp_path: Path, right: str, wrong: str, hint: str
) -> None:
    """`holdout: 0.1` came with `write e.g. 10% or 0.5%`, a segment's bare name with no word of segments."""
    assert right in RULES
    (tmp_path / "r.yaml").write_text(RULES.replace(right, wrong))
    assert (check_rules(tmp_path).diagnostics[0].hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("channel: web", 'channel: "web\u200b"', "`web`?; mind the zero width space (U+200B)) [E107]"),
        ("    limit:", "    limit\u00a0:", "mind the no-break space (U+00A0)) [E101]"),
        ("  hi:", "  hi\u2060ho:", "mind the word joiner (U+2060)) [E106]"),
        ("within: 30m", "within: 1h\u00a030m", "mind the no-break space (U+00A0)) [E108]"),
        ("on: home", 'on: "home "', "`home ` has a space at its end (type it anew) [W512]"),
        ("on: home", 'on: "\u200bhome"', "has a zero width space (U+200B) (type it anew) [W512]"),
        ("on: home", "on: h\u043eme", "has a cyrillic small letter o (U+043E) (type it anew) [W512]"),
        ("within: 3d", 'within: 3d, value: "price\u00ad"', "has a soft hyphen (U+00AD)"),
        ("traits.visits > 2", "traits.visits > 2 && customer['vip ']", "`vip ` has a space at its end"),
    ],
)  # fmt: skip
def test_what_nobody_sees_in_a_name_is_told(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    """`on: "home "` was `ok` and never fired, and an unknown channel looked as the one that was meant."""
    assert right in RULES
    (tmp_path / "r.yaml").write_text(RULES.replace(right, wrong), encoding="utf-8")
    assert any(said in str(each) for each in check_rules(tmp_path).diagnostics)
