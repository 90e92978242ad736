"""What the doctor says of topics, for every way in which one can be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.doctor.findings import Finding
from stream.doctor.topics import findings
from stream.kafka.cluster import Broker, Cluster, Topic
from stream.topics.plan import CHANGELOG, CHANNEL, SOURCE, Need

BROKER = "kafka:9092"
GOOD = {
    "cleanup.policy": "delete",
    "min.insync.replicas": "2",
    "max.message.bytes": "1048588",
    "unclean.leader.election.enable": "false",
    "compression.type": "producer",
}
ALL = frozenset({"Describe", "Read", "Write"})
HEALTHY = Topic(partitions=8, replication=3, in_sync=3, leaderless=0, config=GOOD, operations=ALL)
NEEDS = [
    Need("clicks", SOURCE, 0, 3, {}, ("Describe", "Read")),
    Need("orders", SOURCE, 0, 3, {}, ("Describe", "Read")),
    Need("people", SOURCE, 0, 3, {}, ("Describe", "Read"), "profile"),
    Need("web", CHANNEL, 0, 3, {}, ("Describe", "Read", "Write")),
    Need("dead-letters", "dead-letters", 0, 3, {}, ("Describe", "Read", "Write")),
    Need("app-customers-changelog", CHANGELOG, 0, 3, {}, ("Describe", "Read", "Write")),
]


def with_settings(topic: Topic, **settings: str | None) -> Topic:
    changed = {**(topic.config or {}), **{name.replace("_", "."): value for name, value in settings.items()}}
    return replace(topic, config={name: value for name, value in changed.items() if value is not None})


def cluster(**changed: Topic | None) -> Cluster:
    """Three brokers and a topic of each kind, as they should be but for those `changed` (None: missing)."""
    topics: dict[str, Topic | None] = {
        "clicks": HEALTHY,
        "orders": HEALTHY,
        "people": with_settings(HEALTHY, retention_ms="-1"),
        "web": HEALTHY,
        "dead-letters": with_settings(HEALTHY, max_message_bytes="16777216"),
        "app-customers-changelog": with_settings(HEALTHY, cleanup_policy="compact"),
    }
    names = {"dead_letters": "dead-letters", "changelog": "app-customers-changelog"}
    topics |= {names.get(name, name): topic for name, topic in changed.items()}
    brokers = [Broker(number, f"kafka-{number}:9092", {3: 13}) for number in range(3)]
    there = {name: topic for name, topic in topics.items() if topic is not None}
    return Cluster(brokers, there, frozenset(), frozenset(), frozenset({"Read"}))


def amiss(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.status, each.check) for each in found if each.status != "ok"]


def test_topics_as_they_should_be() -> None:
    found = findings(cluster(), NEEDS, BROKER)
    assert amiss(found) == []
    assert [each.check for each in found] == ["partitions", *(f"topic {need.name}" for need in NEEDS)]


@pytest.mark.parametrize(
    ("changed", "status", "where", "words", "fix"),
    [
        ({"clicks": None}, "error", "topic clicks", "does not exist", "--sources"),
        ({"web": None}, "warning", "topic web", "does not exist", "--create"),
        (
            {"orders": replace(HEALTHY, partitions=6)},
            "error",
            "partitions",
            "orders has 6 partitions and must have 8",
            "make orders anew with 8",
        ),
        (
            {"web": replace(HEALTHY, partitions=4)},
            "error",
            "topic web",
            "4 partitions, and must have 8",
            "--alter --topic web --partitions 8",
        ),
        ({"web": replace(HEALTHY, partitions=12)}, "warning", "topic web", "4 stay empty", "harmless"),
        ({"clicks": replace(HEALTHY, leaderless=2)}, "error", "topic clicks", "2 partitions", "start"),
        ({"clicks": replace(HEALTHY, in_sync=1)}, "error", "topic clicks", "nothing can be written", "start"),
        (
            {"web": replace(HEALTHY, replication=1, in_sync=1)},
            "error",
            "topic web",
            "can ever be written",
            "min.insync.replicas=1",
        ),
        (
            {"web": with_settings(HEALTHY, min_insync_replicas="1")},
            "warning",
            "topic web",
            "can be lost",
            "min.insync.replicas=2",
        ),
        (
            {"web": with_settings(HEALTHY, min_insync_replicas="3")},
            "warning",
            "topic web",
            "one broker away stops it",
            "min.insync.replicas=2",
        ),
        (
            {"web": replace(with_settings(HEALTHY, min_insync_replicas="1"), replication=2, in_sync=2)},
            "warning",
            "topic web",
            "2 copies on 3 brokers",
            "kafka-reassign-partitions.sh",
        ),
        (
            {"changelog": HEALTHY},
            "error",
            "topic app-customers-changelog",
            "are forgotten",
            "cleanup.policy=compact",
        ),
        (
            {"changelog": with_settings(HEALTHY, cleanup_policy="compact,delete")},
            "error",
            "topic app-customers-changelog",
            "compact,delete",
            "cleanup.policy=compact",
        ),
        (
            {"web": with_settings(HEALTHY, cleanup_policy="compact")},
            "error",
            "topic web",
            "only the last record",
            "cleanup.policy=delete",
        ),
        (
            {"clicks": with_settings(HEALTHY, cleanup_policy="compact")},
            "warning",
            "topic clicks",
            "is never seen",
            "cleanup.policy=delete",
        ),
        (
            {"clicks": with_settings(HEALTHY, unclean_leader_election_enable="true")},
            "warning",
            "topic clicks",
            "can be lost",
            "=false",
        ),
        (
            {"dead_letters": with_settings(HEALTHY, max_message_bytes="65536")},
            *("warning", "topic dead-letters", "is 65,536: of a bad record", "max.message.bytes=1048588"),
        ),
        (
            {"web": with_settings(HEALTHY, max_message_bytes="100000")},
            *(
                "warning",
                "topic web",
                "is not sent",
                "--entity-name web --add-config max.message.bytes=1048588",
            ),
        ),
        (
            {"changelog": with_settings(HEALTHY, cleanup_policy="compact", max_message_bytes="100000")},
            *("warning", "topic app-customers-changelog", "evicted", "max.message.bytes=1048588"),
        ),
        (
            {"clicks": with_settings(HEALTHY, compression_type="zstd")},
            *("warning", "topic clicks", "compression.type is zstd: the brokers pack", "=producer"),
        ),
        (
            {"web": with_settings(HEALTHY, compression_type="uncompressed")},
            *("warning", "topic web", "compression.type is uncompressed", "compression.type=producer"),
        ),
        (
            {"clicks": with_settings(HEALTHY, compression_type="brotli")},
            *(
                "error",
                "topic clicks",
                "cannot read: it reads uncompressed, gzip, snappy, lz4, zstd",
                "producer",
            ),
        ),
        (
            {"people": with_settings(HEALTHY, retention_ms="604800000")},
            *("warning", "topic people", "older than retention.ms", "retention.ms=-1"),
        ),
        ({"web": replace(HEALTHY, config=None)}, "unknown", "topic web", "not be seen", "DescribeConfigs"),
    ],
)
def test_each_thing_that_is_amiss_has_its_fix(
    changed: dict[str, Topic | None], status: str, where: str, words: str, fix: str
) -> None:
    found = findings(cluster(**changed), NEEDS, BROKER)
    (finding,) = [
        each for each in found if (each.status, each.check) == (status, where) and words in each.message
    ]
    assert fix in str(finding.fix)
    assert where not in [each.check for each in found if each.status == "ok"]


def test_bad_records_of_a_source_that_takes_large_ones_do_not_stop_workers_any_more() -> None:
    """They are cut to what `dead-letters` takes, and the doctor called it an error."""
    large = with_settings(HEALTHY, max_message_bytes=str(64 << 20))
    found = findings(cluster(clicks=large, dead_letters=HEALTHY), NEEDS, BROKER)
    assert amiss(found) == []


def test_profiles_that_were_made_as_the_plan_says_are_not_warned_about() -> None:
    compacted = with_settings(HEALTHY, cleanup_policy="compact", retention_ms="604800000")
    assert amiss(findings(cluster(people=compacted), NEEDS, BROKER)) == []


def test_a_command_of_kafkas_that_was_pasted_did_not_know_which_kafka() -> None:
    wrong = with_settings(replace(HEALTHY, partitions=4), min_insync_replicas="1", max_message_bytes="9")
    found = findings(cluster(web=wrong, changelog=HEALTHY, people=HEALTHY), NEEDS, BROKER)
    commands = [each.fix for each in found if each.fix and each.fix.startswith("kafka-")]
    assert len(commands) >= 4
    for command in commands:
        assert command.split()[1:4] == ["--bootstrap-server", BROKER, "--alter"]
        assert ";" not in command


def test_a_topic_that_may_not_be_seen_is_no_missing_one() -> None:
    hidden = replace(cluster(web=None), hidden=frozenset({"web"}))
    assert amiss(findings(hidden, NEEDS, BROKER)) == []


def test_one_broker_has_one_copy_of_everything() -> None:
    single = with_settings(replace(HEALTHY, replication=1, in_sync=1), min_insync_replicas="1")
    alone = cluster(
        clicks=single,
        orders=single,
        web=single,
        dead_letters=with_settings(single, max_message_bytes="16777216"),
        changelog=with_settings(single, cleanup_policy="compact"),
    )
    assert amiss(findings(replace(alone, brokers=alone.brokers[:1]), NEEDS, BROKER)) == []


def test_a_source_with_more_partitions_had_the_doctor_advise_to_alter_the_changelog() -> None:
    """Which holds each customer's state by its partition: nobody would have been known any more."""
    found = findings(cluster(orders=replace(HEALTHY, partitions=12)), NEEDS, BROKER)
    assert amiss(found) == [("error", "partitions")]
    (wrong,) = [each for each in found if each.status == "error"]
    assert wrong.message.startswith("orders has 12 partitions and must have 8")
    assert "make orders anew with 8" in str(wrong.fix)
    assert "docs/upgrade.md#more-partitions" in str(wrong.fix)
    assert not [each for each in found if each.fix and "--alter" in each.fix]
