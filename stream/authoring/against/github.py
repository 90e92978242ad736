"""A comparison as Markdown for a pull request: numbers and names of definitions, nobody's data, bounded.

Tested by tests/authoring/against/test_summary.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stream.authoring.against import summary
from stream.authoring.against.differences import KINDS
from stream.diagnostics import some

MOST_RULES = 25  # rows of the table
MOST_CHARACTERS = 30_000  # GitHub takes 65,536
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!@&])")


def markdown(found: Mapping[str, Any]) -> str:
    """All of it, cut off at a line where it would be too long."""
    text = "\n".join(_blocks(found)) + "\n"
    if len(text) <= MOST_CHARACTERS:
        return text
    end = text.rindex("\n", 0, MOST_CHARACTERS)
    return f"{text[:end]}\n\nThere is more: `--report` and `--json` have it.\n"


def _blocks(found: Mapping[str, Any]) -> Iterator[str]:
    yield "### What this change of the rules does"
    yield ""
    yield f"**{_escaped(summary.headline(found))}**"
    yield ""
    if names := summary.unlike_rules(found):
        yield from _table(found, names)
    lines = [
        *summary.definitions(found),
        *summary.going_live(found),
        *summary.customers_get(found),
        *summary.segments(found),
    ]
    yield from (f"- {_escaped(line)}" for line in lines)
    yield ""
    if count := len(found["notes"]):
        odd = some(count, "thing is odd", "things are odd")
        yield f"{odd} about the input, or with these rules: `--json` says what."
        yield ""
    yield f"<sub>{_escaped(summary.compared(found))}</sub>"


def _table(found: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    yield "| rule | sent live | new | gained | lost | changed | customers | from → to |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for name in names[:MOST_RULES]:
        rule = found["rules"][name]
        counts = [
            *(rule["sent"][side] for side in summary.SIDES),
            *(rule[kind]["messages"] for kind in KINDS),
            rule["customers"],
        ]
        cells = [_escaped(name), *(f"{each:,}" for each in counts), _escaped(summary.moves_of(rule))]
        yield f"| {' | '.join(cells)} |"
    yield ""
    if len(names) > MOST_RULES:
        yield f"And {some(len(names) - MOST_RULES, 'rule')} more."
        yield ""


def _escaped(text: str) -> str:
    """Nothing in it is markup, a link or a mention."""
    return _SPECIAL.sub(r"\\\1", text)
