"""`stream backtest DIR EVENTS… --against DIR2`: its options, what it writes, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.authoring.against.againstkit import RULES, placed

CHANGED = RULES.replace("text: Hello", "text: Hi").replace("price >= 50", "price >= 30")
UNTIL = ("--until", "2026-03-02T12:00:00Z")


def backtest(place: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", "backtest", "new", "events.jsonl", *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return placed(tmp_path, RULES, CHANGED)


def test_one_reading_gives_summary_page_and_decisions(place: Path) -> None:
    done = backtest(place, "--against", "live", *UNTIL, "--report", "change.html", "--out", "unlike.jsonl")
    assert done.stdout.startswith(
        "This change sends 1 message that is not sent now and changes 3; it affects 3"
    )
    assert "What this change of the rules does" in (place / "change.html").read_text()
    told = [json.loads(each) for each in (place / "unlike.jsonl").read_text().splitlines()]
    assert [each["side"] for each in told] == ["live", "new", "live", "new", "new", "live", "new"]
    assert "c1" not in done.stdout + done.stderr


def test_json_and_github_are_the_same_in_other_forms(place: Path) -> None:
    found = json.loads(backtest(place, "--against", "live", "--json", *UNTIL).stdout)
    assert (found["new"]["rules"], found["live"]["rules"]) == ("new", "live")
    assert found == json.loads(backtest(place, "--against", "live", "--format", "json", *UNTIL).stdout)
    said = backtest(place, "--against", "live", "--format", "github", *UNTIL).stdout
    assert said.startswith("### What this change of the rules does\n")
    assert "| viewed | 3 | 3 | 0 | 0 | 3 | 3 | other text 3 |" in said


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_on_disk_both_sides_have_a_folder_of_their_own(place: Path, store: str) -> None:
    (place / "disk").mkdir()
    more = () if store == "memory" else ("--data-dir", "disk")
    found = json.loads(backtest(place, "--against", "live", "--json", "--store", store, *more, *UNTIL).stdout)
    assert [found["messages"][kind] for kind in ("gained", "lost", "changed")] == [1, 0, 3]
    assert list((place / "disk").iterdir()) == []


def test_a_difference_ends_with_0_unless_it_must_not_be(place: Path) -> None:
    backtest(place, "--against", "live", *UNTIL)
    done = backtest(place, "--against", "live", *UNTIL, "--fail-on", "lost,ended")
    assert "--fail-on" not in done.stderr
    done = backtest(place, "--against", "live", *UNTIL, "--fail-on", "gained, lost, changed", code=1)
    assert "--fail-on: gained 1, changed 3" in done.stderr
    assert done.stdout.startswith("This change")


def test_the_same_directory_twice_is_no_difference(place: Path) -> None:
    said = backtest(place, "--against", "new").stdout
    assert said.startswith("No difference: the two rule sets say the same.\n")


def test_an_error_in_what_is_live_was_taken_for_one_of_the_new_rules(place: Path) -> None:
    (place / "live" / "all.yaml").write_text(RULES.replace("unless:", "unles:"))
    said = backtest(place, "--against", "live", code=1).stderr
    assert "the rules of --against live have errors:" in said
    assert "live/all.yaml:17:5: error: unknown key `unles`" in said
    (place / "new" / "all.yaml").write_text(RULES.replace("unless:", "unles:"))
    assert "--against" not in backtest(place, "--against", "live", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--against", "nowhere"], 1, "the rules of --against nowhere have errors"),
        (["--format", "github"], 2, "goes with --against alone"),
        (["--fail-on", "lost"], 2, "goes with --against alone"),
        (
            ["--against", "live", "--fail-on", "losses"],
            2,
            "`losses` is none of gained, lost, changed, ended, anew",
        ),
        (["--against", "live", "--json", "--format", "github"], 2, "one or the other"),
        (["--against", "live", "--out", "live/all.yaml"], 1, "that is a file of the rules"),
        (["--against", "live", "--since", "2027-01-01"], 1, "came before --since"),
    ],
)
def test_what_cannot_be_is_said(place: Path, arguments: list[str], code: int, message: str) -> None:
    said = backtest(place, *arguments, code=code).stderr
    assert message in " ".join(said.replace("│", " ").split()), said


def test_a_past_of_which_nothing_is_used_ends_with_1(place: Path) -> None:
    (place / "events.jsonl").write_text('{"source": "none"}\n')
    assert "none of 1 line could be used" in backtest(place, "--against", "live", code=1).stderr
