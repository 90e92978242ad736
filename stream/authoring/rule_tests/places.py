"""Where in the rule files conditions and guards are written.

Tested by tests/authoring/rule_tests/test_coverage.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stream.authoring.rule_tests.held_back import Guard
from stream.diagnostics import Location
from stream.rules.files import Entry, Mapped, RuleFiles, Scalar, Sequence, Written

Part = tuple[str, str]  # the rule, empty where there is none, and the part: see `structs.Judgement`


def conditions(files: RuleFiles) -> dict[Part, Scalar]:
    """Every condition that the engine tells of, as it is written, in the order of rules, traits, segments."""
    found: dict[Part, Entry | None] = {}
    for name, rule in files.rules.items():
        keys = _keys(rule.value)
        steps = keys["steps"].value if "steps" in keys else None
        firsts = [_keys(each).get("where") for each in steps.items] if isinstance(steps, Sequence) else []
        found[name, "where"] = firsts[0] if firsts else keys.get("where")
        found |= {(name, f"step {number}"): each for number, each in enumerate(firsts[1:], 2)}
        found[name, "unless"] = _keys(keys["unless"].value).get("where") if "unless" in keys else None
        found[name, "if"] = keys.get("if")
    for name, trait in files.traits.items():
        found["", f"trait {name}"] = _keys(trait.value).get("where")
    for name, segment in files.segments.items():
        found["", f"segment {name}"] = segment
    found["", "suppress"] = files.policy.get("suppress")
    for name, channel in files.channels.items():
        found["", f"suppress {name}"] = _keys(channel.value).get("suppress")
    return dict(_scalars(found))


def place_of(guard: Guard, files: RuleFiles) -> Location:
    """Where a guard is written."""
    if guard.of == "policy":
        return files.policy[guard.key].location
    sections: Mapping[str, Mapping[str, Entry]] = {"rule": files.rules, "channel": files.channels}
    return _keys(sections[guard.of][guard.name].value)[guard.key].location


def _keys(written: Written) -> Mapping[str, Entry]:
    return written.entries if isinstance(written, Mapped) else {}


def _scalars(found: Mapping[Part, Entry | None]) -> Iterator[tuple[Part, Scalar]]:
    for part, entry in found.items():
        if entry is not None and isinstance(entry.value, Scalar):
            yield part, entry.value
