"""The topics that are needed, written down for people and for programs."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml

from stream.topics.format import TopicsFormat, as_resource, written
from stream.topics.plan import CHANGELOG, SOURCE, Need

NEEDS = [
    Need("clicks", SOURCE, 8, 3, {}, ("Describe", "Read")),
    Need(
        *("app-customers-changelog", CHANGELOG, 8, 3),
        {"cleanup.policy": "compact", "min.insync.replicas": "2"},
        ("Describe", "Read", "Write"),
    ),
]


def said(form: TopicsFormat, there: dict[str, int] | None) -> str:
    return written(NEEDS, there, form, "kafka:9092", "main")


def test_a_table_says_what_is_there() -> None:
    rows = said(TopicsFormat.TABLE, {"clicks": 6}).splitlines()
    assert rows[1].split()[:4] == ["clicks", "source", "8", "3"]
    assert rows[1].endswith("there, with 6 partitions")
    assert rows[2].endswith("missing")
    assert "cleanup.policy=compact, min.insync.replicas=2" in rows[2]
    assert said(TopicsFormat.TABLE, None).splitlines()[1].endswith("not asked")


def test_json_says_all_of_it() -> None:
    clicks, changelog = json.loads(said(TopicsFormat.JSON, {"clicks": 8}))
    assert (clicks["exists"], clicks["partitions_found"]) == (True, 8)
    assert (changelog["exists"], changelog["config"]["cleanup.policy"]) == (False, "compact")
    assert json.loads(said(TopicsFormat.JSON, None))[0]["exists"] is None


def test_commands_are_for_what_is_missing() -> None:
    (command,) = said(TopicsFormat.COMMANDS, {"clicks": 8}).splitlines()
    words = shlex.split(command)
    assert words[:3] == ["kafka-topics.sh", "--bootstrap-server", "kafka:9092"]
    assert words[words.index("--topic") + 1] == "app-customers-changelog"
    assert words[words.index("--replication-factor") + 1] == "3"
    assert "cleanup.policy=compact" in words


def test_resources_for_strimzi() -> None:
    clicks, changelog = yaml.safe_load_all(said(TopicsFormat.STRIMZI, None))
    assert clicks["metadata"] == {"name": "clicks", "labels": {"strimzi.io/cluster": "main"}}
    assert changelog["spec"]["config"] == {"cleanup.policy": "compact", "min.insync.replicas": 2}
    assert changelog["spec"]["topicName"] == "app-customers-changelog"


@pytest.mark.parametrize("name", ["Orders_2026", "_orders", "UPPER", "o" * 249, "a_b", "a-b", "."])
def test_a_name_that_kubernetes_does_not_take_gets_another(name: str) -> None:
    need = Need(name, SOURCE, 8, 3, {}, ())
    resource = as_resource(need, "main")
    assert resource["spec"]["topicName"] == name
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", resource["metadata"]["name"])


def test_two_names_do_not_become_one() -> None:
    names = ("a_b", "A_b", "a-b", "a.b")
    assert len({as_resource(Need(n, SOURCE, 8, 3, {}, ()), "m")["metadata"]["name"] for n in names}) == 4
