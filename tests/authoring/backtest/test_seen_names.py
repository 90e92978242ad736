"""A file whose names are not those of the rules was a table of zeros, without a word."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from stream.cli.main import cli

RULES = """
sources: {shop: {event: event, customer: customer, time: ts}}
channels: {web: {topic: triggers.web, consent: none}}
rules:
  thanks: {on: purchase, where: event.amount > 5, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}
"""


def notes(folder: Path, **event: object) -> str:
    (folder / "rules").mkdir()
    (folder / "rules" / "a.yaml").write_text(RULES)
    line = {"customer": "c1", "ts": "2026-03-02T10:00:00Z", **event}
    (folder / "events.jsonl").write_text(f"{json.dumps(line)}\n" * 3 + "no JSON\n")
    done = CliRunner().invoke(cli, ["backtest", str(folder / "rules"), str(folder / "events.jsonl")])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_events_that_are_called_otherwise_were_zeros_without_a_word(tmp_path: Path) -> None:
    said = notes(tmp_path, event="Purchase", amount=50)
    assert "none of the first events is called `purchase`, first " in said
    assert "events.jsonl:1: did you mean `Purchase`?" in said


def test_fields_that_are_called_otherwise_were_missing_and_no_more(tmp_path: Path) -> None:
    said = notes(tmp_path, event="purchase", totalAmount=50, Amount=50)
    assert "there is no `event.amount` (did you mean `Amount`? First " in said
    assert "called `purchase`" not in said
