"""Rule tests: what passes, what fails, and what a failed one says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.run import Outcome
from stream.cli.main import cli
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources:
  clicks: {event: [type, name], customer: user.id, time: meta.ts}
  orders: {event: {is: purchase}, customer: user.id}
  profiles: {kind: profile, customer: id}
  weather: {kind: context, customer: who.id, time: ts}
channels:
  mail: {topic: triggers.mail, consent: marketing, address: customer.email}
  web: {topic: triggers.web, consent: none}
rules:
  hello:
    on: view
    send:
      channel: web
      variants:
        - {name: plain, share: 50%, content: {text: Hello}}
        - {name: named, share: 50%, content: {text: "Hello {{ customer.name | default: 'you' }}"}}
    limit: 1 per 1h
    stale_after: 1m
    holdout: 50%
  left:
    on: cart
    unless: {on: purchase, within: 30m}
    stale_after: 1m
    send: {channel: mail, content: {text: "{{ event.sku }}"}}
  rainy:
    on: rain
    if: context.weather.rain
    send: {channel: web, content: {text: Hi}}
""".replace("event: [type, name]", "event: type.name")


def outcomes(tmp_path: Path, tests: str) -> list[Outcome]:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "tests.yaml").write_text(f"tests:\n{tests}")
    checked = check_rules(tmp_path)
    assert checked.rules is not None, checked.diagnostics
    return [rule_tests.run(test, checked.rules) for test in checked.tests]


def failures(tmp_path: Path, **parts: str) -> list[str]:
    test = {"events": "[{at: 0m, event: view}]", "expect": "[]", **parts}
    lines = "".join(f"    {key}: {value}\n" for key, value in test.items())
    (outcome,) = outcomes(tmp_path, f"  - name: it\n{lines}")
    return [each.message for each in outcome.failures]


CART = "[{at: 1m, event: cart, sku: p1}]"
KNOWN = "{attributes: {email: a@b.example}, consents: [marketing]}"
EXPIRING = "{attributes: {email: a@b.example}, consents: {marketing: {expires: %s}}}"
WITHDRAWN = "consents: {marketing: {granted: false, at: 2026-03-02T10:09:00Z}}"


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        (
            "source: profiles, consents: yes",
            "a record of `profiles` was put aside: profile: consents: no object",
        ),
        (
            f"source: weather, text: {'x' * 17_000}",
            "a record of `weather` was put aside: context: "
            "at most 200 values in 16 KiB, with names of 128 characters",
        ),
    ],
)
def test_a_record_that_a_worker_would_put_aside_is_a_failure(
    tmp_path: Path, event: str, failure: str
) -> None:
    """It passed for silence: the test that was to show a withdrawal showed a spelling mistake."""
    assert failures(tmp_path, events=f"[{{at: 0m, {event}}}]") == [failure]


def test_a_record_of_context_has_no_name_and_an_event_needs_one(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    for event, code in (
        ("source: weather, event: rain", "E207"),
        ("source: clicks", "E103"),
        ("x: 1", "E103"),
    ):
        (tmp_path / "tests.yaml").write_text(
            f"tests: [{{name: t, events: [{{at: 0m, {event}}}], expect: []}}]"
        )
        errors = [each for each in check_rules(tmp_path).diagnostics if each.severity == "error"]
        assert [each.code for each in errors] == [code]


@pytest.mark.parametrize(
    "parts",
    [
        {"expect": "[{}]"},
        {"expect": "[{at: 0m, rule: hello, channel: web}]"},
        {"expect": "[{variant: plain, content: {text: Hello}}]"},  # any variant counts
        {"expect": "[{variant: named, content: {text: Hello you}}]"},
        {"arm": "named", "customer": "{attributes: {name: Ada}}", "expect": "[{content: {text: Hello Ada}}]"},
        {"arm": "holdout", "expect": "[]"},
        {"rule": "left", "expect": "[]"},
        {"events": "[{at: 0m, event: view, late: 2m}]", "expect": "[]"},  # its rule's `stale_after` is 1m
        {"events": "[{at: 0m, event: view, late: 1m}]", "expect": "[{at: 0m}]"},
        {"events": "[{at: 0m, event: view, late: 2m}, {at: 1m, event: view}]", "expect": "[{at: 1m}]"},
        {  # late, and not too late for a reminder whose half hour is not over
            "events": "[{at: 1m, event: cart, sku: p1, late: 20m}]",
            "until": "2h",
            "customer": KNOWN,
            "expect": "[{at: 31m}]",
        },
        {  # it was due 29 minutes before it came
            "events": "[{at: 1m, event: cart, sku: p1, late: 1h}]",
            "until": "2h",
            "customer": KNOWN,
            "expect": "[]",
        },
        {  # a purchase that comes when the reminder is gone
            "events": f"[{CART[1:-1]}, {{at: 2m, event: purchase, source: orders, late: 40m}}]",
            "until": "2h",
            "customer": KNOWN,
            "expect": "[{at: 31m}]",
        },
        {"events": "[{at: 1m, source: weather, rain: true}, {at: 2m, event: rain}]", "expect": "[{at: 2m}]"},
        {"events": "[{at: 2m, source: weather, rain: true}, {at: 1m, event: rain}]", "expect": "[]"},
        {
            "events": "[{at: 0m, source: profiles, attributes: {name: Ada}}, {at: 1m, event: view}]",
            "arm": "named",
            "expect": "[{content: {text: Hello Ada}}]",
        },
        {
            "events": f"[{CART[1:-1]}, {{at: 9m, source: profiles, {WITHDRAWN}}}]",
            "until": "2h",
            "customer": KNOWN,
            "expect": "[]",
        },
        {
            "events": CART,
            "until": "2h",
            "customer": EXPIRING % "2026-03-02T10:31:00Z",  # when the reminder is due
            "expect": "[]",
        },
        {
            "events": CART,
            "until": "2h",
            "customer": EXPIRING % "2026-03-02T10:31:00.001Z",
            "expect": "[{at: 31m}]",
        },
        {"events": CART, "expect": "[]"},  # time stays where the last event was
        {"events": CART, "until": "2h", "customer": KNOWN, "expect": "[{at: 31m, content: {text: p1}}]"},
        {"events": CART, "until": "2h", "expect": "[]"},  # no consent
        {
            "events": "[{at: 1m, event: cart, sku: p1}, {at: 2m, event: purchase, source: orders}]",
            "until": "2h",
            "customer": KNOWN,
            "expect": "[]",
        },
        {
            "events": CART,
            "until": "2h",
            "start": "2026-07-01T00:00:00+02:00",
            "customer": "{id: x, attributes: {email: a@b.example}, consents: {marketing: {granted: true}}}",
            "expect": "[{at: 31m, rule: left, channel: mail}]",
        },
        {
            "events": CART,
            "until": "2h",
            "customer": "{attributes: {email: a@b.example}, consents: {marketing: {granted: false}}}",
            "expect": "[]",
        },
    ],
    ids=str,
)
def test_what_passes(tmp_path: Path, parts: dict[str, str]) -> None:
    assert failures(tmp_path, **parts) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "not expected: hello on web at 0s"),
        ({"expect": "[{}, {rule: left}]"}, "expected left, and it was not sent"),
        (
            {"expect": "[{at: 0m, rule: left, channel: web}]"},
            "expected left on web at 0s, and got hello on web at 0s: rule is hello, not left",
        ),
        (
            {"expect": "[{at: 2026-03-02T10:05:00Z}]"},
            "expected something at 2026-03-02 10:05, and got hello on web at 2026-03-02 10:00: "
            "at is 2026-03-02 10:00, not 2026-03-02 10:05",
        ),
        (
            {"expect": "[{content: {text: Bye}}]"},
            'expected something with {"text": "Bye"}, and got hello on web at 0s: content `text` is "Hello"',
        ),
        (
            {"arm": "plain", "expect": "[{variant: named}]"},
            "expected something, and got hello on web at 0s: variant is plain, not named",
        ),
    ],
)
def test_what_fails_says_why(tmp_path: Path, parts: dict[str, str], said: str) -> None:
    assert failures(tmp_path, **parts) == [said]


def test_any_space_is_the_space_of_an_amount(tmp_path: Path) -> None:
    """Amounts have spaces at which no line breaks; nobody has those on the keyboard."""
    text = "{{ 1234.5 | money: 'EUR' }} {{ now | date: 'time' }}"
    rules = RULES.replace("{text: Hello}", f'{{text: "{text}"}}') + "policy: {timezone: UTC}\n"
    events = "[{at: 0m, event: view}]"
    (tmp_path / "rules.yaml").write_text(rules)
    for shown, passes in (("€1,234.50 10:00 AM", True), ("€1,234.50  10:00 AM", False)):
        tests = (
            f'  - {{name: it, arm: plain, events: {events}, expect: [{{content: {{text: "{shown}"}}}}]}}\n'
        )
        (tmp_path / "tests.yaml").write_text(f"tests:\n{tests}")
        checked = check_rules(tmp_path)
        assert checked.rules is not None, checked.diagnostics
        assert rule_tests.run(checked.tests[0], checked.rules).passed is passes


def test_in_order(tmp_path: Path) -> None:
    events = "[{at: 0m, event: view}, {at: 2h, event: view}]"
    assert failures(tmp_path, events=events, expect="[{at: 0m}, {at: 2h}]") == []
    assert failures(tmp_path, events=events, expect="[{at: 2h}, {at: 0m}]") == [
        "expected something at 2h, and it was not sent",
        "not expected: hello on web at 2h",
    ]


TESTS = """
  - {name: greets, events: [{at: 0m, event: view}], expect: [{rule: hello}]}
  - {name: greets <once> "only", events: [{at: 0m, event: view}, {at: 1m, event: view}], expect: [{}, {}]}
"""


def command(tmp_path: Path, *arguments: str, code: int, tests: str = TESTS) -> str:
    (tmp_path / "rules.yaml").write_text(RULES + (f"tests:\n{tests}" if tests else ""))
    done = subprocess.run(
        [sys.executable, "-m", "stream", "test", ".", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_command_shows_what_failed_where_and_what_was_held_back(tmp_path: Path) -> None:
    lines = command(tmp_path, code=1).splitlines()
    assert lines[0] == "ok     greets"
    assert lines[1].startswith('FAILED greets <once> "only"  rules.yaml:')
    assert re.fullmatch(r" {7}rules.yaml:3\d:\d+: expected something, and it was not sent", lines[2])
    assert lines[3] == "       held back: hello at 1m: limit: 1 per 1h was used up by the message at 0s"
    assert lines[-1] == "1 passed, 1 failed"


def test_a_test_whose_message_could_not_be_written_says_what_lacked(tmp_path: Path) -> None:
    events = "[{at: 0m, event: cart}]"
    test = f"  - {{name: it, customer: {KNOWN}, events: {events}, until: 2h, expect: [{{rule: left}}]}}\n"
    assert "held back: left at 30m: content: `text`: there is no `event.sku`" in command(
        tmp_path, code=1, tests=test
    )
    shown = json.loads(command(tmp_path, "--json", code=1, tests=test))
    assert shown["tests"][0]["held_back"][0]["unwritten"] == {
        "field": "text",
        "variable": "event.sku",
        "filter": None,
    }


def test_a_test_whose_event_was_left_out_did_not_say_so(tmp_path: Path) -> None:
    """Its `id` was that of the event before: the author looked for the reason in the rule."""
    (tmp_path / "rules.yaml").write_text(
        "sources: {clicks: {event: event, customer: user, id: n, dedupe: 1d}}\n"
        "channels: {web: {topic: t, consent: none}}\n"
        "rules: {hello: {on: view, send: {channel: web, content: {text: Hi}}}}\n"
        "tests: [{name: t, events: [{at: 0m, event: view, n: e1}, {at: 5m, event: view, n: e1}], "
        "expect: [{at: 0m}, {at: 5m}]}]\n"
    )
    shown = CliRunner().invoke(cli, ["test", str(tmp_path)])
    assert "left out: `view` at 5m: `dedupe` of `clicks`: its id had come: e1" in shown.stdout
    (test,) = json.loads(CliRunner().invoke(cli, ["test", str(tmp_path), "--json"]).stdout)["tests"]
    (left_out,) = test["left_out"]
    assert left_out == {
        "at": 300_000, "time": "2026-03-02T10:05:00.000Z", "source": "clicks", "event": "view", "id": "e1",
    }  # fmt: skip


def test_the_command_runs_only_those_that_are_asked_for(tmp_path: Path) -> None:
    assert "1 passed" in command(tmp_path, "--run", "^greets$", code=0)
    assert "no test of that name" in command(tmp_path, "--run", "nothing", code=1)
    assert "--run" in command(tmp_path, "--run", "(", code=2)
    assert "no tests" in command(tmp_path, code=1, tests="")


def test_the_outcomes_for_programs(tmp_path: Path) -> None:
    good, bad = json.loads(command(tmp_path, "--json", "--junit", "out.xml", code=1))["tests"]
    assert (good["passed"], good["sent"][0]["rule"]) == (True, "hello")
    assert (bad["passed"], bad["held_back"][0]["reason"]) == (False, "limit")
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failed = suite[1].find("failure")
    assert failed is not None
    assert "it was not sent" in str(failed.get("message"))


@pytest.mark.parametrize("expect", ["[]", "[{rule: hello}]"])
@pytest.mark.parametrize("order", [("plain", "named"), ("named", "plain")])
def test_silence_passed_where_one_variant_is_sent_and_the_other_is_not(
    tmp_path: Path, expect: str, order: tuple[str, str]
) -> None:
    """Half of the customers got what the test said nobody gets, or nobody what it said all get."""
    texts = {"plain": "Hello", "named": "Hello {{ event.friend }}"}
    variants = ", ".join(
        f"{{name: {name}, share: 50%, content: {{text: '{texts[name]}'}}}}" for name in order
    )
    (tmp_path / "rules.yaml").write_text(
        "sources: {clicks: {event: event, customer: customer}}\n"
        "channels: {web: {topic: t, consent: none}}\n"
        f"rules: {{hello: {{on: view, send: {{channel: web, variants: [{variants}]}}}}}}\n"
        f"tests: [{{name: t, events: [{{at: 0m, event: view}}], expect: {expect}}}]\n"
    )
    checked = check_rules(tmp_path)
    assert checked.rules is not None, checked.diagnostics
    found = [each.message for each in rule_tests.run(checked.tests[0], checked.rules).failures]
    assert (
        "how many messages are sent depends on the variant: 0 or 1 (say by `arm` which one is meant)" in found
    )


def test_a_junit_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """It ended with a traceback, after all tests had passed."""
    shown = command(tmp_path, "--run", "^greets$", "--junit", "none/out.xml", code=1)
    assert "error: --junit none/out.xml: there is no such folder" in shown
    assert "Traceback" not in shown


def test_rules_with_errors_are_not_tested(tmp_path: Path) -> None:
    bad = "\n  - {name: x, rule: helo, events: [], expect: []}"
    assert "did you mean `hello`" in command(tmp_path, code=1, tests=bad)


TWO_SHOPS = """
sources:
  web: {event: event, customer: user}
  app: {event: name, customer: device}
"""
GREETING = """
channels: {banner: {topic: t, consent: none}}
rules: {hello: {on: view, send: {channel: banner, content: {text: "{{ event.user }}"}}}}
tests:
  - {name: a visit, events: [{at: 0m, event: view}], expect: [{content: {text: c1}}]}
"""


@pytest.mark.parametrize(
    "files", [[TWO_SHOPS + GREETING], [GREETING, TWO_SHOPS, "sources: {a: {event: e, customer: c}}"]]
)
def test_an_event_without_a_source_is_of_the_source_that_is_written_first(
    tmp_path: Path, files: list[str]
) -> None:
    """It went to `app`, the first one by the alphabet, and the test failed for want of the field `user`."""
    for number, text in enumerate(files):
        (tmp_path / f"{number}.yaml").write_text(text)
    checked = check_rules(tmp_path)
    assert checked.rules is not None, checked.diagnostics
    (outcome,) = [rule_tests.run(each, checked.rules) for each in checked.tests]
    assert outcome.failures == ()
