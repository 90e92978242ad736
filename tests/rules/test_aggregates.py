"""The table of trait functions: a new one is an entry there, and all that reads rule files knows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from stream.rules.aggregates import AGGREGATES, TraitFunction

# What a process finds in whose table there is one function more, before anything reads it.
PLANTED = """
import json, sys
from pathlib import Path
from stream.rules.aggregates import AGGREGATES, Aggregate

AGGREGATES["spread"] = Aggregate(
    "spread", 99, "how far values are apart", "number", "spread", verb="is spread over",
    takes_k=True, parts={"low": "double", "high": "double"},
)
from stream.rules.compiler.rule_set import check_rules
from stream.rules.schema import schema

checked = check_rules(Path(sys.argv[1]))
errors = [each.message for each in checked.diagnostics if each.severity == "error"]
print(json.dumps({"errors": errors, "dump": checked.rules and checked.rules.dump(), "schema": schema()}))
"""
RULES = """\
sources: {clicks: {event: name, customer: id}, profiles: {kind: profile, customer: id}}
channels: {email: {topic: triggers.email, consent: none}}
policy: {sensitive: {health: {fields: [event.weight]}, scales: {events: [weighed]}}}
traits:
  span: {function: spread, of: weighed, field: weight, k: 2}
  span_of: {function: spread, of: weighed, field: weight, per: scale}
rules:
  far:
    on: weighed
    if: traits.span.high > 1.0 && traits.span_of[event.scale].low < 3.0
    sensitive: [health, scales]
    send: {channel: email, content: {text: "{{ traits.span.low }}"}}
"""


def planted(directory: Path, rules: str) -> dict[str, Any]:
    (directory / "rules.yaml").write_text(rules)
    command = [sys.executable, "-c", PLANTED, str(directory)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def test_the_type_of_a_function_is_one_of_the_table() -> None:
    assert get_args(TraitFunction) == tuple(AGGREGATES)


def test_each_function_has_a_number_of_its_own() -> None:
    assert sorted(each.code for each in AGGREGATES.values()) == list(range(1, len(AGGREGATES) + 1))


def test_a_function_added_to_the_table_is_in_the_schema_and_compiles(tmp_path: Path) -> None:
    found = planted(tmp_path, RULES)
    assert found["errors"] == []
    assert "spread 2 of weighed, field weight" in found["dump"]
    trait = next(iter(found["schema"]["properties"]["traits"]["patternProperties"].values()))
    function = trait["properties"]["function"]
    assert function["enum"][-1] == "spread"
    assert "`spread` (how far values are apart)" in function["description"]
    assert trait["properties"]["k"]["description"].startswith("How many values a `top` or `spread` gives")
    no_field, no_k, *_ = trait["allOf"]
    assert "spread" not in no_field["if"]["properties"]["function"]["enum"]
    assert "spread" in no_k["if"]["properties"]["function"]["enum"]


@pytest.mark.parametrize(
    ("written", "instead", "error"),
    [
        ("span.high > 1.0", "span.middle > 1.0", "a `spread` has no `middle`"),
        ("span.high > 1.0", "span.high == 'x'", "`==` compares a number with a text"),
        ("span.high > 1.0", "span > 1.0", "`>` compares an object with a number"),
        ("traits.span.low }}", "traits.span.middle }}", "a `spread` has no `middle`"),
        ("traits.span.low }}", "traits.span }}", "the trait `span` is a `spread`: it has several values"),
        ("field: weight, k: 2", "k: 2", "trait `span` needs `field`"),
        ("spread, of: weighed, field: weight, k: 2", "sprad, of: weighed", "unknown function `sprad`"),
        (
            "spread, of: weighed, field: weight, k: 2",
            "count, of: weighed, k: 2",
            "a `count` has no `k`: it says how many values a `top` or `spread` gives",
        ),
        (
            RULES[RULES.index("    on:") : RULES.index("    send:")],
            "    on: seen\n    if: traits.span.high > 1.0\n    sensitive: [health]\n",
            "reads trait `span`, which is spread over the sensitive event `weighed`",
        ),
    ],
)
def test_what_is_wrong_with_a_function_added_to_the_table_is_found(
    tmp_path: Path, written: str, instead: str, error: str
) -> None:
    assert written in RULES
    found = planted(tmp_path, RULES.replace(written, instead, 1))
    assert error in "\n".join(found["errors"]), found["errors"]
