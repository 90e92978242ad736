"""Warnings that are meant: allowed in a definition, in the policy or on the command line, and in vain."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.main import cli
from stream.rules.compiler.rule_set import check_rules

BASE = """\
sources: {clicks: {event: event, customer: c}}
channels: {web: {topic: web, consent: none%s}}
"""
RULE = "  %s: {on: b, send: {channel: web, content: {text: t%s}}%s}\n"


def codes(folder: Path, text: str, *allow: str) -> list[str]:
    (folder / "a.yaml").write_text(text)
    checked = check_rules(folder, allow=allow)
    assert checked.rules is not None, checked.diagnostics
    return [str(each.code) for each in checked.diagnostics]


def rules(*written: str) -> str:
    """Two rules without limit and goal, with these endings."""
    return "rules:\n" + "".join(
        RULE % (f"r{n}", n, f", {more}" if more else "") for n, more in enumerate(written)
    )


@pytest.mark.parametrize(
    ("text", "allow", "left"),
    [
        (BASE % "" + rules("", ""), (), ["W505", "W501"]),
        (BASE % "" + rules("allow: [W501, W505]", "allow: [W501, W505]"), (), []),
        (BASE % "" + rules("allow: [W501, W505]", "allow: [W505]"), (), ["W501"]),
        (BASE % "" + rules("", "") + "policy: {allow: [W501, W505]}\n", (), []),
        (BASE % "" + rules("", ""), ("W501", "W505"), []),
        (BASE % "" + rules("allow: [W501]", "") + "policy: {allow: [W501]}\n", ("W501", "W505"), []),
        (BASE % ", quiet: '21:00-08:00'", (), ["W509"]),
        (BASE % ", quiet: '21:00-08:00', allow: [W509]", (), []),
        (BASE % "" + "traits: {t: {function: count, of: b}}", (), ["W510"]),
        (BASE % "" + "traits: {t: {function: count, of: b, allow: [W510]}}", (), []),
        (BASE % "" + rules("allow: [W401, W501, W505]").replace("text: t0", "text: <b>t0</b>"), (), []),
        (
            BASE % "" + "traits: {t: {function: count, of: b}, u: {function: gap, of: b, allow: [W510]}}",
            (),
            ["W510"],
        ),
        (BASE % "" + "segments: {s: customer.vip}\npolicy: {allow: [W510]}\n", (), []),
    ],
)
def test_what_is_allowed_is_not_shown(
    tmp_path: Path, text: str, allow: tuple[str, ...], left: list[str]
) -> None:
    """Twenty-two of twenty-four examples had warnings, and nothing could silence them."""
    assert codes(tmp_path, text, *allow) == left


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("W505", "nothing is allowed by `W505`: there is no such warning here (leave it out)"),
        ("W599", "there is no warning `W599` (did you mean `W509`?)"),
        ("w505", "there is no warning `w505` (did you mean `W505`?)"),
        ("E101", "`E101` is an error: it cannot be allowed (mend what it says)"),
        ("W520", "nothing is allowed by `W520`: there is no such warning here (leave it out)"),
    ],
)
def test_what_allows_nothing_is_said_where_it_stands(tmp_path: Path, code: str, message: str) -> None:
    rule = (
        f"rules: {{r: {{on: b, send: {{channel: web, content: {{t: x}}}}, limit: 1 per 1d, allow: [{code}], "
    )
    (tmp_path / "a.yaml").write_text(BASE % "" + rule + "goal: {on: b, within: 1d}}}\n")
    (found,) = check_rules(tmp_path).diagnostics
    at = len(rule) - len(f"{code}], ") + 1
    assert str(found) == f"{tmp_path / 'a.yaml'}:3:{at}: warning: {message} [W520]"


def test_a_warning_of_the_next_definition_is_not_allowed(tmp_path: Path) -> None:
    text = (
        BASE % ""
        + "policy: {allow: [W501, W505]}\n"
        + rules("allow: [W401]", "").replace("text: t1", "text: <i>t1")
    )
    assert codes(tmp_path, text) == ["W520", "W401"]


def test_a_definition_that_is_an_alias_allows_for_itself(tmp_path: Path) -> None:
    text = BASE % "" + "traits: {t: &t {function: count, of: b, allow: [W510]}, u: *t}\n"
    assert codes(tmp_path, text) == []


def test_nothing_is_said_to_be_allowed_in_vain_where_not_all_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE % "" + rules("allow: [W501, W505], nonsense: 1"))
    assert [str(each.code) for each in check_rules(tmp_path).diagnostics] == ["E101"]


def check(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["check", *arguments])
    return done.exit_code, done.stderr


def test_a_strict_check_minds_no_warning_that_is_allowed(tmp_path: Path) -> None:
    """`--strict` failed on rules that have no goal on purpose, so nobody could use it."""
    (tmp_path / "a.yaml").write_text(BASE % "" + rules("limit: 1 per 1d"))
    assert check(str(tmp_path), "--strict")[0] == 1
    assert check(str(tmp_path), "--strict", "--allow", "W505") == (0, "")
    in_vain = "nothing is allowed by `W501`: there is no such warning anywhere (leave it out) [W520]"
    code, said = check(str(tmp_path), "--strict", "--allow", "W505", "--allow", "W501")
    assert (code, said) == (1, f"--allow: warning: {in_vain}\n")
