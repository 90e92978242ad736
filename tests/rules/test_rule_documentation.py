"""rules/README.md: every example in it is right, and does what its tests say."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from stream.authoring import rule_tests as ruletest
from stream.rules.compiler.rule_set import check_rules

README = Path(__file__).parents[2] / "rules" / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^(\w+):.*\n(?:^(?:[ #].*)?\n)*", re.MULTILINE)


def sections(block: str) -> dict[str, str]:
    return {match[1]: match[0] for match in SECTION.finditer(block)}


# What all examples use that do not bring their own: the only one without rules.
(BASE,) = (block for block in BLOCKS if "rules" not in sections(block))
EXAMPLES = [block for block in BLOCKS if block is not BASE]


def name_of(block: str) -> str:
    """The heading above it and its first rule."""
    heading = re.findall(r"^#+ (.*)$", TEXT[: TEXT.index(block)], re.MULTILINE)[-1]
    return re.sub(r"\W+", "-", heading).strip("-")


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) > 15
    assert set(sections(BASE)) == {"sources", "channels"}


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_an_example_is_right_and_does_what_it_says(example: str, tmp_path: Path) -> None:
    mine = sections(example)
    assert "tests" in mine, "an example shows what it does"
    (tmp_path / "example.yaml").write_text(example)
    others = [text for name, text in sections(BASE).items() if name not in mine]
    (tmp_path / "base.yaml").write_text("".join(others) or "{}")
    checked = check_rules(tmp_path)
    assert [str(each) for each in checked.diagnostics if each.severity == "error"] == []
    assert checked.rules is not None
    outcomes = [ruletest.run(test, checked.rules) for test in checked.tests]
    shown = io.StringIO()
    ruletest.report(outcomes, Console(file=shown, width=200), as_json=False)
    assert all(each.passed for each in outcomes), shown.getvalue()
    fired = {each.decision.rule for outcome in outcomes for each in outcome.sent}
    assert fired == {rule.name for rule in checked.rules.rules}, "each rule is seen to fire"
