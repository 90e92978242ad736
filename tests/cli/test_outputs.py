"""No command writes over what it reads: a backtest had emptied its own input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RULES = """
sources: {clicks: {event: event, customer: customer, time: ts}}
channels: {web: {topic: t, consent: none}}
rules: {seen: {on: view, send: {channel: web, content: {text: Hi}}}}
tests: [{name: seen, events: [{at: 0m, event: view}], expect: [{rule: seen}]}]
"""
EVENTS = '{"event": "view", "customer": "c1", "ts": "2026-03-02T10:00:00Z"}\n'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("backtest rules events.jsonl --out events.jsonl", "is read"),
        ("backtest rules clicks=events.jsonl --report ./events.jsonl", "is read"),
        ("backtest rules link.jsonl --out events.jsonl", "is read"),
        ("backtest rules events.jsonl --report rules/shop.yaml", "a file of the rules"),
        ("backtest rules events.jsonl --report x --out x", "is that of"),
        ("backtest rules events.jsonl --out nowhere/x", "no such folder"),
        ("backtest rules events.jsonl --report .", "is a folder"),
        ("events infer events.jsonl --out events.jsonl", "is read"),
        ("test rules --junit rules/shop.yaml", "a file of the rules"),
    ],
)
def test_a_command_emptied_what_it_was_to_read(tmp_path: Path, arguments: str, message: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(RULES)
    (tmp_path / "events.jsonl").write_text(EVENTS)
    (tmp_path / "link.jsonl").symlink_to("events.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "stream", *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert (tmp_path / "events.jsonl").read_text() == EVENTS
    assert (tmp_path / "rules" / "shop.yaml").read_text() == RULES


def test_a_files_name_moved_the_terminals_cursor(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(RULES)
    command = [sys.executable, "-m", "stream", "backtest", str(tmp_path), "\x1b]0;owned\x07.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "\x1b" in done.stderr, "owned" in done.stderr) == (1, False, True)
