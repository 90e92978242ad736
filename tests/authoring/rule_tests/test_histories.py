"""Files of events that tests begin with: which are taken, and what is said of the others."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from stream.authoring.rule_tests import histories
from stream.authoring.rule_tests.histories import read_histories, with_histories
from stream.diagnostics import Code
from stream.rules.compiler.rule_set import check_rules

RULES = """
sources:
  clicks: {event: event, customer: user, time: ts}
channels: {web: {topic: web, consent: none}}
rules: {hi: {on: view, send: {channel: web, content: {text: Hi}}}}
tests:
"""
LINE = json.dumps({"event": "view", "user": "c1", "ts": "2026-02-01T10:00:00Z"}) + "\n"


def said(folder: Path, name: str, tests: int = 1) -> list[str]:
    """What is found wrong, without what hints say; the file is named in `sub/tests.yaml`."""
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "shop.yaml").write_text(RULES.replace("tests:\n", ""))
    lines = "".join(
        f"  - {{name: t{each}, history: '{name}', events: [], expect: []}}\n" for each in range(tests)
    )
    (folder / "sub" / "tests.yaml").write_text(f"tests:\n{lines}")
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    _, found = read_histories(checked.tests, checked.rules, folder)
    for each in found:
        assert each.location[:2] == (str(folder / "sub" / "tests.yaml"), each.location.line)
        assert each.location.column == 25
    return [each.message.replace(str(folder), "…") for each in found]


def test_a_path_begins_at_the_folder_of_the_rule_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "past.jsonl").write_text(LINE)
    (tmp_path / "sub" / "past.jsonl").write_text(LINE)
    assert said(tmp_path, "past.jsonl") == []
    assert said(tmp_path, "../past.jsonl") == []
    assert said(tmp_path, "../sub/past.jsonl") == []
    assert said(tmp_path, "sub/past.jsonl") == ["`history` leads nowhere: …/sub/sub/past.jsonl"]


@pytest.mark.parametrize("name", ["../../past.jsonl", "link.jsonl", "../linked/past.jsonl"])
def test_a_file_outside_of_the_rules_is_not_read(tmp_path: Path, name: str) -> None:
    """Who reviews the rules would not see it; and its content would be shown by what fails."""
    rules = tmp_path / "rules"
    (rules / "sub").mkdir(parents=True)
    (tmp_path / "past.jsonl").write_text(LINE)
    (rules / "sub" / "link.jsonl").symlink_to(tmp_path / "past.jsonl")
    (rules / "linked").symlink_to(tmp_path)
    assert said(rules, name) == ["`history` leaves the rules' folder"]


def test_a_link_within_the_rules_is_followed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "past.jsonl").write_text(LINE)
    (tmp_path / "sub" / "link.jsonl").symlink_to(tmp_path / "past.jsonl")
    assert said(tmp_path, "link.jsonl") == []


def test_what_cannot_be_read_is_said_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    os.mkfifo(folder / "pipe")  # nobody writes into it
    assert said(tmp_path, "pipe") == ["`history` cannot be read: not a regular file: …/sub/pipe"]
    assert said(tmp_path, ".") == ["`history` cannot be read: not a regular file: …/sub"]
    (folder / "packed").write_bytes(gzip.compress(LINE.encode()))
    assert said(tmp_path, "packed") == ["`history` is packed"]
    (folder / "empty").write_text("\n\n")
    assert said(tmp_path, "empty") == ["`history` has no records"]
    (folder / "other").write_text(json.dumps({"source": "orders", "user": "c1"}))
    assert said(tmp_path, "other") == [
        "`history` has records of a source that the rules do not have: `orders`"
    ]
    (folder / "past").write_text(LINE * 3)
    monkeypatch.setattr(histories, "MAX_RECORDS", 2)
    assert said(tmp_path, "past") == ["`history` has more than 2 records"]
    monkeypatch.setattr(histories, "MAX_BYTES", 100)
    assert said(tmp_path, "past", tests=2) == ["`history` has more than 100 bytes"] * 2


def test_a_history_of_somebody_else_is_a_mistake(tmp_path: Path) -> None:
    """It brought nothing, and a test for silence passed."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "past").write_text(LINE.replace('"c1"', '"c2"') + "[1]\nno JSON\n")
    assert said(tmp_path, "past") == ["`history` has nothing of the test's customer"]
    (tmp_path / "sub" / "past").write_text(LINE.replace('"c1"', '"c2"') + LINE)
    assert said(tmp_path, "past") == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("user=c1 view\n", "has nothing that is a JSON object, first …/sub/past:1", "one JSON object a line"),
        (
            '{"user": "c1", }\n',
            "has nothing that is a JSON object, first …/sub/past:1",
            "no JSON from character",
        ),
        ('{"event": "view", "user": "c1"}\n', "says no time, first …/sub/past:1", "in `ts` or `timestamp`"),
        (LINE.replace("2026-02-01T10", "soon"), "says no time, first …/sub/past:1", "in `ts` or `timestamp`"),
        (f"[{LINE}", "cannot be read: …/sub/past: the JSON list does not end", "is all of it there?"),
        (
            "view,c1,1\nview,c1,2\n",
            "cannot be read: …/sub/past:1: this looks like CSV without",
            "has to name",
        ),
    ],
)
def test_a_history_that_nobody_can_read_named_a_customer_or_a_source_of_ours(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    """`nothing of the test's customer, c1`; `a record of (test)`; and `\\n  hint:` in a line."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "past").write_text(text)
    (found,) = said(tmp_path, "past")
    assert found.startswith(f"`history` {message}")
    checked, _ = with_histories(check_rules(tmp_path), tmp_path)
    (error,) = (each for each in checked.diagnostics if each.severity == "error")
    assert hint in str(error.hint)
    assert "\\n" not in str(error)
    assert "c1" not in str(error)


def test_check_says_it_too(tmp_path: Path) -> None:
    assert said(tmp_path, "past") == ["`history` leads nowhere: …/sub/past"]
    checked, _ = with_histories(check_rules(tmp_path), tmp_path)
    assert checked.rules is None
    assert [each.code for each in checked.diagnostics if each.severity == "error"] == [Code.FILE_NOT_READABLE]


def test_a_history_ends_before_the_test_begins(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    late = LINE.replace("2026-02-01", "2026-03-03")
    (tmp_path / "sub" / "past").write_text(LINE + late + LINE)
    assert said(tmp_path, "past") == ["`history` goes on after the test's start, at …/sub/past:2"]
