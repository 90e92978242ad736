"""What worked examples are written with: short rules, and happenings counted from the start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stream.expression import parse
from stream.rules.model import Channel, Policy, Rule, RuleSet, Segment, Source, Step, Trait, Unless
from stream.structs import Decision

from .changes import Change
from .histories import START, History, Rec
from .rulesets import identified

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEB = Channel("web", "triggers.web")
SOURCES = (
    Source("clickstream", "clicks", ("customer_id",), event=("event",), time=("ts",), id=("event_id",)),
    Source("transactions", "orders", ("customer_id",), constant="purchase", time=("ts",), id=("event_id",)),
    Source("profiles", "profiles", ("customer_id",), time=("ts",), kind="profile"),
    Source("weather", "weather", ("customer_id",), time=("ts",), kind="context"),
)
SOURCE_OF = {"purchase": "transactions", "profile": "profiles", "weather": "weather"}

Happening = tuple[int, str, dict[str, Any]]  # milliseconds after the start, name of the event, other fields


def step(*on: str, **parts: Any) -> Step:
    return Step(on, **parts)


def unless(on: str, within: int, **parts: Any) -> Unless:
    return Unless((on,), within, **parts)


def rule(name: str, *steps: Step, **parts: Any) -> Rule:
    """A rule that sends to `web`; its `condition` is written as text."""
    condition = parts.pop("condition", None)
    parts = {"channels": (WEB,), **parts, "condition": condition and parse(condition)}
    return Rule(name, "", steps, **parts)


def rule_set(
    *rules: Rule,
    traits: Sequence[Trait] = (),
    where: str | None = None,
    segments: Mapping[str, str] | None = None,
    policy: Policy | None = None,
) -> RuleSet:
    """Rules over the four sources; `where` is predicate 0."""
    return identified(
        RuleSet(
            revision="0" * 16,
            sources=SOURCES,
            traits=tuple(traits),
            channels=tuple({channel.name: channel for each in rules for channel in each.channels}.values()),
            predicates=(parse(where),) if where else (),
            rules=tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name))),
            segments=tuple(Segment(name, parse(text)) for name, text in (segments or {}).items()),
            policy=policy or Policy(),
        )
    )


def history(
    rules: RuleSet,
    happenings: Sequence[Happening],
    changes: Sequence[Change] = (),
    off: Mapping[str, int] | None = None,
) -> History:
    """`profile` and `weather` are news, `purchase` is of `transactions`, all else of `clickstream`."""
    records: dict[str, list[Rec]] = {source.name: [] for source in SOURCES}
    for number, (at, name, fields) in enumerate(happenings):
        queue = records[SOURCE_OF.get(name, "clickstream")]
        data = {"event": name, "customer_id": "c1", "ts": START + at, "event_id": f"e{number}", **fields}
        queue.append(Rec(len(queue), START + at, None, json.dumps(data).encode()))
    return History(rules, 0, records, changes=tuple(changes), off=off or {})


def told(decisions: Sequence[Decision]) -> list[tuple[int, str, str]]:
    """The decisions: (milliseconds after the start, rule, reason or `sent`)."""
    return [(each.at - START, each.rule, each.reason or each.outcome) for each in decisions]
