"""The topics that a rule set needs."""

from __future__ import annotations

from pathlib import Path

from stream.rules.compiler.rule_set import load_rules
from stream.settings import load
from stream.topics.plan import plan

SETTINGS = load({}, {"app_id": "app"}, env_file=None)
RULES = Path(__file__).parents[2] / "rules"


def test_every_topic_of_the_rules_with_what_it_is_for() -> None:
    needs = {need.name: need for need in plan(load_rules(RULES), SETTINGS, partitions=8, replication=3)}
    assert {name for name, need in needs.items() if not need.is_ours} == {
        *("clickstream", "profiles", "transactions", "weather")
    }
    assert needs["triggers.email"].role == "channel"
    assert needs["app-customers-changelog"].role == "changelog"
    assert needs["app-customers-changelog"].config["cleanup.policy"] == "compact"
    segment = int(needs["app-customers-changelog"].config["segment.bytes"])
    assert segment <= 100_000_000, "all of the one that is written is read by a restore"
    rules = needs.pop("app-rules")
    assert (rules.role, rules.partitions, rules.config["cleanup.policy"]) == ("rules", 1, "compact")
    switches = needs.pop("app-switches")
    assert (switches.role, switches.partitions, switches.config["cleanup.policy"]) == (
        "switches",
        1,
        "compact",
    )
    assert switches.operations == ("Describe", "Read"), "people write it"
    assert {need.partitions for need in needs.values()} == {8}
    assert {need.config["min.insync.replicas"] for need in needs.values()} == {"2"}
    assert needs["profiles"].config["cleanup.policy"] == "compact", "or the doctor warns of what we made"
    assert "cleanup.policy" not in needs["clickstream"].config
    assert needs["clickstream"].operations == ("Describe", "Read"), "no more than that"


def test_what_apps_share_is_called_as_the_settings_say() -> None:
    names = {"app_id": "app", "decisions_topic": "app.decisions", "dead_letters_topic": "app.dead"}
    needs = plan(load_rules(RULES), load({}, names, env_file=None), partitions=8, replication=3)
    roles = {need.name: need.role for need in needs}
    assert roles["app.decisions"] == "decisions"
    assert roles["app.dead"] == "dead-letters"
    assert not {"decisions", "dead-letters"} & set(roles)


def test_the_compacted_topics_say_when_what_was_replaced_is_gone() -> None:
    settings = load({}, {"app_id": "app", "compaction_lag": "60"}, env_file=None)
    needs = plan(load_rules(RULES), settings, partitions=8, replication=3)
    lags = {need.name: need.config.get("max.compaction.lag.ms") for need in needs}
    assert {name: lag for name, lag in lags.items() if lag} == {
        "app-customers-changelog": "60000",
        "app-rules": "60000",
        "app-switches": "60000",
    }


def test_with_fewer_copies_one_is_enough_for_an_acknowledgement() -> None:
    for copies in (1, 2):
        needs = plan(load_rules(RULES), SETTINGS, partitions=8, replication=copies)
        assert not any("min.insync.replicas" in need.config for need in needs)
