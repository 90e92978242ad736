"""What a terminal and a pull request show of a change: its first sentence is what marketers read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stream.authoring.against.github import MOST_CHARACTERS, MOST_RULES, markdown
from stream.authoring.against.summary import FAIL_ON, headline, held_to, limit_name, report
from tests.authoring.against.againstkit import PAST, RULES, compared
from tests.authoring.against.test_run import AT_NOON, QUIET


def shown(found: dict[str, Any]) -> str:
    out = io.StringIO()
    report(found, Console(file=out, width=80))
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("  views:", "  # nothing\n  views:"), "No difference: the two rule sets say the same."),
        (
            ("traits.views >= 1", "traits.views >= 0"),
            "No difference on this history: the rule sets are not the same, but decide alike.",
        ),
        (
            ("price >= 50", "price >= 30"),
            "This change sends 1 message that is not sent now; it affects 1 customer (25 % of 4).",
        ),
        (
            ("traits.views >= 1", "traits.views >= 9"),
            "This change no longer sends 1 of those sent now; it affects 1 customer (25 % of 4).",
        ),
        (
            ("text: Hello", "text: Hi"),
            "This change changes 3 messages; it affects 3 customers (75 % of 4).",
        ),
        (
            ("  left:", "  cart-left:"),
            "This change sends 1 message that is not sent now and no longer sends 1; it affects 1 customer "
            "(25 % of 4). What a renamed rule sends counts as lost and as gained.",
        ),
    ],
)
def test_the_first_sentence_says_what_the_change_does(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    found = compared(tmp_path, change, until=AT_NOON)
    assert headline(found) == said
    assert shown(found).startswith(said[:70])
    assert said.partition(" (")[0] in markdown(found)


def test_only_reasons_that_differ_are_no_message(tmp_path: Path) -> None:
    live = RULES.replace("channel: web, content: {text: Hello", "channel: mail, content: {text: Hello")
    found = compared(tmp_path, live=live, new=live + 'policy: {suppress: "traits.views >= 1"}', past=PAST[:2])
    assert headline(found).startswith("No message is gained, lost or changed")
    assert "viewed: consent → suppressed 2" in shown(found)


def test_the_rest_says_what_the_files_say_and_what_ends(tmp_path: Path) -> None:
    new = (
        QUIET.replace("  viewed:", "  seen:")
        .replace("over: 7d", "over: 1d")
        .replace("price >= 50", "price >= 40")
    )
    text = shown(compared(tmp_path, live=QUIET, new=new))
    for said in (
        "new: new (",
        ", live: live (",
        "viewed is called seen now, and says the same: what the one loses the other gains",
        "rules changed: left (where)",
        "traits changed: views (over)",
        "traits that start anew when it goes live: views; here they had all of the past",
        "that count from nothing when it goes live: the limit of rule seen",
        "if it goes live at the end of this history, 4 open instances end, 4 of them put off by quiet hours",
    ):
        assert said in text, text
    assert "c1" not in text
    assert "e0-c1" not in text


def test_a_key_of_a_message_forged_lines_in_the_terminal_and_in_the_pull_request(tmp_path: Path) -> None:
    keys = '{"x\\n\\n- nothing is lost": a, "\\e[31mred": b, text: Hello}'
    found = compared(tmp_path, ("{text: Hello}", keys), until=AT_NOON)
    for text in (shown(found), markdown(found)):
        assert "\n- nothing is lost" not in text
        assert "\x1b" not in text
        assert "nothing is lost" in text


def test_a_channels_topic_changed_its_rules_in_empty_brackets(tmp_path: Path) -> None:
    text = shown(compared(tmp_path, ("topic: triggers.web", "topic: triggers.www"), until=AT_NOON))
    assert "rules changed: left (what it names), viewed (what it names)" in text
    assert "channels changed: web (topic)" in text


def test_what_must_not_be_is_told_by_its_kind(tmp_path: Path) -> None:
    found = compared(tmp_path, ("  left:", "  cart-left:"), until=AT_NOON)
    assert held_to(found, FAIL_ON) == ["gained 1", "lost 1"]
    assert held_to(found, ["changed", "ended", "anew"]) == []
    assert [limit_name(each) for each in ("rule:a", "channel:b", "policy")] == [
        "the limit of rule a",
        "the cap of channel b",
        "the policy’s cap",
    ]


def test_a_pull_request_had_customers_in_it_or_markup_of_a_folder(tmp_path: Path) -> None:
    found = compared(tmp_path, ("text: Hello", "text: '<b>Hi @all</b>'"), until=AT_NOON)
    found["new"]["rules"] = "new](http://x) @team <img>"
    text = markdown(found)
    assert "c1" not in text
    assert "Hi" not in text
    assert r"new\]\(http://x) \@team \<img\>".replace(r"\(", "(") in text
    assert "| viewed | 3 | 3 | 0 | 0 | 3 | 3 | other text 3 |" in text


def test_a_comment_of_ten_thousand_rules_was_more_than_github_takes(tmp_path: Path) -> None:
    found = compared(tmp_path, ("text: Hello", "text: Hi"))
    viewed = found["rules"]["viewed"]
    found["rules"] |= {f"{'r' * 120}-{number}": viewed for number in range(10_000)}
    text = markdown(found)
    assert len(text) < MOST_CHARACTERS
    assert f"And {10_001 - MOST_RULES:,} rules more." in text
    found["definitions"]["traits"]["added"] = ["t" * 5_000 for _ in range(100)]
    assert len(markdown(found)) < MOST_CHARACTERS + 100
    assert markdown(found).endswith("There is more: `--report` and `--json` have it.\n")
