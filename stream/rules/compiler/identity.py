"""Stable ids and the revision: hashes of a canonical form.

They depend on what is said, not on how, in which file or in which order. A trait's id is a hash of its whole
definition: changed, it starts anew. A rule's covers what decides which instances are open, and nothing else:
a change of its text, its condition or its limit keeps what is known. The revision covers all but tests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from stream.expression import Node, unparse
from stream.rules.aggregates import AGGREGATES
from stream.rules.model import (
    WHOLE,
    Channel,
    FieldPath,
    Occasion,
    Policy,
    Rule,
    RuleSet,
    Segment,
    Source,
    Step,
    Trait,
    Unless,
)

if TYPE_CHECKING:
    from stream.content.template import Template


def with_revision(
    sources: Sequence[Source],
    traits: Sequence[Trait],
    segments: Sequence[Segment],
    channels: Sequence[Channel],
    policy: Policy,
    rules: Sequence[Rule],
    predicates: Iterable[Node],
    first_source: str | None,
) -> RuleSet:
    """The definitions with their revision, rules in the order in which they are judged."""
    form = {
        "sources": [_source_form(each) for each in sources],
        "traits": [each.stable_id for each in traits],
        "segments": {each.name: unparse(each.condition) for each in segments},
        "channels": [_channel_form(each) for each in channels],
        "policy": _policy_form(policy),
        "rules": [_rule_form(each) for each in rules],
    }
    return RuleSet(
        revision=_hash(form),
        sources=tuple(sources),
        traits=tuple(traits),
        channels=tuple(channels),
        predicates=tuple(predicates),
        rules=tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name))),
        segments=tuple(segments),
        policy=policy,
        first_source=first_source,
    )


def _hash(form: Any) -> str:
    text = json.dumps(form, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _condition(node: Node | None) -> str | None:
    return None if node is None else unparse(node)


def trait_id(trait: Trait, predicates: Sequence[str]) -> str:
    """`predicates`: the texts of the predicates, by number."""
    form: dict[str, Any] = {
        "trait": trait.name,
        "function": trait.function,
        "of": trait.of,
        "field": trait.field,
        "where": None if trait.where is None else predicates[trait.where],
        "per": trait.per,
        "over": trait.over,
    }
    if AGGREGATES[trait.function].takes_k:
        form["k"] = trait.k
    if trait.value is not None:  # without it the id stays what it was before there was one
        form["value"] = unparse(trait.value)
    if trait.function == "list":
        form["list"] = [trait.fields, trait.key, trait.remove, trait.most]
    if trait.items is not None:
        form["items"] = trait.items
    if trait.clear:
        form["clear"] = trait.clear
    return _hash(form)


def rule_id(
    name: str,
    steps: Sequence[Step],
    unless: Unless | None,
    wait: int,
    again: str | None,
    key: FieldPath | None,
    predicates: Sequence[str],
    occasion: Occasion | None = None,
) -> str:
    form: dict[str, Any] = {
        "rule": name,
        "steps": [[each.name, each.within, *_event_form(each, predicates)] for each in steps],
        "unless": unless and [unless.within, *_event_form(unless, predicates)],
        "wait": wait,
        "again": again,
        "key": key,
    }
    if occasion is not None:  # older rule sets keep their ids
        form["occasion"] = asdict(occasion)
    return _hash(form)


def _event_form(step: Step | Unless, predicates: Sequence[str]) -> list[Any]:
    where = predicates[step.where] if step.where is not None else _condition(step.compares)
    return [step.on, where]


def _rule_form(rule: Rule) -> list[Any]:
    return [
        rule.stable_id,
        rule.describe,
        _condition(rule.condition),
        [channel.name for channel in rule.channels],
        _texts(rule.content),
        [[each.name, each.share, _texts(each.content)] for each in rule.variants],
        rule.limit and [rule.limit.count, rule.limit.over],
        [rule.priority, rule.group, rule.holdout, rule.stale_after, rule.quiet],
        _goals_form(rule),
        *_privacy_form(rule),
        *_trial_form(rule),
        *_silence_form(rule),
    ]


def _source_form(source: Source) -> dict[str, Any]:
    """Without `dedupe` where none is said, as of channels' formats."""
    return {name: value for name, value in asdict(source).items() if (name, value) != ("dedupe", None)}


def _trial_form(rule: Rule) -> list[Any]:
    """Nothing of a rule that is sent to everybody: older rule sets keep their revision."""
    return [] if (rule.rollout, rule.mode) == (WHOLE, "live") else [[rule.rollout, rule.mode]]


def _silence_form(rule: Rule) -> list[Any]:
    said = {"silences": rule.silences, "exempt": rule.exempt}
    return [said] if rule.silences is not None or rule.exempt else []


def _goals_form(rule: Rule) -> list[Any] | None:
    """One as before there could be several: the revision of such rule sets stays what it was."""
    goals = [[each.on, each.within, each.value] for each in rule.goals]
    return goals if len(goals) > 1 else next(iter(goals), None)


def _channel_form(channel: Channel) -> dict[str, Any]:
    """Without what later versions brought, where it is not said: older rule sets keep their revision."""
    later = ("format", "formats", "address_kind", "suppress", "exempt")
    form = {**asdict(replace(channel, suppress=None)), "suppress": _condition(channel.suppress)}
    return {
        name: value for name, value in form.items() if name not in later or value not in ("text", (), None)
    }


def _privacy_form(rule: Rule) -> list[Any]:
    subjects = [each.name for each in rule.sensitive]
    return [[subjects, rule.discloses]] if subjects or rule.discloses else []


def _policy_form(policy: Policy) -> dict[str, Any]:
    form = {**asdict(replace(policy, suppress=None)), "suppress": _condition(policy.suppress)}
    del form["region"]
    if policy.locale is None:
        del form["locale"]
    if not policy.sensitive:
        del form["sensitive"]
    return form


def _texts(content: Mapping[str, Template]) -> dict[str, str]:
    return {name: template.source for name, template in content.items()}
