"""The rules' pages: every example in them is right, and does what its tests say. The first is complete."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from rich.console import Console

from stream.authoring.rule_tests import report as rule_report
from stream.authoring.rule_tests import run as ruletest
from stream.rules.compiler.rule_set import check_rules

RULES = Path(__file__).parents[2] / "rules"
PAGES = (RULES / "README.md", *sorted((RULES / "docs").glob("*.md")))
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^(\w+):.*\n(?:^(?:[ #].*)?\n)*", re.MULTILINE)


class Example(NamedTuple):
    name: str  # its page and the heading above it
    text: str


def examples(page: Path) -> list[Example]:
    text, found = page.read_text(encoding="utf-8"), []
    for match in BLOCK.finditer(text):
        heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
        name = f"{page.stem}-{re.sub(r'[^a-z]+', '-', heading.lower()).strip('-')}"
        found.append(Example(name, match[1]))
    return found


FIRST, *EXAMPLES = [example for page in PAGES for example in examples(page)]


def sections(block: str) -> dict[str, str]:
    return {match[1]: match[0] for match in SECTION.finditer(block)}


# What all examples use that do not bring their own: the sources and channels of the first.
BASE = {name: text for name, text in sections(FIRST.text).items() if name in ("sources", "channels")}


def check_and_test(folder: Path) -> None:
    checked = check_rules(folder)
    assert [str(each) for each in checked.diagnostics] == []
    assert checked.rules is not None
    assert checked.tests, "an example shows what it does"
    outcomes = [ruletest.run(test, checked.rules) for test in checked.tests]
    shown = io.StringIO()
    rule_report.show(outcomes, checked.files, Console(file=shown, width=200))
    assert all(each.passed for each in outcomes), shown.getvalue()
    fired = {each.decision.rule for outcome in outcomes for each in outcome.sent}
    assert fired == {rule.name for rule in checked.rules.rules}, "each rule is seen to fire"


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) > 20
    assert set(BASE) == {"sources", "channels"}


def test_the_first_example_is_complete_in_itself(tmp_path: Path) -> None:
    """Copied into an empty folder it is checked without a finding, not even a warning, and its tests pass."""
    (tmp_path / "first.yaml").write_text(FIRST.text)
    check_and_test(tmp_path)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_right_and_does_what_it_says(example: Example, tmp_path: Path) -> None:
    mine = sections(example.text)
    (tmp_path / "example.yaml").write_text(example.text)
    others = [text for name, text in BASE.items() if name not in mine]
    (tmp_path / "base.yaml").write_text("".join(others) or "{}")
    check_and_test(tmp_path)


@pytest.mark.parametrize("folder", ["rules", "loadtest/rules/demo", "loadtest/rules/noop"])
def test_example_files_have_no_warnings(folder: str) -> None:
    """Who copies them begins without any, and reads the next one."""
    assert [str(each) for each in check_rules(RULES.parent / folder).diagnostics] == []


def test_each_section_of_a_file_has_its_line_in_the_index() -> None:
    schema = yaml.safe_load((RULES / "schema.json").read_text(encoding="utf-8"))
    named = re.findall(r"^\| `(\w+)` \|.*\(docs/", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) == set(schema["properties"])


def test_each_key_of_a_rule_has_its_line() -> None:
    page = (RULES / "docs/rules.md").read_text(encoding="utf-8")
    schema = yaml.safe_load((RULES / "schema.json").read_text(encoding="utf-8"))
    (rule,) = schema["properties"]["rules"]["patternProperties"].values()
    table = "".join(re.findall(r"^\|.*$", page, re.MULTILINE))
    assert set(rule["properties"]) - set(re.findall(r"`(\w+)`", table)) == set()
