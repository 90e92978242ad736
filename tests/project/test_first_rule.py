"""The page of the first rule: what it tells people to write and type works as it stands.

Its live part is run on a Kafka by tests/integration/test_first_rule.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from backports import zstd

from tests.project.test_guides import PAGES, blocks
from tests.project.test_layers import PACKAGE

TEXT = PAGES["docs/first-rule.md"]
NEW, CHECKS, BACKTEST, BROKER, LIVE, SEND, WATCH, TAIL = blocks(TEXT, "sh")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("STREAM_")},
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(PACKAGE.parent),
}


def write_rules(folder: Path) -> None:
    (rules,) = blocks(TEXT, "yaml")
    path = folder / rules.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(parents=True)
    path.write_text(rules)


def typed(commands: str, folder: Path) -> str:
    """What somebody who types them in the folder sees."""
    shell = ["sh", "-e", "-c", commands]
    done = subprocess.run(shell, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_shortest_way_is_right_at_once(tmp_path: Path) -> None:
    assert "1 passed" in typed(NEW, tmp_path)


def test_a_first_rule_is_checked_tested_and_played_on_the_past(tmp_path: Path) -> None:
    write_rules(tmp_path)
    assert "2 passed" in typed(CHECKS, tmp_path)
    assert "third-look" in typed(BACKTEST, tmp_path)
    assert "Delivery of Blue mug is free today" in (tmp_path / "report.html").read_text()


def test_every_block_of_commands_is_run() -> None:
    assert [block.split()[:2] for block in (BROKER, LIVE, SEND, WATCH, TAIL)] == [
        ["stream", "broker"],
        ["stream", "topics"],
        ["stream", "send"],
        ["curl", "--silent"],
        ["stream", "tail"],
    ]


@pytest.mark.parametrize("name", ["docs/backtest.md"])
def test_what_the_page_of_backtests_shows_as_commands_is_run(name: str, tmp_path: Path) -> None:
    """On its own event lines, with the rules that it names; its topics are played by integration tests."""
    text = PAGES[name]
    (first,) = [each for each in blocks(PAGES["rules/README.md"], "yaml") if "\nrules:" in each][:1]
    for folder in ("rules", "live-rules"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "first.yaml").write_text(first)
    (lines,) = blocks(text, "json")
    (tmp_path / "events.jsonl").write_text(lines)
    (tmp_path / "events.jsonl.gz").write_text(lines)
    (tmp_path / "2026-03.jsonl.zst").write_bytes(zstd.compress(lines.encode()))
    commands = [line for line in blocks(text, "sh")[0].splitlines() if " kafka: " not in line]
    shown = typed("\n".join(commands), tmp_path)
    assert "3 events of 1 customer, up to" in shown
    assert "No difference: the two rule sets say the same." in shown
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "decisions.jsonl").exists()
