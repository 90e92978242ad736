"""`stream check`: codes and their pages, warnings, the three formats, exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from structlog.testing import capture_logs
from typer.testing import CliRunner

from stream.authoring.check import Format, as_annotation, as_text, check, report
from stream.cli.main import cli
from stream.diagnostics import Code, Diagnostic, Location
from stream.errors import RuleFileError
from stream.rules.compiler.rule_set import load_rules
from stream.settings import Settings
from stream.worker import app

DATA = Path(__file__).parents[1] / "rules" / "data"
PAGE = Path(__file__).parents[2] / "docs" / "diagnostics.md"
BASE = """\
sources: {clicks: {event: event, customer: customer_id}}
channels: {web: {topic: triggers.web, consent: none}}
"""
BASE_WITH_WEATHER = BASE.replace("}}\n", "}, weather: {kind: context, customer: c}}\n", 1)
SENDS = "send: {channel: web, content: {text: Hi}}"
FINE = BASE + f"rules: {{a: {{on: purchase, {SENDS}, limit: 1 per 1d, goal: {{on: b, within: 1d}}}}}}\n"
WARNED = (
    BASE
    + "rules: {a: {on: purchase, goal: {on: b, within: 1d}, send: {channel: web, content: {text: Hi}}}}\n"
)
BROKEN = BASE + "rules: {a: {onn: purchase, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}}\n"


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory of rules, called `rules` by whoever runs there."""
    (tmp_path / "rules").mkdir()
    monkeypatch.chdir(tmp_path)
    return Path("rules")


# ---- codes ----

# For each code a file in which it is found.
A_RULE = (
    "rules: {a: {on: b, limit: 1 per 1d, goal: {on: c, within: 1d}, "
    "send: {channel: web, content: {text: Hi}}, %s}}\n"
)
A_CONTENT = "rules: {{a: {{on: b, send: {{channel: web, content: {{{}}}}}}}}}"
A_TEST = "tests: [{{name: t, {}}}]\n"
A_PLAN = "events: {b: {fields: {x: {type: string, values: [y]}}}, c: {}}\n"
BASE_WITH_PEOPLE = BASE.replace(
    "}}\n", "}, p: {kind: profile, customer: c, attributes: {x: any}, consents: [x]}}\n", 1
)
A_VARIANT = "rules: {a: {on: b, send: {channel: web, variants: [{name: one, share: 40%, content: {t: x}}]}}}"
IN_A_GROUP = """\
  first: {on: [b, c], group: g, priority: 1, send: {channel: web, content: {t: x}}}
  second: {on: b, group: g, send: {channel: web, content: {text: Hi}}}
"""
EXAMPLES: dict[Code, str | bytes | None] = {
    Code.NO_RULE_FILES: None,
    Code.FILE_NOT_READABLE: None,
    Code.FILE_TOO_LARGE: "rules: " + "[" * 40,
    Code.NOT_UTF_8: b"rules: {a: \xff}",
    Code.NOT_YAML: "rules: [",
    Code.SECOND_DOCUMENT: "rules: {}\n---\nrules: {}",
    Code.YAML_TAG: "rules: !!map {}",
    Code.KEY_TWICE: "rules: {}\nrules: {}",
    Code.WRONG_ALIAS: "rules: *nothing",
    Code.KEY_IS_NO_WORD: "rules: {[a]: b}",
    Code.YAML_1_1: BASE + A_RULE % "priority: 010",
    Code.UNKNOWN_KEY: BASE + A_RULE % "wehre: event.x == 1",
    Code.MISSING_KEY: BASE + "rules: {a: {on: b}}",
    Code.WRONG_TYPE: BASE + "rules: {a: [b]}",
    Code.DEFINED_TWICE: None,
    Code.WRONG_NAME: BASE + "rules: {My Rule: {on: b, send: {channel: web, content: {text: Hi}}}}",
    Code.UNKNOWN_NAME: BASE + "rules: {a: {on: b, send: {channel: wep, content: {text: Hi}}}}",
    Code.NO_DURATION: BASE + A_RULE % "unless: {on: c, within: soon}",
    Code.NO_RATE: BASE + "rules: {a: {on: b, limit: often, send: {channel: web, content: {text: Hi}}}}",
    Code.NO_FIELD_PATH: "sources: {s: {event: 'a..b', customer: c}}",
    Code.NO_TOPIC_NAME: "sources: {s: {topic: a/b, event: e, customer: c}}",
    Code.NO_WHOLE_NUMBER: BASE + A_RULE % "priority: high",
    Code.WRONG_EVENT_NAMES: BASE + "rules: {a: {on: [b, b], send: {channel: web, content: {text: Hi}}}}",
    Code.NO_SHARE: BASE + A_RULE % "holdout: half",
    Code.NO_HOURS: "channels: {web: {topic: t, consent: none, quiet: evenings}}",
    Code.UNKNOWN_TIME_ZONE: "policy: {timezone: Europe/Berlim}",
    Code.WRONG_LIST: BASE + "rules: {a: {on: b, send: {channel: [web, web], content: {text: Hi}}}}",
    Code.UNKNOWN_LOCALE: "policy: {locale: de-XX}",
    Code.NO_TIME: BASE + A_TEST.format("events: [], expect: [], start: tomorrow"),
    Code.TOPIC_OF_TWO_SOURCES: "sources: {a: &a {topic: t, event: e, customer: c}, b: *a}",
    Code.CHANNEL_FEEDS_SOURCE: BASE.replace("triggers.web", "clicks"),
    Code.NO_SOURCE: BASE.partition("\n")[2] + A_RULE % "priority: 1",
    Code.NOT_FOR_THIS_FUNCTION: "traits: {t: {function: count, of: b, field: c}}",
    Code.WRONG_ADDRESS: "channels: {web: {topic: t, consent: none, address: token}}",
    Code.ONE_OR_THE_OTHER: BASE + A_RULE % "steps: [{on: c}]",
    Code.KEY_OUT_OF_PLACE: "sources: {p: {kind: profile, customer: c, event: e}}",
    Code.WRONG_SHARES: BASE + A_VARIANT,
    Code.WRONG_KEY: BASE + A_RULE % "key: sku",
    Code.TOPIC_IS_OWN: "sources: {s: {topic: dead-letters, event: e, customer: c}}",
    Code.EVENT_NOT_IN_PLAN: BASE + A_RULE % "priority: 1" + "events: {d: {}}",
    Code.FIELD_NOT_IN_PLAN: BASE + A_RULE % "key: event.y" + A_PLAN,
    Code.ATTRIBUTE_NOT_IN_PLAN: BASE_WITH_PEOPLE + "segments: {s: customer.y == 1}",
    Code.PURPOSE_NOT_IN_PLAN: BASE_WITH_PEOPLE.replace("consent: none", "consent: y"),
    Code.NOT_AS_PLANNED: BASE + A_PLAN + "traits: {t: {function: sum, of: b, field: x}}",
    Code.NO_CONDITION: BASE + A_RULE % "if: true",
    Code.CONDITION_SYNTAX: BASE + A_RULE % "if: event.x ==",
    Code.CONDITION_NOT_SUPPORTED: BASE + A_RULE % "if: event.?vip",
    Code.UNKNOWN_VARIABLE: BASE + A_RULE % "if: evnt.x == 1",
    Code.UNKNOWN_TRAIT: BASE + A_RULE % "if: traits.nothing == 1",
    Code.CONDITION_TYPES: BASE + A_RULE % "if: event_name == 1",
    Code.UNKNOWN_SEGMENT: BASE + A_RULE % "if: segments.nothing",
    Code.SEGMENTS_IN_A_CIRCLE: "segments: {a: segments.b, b: '!segments.a'}",
    Code.UNKNOWN_CONTEXT: BASE + A_RULE % "if: context.wether.rain",
    Code.NO_TEXT: BASE + A_CONTENT.format("t: 5"),
    Code.TEMPLATE_SYNTAX: BASE + A_CONTENT.format("t: '{{ x'"),
    Code.TEMPLATE_NOT_SUPPORTED: BASE + A_CONTENT.format("t: '{{ today }}'"),
    Code.TEMPLATE_TRAIT: BASE + A_CONTENT.format("t: '{{ traits }}'"),
    Code.TOO_MUCH_CONTENT: BASE + A_CONTENT.format(", ".join(f"f{n}: x" for n in range(65))),
    Code.WRONG_FORMAT: BASE.replace("consent: none", "consent: none, format: json")
    + A_CONTENT.format("t: Hello"),
    Code.NO_LIMIT: WARNED,
    Code.SAME_RULE: BASE
    + "rules:\n  a: &a {on: b, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}\n  b: *a\n",
    Code.EVENT_OF_NO_SOURCE: BASE.replace("event: event", "event: {is: purchase}") + A_RULE % "priority: 1",
    Code.SETTLED_CONDITION: BASE + A_RULE % "if: event.x == 1 && event.x == 2",
    Code.NO_GOAL: BASE + "rules: {a: {on: b, limit: 1 per 1d, send: {channel: web, content: {text: Hi}}}}",
    Code.NEVER_REACHED: BASE + "rules:\n" + IN_A_GROUP,
    Code.NO_CONSENT_EVER: BASE.replace("consent: none", "consent: mail"),
    Code.UNKNOWN_FIELD: BASE
    + A_RULE.replace("text: Hi", "t: '{{ event.titel }}'") % "priority: 1"
    + A_TEST.format("events: [{at: 0m, event: b, title: x}], expect: []"),
    Code.NO_TIME_ZONE: BASE.replace("consent: none", "consent: none, quiet: '21:00-08:00'"),
    Code.NEVER_USED: BASE + "traits: {t: {function: count, of: b}}",
    Code.WAITS_DIFFER: BASE + "rules:\n" + IN_A_GROUP.replace("on: b,", "on: b, wait: 5m,"),
    Code.MISSPELT_EVENT: BASE
    + A_RULE % "unless: {on: boking, within: 1d}"
    + "traits: {t: {function: count, of: booking}}",
    Code.MISSPELT_ATTRIBUTE: BASE
    + "segments: {s: customer.satus == 1}\n"
    + A_TEST.format("customer: {attributes: {status: 1}}, events: [], expect: []"),
    Code.MISSPELT_PURPOSE: BASE.replace("consent: none", "consent: mailling")
    + A_TEST.format("customer: {consents: [mailing]}, events: [], expect: []"),
    Code.VALUE_NOT_IN_PLAN: BASE + A_RULE % "where: event.x == 'z'" + A_PLAN,
    Code.ODD_COMPARISON: BASE + A_RULE % "where: event.x > '5'",
    Code.COMMENT_IN_THE_WAY: BASE + A_RULE % "where: event.x // 2 > 5",
    Code.NOT_AS_TESTED: BASE
    + A_RULE % "where: event.x == '5'"
    + A_TEST.format("events: [{at: 0m, event: b, x: 5}], expect: []"),
    Code.NOTHING_ALLOWED: BASE + A_RULE % "allow: [W505]",
    Code.TIMES_OUT_OF_ORDER: BASE
    + "tests: [{name: t, events: [{at: 2h, event: b}, {at: 1h, event: b}], until: 1m, expect: []}]",
    Code.ENDS_WHILE_WAITING: BASE
    + A_RULE % "wait: 1h"
    + A_TEST.format("events: [{at: 0m, event: b}, {at: 1s, event: c}], expect: []"),
    Code.SENSITIVE_NOT_SAID: BASE + "policy: {sensitive: {x: {events: b}}}\n" + A_RULE % "priority: 1",
    Code.DISCLOSURE_NOT_SAID: BASE_WITH_WEATHER + A_CONTENT.format("t: '{{ context.weather.rain }}'"),
    Code.TAGS_IN_TEXT: BASE + A_RULE.replace("text: Hi", "text: <b>Hi</b>") % "priority: 1",
    Code.OTHER_PLACEHOLDER: BASE + A_RULE.replace("text: Hi", "text: 'Hi *|FNAME|*'") % "priority: 1",
    Code.UNWRITTEN: BASE + A_RULE.replace("text: Hi", "text: '{{ rule.name }}'") % "priority: 1",
    Code.UNROUNDED: BASE
    + "traits: {s: {function: sum, of: b, field: x}}\n"
    + A_RULE.replace("text: Hi", "text: '{{ traits.s }}'") % "priority: 1",
    Code.SENSITIVE_NOT_READ: BASE + "policy: {sensitive: {x: {events: d}}}\n" + A_RULE % "sensitive: x",
    Code.NOTHING_DISCLOSED: BASE_WITH_WEATHER + A_RULE % "discloses: weather",
}


@pytest.mark.parametrize("code", list(Code), ids=str)
def test_every_code_is_found_in_its_example(rules: Path, code: Code) -> None:
    example = EXAMPLES[code]
    if code is Code.DEFINED_TWICE:
        (rules / "a.yaml").write_text(FINE)
        example = FINE
    if code is Code.FILE_NOT_READABLE:
        (rules / "a.yaml").symlink_to("a.yaml")  # a name that leads nowhere, as after half an upload
        (rules / "b.yaml").write_text(FINE)
    elif isinstance(example, str | bytes):
        (rules / "b.yaml").write_bytes(example.encode() if isinstance(example, str) else example)
    found = {each.code for each in check(rules).diagnostics}
    if code is Code.ENDS_WHILE_WAITING:  # `stream test` finds it: test_unfinished.py
        assert not found
    else:
        assert code in found


def pages() -> Iterator[tuple[str, str]]:
    """Of each heading of the page: the code, and its words."""
    yield from re.findall(r"^### ([EW][0-9]{3}) (.+)$", PAGE.read_text(), re.MULTILINE)


def test_every_code_has_its_part_of_the_page_and_the_other_way_round() -> None:
    assert list(pages()) == [(code.value, code.words) for code in Code]


def test_codes_are_errors_or_warnings() -> None:
    assert {code.severity for code in Code} == {"error", "warning"}
    assert all(re.fullmatch("[EW][0-9]{3}", code) for code in Code)


# ---- warnings ----


def test_warnings_do_not_refuse(rules: Path) -> None:
    (rules / "a.yaml").write_text(WARNED)
    checked = check(rules)
    assert checked.rules is not None
    assert [str(each) for each in checked.diagnostics] == [
        "rules/a.yaml:3:9: warning: rule `a` has no `limit`: it answers every time "
        "(write e.g. `limit: 1 per 7d`) [W501]"
    ]


@pytest.mark.parametrize("key", ["limit", "goal"])
def test_what_every_rule_should_have_is_asked_for_once(rules: Path, key: str) -> None:
    """Twelve warnings for five tiny rules, and nobody read the one that mattered."""
    said = {"limit": "limit: 1 per 1d", "goal": "goal: {on: b, within: 1d}"}
    del said[key]
    rule = "{{on: b, {}, send: {{channel: web, content: {{t: t{}}}}}}}"
    written = [f"  r{number}: {rule.format(*said.values(), number)}\n" for number in range(5)]
    (rules / "a.yaml").write_text(BASE + "rules:\n" + "".join(written))
    (found,) = check(rules).diagnostics
    assert str(found).startswith(
        f"rules/a.yaml:4:3: warning: 5 rules have no `{key}`, `r0` is the first: "
    ), found


def test_two_rules_that_differ_in_what_they_send_are_not_the_same(rules: Path) -> None:
    rule = "{on: b, limit: 1 per 1d, goal: {on: c, within: 1d}, send: {channel: web, content: {t: %s}}}"
    (rules / "a.yaml").write_text(f"{BASE}rules:\n  a: {rule % 'one'}\n  b: {rule % 'two'}\n")
    assert check(rules).diagnostics == ()


@pytest.mark.parametrize(
    ("condition", "finding"),
    [
        (
            "event.x > 5 && event.x < 3",
            "137: warning: `event.x > 5` and `event.x < 3` never hold together"
            " (write `||` if one of them will do)",
        ),
        ("1 > 2", "114: warning: `where` never holds (this definition is never used)"),
        ("1 < 2 || event.x > 5", "114: warning: `where` always holds (leave it out)"),
    ],
)
def test_a_condition_that_is_settled_is_warned_about(rules: Path, condition: str, finding: str) -> None:
    (rules / "a.yaml").write_text(BASE + A_RULE % f"where: {condition}")
    (found,) = check(rules).diagnostics
    assert str(found) == f"rules/a.yaml:3:{finding} [W504]"


def test_no_event_is_called_unknown_where_a_topic_may_carry_any(rules: Path) -> None:
    (rules / "a.yaml").write_text(FINE + "\n")
    assert check(rules).diagnostics == ()


def warned_of(rules: Path, text: str) -> list[str]:
    """The codes of the warnings about BASE and `text`."""
    (rules / "a.yaml").write_text(text)
    checked = check(rules)
    assert checked.rules is not None, checked.diagnostics
    return [str(each.code) for each in checked.diagnostics]


TWO_OF_A_GROUP = """\
rules:
  first: {on: [b, c], group: g, priority: 1, goal: {on: c, within: 1d}, send: {channel: web, content: {t: y}}}
  second: {on: b, group: g, goal: {on: c, within: 1d}, limit: 1 per 1d, send: {channel: web, content: {t: x}}}
"""


def test_a_rule_that_another_of_its_group_always_beats_is_warned_about(rules: Path) -> None:
    assert warned_of(rules, BASE + TWO_OF_A_GROUP) == ["W501", "W506"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[b, c]", "c"),
        ("priority: 1,", "priority: 1, where: event.x == 1,"),
        ("priority: 1,", "priority: 1, if: customer.vip,"),
        ("priority: 1,", "priority: 1, limit: 1 per 1d,"),
        ("priority: 1,", "priority: 1, wait: 1m,"),
        ("priority: 1,", "priority: 1, stale_after: 1m,"),
        ("priority: 1,", "priority: -1,"),
        ("on: b, group: g", "on: b, group: h"),
        ("t: y", "t: '{{ event.x }}'"),
        ("on: b, group: g", "steps: [{on: a}, {on: b}], wait: 1m, group: g"),
    ],
)
def test_a_rule_that_may_be_reached_is_not(rules: Path, old: str, new: str) -> None:
    assert old in TWO_OF_A_GROUP
    assert "W506" not in warned_of(rules, BASE + TWO_OF_A_GROUP.replace(old, new, 1))


WAITING = """\
rules:
  big: {on: cart, where: event.price > 100, unless: {on: buy, within: 45m}, group: g, LIMIT}
  any: {on: [cart, wish], unless: {on: buy, within: 30m}, group: g, LIMIT}
""".replace("LIMIT", f"limit: 1 per 1d, goal: {{on: buy, within: 1d}}, {SENDS}")


def test_rules_of_a_group_that_wait_differently_are_warned_about(rules: Path) -> None:
    """Two messages went for one cart: a group chooses among those that are judged at one moment."""
    assert warned_of(rules, BASE + WAITING) == ["W511"]
    (found,) = check(rules).diagnostics
    assert str(found) == (
        "rules/a.yaml:4:3: warning: rule `big` fires after 45m, `any` of its group after 30m: one event can "
        "send both (let both wait equally long, or hold one back by the channel's `cap`) [W511]"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("within: 45m", "within: 30m"),
        ("within: 45m}", "within: 15m}, wait: 15m"),
        ("on: cart,", "on: checkout,"),
        ("group: g", "group: h"),
        ("wish],", "wish], where: event.price < 50,"),
    ],
)
def test_rules_of_a_group_that_no_event_sends_both_of_are_not(rules: Path, old: str, new: str) -> None:
    assert old in WAITING
    assert "W511" not in warned_of(rules, BASE + WAITING.replace(old, new, 1))


UNLESS_BOOKED = A_RULE % "unless: {on: [boking, call], within: 1d}"


@pytest.mark.parametrize(
    "known",
    [
        A_TEST.format("events: [{at: 0m, event: booking}], expect: []"),
        "traits: {t: {function: count, of: booking}}\npolicy: {suppress: traits.t > 5}\n",
        "traits: {t: {function: count, of: Boking}}\npolicy: {suppress: traits.t > 5}\n",
        "policy: {sensitive: {x: {events: booking}}}\n",
        "sources: {orders: {event: {is: booking}, customer: c}}\n",
    ],
)
def test_an_event_with_a_wrong_letter_is_warned_about(rules: Path, known: str) -> None:
    """`unless: {on: [boking, call]}` was taken, and who had booked was reminded to."""
    (rules / "b.yaml").write_text(known)
    assert warned_of(rules, BASE + UNLESS_BOOKED) == ["W512"]
    (found,) = check(rules).diagnostics
    assert str(found).startswith(
        "rules/a.yaml:3:121: warning: no test and no other definition has the event `boking` (did you mean `"
    )


@pytest.mark.parametrize(
    "known",
    [
        A_TEST.format("events: [{at: 0m, event: boking}, {at: 1m, event: booking}], expect: []"),
        A_TEST.format("events: [{at: 0m, event: visit}], expect: []"),
        "traits: {t: {function: count, of: boking}}\npolicy: {suppress: traits.t > 5}\n",
    ],
)
def test_an_event_that_is_known_or_like_no_other_is_not(rules: Path, known: str) -> None:
    (rules / "b.yaml").write_text(known)
    assert warned_of(rules, BASE + UNLESS_BOOKED) == []


def test_events_that_differ_by_a_number_or_are_short_are_not(rules: Path) -> None:
    rule = A_RULE % "unless: {on: [step_1, open, unsubscribe], within: 1d}"
    known = A_TEST.format(
        "events: [{at: 0m, event: step_2}, {at: 0m, event: opens}, {at: 0m, event: subscribe}], expect: []"
    )
    assert warned_of(rules, BASE + rule + known) == []


def test_a_channel_that_can_fail_leaves_the_group_to_the_next_rule(rules: Path) -> None:
    base = BASE.replace("consent: none", "consent: none, address: event.token")
    assert "W506" not in warned_of(rules, base + TWO_OF_A_GROUP)


PROFILES = "sources: {profiles: {kind: profile, customer: c}}\n"


def test_consent_that_nothing_can_grant_is_warned_about(rules: Path) -> None:
    base = BASE.replace("consent: none", "consent: mail")
    assert warned_of(rules, base) == ["W507"]
    (rules / "b.yaml").write_text(PROFILES)
    assert warned_of(rules, base) == []


def test_quiet_hours_without_a_time_zone_are_warned_about(rules: Path) -> None:
    base = BASE.replace("consent: none", "consent: none, quiet: '21:00-08:00'")
    assert warned_of(rules, base) == ["W509"]
    assert warned_of(rules, base + "policy: {timezone: UTC}\n") == []


def test_a_date_without_a_time_zone_is_warned_about(rules: Path) -> None:
    rule = A_RULE.replace("text: Hi", "t: '{{ now | date }}'") % "priority: 1"
    assert warned_of(rules, BASE + rule) == ["W509"]
    assert warned_of(rules, BASE + rule + "policy: {timezone: UTC}\n") == []


def test_a_format_for_a_field_that_no_rule_sends_is_warned_about(rules: Path) -> None:
    """It was meant for another, which is sent as text: unescaped."""
    base = BASE.replace("consent: none", "consent: none, format: {boddy: html}")
    rule = A_RULE.replace("text: Hi", "body: '{{ event.x }}'") % "priority: 1"
    assert warned_of(rules, base + rule) == ["W510"]
    assert warned_of(rules, base.replace("boddy", "body") + rule) == []


@pytest.mark.parametrize("period", ["calendar day", "calendar week", "calendar month"])
def test_a_calendar_that_is_not_known_of_all_customers_is_warned_about(rules: Path, period: str) -> None:
    base = BASE.replace("consent: none", f"consent: none, cap: 1 per {period}")
    limited = BASE + (A_RULE % "priority: 1").replace("1 per 1d", f"1 per {period}")
    assert "W509" in warned_of(rules, base)
    assert "W509" in warned_of(rules, limited)
    assert "W509" in warned_of(rules, BASE + f"policy: {{cap: 1 per {period}}}\n")
    assert "W509" not in warned_of(rules, base + "policy: {timezone: UTC}\n")
    assert "W509" not in warned_of(rules, base.replace(period, "7d"))


def test_a_field_that_no_event_of_the_tests_has_is_warned_about(rules: Path) -> None:
    rule = A_RULE.replace("text: Hi", "t: '{{ event.titel }}'") % "priority: 1"
    event = "events: [{at: 0m, event: %s}], expect: []"
    assert warned_of(rules, BASE + rule) == []
    assert warned_of(rules, BASE + rule + A_TEST.format(event % "b, title: x")) == ["W508"]
    assert warned_of(rules, BASE + rule + A_TEST.format(event % "b, titel: x")) == []
    assert warned_of(rules, BASE + rule + A_TEST.format(event % "other, title: x")) == ["W508"]
    assert warned_of(rules, BASE + rule + A_TEST.format(event % "other, colour: x")) == []


@pytest.mark.parametrize(
    "use",
    [
        A_RULE % "if: traits.t > 1",
        A_RULE.replace("text: Hi", "t: '{{ traits.t }}'") % "priority: 1",
        "policy: {suppress: traits.t > 1}\n",
    ],
)
def test_what_is_used_anywhere_is_not_called_unused(rules: Path, use: str) -> None:
    traits = "traits: {t: {function: count, of: b}}\n"
    assert warned_of(rules, BASE + traits) == ["W510"]
    assert warned_of(rules, BASE + traits + use) == []


def test_a_worker_logs_each_warning_but_not_without_end(rules: Path) -> None:
    """It said how many there were, and nobody who reads logs could tell which."""
    traits = ", ".join(f"t{n}: {{function: count, of: b}}" for n in range(60))
    (rules / "a.yaml").write_text(f"{BASE}traits: {{{traits}}}\n")
    with capture_logs() as lines:
        app.compiled(Settings(rules=rules))
    assert [each["event"] for each in lines] == 50 * ["rule_warning"] + ["rules_have_warnings"]
    assert lines[0]["place"].startswith("rules/a.yaml:3:")
    assert (lines[0]["code"], lines[0]["finding"]) == ("W510", "trait `t0` is never used")
    assert lines[-1]["warnings"] == 60


# ---- formats and exit codes ----


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["check", *args])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("text", "args", "code"),
    [(FINE, (), 0), (WARNED, (), 0), (WARNED, ("--strict",), 1), (FINE, ("--strict",), 0), (BROKEN, (), 1)],
)
def test_exit_codes(rules: Path, text: str, args: tuple[str, ...], code: int) -> None:
    (rules / "a.yaml").write_text(text)
    for form in Format:
        assert run("rules", "--format", form, *args)[0] == code


def test_wrong_usage_ends_with_2() -> None:
    assert run("--format", "xml")[0] == 2


def test_text_is_one_line_each_where_nobody_looks(rules: Path) -> None:
    (rules / "a.yaml").write_text(BROKEN)
    code, out, err = run("rules")
    assert (code, out) == (1, "")
    assert err == (
        "rules/a.yaml:3:9: error: rule `a` needs `on` "
        "(the event to watch for; or `steps`, `every`, `date`) [E103]\n"
        "rules/a.yaml:3:13: error: unknown key `onn` (did you mean `on`?) [E101]\n"
        "2 errors\n"
    )


def terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Console:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def shown(rules: Path, console: Console) -> str:
    report(check(rules), Format.TEXT, console, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_terminal_shows_the_line_with_a_caret(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rules / "a.yaml").write_text(BROKEN)
    text = shown(rules, terminal(monkeypatch))
    assert "\x1b[1;31merror\x1b[0m" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "  3 | rules: {a: {onn: purchase, send:" in plain
    assert "\n    |             ^~~\n" in plain


def test_no_colour_is_respected(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rules / "a.yaml").write_text(BROKEN)
    text = shown(rules, terminal(monkeypatch, NO_COLOR="1"))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", text)
    assert "^~~" in text


def test_a_long_line_is_cut_around_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x" * 500 + " here " + "y" * 500)
    finding = Diagnostic(Code.UNKNOWN_KEY, Location(str(tmp_path / "a.yaml"), 1, 502), "m")
    _, line, caret = as_text(finding, context=True).plain.split("\n")
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("here")


def test_the_caret_stands_below_wide_characters(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("你好 here\n")
    finding = Diagnostic(Code.UNKNOWN_KEY, Location(str(tmp_path / "a.yaml"), 1, 4), "m")
    assert as_text(finding, context=True).plain.endswith("| " + " " * 5 + "^~~~")


def test_a_name_cannot_move_the_cursor(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with an escape sequence in it would repaint the reader's terminal."""
    (rules / "a.yaml").write_text('rules: {"\\e[2J": {}}\n"\\n::error::x": {}\n')
    assert "\x1b[2J" not in shown(rules, terminal(monkeypatch))
    (_, out, err), (_, github, _) = run("rules"), run("rules", "--format", "github")
    assert "\x1b" not in out + err
    assert not any(line.startswith("::error::") for line in github.splitlines())


def test_json(rules: Path) -> None:
    (rules / "a.yaml").write_text(BROKEN)
    code, out, err = run("rules", "--format", "json")
    assert (code, err) == (1, "")
    assert json.loads(out) == {
        "revision": None,
        "rules": None,
        "exempt": {},
        "diagnostics": [
            {
                "file": "rules/a.yaml",
                "line": 3,
                "column": 9,
                "severity": "error",
                "code": "E103",
                "message": "rule `a` needs `on`",
                "hint": "the event to watch for; or `steps`, `every`, `date`",
            },
            {
                "file": "rules/a.yaml",
                "line": 3,
                "column": 13,
                "severity": "error",
                "code": "E101",
                "message": "unknown key `onn`",
                "hint": "did you mean `on`?",
            },
        ],
        "more": 0,
    }
    (rules / "a.yaml").write_text(FINE)
    fine = json.loads(run("rules", "--format", "json")[1])
    assert re.fullmatch("[0-9a-f]{16}", fine.pop("revision"))
    assert fine == {"rules": 1, "exempt": {}, "diagnostics": [], "more": 0}


def test_annotations_are_escaped() -> None:
    finding = Diagnostic(Code.UNKNOWN_KEY, Location("rules/a,b:c%.yaml", 3, 4), "50%\nof it", "a: b, c")
    assert as_annotation(finding) == (
        "::error file=rules/a%2Cb%3Ac%25.yaml,line=3,col=4,title=E101 unknown key::50%25%0Aof it (a: b, c)"
    )
    nowhere = Diagnostic(Code.NO_LIMIT, Location("rules"), "m")
    assert as_annotation(nowhere) == "::warning file=rules,title=W501 no limit::m"


def test_the_command_itself(rules: Path) -> None:
    """As a process: no warnings of Python's, output in UTF-8, the exit code of the shell."""
    (rules / "a.yaml").write_text(BROKEN)
    ran = subprocess.run(
        [sys.executable, "-m", "stream", "check", "--format", "github"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PAGE.parents[1]), "GITHUB_ACTIONS": "true"},
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.splitlines()[0].startswith(
        "::error file=rules/a.yaml,line=3,col=9,title=E103 missing key::"
    )


def test_nine_megabytes_of_findings_were_printed(rules: Path) -> None:
    """Twelve files had 4,900 wrong segments each. Of as many the first 200 are shown, and all are counted."""
    listed = "".join(f"  s{number}: event.x ==\n" for number in range(300))
    (rules / "b.yaml").write_text("segments:\n" + listed)
    (rules / "a.yaml").write_text(BASE + A_CONTENT.format("text: '<b>Hi</b>'"))  # a warning
    checked = check(rules)
    count = len(checked.diagnostics)
    errors = sum(each.severity == "error" for each in checked.diagnostics)
    assert (errors, count) == (300, 301)
    for form in Format:
        out, complaints = io.StringIO(), io.StringIO()
        report(checked, form, Console(file=out, width=500), Console(file=complaints, width=500))
        text = out.getvalue() + complaints.getvalue()
        if form is Format.JSON:
            found = json.loads(text)
            assert len(found["diagnostics"]) == 200
            assert {each["severity"] for each in found["diagnostics"]} == {"error"}
            assert found["more"] == count - 200
        else:
            assert text.count("CONDITION_SYNTAX" if form is Format.GITHUB else "[E302]") in (0, 200)
            assert f"\nand {count - 200} more\n300 errors" in text
    with pytest.raises(RuleFileError) as caught:
        load_rules(rules)
    assert str(caught.value).count("\n") == 200
    assert len(caught.value.diagnostics) == 300
