"""What `stream test` shows, word for word, in each of its forms."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from stream.authoring.rule_tests import coverage as condition_coverage
from stream.authoring.rule_tests import report as rule_report
from stream.authoring.rule_tests import run as rule_tests
from stream.authoring.rule_tests.coverage import Coverage
from stream.authoring.rule_tests.run import Outcome
from stream.rules.compiler.rule_set import Checked, check_rules

DATA = Path(__file__).parent / "data"


def played() -> tuple[Checked, list[Outcome], Coverage]:
    checked = check_rules(Path("rules"))
    assert checked.rules is not None, checked.diagnostics
    coverage = Coverage()
    return checked, rule_tests.run_all(checked.tests, checked.rules, {}, coverage), coverage


@pytest.fixture(autouse=True)
def _rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text((DATA / "failing.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)


def test_for_people() -> None:
    """The golden file is what they see."""
    checked, outcomes, coverage = played()
    assert checked.rules is not None
    found = condition_coverage.report(coverage, checked.rules, checked.files)
    shown = io.StringIO()
    rule_report.show(outcomes, checked.files, Console(file=shown, width=80), found, gaps=True)
    assert shown.getvalue() == (DATA / "failing.txt").read_text(encoding="utf-8")


def test_without_gaps_a_line_says_how_many_there_are() -> None:
    checked, outcomes, coverage = played()
    assert checked.rules is not None
    found = condition_coverage.report(coverage, checked.rules, checked.files)
    shown = io.StringIO()
    rule_report.show(outcomes[:1], checked.files, Console(file=shown), found)
    assert shown.getvalue().splitlines() == [
        "ok     a cart is remembered",
        f"{found.summary()} (--coverage shows what is missing)",
        "1 passed",
    ]


def test_for_programs() -> None:
    checked, outcomes, coverage = played()
    assert checked.rules is not None
    found = condition_coverage.report(coverage, checked.rules, checked.files)
    said: dict[str, Any] = json.loads(rule_report.as_json(outcomes, checked.files, coverage, found))
    assert list(said) == ["passed", "failed", "tests", "coverage", "warnings"]
    assert (said["passed"], said["failed"]) == (1, len(outcomes) - 1)
    tests = {each["name"]: each for each in said["tests"]}
    good, bad = tests["a cart is remembered"], tests["another time, channel and text"]
    assert (good["passed"], good["failures"], good["why"]) == (True, [], [])
    assert good["expected"][0]["content"] == {"subject": "Still thinking about shoes?"}
    assert good["sent"][0]["time"] == "2026-03-02T10:30:00.000Z"
    (failure,) = bad["failures"]
    assert failure["kind"] == "different"
    assert (failure["file"], failure["line"], failure["column"]) == ("rules/shop.yaml", 41, 9)
    assert failure["differences"] == [
        {"key": "at", "expected": 1_860_000, "sent": 1_800_000},
        {"key": "channel", "expected": "web", "sent": "mail"},
        {
            "key": "content.subject",
            "expected": "Still thinking about bags?",
            "sent": "Still thinking about shoes?",
        },
    ]
    (why,) = tests["what its `if` saw"]["why"]
    assert (why["rule"], why["part"], why["file"], why["line"], why["column"]) == (
        "vip", "if", "rules/shop.yaml", 22, 9,
    )  # fmt: skip
    assert why["lines"][1] == "traits.spend > 100.0 is false: `traits.spend` is 20.0"
    (held,) = tests["a guard, and what used it up"]["held_back"]
    assert held["why"] == "limit: 1 per 7d was used up by the message at 30m"
    assert said["coverage"]["rules"] == {"seen": 2, "all": 2}
    assert {"kind", "file", "line", "column", "what", "lack"} == set(said["coverage"]["gaps"][0])


def test_for_ci(tmp_path: Path) -> None:
    """Also where a name would move a terminal's cursor: such a file was no XML."""
    rules = Path("rules/shop.yaml")
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("name: silence", 'name: "sil\\x1b[2Jence"'), encoding="utf-8")
    checked, outcomes, _ = played()
    rule_report.write_junit(outcomes, checked.files, tmp_path / "out.xml")
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(outcomes)), str(len(outcomes) - 1))
    cases = {case.get("name"): case for case in suite}
    assert (cases["a cart is remembered"].get("file"), cases["a cart is remembered"].get("line")) == (
        "rules/shop.yaml",
        "26",
    )
    failure = cases["sil\\x1b[2Jence"].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("not expected: left on mail at 30m")
    assert all(float(case.get("time", "x")) >= 0 for case in suite)
