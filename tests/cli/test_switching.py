"""`stream disable`, `enable` and `switches` without a Kafka: wrong usage, what is written and said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.clock import wall_ms
from stream.settings import Settings
from stream.topics import switches
from stream.topics.switches import Switch

BECAUSE = ("--because", "the price is wrong")
HOUR = 3_600_000
LONG = "browsing-without-buying-in-the-summer-sale-of-2026"
NOBODY = ("--broker", "127.0.0.1:1")


def stream(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env={"COLUMNS": "200", "LOGNAME": "ada"})


def said(ended: Result) -> str:
    hint = getattr(ended.exception, "hint", None)
    return f"{ended.output}{ended.exception or ''} {hint or ''}"


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> dict[str, Switch]:
    """The topic of switches, in place of Kafka's; the workers run the rules `welcome` and `cart`."""
    known: dict[str, Switch] = {}

    async def set_switch(_: Settings, switch: Switch) -> None:
        known[switch.rule] = switch

    async def ask_all(_: Settings) -> Mapping[str, Switch]:
        return known

    async def running_rules(_: Settings) -> tuple[str, list[str]]:
        return "1234", ["welcome", "cart"]

    for each in (set_switch, ask_all, running_rules):
        monkeypatch.setattr(switches, each.__name__, each)
    return known


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["disable", "welcome"], 2, "--because"),
        (["disable", "welcome", "--because", " "], 2, "must be a text of 1 to 500 characters"),
        (["disable", "welcome", "--because", "x" * 501], 2, "must be a text of 1 to 500 characters"),
        (["disable", "welcome", *BECAUSE, "--by", ""], 0, "welcome is off"),  # the account
        (["disable", "welcome", *BECAUSE, "--by", " "], 2, "--by"),
        (["disable", "welcome", *BECAUSE, "--for", "two hours"], 2, "write e.g. 30m, 2h or 7d"),
        (["disable", "welcome", *BECAUSE, "--for", "0s"], 2, "must be longer than nothing"),
        (["disable", "welcom", *BECAUSE], 1, "did you mean `welcome`?"),
        (["disable", *BECAUSE], 2, "Missing argument"),
        (["enable", "welcom"], 1, "did you mean `welcome`?"),
        (["enable", "welcome", "--by", "x" * 501], 2, "--by"),
        (["switches", "welcome"], 2, "unexpected extra argument"),
    ],
)
@pytest.mark.usefixtures("topic")
def test_what_cannot_be_switched_is_said_with_what_to_write(
    arguments: list[str], code: int, what: str
) -> None:
    ended = stream(*arguments)
    assert (ended.exit_code, what in said(ended)) == (code, True), said(ended)


def test_a_mistake_switches_nothing(topic: dict[str, Switch]) -> None:
    stream("disable", "welcom", *BECAUSE)
    stream("disable", "welcome", *BECAUSE, "--for", "0s")
    assert topic == {}


@pytest.mark.parametrize(
    "arguments", [("disable", "welcome", *BECAUSE), ("enable", "welcome"), ("switches",)]
)
def test_without_a_kafka_it_is_said_that_nothing_was_switched(arguments: tuple[str, ...]) -> None:
    ended = stream(*arguments, *NOBODY)
    assert (ended.exit_code, "no Kafka answers" in said(ended)) == (1, True)


def test_a_rule_is_switched_off_for_a_while_and_on_again(topic: dict[str, Switch]) -> None:
    before = wall_ms()
    off = stream("disable", "welcome", *BECAUSE, "--for", "1h", "--by", "on-call")
    switch = topic["welcome"]
    assert (switch.off, switch.because, switch.by) == (True, "the price is wrong", "on-call")
    assert switch.until is not None
    assert before + HOUR <= switch.until <= wall_ms() + HOUR
    assert "welcome is off until 20" in off.output
    on = stream("enable", "welcome", "--because", "it is right", "--by", "on-call")
    assert (topic["welcome"].off, topic["welcome"].because) == (False, "it is right")
    assert on.output == "welcome is on; workers take it within seconds\n"
    assert stream("enable", "welcome").output == stream("enable", "cart").output.replace("cart", "welcome")
    assert stream("enable", "cart").output == "cart was on already\n"
    assert "cart" not in topic


def test_without_an_end_it_is_off_until_it_is_enabled_and_by_the_account(topic: dict[str, Switch]) -> None:
    assert "until `stream enable`" in stream("disable", "welcome", *BECAUSE).output
    assert (topic["welcome"].until, topic["welcome"].by) == (None, "ada")


def test_switches_shows_what_is_off_now_and_nothing_else(topic: dict[str, Switch]) -> None:
    assert stream("switches").output == "all rules are on\n"
    now = wall_ms()
    topic["welcome"] = Switch("welcome", True, now, None, "why [bold]\nnot", "me")
    topic["gone"] = Switch("gone", True, now, now + HOUR, "x", "me")
    topic["over"] = Switch("over", True, now - 2 * HOUR, now - HOUR, "x", "me")
    topic["cart"] = Switch("cart", False, now)
    shown = stream("switches").output
    assert [re.split("[ :]", line)[0] for line in shown.splitlines()] == ["gone", "welcome"]
    assert "gone (not in the running rules)" in shown
    assert "it is enabled" in shown
    assert "[bold]" in shown
    told = json.loads(stream("switches", "--json").output)["off"]
    assert [(each["rule"], each["running"], each["until"] is None) for each in told] == [
        ("gone", False, False),
        ("welcome", True, True),
    ]


def test_a_rule_that_is_gone_from_the_rules_can_be_switched_on(topic: dict[str, Switch]) -> None:
    topic["gone"] = Switch("gone", True, wall_ms(), None, "x", "me")
    assert stream("enable", "gone").exit_code == 0
    assert not topic["gone"].off


def test_an_umlaut_of_a_latin_1_terminal_left_a_rule_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended `stream disable` with a traceback."""
    taken: list[tuple[Any, ...]] = []

    async def disable(settings: object, *given: Any) -> None:
        taken.append(given)

    monkeypatch.setattr(switches, "disable", disable)
    latin = "gest\udcf6rt"  # as Python has the byte F6 of an argument
    done = CliRunner().invoke(cli, ["disable", "cart", "--because", latin, "--by", latin])
    assert done.exit_code == 0, done.output
    assert taken == [("cart", None, "gest\ufffdrt", "gest\ufffdrt")]
    orjson.dumps(taken[0])


def test_a_narrow_terminal_cut_off_which_rule_is_off_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    time = "2026-12-01T04:26:29.783Z"

    async def off_now(settings: object) -> list[dict[str, Any]]:
        why = "the shop is down, and nobody knows for how long it will be"
        return [
            {"rule": LONG, "since": time, "until": time, "by": "on-call", "because": why, "running": True}
        ]

    monkeypatch.setattr(switches, "off_now", off_now)
    shown = CliRunner().invoke(cli, ["switches"], env={"COLUMNS": "80"}).output
    assert "\u2026" not in shown
    assert LONG in shown
    assert shown.count(time) == 2
