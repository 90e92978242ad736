"""Real matches for the tests of guards: what is known of a customer, then an event that the engine judges.

The engine hands out each match before it is decided: the guards are asked there and then, and nothing is
decided. Only a rule called `first` is decided as ever, before those that are asked of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from stream.clock import Clock
from stream.decisions._guards import Verdict, verdict_on
from stream.decisions._json import iso_time
from stream.decisions.experiments import Arms
from stream.engine import PartitionState, process
from stream.expression import parse
from stream.matcher._match import Match
from stream.rules.model import Channel, Limit, Policy, Quiet, Rule, RuleSet, Step
from stream.structs import Batch, Result, Switches
from tests.engine.enginekit import CLICKS, DAY, PROFILES, T0, Rec, rec  # T0 is 10:00 UTC

MAIL = Channel("mail", "triggers.mail", "marketing", ("customer", "email"), Limit(1, DAY), Quiet(540, 660))
CALM = replace(MAIL, quiet=None)
WEB = Channel("web", "triggers.web")
POST = Channel("post", "triggers.post", "marketing_post", ("customer", "postal"))
UTC = Policy(timezone="UTC")
EMAIL = {"email": "a@b.example"}
SUPPRESS = parse("has(customer.complained)")
KEEP = 100  # more sends than any limit here looks at: it may have been larger once
CLOCK = Clock(wall=lambda: T0 + 1000 * DAY, by_event_time=True)
VIEW = (Step(("view",)),)


def rule(*channels: Channel, name: str = "r", **more: Any) -> Rule:
    return Rule(name, f"id-{name}", more.pop("steps", VIEW), channels, **more)


@dataclass(frozen=True)
class Said:
    """What a customer has said for a purpose."""

    granted: bool = True
    at: int = T0 - DAY
    expires: int | None = None

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"granted": self.granted, "at": self.at}
        return said if self.expires is None else said | {"expires": self.expires}


GIVEN = {"marketing": Said()}


class Stage:
    """A partition that plays events. `policy.suppress` holds for whoever has the attribute `complained`."""

    def __init__(self, *rules: Rule, policy: Policy = UTC, arms: Arms | None = None) -> None:
        channels = {channel.name: channel for each in rules for channel in each.channels}
        self.rules = RuleSet(
            "1", (CLICKS, PROFILES), (), tuple(channels.values()), (),
            tuple(sorted(rules, key=lambda each: (-each.priority, each.name))), (),
            replace(policy, suppress=SUPPRESS),
        )  # fmt: skip
        self.arms = arms
        self.state = PartitionState(self.rules)
        self.offsets = count()

    def profile(
        self,
        attributes: Mapping[str, Any],
        consents: Mapping[str, Said] | None = None,
        *,
        at: int = T0 - DAY,
        customer: str = "c1",
    ) -> None:
        said = {purpose: each.as_json() for purpose, each in (consents or {}).items()}
        record = self._record("", at, customer, attributes=dict(attributes), consents=said)
        self._process("profiles", [record])

    def sent(self, sends: Mapping[str, Sequence[int]], customer: str = "c1") -> None:
        """Enters what was sent earlier, by counters."""
        for counter, times in sends.items():
            self.state.customers.enter_sends(customer, counter, list(times), KEEP)

    def switch_off(self, **until: int) -> None:
        """Rules by their names, and until when they are off."""
        self.state.switches = Switches("topic", 1, until)

    def decide(self, name: str, at: int, customer: str = "c1") -> Result:
        """Plays an event; of `r`, too, it is decided what comes of it."""
        return self._process("clicks", [self._record(name, at, customer)])

    def verdicts(self, *events: tuple[str, int, str]) -> list[Verdict]:
        """What the guards say of all matches but those of the rule `first`, by events and rules."""
        found: list[Verdict] = []

        def take(match: Match) -> bool:
            if match.rule.name == "first":
                return False
            found.append(verdict_on(match, self.arms))
            return True

        records = [self._record(*event) for event in events]
        self._process("clicks", records, take)
        return found

    def verdict(self, name: str, at: int, customer: str = "c1") -> Verdict:
        (found,) = self.verdicts((name, at, customer))
        return found

    def _record(self, name: str, at: int, customer: str, **fields: Any) -> Rec:
        """Its time as a text: numbers of the seventies might as well be seconds."""
        return rec(next(self.offsets), at - T0, name, customer, ts=iso_time(at), **fields)

    def _process(self, source: str, records: Sequence[Rec], take: Any = None) -> Result:
        batch = Batch(0, {source: records}, frozenset(("clicks", "profiles")))
        result = process(batch, self.rules, self.state, CLOCK, limit=1 << 30, take=take, arms=self.arms)
        assert not result.dead_letters
        assert not result.more
        return result


@dataclass(frozen=True)
class Case:
    """A candidate of which everything is in order, but for what a test changes."""

    rule: Rule
    policy: Policy = UTC
    customer: str = "c1"
    at: int = T0
    late: bool = False
    suppressed: bool = False
    group_claimed: bool = False
    silenced: bool = False
    attributes: Mapping[str, Any] = field(default_factory=lambda: EMAIL)
    consents: Mapping[str, Said] = field(default_factory=lambda: GIVEN)
    sends: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def stage(self) -> Stage:
        """All that is before the event."""
        rules, attributes = [self.rule], dict(self.attributes)
        if self.late:
            rules = [replace(self.rule, stale_after=0)]
        if self.group_claimed:
            rules = [replace(rules[0], group="g"), rule(WEB, name="first", group="g", priority=1)]
        if self.silenced:
            rules.append(rule(WEB, name="hush", steps=(Step(("other",)),), silences=DAY))
        if self.suppressed:
            attributes["complained"] = True
        stage = Stage(*rules, policy=self.policy)
        if attributes or self.consents:
            stage.profile(attributes, self.consents, customer=self.customer)
        stage.sent(self.sends, self.customer)
        if self.silenced:
            stage.sent({"silences:hush": (self.at - DAY + 1,)}, self.customer)
        if self.late:
            stage.decide("other", self.at + 1, "c2")
        return stage

    def verdict(self) -> Verdict:
        return self.stage().verdict("view", self.at, self.customer)

    def told(self) -> tuple[str, str | None, str]:
        return told(self.verdict())


def told(verdict: Verdict) -> tuple[str, str | None, str]:
    """Outcome, reason and the channel's name."""
    return verdict.outcome, verdict.reason, verdict.channel.name
