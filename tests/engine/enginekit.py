"""A small world for the engine's tests: two sources, records by hand, and a partition to play them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.expression import Node, parse
from stream.rules.model import Channel, Limit, Policy, Rule, RuleSet, Segment, Source, Step, Trait, Unless
from stream.structs import Batch, Decision, Result

T0 = 1_772_445_600_000  # 2026-03-02T10:00:00Z
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
WEB = Channel("web", "triggers.web", None, ("event", "contact", "address"))
BARE = Channel("web", "triggers.web")
CLICKS = Source("clicks", "shop.clicks", ("customer",), ("event",), None, ("ts",), ("id",))
PROFILES = Source("profiles", "shop.profiles", ("customer",), time=("ts",), kind="profile")
WEATHER = Source("weather", "shop.weather", ("customer",), time=("ts",), kind="context")
ORDERS = Source("orders", "shop.orders", ("customer",), None, "purchase", ("ts",), None)


@dataclass(frozen=True)
class Rec:
    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = b"k"
    headers: Sequence[tuple[str, bytes]] = ()


def rec(offset: int, at: int, event: str = "view", customer: Any = "c1", **fields: Any) -> Rec:
    """A record of an event at T0 + `at`, appended 5 ms later."""
    data = {"event": event, "customer": customer, "ts": T0 + at, **fields}
    return Rec(offset, T0 + at + 5, orjson.dumps(data))


_AS_THEY_ARE = (
    *("content", "variants", "priority", "group", "holdout", "rollout", "mode", "goals"),
    *("stale_after", "quiet", "wait", "again", "key", "occasion"),
)


class Rules:
    """Collects definitions; `build()` makes the rule set."""

    def __init__(self, *sources: Source) -> None:
        self.sources = sources or (CLICKS, ORDERS)
        self.traits: list[Trait] = []
        self.predicates: list[Node] = []
        self.rules: list[Rule] = []
        self.segments: list[Segment] = []
        self.channels: tuple[Channel, ...] = (BARE,)
        self.policy = Policy()

    def where(self, condition: str | None) -> int | None:
        if condition is None:
            return None
        self.predicates.append(parse(condition))
        return len(self.predicates) - 1

    def trait(self, name: str, function: Any, of: str, *, where: str | None = None, **more: Any) -> Rules:
        paths = {key: (more[key],) for key in ("field", "per") if key in more}
        trait = Trait(
            name, f"trait-{name}", function, tuple(of.split()), where=self.where(where), over=more.get("over")
        )
        self.traits.append(
            Trait(
                **{
                    **{each: getattr(trait, each) for each in trait.__slots__},
                    **paths,
                    "value": parse(more["value"]) if "value" in more else None,
                    "clear": tuple(more.get("clear", "").split()),
                }
            )
        )
        return self

    def rule(self, name: str, on: str, **more: Any) -> Rules:
        condition = parse(more["condition"]) if "condition" in more else None
        unless = None
        if "unless" in more:
            of, within, *where = more["unless"]
            unless = Unless(tuple(of.split()), within, self.where(where[0] if where else None))
        limit = Limit(*more["limit"]) if "limit" in more else None
        steps = (
            (Step(()),)
            if "occasion" in more
            else more.get("steps") or (Step(tuple(on.split()), self.where(more.get("where"))),)
        )
        rule = Rule(
            name, more.get("id", f"rule-{name}"), steps, more.get("channels", (BARE,)), unless,
            condition=condition, limit=limit,
            **{key: more[key] for key in _AS_THEY_ARE if key in more},
        )  # fmt: skip
        self.rules.append(rule)
        return self

    def build(self, revision: str = "1") -> RuleSet:
        rules = sorted(self.rules, key=lambda rule: (-rule.priority, rule.name))
        return RuleSet(
            revision, self.sources, tuple(self.traits), self.channels, tuple(self.predicates), tuple(rules),
            tuple(self.segments), self.policy,
        )  # fmt: skip


@dataclass
class World:
    """A partition and what came of it. By default the clock is the events', and all sources have ended."""

    rules: RuleSet
    clock: Clock = field(default_factory=lambda: Clock(wall=lambda: T0 + 1000 * DAY, by_event_time=True))
    state: PartitionState = None  # type: ignore[assignment]  # made below
    decisions: list[Decision] = field(default_factory=list)
    result: Result = field(default_factory=Result)

    def __post_init__(self) -> None:
        self.state = self.state or PartitionState(self.rules)

    def play(
        self,
        records: Mapping[str, Sequence[Rec]] | None = None,
        *,
        ended: Sequence[str] | None = None,
        limit: int = 5000,
        work: int = 1 << 62,
    ) -> Result:
        """One call of the engine; `ended` None: all sources have."""
        names = [source.name for source in self.rules.sources] if ended is None else ended
        batch = Batch(3, records or {}, frozenset(names))
        self.result = process(batch, self.rules, self.state, self.clock, limit=limit, work=work)
        self.decisions += self.result.decisions
        return self.result

    def clicks(self, *records: Rec) -> Result:
        return self.play({"clicks": records})

    def fired(self) -> list[tuple[str, str, int]]:
        """(rule, outcome or reason, time after T0) of every decision so far."""
        return [(each.rule, each.reason or each.outcome, each.at - T0) for each in self.decisions]

    def restored(self) -> World:
        """Another owner, who has read what this one's changelog holds."""
        other = World(self.rules, self.clock)
        for key, value in self.state.take_changed():
            other.state.load(key, value)
        other.state.customers.rebuild_timers()
        return other
