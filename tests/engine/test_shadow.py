"""A rule in shadow mode takes nothing from the rules beside it; what it would have sent can be looked at."""

from __future__ import annotations

from dataclasses import replace

from stream.content.template import Template
from stream.rules.model import WHOLE, Limit, Rule, Variant
from stream.structs import PriorDecision, Result
from tests.decisions.guardkit import CALM, DAY, EMAIL, GIVEN, MAIL, UTC, WEB, Stage, rule
from tests.engine.enginekit import HOUR, T0

# Each spends all the steps that one text may take; two of them, those of an event.
LONG = {"text": Template("{% for i in (1..900) %}{{ event.event }}{% endfor %}" * 20)}
SHORT = {"text": Template("{% for i in (1..5) %}{% if i == 1 %}Hello{% endif %}{% endfor %}")}


def decided(*rules: Rule) -> Result:
    stage = Stage(*rules)
    stage.profile(EMAIL, GIVEN)
    return stage.decide("view", T0 + 2 * HOUR)


def test_the_long_texts_of_a_shadow_left_none_for_the_rule_after_it() -> None:
    live, long = rule(WEB, name="live", content=SHORT), rule(WEB, priority=1, content=LONG)
    more = replace(long, name="s", stable_id="id-s")
    assert [each.reason for each in decided(live, long, more).decisions] == ["content"] * 3
    shadows = [replace(each, mode="shadow") for each in (long, more)]
    assert [each.reason for each in decided(live, *shadows).decisions] == ["content", "content", None]


def test_what_would_have_been_sent_is_there_to_be_looked_at() -> None:
    variants = (Variant("a", WHOLE, SHORT),)
    found = decided(rule(CALM, mode="shadow", variants=variants), rule(WEB, name="live"))
    assert [each.decision.rule for each in found.triggers] == ["live"]
    (shown,) = found.shadows
    assert shown.content == {"text": "Hello"}
    assert (shown.decision.outcome, shown.decision.reason) == ("shadow", None)
    assert (shown.decision.channel, shown.decision.variant) == ("mail", "a")
    assert shown.address == EMAIL["email"]


def test_what_a_guard_would_have_held_back_is_not_among_what_would_have_been_sent() -> None:
    assert decided(rule(CALM, mode="shadow", holdout=WHOLE)).shadows == []
    assert decided(rule(CALM, mode="shadow", rollout=1)).decisions[0].reason == "rollout"


def test_a_rule_that_went_live_was_kept_silent_by_what_it_had_decided_in_the_shadow() -> None:
    shadow = rule(MAIL, mode="shadow", limit=Limit(1, DAY))
    stage = Stage(shadow)
    stage.profile(EMAIL, GIVEN)
    assert stage.decide("view", T0 + 2 * HOUR).decisions[0].outcome == "shadow"
    stage.rules = replace(stage.rules, rules=(replace(shadow, mode="live"),), policy=UTC)
    assert stage.decide("view", T0 + 3 * HOUR).decisions[0].outcome == "sent"


def test_what_was_decided_live_before_a_crash_stays_so_in_the_shadow() -> None:
    """Its trigger is in Kafka: it counts, whatever the rule says now."""
    shadow = rule(WEB, mode="shadow", limit=Limit(1, DAY))
    stage = Stage(shadow)
    id_ = Stage(shadow).decide("view", T0).decisions[0].trigger_id
    stage.state.prior_decisions = {(id_, T0): PriorDecision("sent", None, "web")}
    again, later = stage.decide("view", T0), stage.decide("view", T0 + 1)
    assert [each.outcome for each in again.decisions] == ["sent"]
    assert [(each.outcome, each.reason) for each in later.decisions] == [("shadow", "limit")]


def test_what_a_shadow_had_decided_before_a_crash_stays_so_though_it_is_live_now() -> None:
    live = rule(WEB, limit=Limit(1, DAY))
    id_ = Stage(live).decide("view", T0).decisions[0].trigger_id
    stage = Stage(live)
    stage.state.prior_decisions = {(id_, T0): PriorDecision("shadow", None, "web")}
    again, later = stage.decide("view", T0), stage.decide("view", T0 + 1)
    assert [each.outcome for each in again.decisions] == ["shadow"]
    assert again.triggers == []
    assert [each.outcome for each in later.decisions] == ["sent"], "it has used up nothing"
