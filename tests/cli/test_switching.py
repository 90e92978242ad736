"""`stream disable` and `stream switches` without a Kafka: what they take, and what they show."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.topics import switches

LONG = "browsing-without-buying-in-the-summer-sale-of-2026"


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
