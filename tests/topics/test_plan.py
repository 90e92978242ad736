"""The topics that a rule set needs."""

from __future__ import annotations

from pathlib import Path

from stream.rules.compiler.rule_set import load_rules
from stream.topics.plan import plan

RULES = Path(__file__).parents[2] / "rules"


def test_every_topic_of_the_rules_with_what_it_is_for() -> None:
    needs = {need.name: need for need in plan(load_rules(RULES), "app", partitions=8, replication=3)}
    assert {name for name, need in needs.items() if not need.is_ours} == {
        *("clickstream", "profiles", "transactions", "weather")
    }
    assert needs["triggers.email"].role == "channel"
    assert needs["app-customers-changelog"].role == "changelog"
    assert needs["app-customers-changelog"].config["cleanup.policy"] == "compact"
    segment = int(needs["app-customers-changelog"].config["segment.bytes"])
    assert segment <= 100_000_000, "all of the one that is written is read by a restore"
    assert {need.partitions for need in needs.values()} == {8}
    assert {need.config["min.insync.replicas"] for need in needs.values()} == {"2"}
    assert needs["clickstream"].operations == ("Describe", "Read"), "no more than that"


def test_with_fewer_copies_one_is_enough_for_an_acknowledgement() -> None:
    for copies in (1, 2):
        needs = plan(load_rules(RULES), "app", partitions=8, replication=copies)
        assert not any("min.insync.replicas" in need.config for need in needs)
