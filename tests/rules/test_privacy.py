"""What is nobody's business: what a rule reads of it is found by whatever way, and said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.expression import parse
from stream.rules.compiler.rule_set import Checked, check_rules
from stream.rules.compiler.uses import paths_of

BASE = """\
sources:
  clicks: {event: event, customer: c}
  profiles: {kind: profile, customer: c}
  weather: {kind: context, customer: c}
  panel: {kind: context, customer: c}
channels:
  web: {topic: web, consent: none}
  cards: {topic: cards, consent: none, address: customer.due_date}
policy:
  sensitive:
    baby: {events: [nursery, names], fields: [event.form.due_date, customer.due_date, context.panel.family]}
    illness: {events: cure, consent: health}
traits:
  nursery_views: {function: count, of: [home, nursery]}
  first_name: {function: last, of: [home, names], field: name}
  due: {function: last, of: form, field: form.due_date}
  asked: {function: count, of: form, where: "has(event.form.due_date)"}
  by_date: {function: count, of: form, per: form.due_date}
  forms: {function: distinct, of: form, field: form.id}
  cures: {function: count, of: cure, over: 1d}
  asked_for: {function: list, of: form, fields: [form.id, form.due_date]}
  quiet_views: {function: count, of: home, clear: nursery}
  days_to_go: {function: last, of: form, value: "int(timestamp(event.form.due_date)) / 86400"}
segments:
  expecting: traits.nursery_views > 3
  parents: has(customer.name) && segments.expecting
  hot: context.weather.temperature > 25
  summery: segments.hot || now > now
rules:
  r:
"""
SUFFIX = "\n    limit: 1 per 1d\n    goal: {on: bought, within: 1d}\n"


def check(tmp_path: Path, *lines: str, rest: str = SUFFIX) -> Checked:
    (tmp_path / "a.yaml").write_text(BASE + "".join(f"    {line}\n" for line in lines) + rest)
    return check_rules(tmp_path)


def privacy(checked: Checked) -> list[tuple[str, str]]:
    """(line after `r:` and column, code and message) of the findings about it."""
    first = BASE.count("\n")
    found = [each for each in checked.diagnostics if each.code[1] == "6"]
    return [
        (f"{each.location.line - first}:{each.location.column}", f"{each.code} {each.message}")
        for each in found
    ]


TO_WEB = "send: {channel: web, content: {text: Hi}}"
TEXT = ["on: home", "send:", "  channel: web"]


@pytest.mark.parametrize(
    ("lines", "place", "chain"),
    [
        (["on: [home, nursery]", TO_WEB], "1:9", "`on` waits for the sensitive event `nursery`"),
        (
            ["on: form", "where: event.form.due_date != ''", TO_WEB],
            "2:12",
            "`where` reads the sensitive field `event.form.due_date`",
        ),
        (
            ["on: form", "if: size(event.form) > 1", TO_WEB],
            "2:14",
            "`if` reads `event.form`, with it the sensitive field `event.form.due_date`",
        ),
        (
            ["on: form", "if: event.form[customer.key] == 1", TO_WEB],
            "2:9",
            "`if` reads `event.form[…]`, with it the sensitive field `event.form.due_date`",
        ),
        (
            ["on: form", "if: event.form['due_date'].month == 3", TO_WEB],
            "2:9",
            "`if` reads the sensitive field `event.form.due_date`",
        ),
        (
            ["on: home", "if: true && has(customer.due_date)", TO_WEB],
            "2:21",
            "`if` reads the sensitive field `customer.due_date`",
        ),
        (
            ["on: home", "if: context.panel.family == 'new'", TO_WEB],
            "2:9",
            "`if` reads the sensitive field `context.panel.family`",
        ),
        (
            ["on: home", "if: size(context.panel) > 2", TO_WEB],
            "2:14",
            "`if` reads `context.panel`, with it the sensitive field `context.panel.family`",
        ),
        (
            ["on: home", "if: '!segments.parents'", TO_WEB],
            "2:11",
            "`if` reads segment `parents`, which reads segment `expecting`, which reads trait "
            "`nursery_views`, which counts the sensitive event `nursery`",
        ),
        (
            ["on: home", "if: traits.first_name == 'x'", TO_WEB],
            "2:9",
            "`if` reads trait `first_name`, which is computed from the sensitive event `names`",
        ),
        (
            ["on: home", "if: traits.quiet_views == 0", TO_WEB],
            "2:9",
            "`if` reads trait `quiet_views`, which starts anew at the sensitive event `nursery`",
        ),
        *[
            (
                ["on: home", f"if: {condition}", TO_WEB],
                "2:9",
                f"`if` reads trait `{condition[7:].partition('[')[0].split()[0]}`, which reads the sensitive "
                "field `event.form.due_date`",
            )
            for condition in (
                "traits.due == 'x'",
                "traits.asked > 1",
                "traits.by_date['x'] > 1",
                "traits.days_to_go < 30",
                "traits.asked_for == []",
            )
        ],
        (
            ["on: form", "key: event.form.due_date", "wait: 1d", TO_WEB],
            "2:10",
            "`key` reads the sensitive field `event.form.due_date`",
        ),
        (
            ["on: home", "unless: {on: names, within: 1d}", TO_WEB],
            "2:18",
            "`on` of `unless` waits for the sensitive event `names`",
        ),
        (
            ["on: home", "unless: {on: form, where: has(event.form.due_date), within: 1d}", TO_WEB],
            "2:31",
            "`where` of `unless` reads the sensitive field `event.form.due_date`",
        ),
        (
            ["steps: [{on: home}, {on: nursery}]", TO_WEB],
            "1:30",
            "`on` of step 2 waits for the sensitive event `nursery`",
        ),
        (
            ["steps: [{on: form, as: f}, {on: home, where: event.x == f.form.due_date}]", TO_WEB],
            "1:50",
            "`where` of step 2 reads the sensitive field `event.form.due_date`",
        ),
        (
            ["steps: [{on: form, as: f}, {on: home}]", "if: f.form.due_date == 'x'", TO_WEB],
            "2:9",
            "`if` reads the sensitive field `event.form.due_date`",
        ),
        (
            ["on: home", "send:", "  channel: web", "  content: {t: 'Hi {{ customer.due_date }}'}"],
            "4:27",
            "the text `t` reads the sensitive field `customer.due_date`",
        ),
        (
            [
                "on: home",
                "send:",
                "  channel: web",
                "  content: {t: '{% if segments.expecting %}x{% endif %}'}",
            ],
            "4:27",
            "the text `t` reads segment `expecting`, which reads trait `nursery_views`, which counts the "
            "sensitive event `nursery`",
        ),
        (
            [
                "on: home",
                "send:",
                "  channel: web",
                "  content: {t: '{% for each in customer %}x{% endfor %}'}",
            ],
            "4:36",
            "the text `t` reads `customer`, with it the sensitive field `customer.due_date`",
        ),
        (
            [
                "steps: [{on: form, as: f}]",
                "send:",
                "  channel: web",
                "  content: {t: '{{ f.form.due_date }}'}",
            ],
            "4:24",
            "the text `t` reads the sensitive field `event.form.due_date`",
        ),
        (
            [
                "on: home",
                "send:",
                "  channel: web",
                "  variants:",
                "    - {name: a, share: 50%, content: {t: x}}",
                "    - {name: b, share: 50%, content: {t: '{{ customer.due_date }}'}}",
            ],
            "6:50",
            "the text `t` of variant `b` reads the sensitive field `customer.due_date`",
        ),
        (
            ["on: home", "send: {channel: [web, cards], content: {text: Hi}}"],
            "2:21",
            "the address of channel `cards` reads the sensitive field `customer.due_date`",
        ),
    ],
)
def test_what_a_rule_reads_is_found_by_whatever_way(
    tmp_path: Path, lines: list[str], place: str, chain: str
) -> None:
    (found,) = privacy(check(tmp_path, *lines))
    assert found == (place, f"E601 rule `r` is about the sensitive subject `baby`: {chain}")
    said = check(tmp_path, *lines, "sensitive: baby")
    assert privacy(said) == []
    assert said.rules is not None
    (subject,) = said.rules.rules[0].sensitive
    assert (subject.name, subject.consent) == ("baby", "baby")


@pytest.mark.parametrize(
    "goal", ["{on: nursery, within: 1d}", "{on: form, within: 1d, value: form.due_date}"]
)
def test_a_goal_is_read_too(tmp_path: Path, goal: str) -> None:
    rest = f"    limit: 1 per 1d\n    goal: {goal}\n"
    ((place, message),) = privacy(check(tmp_path, "on: home", TO_WEB, rest=rest))
    assert place.startswith("4:")
    assert message.startswith("E601 rule `r` is about the sensitive subject `baby`: `goal` ")


@pytest.mark.parametrize(
    "lines",
    [
        ["on: [home, form]", TO_WEB],
        ["on: form", "where: event.form.id == 1 && event.due_date == 2", TO_WEB],
        ["on: home", "if: customer.name == 'x' && context.panel.size == 1 && traits.forms > 1", TO_WEB],
        ["on: home", "if: segments.hot && context.weather.rain", TO_WEB],
        ["on: home", "send: {channel: web, content: {t: '{{ customer.name }} {{ traits.forms }}'}}"],
    ],
)
def test_what_is_beside_it_is_not(tmp_path: Path, lines: list[str]) -> None:
    assert privacy(check(tmp_path, *lines)) == []


def test_the_hint_says_what_to_write_and_what_it_does(tmp_path: Path) -> None:
    checked = check(tmp_path, "on: nursery", "if: traits.cures > 0", "sensitive: baby", TO_WEB)
    (found,) = [each for each in checked.diagnostics if each.code == "E601"]
    assert found.hint == (
        "write `sensitive: [baby, illness]` in the rule; "
        "it then goes only to customers who have consented to `health`"
    )
    both = check(tmp_path, "on: nursery", "if: traits.cures > 0", "sensitive: [illness, baby]", TO_WEB)
    assert both.rules is not None
    assert [each.consent for each in both.rules.rules[0].sensitive] == ["health", "baby"]


def test_to_suppress_tells_nobody_anything(tmp_path: Path) -> None:
    text = BASE.replace("policy:\n", "policy:\n  suppress: segments.expecting || context.weather.rain\n")
    (tmp_path / "a.yaml").write_text(text + "    on: home\n    " + TO_WEB + SUFFIX)
    assert privacy(check_rules(tmp_path)) == []


def test_a_subject_that_is_not_read_is_warned_about(tmp_path: Path) -> None:
    (found,) = privacy(check(tmp_path, "on: home", TO_WEB, "sensitive: [illness]"))
    assert found == ("3:16", "W601 rule `r` reads nothing about the sensitive subject `illness`")


def test_an_unknown_subject_is_refused(tmp_path: Path) -> None:
    checked = check(tmp_path, "on: home", TO_WEB, "sensitive: [ilness]")
    (error,) = [each for each in checked.diagnostics if each.severity == "error"]
    assert (error.code, error.hint) == ("E107", "did you mean `illness`?")


def test_nobody_can_consent_where_there_are_no_profiles(tmp_path: Path) -> None:
    text = BASE.replace("  profiles: {kind: profile, customer: c}\n", "")
    (tmp_path / "a.yaml").write_text(f"{text}    on: cure\n    {TO_WEB}\n    sensitive: illness{SUFFIX}")
    assert "nobody can ever consent to `health`: no source has `kind: profile`" in [
        each.message for each in check_rules(tmp_path).diagnostics if each.code == "W507"
    ]


# ---- what third parties know ----


@pytest.mark.parametrize(
    ("content", "chain"),
    [
        ("{t: '{{ context.weather.temperature }}'}", "the text `t` reads `context.weather.temperature`"),
        ("{t: '{% if context.weather.rain %}x{% endif %}'}", "the text `t` reads `context.weather.rain`"),
        ("{t: '{% assign w = context.weather %}{{ w.rain }}'}", "the text `t` reads `context.weather`"),
        (
            "{t: '{% if segments.summery %}x{% endif %}'}",
            "the text `t` reads segment `summery`, which reads segment `hot`, which reads "
            "`context.weather.temperature`",
        ),
    ],
)
def test_a_text_does_not_tell_what_the_customer_never_said(tmp_path: Path, content: str, chain: str) -> None:
    lines = ["on: home", f"send: {{channel: web, content: {content}}}"]
    ((_, message),) = privacy(check(tmp_path, *lines))
    assert message == (
        f"E602 rule `r` shows customers what they never told you: {chain}, of third-party data"
    )
    said = check(tmp_path, *lines, "discloses: weather")
    assert privacy(said) == []
    assert said.rules is not None
    assert said.rules.rules[0].discloses == ("weather",)


def test_it_may_choose_the_message(tmp_path: Path) -> None:
    lines = ["on: home", "if: segments.summery && context.weather.rain", TO_WEB]
    assert privacy(check(tmp_path, *lines)) == []
    ((place, message),) = privacy(check(tmp_path, *lines, "discloses: [weather]"))
    assert (place, message) == ("4:16", "W602 no text of rule `r` tells of `context.weather`")


def test_an_unknown_source_of_context_is_refused_once(tmp_path: Path) -> None:
    lines = ["on: home", "send: {channel: web, content: {t: '{{ context.wether.rain }}'}}"]
    checked = check(tmp_path, *lines)
    (error,) = [each for each in checked.diagnostics if each.severity == "error"]
    assert (error.code, error.hint) == ("E309", "did you mean `weather`?")
    checked = check(tmp_path, "on: home", TO_WEB, "discloses: [profiles]")
    (error,) = [each for each in checked.diagnostics if each.severity == "error"]
    assert (error.code, error.message) == ("E107", "unknown source of context `profiles`")


def test_it_is_no_address(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("channels: {c: {topic: t, consent: none, address: context.weather.x}}")
    (found,) = [each for each in check_rules(tmp_path).diagnostics if each.severity == "error"]
    assert found.code == "E205"


# ---- the parts ----


def test_the_dump_says_what_is_sensitive_and_what_is_disclosed(tmp_path: Path) -> None:
    content = "send: {channel: web, content: {t: '{{ context.weather.rain }}'}}"
    checked = check(tmp_path, "on: cure", content, "sensitive: illness", "discloses: [weather]")
    assert checked.rules is not None
    lines = checked.rules.dump().splitlines()
    assert "source weather: topic weather, context, customer c, time -, id -" in lines
    assert (
        "policy sensitive baby: names | nursery | context.panel.family | customer.due_date | "
        "event.form.due_date, consent baby"
    ) in lines
    assert "policy sensitive illness: cure, consent health" in lines
    assert "  sensitive illness (consent health)" in lines
    assert "  discloses weather" in lines


def test_rules_without_any_of_it_keep_their_revision(tmp_path: Path) -> None:
    """It would have changed with the release, and with it every decision's `revision`, for no reason."""
    (tmp_path / "a.yaml").write_text(
        "sources: {clicks: {event: event, customer: c}}\n"
        "channels: {web: {topic: web, consent: none}}\n"
        "policy: {timezone: UTC}\n"
        "rules: {r: {on: home, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}}\n"
    )
    checked = check_rules(tmp_path)
    assert checked.rules is not None
    assert checked.rules.revision == "46ff8a1a14b608e1"


def test_a_subject_needs_something_to_be_about(tmp_path: Path) -> None:
    for body, code in (
        ("{}", "E103"),
        ("{consent: x}", "E103"),
        ("{events: a, consent: none}", "E106"),
        ("{fields: [due_date]}", "E110"),
        ("{fields: [traits.x]}", "E110"),
        ("{fields: [event.a, event.a]}", "E117"),
        ("{fields: []}", "E117"),
        ("{events: []}", "E113"),
    ):
        (tmp_path / "a.yaml").write_text(f"policy: {{sensitive: {{x: {body}}}}}")
        assert [each.code for each in check_rules(tmp_path).diagnostics] == [code], body


def test_a_long_chain_of_segments_is_not_told_to_its_end(tmp_path: Path) -> None:
    chain = "".join(f"  s{n}: segments.s{n + 1}\n" for n in range(2000))
    text = BASE.replace("segments:\n", f"segments:\n{chain}  s2000: traits.cures > 0\n")
    (tmp_path / "a.yaml").write_text(f"{text}    on: home\n    if: segments.s0\n    {TO_WEB}{SUFFIX}")
    ((_, message),) = privacy(check_rules(tmp_path))
    assert message.endswith("which reads segment `s7`, and so on")


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("event.a.b == 1", ["event.a.b"]),
        ("event.a['b'].c[0].d in customer.e", ["event.a.b.c.?.d", "customer.e"]),
        ("event[customer.x[now]] == 1", ["event.?", "customer.x.?", "now"]),
        (
            "event.items.exists(item, item.a == customer.b)",
            ["event.items", "event.items.?", "event.items.?.a", "customer.b"],
        ),
        ("has(event.a) && !(step.b > size(event))", ["event.a", "step.b", "event"]),
    ],
)
def test_the_paths_of_a_condition(condition: str, paths: list[str]) -> None:
    found = [".".join(each or "?" for each in path) for path, _ in paths_of(parse(condition))]
    assert found == paths
