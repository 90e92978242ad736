"""What is promised to customers and to those who measure, of the engine alone, on generated worlds.

The reference model says what each decision must be. This asks less, and nearly without a model: a promise
that both had understood wrongly would be broken here.

    limits     no limit or cap is exceeded, in any window or calendar period
    consent    no trigger without the consent that was held at that moment, and with nothing else for a proof
    arms       whoever was held out, or got a variant, always is and does, whatever else the rule set says
    shadows    live rules do the same with those in shadow mode and without
    decisions  every match leads to one decision, or to deferrals followed by one
    records    what is written is what docs/asyncapi.yaml says
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decisions.wire import Origin
from stream.rules.durations import Period
from stream.rules.model import Channel, Limit, Rule, RuleSet
from stream.structs import ConsentProof, Decision, EventRef, Trigger
from tests.kit.asyncapi import assert_described
from tests.kit.wires import decision_record, trigger_record

from .guards import zone_named
from .histories import START, History, Rec, histories
from .player import Player, Portion, expected_of
from .profiles import Profile
from .records import ProfileUpdate, Tombstone, understand
from .test_against_engine import worlds

pytestmark = pytest.mark.timeout(600)

MUCH_LATER = START + 400 * 86_400_000


@dataclass(frozen=True)
class Judged:
    """A decision, with the customer's profile as it was then, the rules in force, and its trigger, if any."""

    decision: Decision
    profile: Profile
    rules: RuleSet
    trigger: Trigger | None

    @property
    def rule(self) -> Rule:
        return next(each for each in self.rules.rules if each.name == self.decision.rule)

    @property
    def channel(self) -> Channel:
        return next(each for each in self.rules.channels if each.name == self.decision.channel)

    @property
    def counts(self) -> bool:
        """Whether it uses up limits and caps: what was sent, or would have been but for the experiment."""
        return self.decision.outcome in ("sent", "holdout")

    @property
    def zone(self) -> tzinfo | None:
        own = self.profile.attributes.get("timezone")
        return zone_named(self.rules.policy.timezone if own is None else own)


def judged(history: History) -> list[Judged]:
    """The engine, taken through a history event by event and timer by timer."""
    player, profiles = Player(history), dict[str, Profile]()
    source = next(each for each in history.rules.sources if each.name == "profiles")
    wall = None if history.by_event_time else history.wall
    found: list[Judged] = []

    def call(portion: Portion) -> None:
        before, decided, fired = (
            player.positions.get("profiles", 0),
            len(player.decisions),
            len(player.triggers),
        )
        player.call(portion)
        sent = iter(player.triggers[fired:])
        for each in player.decisions[decided:]:
            trigger = next(sent) if each.outcome == "sent" else None
            found.append(Judged(each, profiles.get(each.customer_id, Profile()), player.rules, trigger))
        for record in history.records["profiles"]:
            if before <= record.offset < player.positions.get("profiles", 0):
                update = understand(source, record, history.partition, wall)
                if isinstance(update, ProfileUpdate | Tombstone):
                    former, known = profiles.get(update.customer, Profile()), update.customer in profiles
                    now = max(update.time, record.timestamp) if wall is None else wall
                    profiles[update.customer], _ = former.after(
                        update, now, bounded=wall is not None, known=known
                    )

    call(Portion(tuple(map(len, player.waiting.values())), 1, drain=False))
    while player.result.more or player.changes_now:
        call(Portion((0,) * len(player.waiting), 1, drain=False))
    return found


# -- limits


def limits_of(each: Judged) -> Iterator[tuple[str, Limit]]:
    channel = each.channel
    counted = [(f"rule {each.rule.name}", each.rule.limit), (f"channel {channel.name}", channel.cap)]
    if channel.consent is not None:
        counted.append(("policy", each.rules.policy.cap))
    yield from ((name, limit) for name, limit in counted if limit is not None)


def period_of(at: int, period: Period, zone: tzinfo) -> tuple[int, ...]:
    day = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).date()
    if period == "week":
        return day.isocalendar()[:2]
    return (day.year, day.month) if period == "month" else (day.year, day.month, day.day)


def assert_no_limit_is_exceeded(all_judged: Sequence[Judged]) -> None:
    """What is exempt from caps uses them up, and may exceed them: after it, what is not is seen alone."""
    sends: dict[tuple[str, str], list[int]] = {}
    exempt: set[tuple[str, str]] = set()
    for each in all_judged:
        for name, limit in limits_of(each) if each.counts else ():
            times = sends.setdefault((each.decision.customer_id, name), [])
            times.append(each.decision.at)
            if "cap" in (*each.rule.exempt, *each.channel.exempt) and not name.startswith("rule "):
                exempt.add((each.decision.customer_id, name))
            elif isinstance(limit.over, int):
                mixed = (each.decision.customer_id, name) in exempt
                for end in (each.decision.at,) if mixed else times:
                    assert sum(end - limit.over < at <= end for at in times) <= limit.count
            else:
                assert each.zone is not None, "nobody knows which day it is"
                now = period_of(each.decision.at, limit.over, each.zone)
                assert sum(period_of(at, limit.over, each.zone) == now for at in times) <= limit.count


# -- consent


def assert_no_trigger_without_its_consent(all_judged: Sequence[Judged]) -> None:
    for each in all_judged:
        if each.trigger is None:
            continue
        assert (each.trigger.consent is None) == (each.channel.consent is None)
        needed, proofs = [], []
        if each.channel.consent is not None:
            needed.append(each.channel.consent)
            proofs.append(each.trigger.consent)
        needed += [subject.consent for subject in each.rule.sensitive]
        proofs += [proof.consent for proof in each.trigger.sensitive]
        for purpose, proof in zip(needed, proofs, strict=True):
            held = each.profile.consents[purpose]
            assert held.granted, "it was withdrawn"
            assert held.at <= each.decision.at, "it was not given yet"
            assert held.expires is None or each.decision.at < held.expires, "it has expired"
            assert proof == ConsentProof(purpose, held.at, held.basis, held.expires)


# -- arms

Arm = tuple[bool, str | None]  # held out, and which variant


def arms_of(all_judged: Sequence[Judged]) -> dict[tuple[object, ...], set[Arm]]:
    """The arms that each customer was seen in, by rule and what the experiments' shares were then."""
    arms: dict[tuple[object, ...], set[Arm]] = {}
    for each in all_judged:
        if each.counts:
            shares = tuple((one.name, one.share) for one in each.rule.variants)
            experiment = (each.rule.name, each.rule.holdout, each.rules.policy.holdout, shares)
            arm = (each.decision.outcome == "holdout", each.decision.variant)
            arms.setdefault((each.decision.customer_id, *experiment), set()).add(arm)
    return arms


def assert_arms_never_move(history: History, all_judged: Sequence[Judged]) -> None:
    """Not in time, not by a restart's or reload's other rules, and not where a rule is alone."""
    arms = arms_of(all_judged)
    assert all(len(seen) == 1 for seen in arms.values())
    for rule in history.rules.rules if len(history.rules.rules) > 1 else ():
        alone = replace(history, rules=replace(history.rules, rules=(rule,)), changes=())
        for experiment, seen in arms_of(judged(alone)).items():
            assert arms.get(experiment, seen) == seen


# -- rules in shadow mode


def assert_shadows_change_nothing(history: History, all_judged: Sequence[Judged]) -> None:
    """But that customers whom only a rule in shadow mode asks for are known, and so have clocks."""
    if any(each.occasion is not None for each in history.rules.rules):
        return
    live = tuple(each for each in history.rules.rules if each.mode == "live")
    names = {each.name for each in live}
    alone = judged(replace(history, rules=replace(history.rules, rules=live), changes=()))
    assert [(each.decision, each.trigger) for each in all_judged if each.decision.rule in names] == [
        (each.decision, each.trigger) for each in alone
    ]
    assert all(each.trigger is None for each in all_judged if each.decision.rule not in names)


# -- decisions

Cause = tuple[str, str, EventRef]


def cause_of(decision: Decision) -> Cause:
    return decision.rule, decision.customer_id, decision.event


def assert_decisions_add_up_to_matches(history: History, all_judged: Sequence[Judged]) -> None:
    """Where nothing waits at the end, but what a clock began last. What a match is is asked of the model,
    with all guards off.
    """
    decisions = [each.decision for each in all_judged]
    deferred = [each for each in decisions if each.outcome == "deferred"]
    plain = tuple(replace(each, sensitive=()) for each in history.rules.rules)
    unguarded = replace(history, rules=replace(history.rules, rules=plain))
    matches = Counter(cause_of(each) for each in expected_of(unguarded, frozenset()).decisions)
    final = Counter(cause_of(each) for each in decisions if each.outcome != "deferred")
    clocks = {each.name for each in history.rules.rules if each.occasion is not None}
    waiting = {cause_of(each) for each in deferred if each.rule in clocks} - final.keys()
    assert final + Counter(waiting) == matches
    for (cause, _), times in Counter((cause_of(each), each.at) for each in deferred).items():
        assert times <= matches[cause], "put off once, and said so twice"


def until_nothing_waits(history: History) -> History:
    """With one record more, of nobody, a long time after all that is put off has come due."""
    end = {"customer": "nobody", "ts": MUCH_LATER, "attributes": {}}
    profiles = history.records["profiles"]
    last = Rec(profiles[-1].offset + 1 if profiles else 0, MUCH_LATER, None, json.dumps(end).encode())
    return replace(history, records={**history.records, "profiles": [*profiles, last]})


# -- records


def assert_records_are_as_described(history: History, all_judged: Sequence[Judged]) -> None:
    topics = {source.name: source.topic for source in history.rules.sources}
    origin = Origin("app", history.partition, history.rules.revision, topics)
    for each in {(each.decision.outcome, each.decision.reason): each for each in all_judged}.values():
        assert_described("decision", decision_record(each.decision, origin))
    triggers = [each.trigger for each in all_judged if each.trigger is not None]
    for trigger in {(each.decision.rule, type(each.address)): each for each in triggers}.values():
        assert_described("trigger", trigger_record(trigger, origin, START))


# -- all of them, of each world


def eager(history: History) -> History:
    """The same with rules that fire whenever they can, on channels that need a consent: so guards matter."""

    def with_consent(channel: Channel) -> Channel:
        return replace(channel, consent="mail", address=None)

    rules = history.rules
    channels = tuple(map(with_consent, rules.channels))
    fired = tuple(
        replace(each, condition=None, channels=tuple(map(with_consent, each.channels)))
        for each in rules.rules
    )
    policy = replace(rules.policy, suppress=None, stale_after=None)
    return replace(history, rules=replace(rules, channels=channels, rules=fired, policy=policy))


STEADY = histories(changes=(0,))


@worlds(2)
@given(st.one_of(STEADY, STEADY.map(eager)))
def test_promises_are_kept(history: History) -> None:
    history = until_nothing_waits(history)
    all_judged = judged(history)
    assert_no_limit_is_exceeded(all_judged)
    assert_no_trigger_without_its_consent(all_judged)
    assert_arms_never_move(history, all_judged)
    assert_shadows_change_nothing(history, all_judged)
    assert_decisions_add_up_to_matches(history, all_judged)
    assert_records_are_as_described(history, all_judged)


@worlds(1)
@given(histories(changes=(1, 2)))
def test_promises_are_kept_while_rules_change(history: History) -> None:
    """Limits are not among them: what counted for another limit counts, but was not kept for this one."""
    all_judged = judged(history)
    assert_no_trigger_without_its_consent(all_judged)
    assert_arms_never_move(history, all_judged)
    assert_records_are_as_described(history, all_judged)
