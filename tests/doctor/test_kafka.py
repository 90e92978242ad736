"""What the doctor says of a cluster: brokers, release, clock, permissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stream.doctor import kafka
from stream.kafka.cluster import OPERATIONS, Broker, Cluster, Topic, _operations
from stream.topics.plan import CHANNEL, SOURCE, Need

NEEDS = [
    Need("clicks", SOURCE, 8, 3, {}, ("Describe", "Read")),
    Need("web", CHANNEL, 8, 3, {}, ("Describe", "Read", "Write")),
]


def topic(*operations: str) -> Topic:
    return Topic(8, 3, 3, 0, {}, frozenset(operations))


CLUSTER = Cluster(
    brokers=[Broker(number, f"kafka-{number}:9092", {3: 13}) for number in range(3)],
    topics={"clicks": topic("Describe", "Read"), "web": topic("Describe", "Read", "Write")},
    hidden=frozenset(),
    operations=frozenset(),
    group_operations=frozenset({"Describe", "Read"}),
    features={"metadata.version": 25},
    clock_ahead=12,
    clock_error=3,
)


def statuses(found: Sequence[kafka.Finding]) -> list[str]:
    return [each.status for each in found]


def test_three_brokers_that_answer() -> None:
    assert statuses(list(kafka.brokers(CLUSTER))) == ["ok", "ok"]


def test_a_broker_that_says_that_it_is_where_it_cannot_be_reached() -> None:
    silent = replace(CLUSTER, brokers=[*CLUSTER.brokers[:2], Broker(2, "internal:9092", None)])
    first, *_ = kafka.brokers(silent)
    assert (first.status, first.message) == (
        "error",
        "broker 2 does not answer at internal:9092, where it says that it is",
    )
    assert "advertised.listeners" in str(first.fix)


def test_a_broker_that_is_too_old() -> None:
    old = replace(CLUSTER, brokers=[Broker(0, "kafka-0:9092", {3: 9}), *CLUSTER.brokers[1:]])
    first, *_ = kafka.brokers(old)
    assert first.status == "error"
    assert "2.8" in first.message


def test_a_cluster_of_one_is_for_trying_out() -> None:
    assert statuses(list(kafka.brokers(replace(CLUSTER, brokers=CLUSTER.brokers[:1])))) == [
        "ok",
        "ok",
        "warning",
    ]


@pytest.mark.parametrize(
    ("level", "release"), [(7, "3.3"), (25, "4.0"), (26, "4.1"), (30, "4.3"), (99, "4.3 or later")]
)
def test_the_release_is_told_by_its_features(level: int, release: str) -> None:
    found = list(kafka.brokers(replace(CLUSTER, features={"metadata.version": level})))
    assert found[1].message == f"Kafka {release}"


@pytest.mark.parametrize(
    ("ahead", "error", "status"),
    [
        (0, 5, "ok"),
        (-900, 5, "ok"),
        (1500, 5, "warning"),
        (-1500, 5, "warning"),
        (1500, 800, "ok"),
        (70_000, 5, "error"),
        (None, 0, "unknown"),
    ],
)
def test_a_clock_that_is_off(ahead: int | None, error: int, status: str) -> None:
    finding = kafka.clock(replace(CLUSTER, clock_ahead=ahead, clock_error=error))
    assert finding.status == status
    assert (finding.fix is None) == (status == "ok")


def test_all_that_is_needed_is_allowed() -> None:
    (finding,) = kafka.permissions(CLUSTER, NEEDS, "app")
    assert finding.status == "ok"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"topics": CLUSTER.topics | {"clicks": topic("Describe")}}, "topic clicks: Read not allowed"),
        ({"topics": CLUSTER.topics | {"web": topic("Describe", "Write")}}, "topic web: Read not allowed"),
        (
            {"topics": {"web": CLUSTER.topics["web"]}, "hidden": frozenset({"clicks"})},
            "topic clicks: Describe, Read not allowed",
        ),
        ({"group_operations": frozenset({"Describe"})}, "group app: Read not allowed"),
        ({"group_operations": None, "group_hidden": True}, "group app: Describe, Read not allowed"),
    ],
)
def test_what_is_not_allowed_is_said_with_what_to_grant(changed: dict[str, object], message: str) -> None:
    (finding,) = kafka.permissions(replace(CLUSTER, **changed), NEEDS, "app")
    assert (finding.status, finding.message) == ("error", message)
    assert str(finding.fix).startswith("grant ")


def test_missing_topics_that_may_not_be_made() -> None:
    found = list(
        kafka.permissions(replace(CLUSTER, topics={"clicks": CLUSTER.topics["clicks"]}), NEEDS, "app")
    )
    assert statuses(found) == ["warning", "ok"]
    assert "web" in found[0].message
    allowed = replace(CLUSTER, topics={"clicks": CLUSTER.topics["clicks"]}, operations=frozenset({"Create"}))
    assert statuses(list(kafka.permissions(allowed, NEEDS, "app"))) == ["ok"]


def test_what_is_not_told_is_not_called_good() -> None:
    untold = replace(topic(), operations=None)
    (finding,) = kafka.permissions(replace(CLUSTER, topics={"clicks": untold, "web": untold}), NEEDS, "app")
    assert finding.status == "unknown"


def test_operations_are_read_from_their_bits() -> None:
    assert _operations(1 << 3 | 1 << 8) == {"Read", "Describe"}
    assert _operations(1 << 2) == set(OPERATIONS.values())
    assert _operations(-(2**31)) is None
