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
        ("events infer events.jsonl --out rules/shop.yaml", "a file of the rules"),
        ("backtest rules events.jsonl --report -", "a file of this name"),
        ("events infer events.jsonl --out -", "a file of this name"),
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


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(RULES)
    (tmp_path / "events.jsonl").write_text(EVENTS)
    return tmp_path


def run(shop: Path, command: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    line = (
        f"exec {sys.executable} -m stream {command}" if not shell else f"{sys.executable} -m stream {command}"
    )
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} {shell}"],
        cwd=shop,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "shell", "message"),
    [
        (
            "backtest rules events.jsonl --out /dev/full",
            "",
            "--out /dev/full: cannot be written: No space left",
        ),
        (
            "backtest rules events.jsonl --report /dev/full",
            "",
            "--report /dev/full: cannot be written: No space",
        ),
        ("backtest rules events.jsonl", ">/dev/full", "it cannot be shown: No space left"),
        (
            "backtest rules events.jsonl --json",
            ">/dev/full",
            "it cannot be shown: No space left",
        ),
        ("events infer events.jsonl", ">/dev/full", "it cannot be shown: No space left"),
        (
            "events infer events.jsonl --out /dev/full",
            "",
            "--out /dev/full: cannot be written: No space left",
        ),
        ("check rules", ">/dev/full", "it cannot be shown: No space left"),
        ("test rules", ">/dev/full", "it cannot be shown: No space left"),
    ],
)
def test_a_full_disk_was_a_traceback(shop: Path, command: str, shell: str, message: str) -> None:
    done = run(shop, command, shell)
    errors = [each for each in done.stderr.splitlines() if "error: " in each or "Traceback" in each]
    assert (done.returncode, len(errors), message in errors[0]) == (1, 1, True), done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(
    "command", ["backtest rules events.jsonl --json", "events infer events.jsonl", "check rules"]
)
def test_a_pipe_that_nobody_reads_is_no_error_to_speak_of(shop: Path, command: str) -> None:
    assert "Error" not in run(shop, command, "| true").stderr


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_half_of_a_file_was_left_of_a_full_disk(shop: Path, option: str) -> None:
    """And what had been there before was gone."""
    (shop / "result").write_text("of yesterday")
    (shop / "events.jsonl").write_text(EVENTS * 3_000)
    limited = f"backtest rules events.jsonl {option} result"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; exec {sys.executable} -m stream {limited}"],
        cwd=shop, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, f"{option} result: cannot be written: File too large" in done.stderr) == (
        1,
        True,
    )
    assert (shop / "result").read_text() == "of yesterday"
    assert sorted(each.name for each in shop.iterdir()) == ["events.jsonl", "result", "rules"]


def test_what_is_written_anew_keeps_who_may_read_it_and_a_link_stays_one(shop: Path) -> None:
    (shop / "shared").write_text("")
    (shop / "shared").chmod(0o644)
    (shop / "link").symlink_to("shared")
    assert run(shop, "backtest rules events.jsonl --out link --report new").returncode == 0
    assert (shop / "link").is_symlink()
    assert (shop / "shared").read_text() != ""
    assert [(shop / each).stat().st_mode & 0o777 for each in ("shared", "new")] == [0o644, 0o600]


def test_a_plan_may_be_written_anew(shop: Path) -> None:
    for _ in range(2):
        assert run(shop, "events infer events.jsonl --out rules/plan.yaml").returncode == 0
    assert run(shop, "check rules").returncode == 0


def test_decisions_may_go_to_a_pipe(shop: Path) -> None:
    done = run(shop, "backtest rules events.jsonl --out /dev/stdout", "| grep trigger_id")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_files_name_moved_the_terminals_cursor(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(RULES)
    command = [sys.executable, "-m", "stream", "backtest", str(tmp_path), "\x1b]0;owned\x07.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "\x1b" in done.stderr, "owned" in done.stderr) == (1, False, True)
