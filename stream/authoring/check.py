"""What `stream check` says: findings as text for people, JSON for programs, annotations for GitHub.

On a terminal a finding comes with the line that it is about and a caret below the place, in colours unless
NO_COLOR is set; elsewhere each is one line, as compilers write: `file:line:col: error: message [CODE]`.
Tested by tests/authoring/test_check.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from stream.authoring import index_paths as indexpaths
from stream.diagnostics import Diagnostic, most_urgent, some
from stream.errors import RuleFileError
from stream.rules.compiler.rule_set import NOBODYS, Checked, check_rules
from stream.rules.files import DISK, FileReader
from stream.rules.model import Exemption, RuleSet
from stream.structs import OwnTopics

WORD = re.compile(r"[\w.-]+|.")
_SHOWN = 100  # characters of a line
_STYLES = {"error": "bold red", "warning": "bold yellow"}


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def check(
    directory: Path, own: OwnTopics = NOBODYS, allow: Iterable[str] = (), reader: FileReader = DISK
) -> Checked:
    """Everything found in the rule files below a directory; never raises RuleFileError.

    `allow`: codes of warnings that are meant, beside those that the files allow.
    """
    try:
        return check_rules(directory, own, allow, reader)
    except RuleFileError as error:
        return Checked(None, tuple(error.diagnostics))


def failed(checked: Checked, *, strict: bool) -> bool:
    """Whether the check ends with exit code 1: at an error, and with `strict` at a warning."""
    return checked.rules is None or (strict and bool(checked.diagnostics))


def report(checked: Checked, form: Format, out: Console, errors: Console) -> None:
    """Write what was found: as text the findings to `errors` and the summary to `out`, else all to `out`.

    Of very many findings the first, and how many more there are.
    """
    shown, more = most_urgent(checked.diagnostics)
    rest = [f"and {more:,} more"] if more else []
    if form is Format.JSON:
        _plain(out, as_json(checked))
    elif form is Format.GITHUB:
        for line in [*map(as_annotation, shown), *rest, summary(checked)]:
            _plain(out, line)
    else:
        for each in shown:
            errors.print(as_text(each, context=errors.is_terminal), soft_wrap=True, highlight=False)
        for line in rest:
            _plain(errors, line)
        _plain(out if checked.rules else errors, summary(checked))
        for name, guards in exempt(checked):
            _plain(out, f"exempt: {name} from {', '.join(guards)}")


def exempt(checked: Checked) -> list[tuple[str, tuple[Exemption, ...]]]:
    """What must get through: channels and rules, and what holds none of their messages."""
    if checked.rules is None:
        return []
    named = [(f"channel `{each.name}`", each.exempt) for each in checked.rules.channels]
    named += [(f"rule `{each.name}`", each.exempt) for each in checked.rules.rules]
    return [(name, found) for name, found in named if found]


def report_index(rules: RuleSet, form: Format, out: Console) -> None:
    """Write by which field of an event each rule is found: as a table, or as a JSON list of objects."""
    found = indexpaths.paths(rules)
    if form is Format.JSON:
        _plain(out, json.dumps(indexpaths.as_objects(found), ensure_ascii=False, indent=2))
    else:
        indexpaths.show(found, out)


def summary(checked: Checked) -> str:
    """`ok: 9 rules, 13 traits (revision …)`, or how many errors; with how many warnings."""
    severities = [each.severity for each in checked.diagnostics]
    counts = [
        some(count, severity) for severity in ("error", "warning") if (count := severities.count(severity))
    ]
    if checked.rules is None:
        return ", ".join(counts)
    rules = checked.rules
    counted = f"{some(len(rules.rules), 'rule')}, {some(len(rules.traits), 'trait')}"
    fine = f"ok: {counted} (revision {rules.revision})"
    return ", ".join([fine, *counts])


def as_text(finding: Diagnostic, *, context: bool) -> Text:
    """The finding as one line; with `context` the line of the file and a caret below it."""
    text = Text()
    where, severity, rest = str(finding).partition(f": {finding.severity}: ")
    text.append(where, "bold").append(": ")
    text.append(severity.strip(": "), _STYLES[finding.severity]).append(": ").append(rest)
    if context and (line := _line_of(finding)) is not None:
        shown, start, length = line
        number = str(finding.location.line)
        text.append(f"\n  {number} | ", "dim").append(shown)
        text.append(f"\n  {' ' * len(number)} | ", "dim").append(" " * cell_len(shown[:start]))
        text.append("^" + "~" * (length - 1), _STYLES[finding.severity])
    return text


def _line_of(finding: Diagnostic) -> tuple[str, int, int] | None:
    """A finding's line as it can be shown, where in it the place is, and how long the word there is."""
    at = finding.location
    if not at.line:
        return None
    try:
        lines = Path(at.file).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    line = "".join(char if char.isprintable() else " " for char in line.rstrip())  # tabs: one column each
    column = min(at.column - 1, len(line))
    begin = max(0, column - _SHOWN // 2) if len(line) > _SHOWN else 0
    word = WORD.match(line, column)
    length = min(len(word[0]) if word else 1, begin + _SHOWN - column)
    return line[begin : begin + _SHOWN], column - begin, length


def as_json(checked: Checked) -> str:
    """An object: `revision` (null after an error), `rules`, what is `exempt` from what, `diagnostics`, a list
    of objects, and how many `more` there are.
    """
    rules = checked.rules
    shown, more = most_urgent(checked.diagnostics)
    return json.dumps(
        {
            "revision": rules and rules.revision,
            "rules": None if rules is None else len(rules.rules),
            "exempt": dict(exempt(checked)),
            "diagnostics": [as_object(each) for each in shown],
            "more": more,
        },
        ensure_ascii=False,
        indent=2,
    )


def as_object(finding: Diagnostic) -> dict[str, str | int | None]:
    """A finding for programs."""
    return {
        "file": finding.location.file,
        "line": finding.location.line,
        "column": finding.location.column,
        "severity": finding.severity,
        "code": finding.code.value,
        "message": finding.message,
        "hint": finding.hint,
    }


def as_annotation(finding: Diagnostic) -> str:
    """A workflow command that GitHub shows beside the line."""
    at = finding.location
    place = {"file": at.file, **({"line": at.line, "col": at.column} if at.line else {})}
    properties = {**place, "title": f"{finding.code} {finding.code.words}"}
    written = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"::{finding.severity} {written}::{_escaped(finding.message + hint)}"


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(char):02X}" if char in "%\r\n" + also else char for char in text)


def _plain(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
