"""What one rule set says otherwise than another, and what of that does not go on when a worker takes it.

What is known of customers stands under stable ids, so a definition whose id stays goes on: that is decided
here, for a worker's log and for `stream backtest --against`, as `state._layouts` does it.
Tested by tests/rules/test_changes.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from stream.rules.definitions import definitions
from stream.rules.model import Rule, RuleSet

# Keys of a rule file that the model calls otherwise.
_KEYS = {"condition": "if", "channels": "send.channel", "variants": "send.variants"}


class Changed(NamedTuple):
    """Names of rules, or of other definitions, in the order of the alphabet."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


def rules_changed(old: RuleSet, new: RuleSet) -> Changed:
    return _compared(
        {rule.name: _said(rule) for rule in old.rules}, {rule.name: _said(rule) for rule in new.rules}
    )


def sections_changed(old: RuleSet, new: RuleSet) -> dict[str, Changed]:
    """The same for what is not rules; of the policy the names are its keys."""
    before, after = _sections(old), _sections(new)
    return {name: _compared(before[name], after[name]) for name in after}


def rules_that_end(old: RuleSet, new: RuleSet) -> list[Rule]:
    """Rules that are gone or wait for something else, by name: their open instances end."""
    stay = {rule.stable_id for rule in new.rules}
    return sorted((rule for rule in old.rules if rule.stable_id not in stay), key=lambda each: each.name)


def renamed(old: RuleSet, new: RuleSet) -> dict[str, str]:
    """Rules that say the same under another name, by the old one. Of several alike none: which is which?"""
    changes = rules_changed(old, new)
    gone = _by_what_is_said(old, changes.removed)
    come = _by_what_is_said(new, changes.added)
    return {gone[said][0]: come[said][0] for said in gone if len(gone[said]) == len(come.get(said, ())) == 1}


def _by_what_is_said(rules: RuleSet, names: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    said = definitions(rules)["rules"] if names else {}
    for name in names:
        found.setdefault(json.dumps(said[name] | {"stable_id": ""}, sort_keys=True), []).append(name)
    return found


def keys_changed(old: RuleSet, new: RuleSet, section: str, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Of each definition the keys that say something else, as the rule files call them."""
    before, after = (definitions(each)[section] for each in (old, new))
    return {name: sorted(set(_keys(before[name], after[name]))) for name in names}


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if name == "stable_id" or one == other:
            continue
        if name == "steps":
            yield from _step_keys(one or [], other or [])
        elif name == "content":
            one, other = one or {}, other or {}
            yield from (
                f"send.content.{each}"
                for each in one.keys() | other.keys()
                if one.get(each) != other.get(each)
            )
        elif name == "goals":
            yield "goal" if len(one or ()) < 2 and len(other or ()) < 2 else "goals"
        else:
            yield _KEYS.get(name, name)


def _step_keys(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> Iterator[str]:
    """A rule with one step has no `steps`."""
    if len(one) != 1 or len(other) != 1:
        yield "steps"
    else:
        yield from (name for name in ("on", "where") if one[0].get(name) != other[0].get(name))


def _compared(before: Mapping[str, object], after: Mapping[str, object]) -> Changed:
    both = sorted(before.keys() & after.keys())
    return Changed(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
        tuple(name for name in both if before[name] != after[name]),
        tuple(name for name in both if before[name] == after[name]),
    )


def _sections(rules: RuleSet) -> dict[str, dict[str, object]]:
    policy = {each.name: getattr(rules.policy, each.name) for each in fields(rules.policy) if each.compare}
    return {
        "policy": {key: value for key, value in policy.items() if value is not None},
        "channels": {each.name: each for each in rules.channels},
        "sources": {each.name: each for each in rules.sources},
        "traits": {each.name: each.stable_id for each in rules.traits},
        "segments": {each.name: each for each in rules.segments},
    }


def _said(rule: Rule) -> Rule:
    """What is compared of a rule: its steps by its stable id, since they name predicates by their numbers."""
    return replace(rule, steps=(), unless=None)
