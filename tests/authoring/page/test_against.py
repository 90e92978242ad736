"""The page of what a change of rules does: it has what is told, and nothing of it is read as markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stream.authoring.page.against import MOST_SECTIONS, page
from tests.authoring.against.againstkit import compared, line
from tests.authoring.against.test_run import QUIET
from tests.authoring.page.test_page import HOSTILE, Page


def change(folder: Path, text: str = "Hello") -> dict[str, Any]:
    """A change in which everything there is to show is there, `text` wherever a text can be."""
    quoted = "'" + text.replace("'", "''") + "'"
    live = QUIET.replace("{text: Hello}", "{text: '{{ event.say }}', " + quoted + ": '{{ event.say }}'}")
    new = live.replace("  left:", "  cart-left:").replace("over: 7d", "over: 5m").replace("11:30", "10:15")
    new = new.replace("limit: 1 per 1h", "limit: 2 per 1h").replace("}}', '", "}}!', '", 1)
    past = [line(minute, "view", f"{text}{minute % 3}", say=text) for minute in range(20, 200, 7)]
    past += [line(201, "cart", f"{text}1", price=60)]
    return compared(folder, live=live, new=new, past=past)


def test_it_tells_everything(tmp_path: Path) -> None:
    text = re.sub(r"</?bdi>", "", page(change(tmp_path)))
    for heading in (
        "What this change of the rules does",
        "At a glance",
        "Rules",
        "What became of what",
        "What the rule files say otherwise",
        "If it goes live now",
        "How much a customer gets",
        "Segments",
        "What was not used, or odd",
        "The first ones",
    ):
        assert f">{heading}</h" in text, heading
    for said in ("New is new", "live is live", "put off</th>", "personal data", "is sent now"):
        assert said in text, said
    read = Page(page(change(tmp_path)))
    assert read.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(read.headings, read.headings[1:], strict=False))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_rule_and_no_event_can_write_markup(tmp_path: Path, text: str) -> None:
    for name in ("plain", "hostile"):
        (tmp_path / name).mkdir()
    plain, hostile = Page(page(change(tmp_path / "plain"))), Page(page(change(tmp_path / "hostile", text)))
    assert hostile.tags == plain.tags
    assert {name for name, _ in hostile.attributes} == {name for name, _ in plain.attributes}
    assert "\u202e" not in hostile.text


def test_of_a_thousand_rules_some_have_a_section_and_the_rest_is_said(tmp_path: Path) -> None:
    found = change(tmp_path)
    found["rules"] |= {f"rule-{number}": found["rules"]["viewed"] for number in range(1_000)}
    text = page(found)
    assert text.count('<section class="rule"') == MOST_SECTIONS
    assert "more: --json has them" in text


def test_without_examples_there_is_nobody_in_it(tmp_path: Path) -> None:
    found = change(tmp_path)
    for rule in found["rules"].values():
        rule["examples"] = []
    text = page(found)
    assert "Hello" not in text
    assert "personal data" not in text
