"""A rule set's definitions as plain data: what each name meant in a revision, to read its decisions by.

Conditions and texts are as they were understood, durations in milliseconds, shares in hundredths of a per
cent; what a definition leaves at its default is left out. Two definitions that mean the same are the same.
Tested by tests/rules/test_definitions.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from stream.expression import Node, unparse
from stream.rules.model import RuleSet

FORM = 1  # of what `definitions` gives
_SECTIONS = ("sources", "traits", "segments", "channels", "rules")


def definitions(rules: RuleSet) -> dict[str, Any]:
    """By section and name, with the `policy`, and the `revision` that they make up."""
    from stream.content.template import Template  # Liquid, and asyncio with it: not for who only reads rules

    predicates = [unparse(each) for each in rules.predicates]

    def plain(value: Any, name: str = "") -> Any:
        if name == "where" and isinstance(value, int):
            return predicates[value]
        if name in ("channels", "sensitive") and isinstance(value, tuple):
            return [each.name for each in value]
        if isinstance(value, Node):
            return unparse(value)
        if isinstance(value, Template):
            return value.source
        if is_dataclass(value):
            said = [each for each in fields(value) if _is_said(each, getattr(value, each.name))]
            return {each.name: plain(getattr(value, each.name), each.name) for each in said}
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [plain(item) for item in value]
        return value

    def without_name(definition: Any) -> dict[str, Any]:
        return {key: value for key, value in plain(definition).items() if key != "name"}

    policy = plain(rules.policy)
    if rules.policy.sensitive:  # here, and only here, defined
        policy["sensitive"] = {each.name: without_name(each) for each in rules.policy.sensitive}
    sections = {
        section: {each.name: without_name(each) for each in getattr(rules, section)} for section in _SECTIONS
    }
    return {"form": FORM, "revision": rules.revision, **sections, "policy": policy}


def _is_said(of: Field[Any], value: Any) -> bool:
    """Whether a definition says this itself: it is not derived, and not left at the default."""
    if not of.init:
        return False
    default = of.default_factory() if of.default_factory is not MISSING else of.default
    return default is MISSING or value != default
