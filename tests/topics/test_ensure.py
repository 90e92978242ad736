"""What is asked of a Kafka that is slow, goes away or refuses, and what people are told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NotControllerError,
    RequestTimedOutError,
    StaleMetadata,
    UnknownError,
)

from stream.errors import BrokerError, TopologyError
from stream.rules.compiler.rule_set import load_rules
from stream.settings import Settings, load
from stream.structs import OwnTopics
from stream.topics import ensure
from stream.topics.counts import common
from stream.topics.ensure import admin_client, create_topics
from stream.topics.plan import plan


class Admin:
    """A client whose start, or what it is asked first, ends in an error."""

    _client = SimpleNamespace(cluster=SimpleNamespace(brokers=lambda: [SimpleNamespace(host="k", port=1)]))

    def __init__(self, at_start: Exception | None, asked: Exception | None) -> None:
        self._at_start = at_start
        self._asked = asked
        self.closed = 0

    async def start(self) -> None:
        if self._at_start is not None:
            raise self._at_start

    async def describe_cluster(self) -> None:
        if self._asked is not None:
            raise self._asked

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def settings() -> Settings:
    return load({}, {"broker": "k:1"}, env_file=None)


def kafka_that(
    monkeypatch: pytest.MonkeyPatch, *, at_start: Exception | None = None, asked: Exception | None = None
) -> Admin:
    admin = Admin(at_start, asked)
    monkeypatch.setattr(ensure, "AIOKafkaAdminClient", lambda **_: admin)
    return admin


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RequestTimedOutError(), "does not answer in time"),
        (KafkaTimeoutError(), "does not answer in time"),
        (TimeoutError(), "does not answer in time"),
        (NotControllerError(), "is not ready"),
        (KafkaConnectionError(), "went away"),
        (NodeNotReadyError(), "went away"),
        (StaleMetadata(), "went away"),
        (ClusterAuthorizationFailedError(), "does not do what it is asked for"),
        (UnknownError(), "does not do what it is asked for"),
        (IncompatibleBrokerVersion(), "is too old"),
        (NotImplementedError(), "is too old"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_slow_kafka_during_a_reload_of_rules_ended_the_worker(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """A reload takes a BrokerError for "not now"; whatever else was raised ended the worker."""
    admin = kafka_that(monkeypatch, asked=error)
    with pytest.raises(BrokerError, match=words) as raised:
        async with admin_client(settings) as client:
            await client.describe_cluster()
    assert raised.value.hint
    assert admin.closed == 1


@pytest.mark.parametrize("error", [KafkaConnectionError(), RequestTimedOutError(), TimeoutError()])
async def test_a_slow_kafka_at_the_start_is_no_traceback(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    admin = kafka_that(monkeypatch, at_start=error)
    with pytest.raises(BrokerError, match="no Kafka answers at k:1") as raised:
        async with admin_client(settings):
            pass
    assert raised.value.hint
    assert admin.closed == 1


@pytest.mark.parametrize(("code", "final"), [(41, False), (7, False), (36, None), (29, True), (44, True)])
async def test_a_topic_that_cannot_be_made_yet_was_called_one_that_cannot_be_made(
    code: int, final: bool | None
) -> None:
    class Creating:
        async def create_topics(self, topics: list[Any]) -> Any:
            return SimpleNamespace(topic_errors=[(each.name, code, None) for each in topics])

    client: Any = Creating()
    work = create_topics(client, {"mails": {}}, partitions=1, replication=1)
    if final is None:
        await work  # another worker was first
        return
    with pytest.raises(TopologyError if final else (NotControllerError, RequestTimedOutError)):
        await work


@pytest.mark.parametrize("topic", ["shop-customers-changelog", "shop-counts-changelog", "shop-rules"])
def test_rules_that_nobody_held_against_the_apps_name_are_held_against_it_by_the_topics(
    tmp_path: Path, topic: str
) -> None:
    """A channel would overwrite what is known of customers."""
    channel = f"channels: {{web: {{topic: {topic}, consent: none}}}}"
    (tmp_path / "rules.yaml").write_text("sources: {clicks: {event: e, customer: c}}\n" + channel)
    rules = load_rules(tmp_path)
    assert any(topic in each for each in ensure._problems([], {}, rules, OwnTopics("shop")))


def test_a_starting_worker_asked_for_a_larger_changelog_where_one_source_had_grown(tmp_path: Path) -> None:
    sources = "sources: {clicks: {event: e, customer: c}, orders: {event: e, customer: c}}\n"
    (tmp_path / "rules.yaml").write_text(sources + "channels: {web: {topic: web, consent: none}}")
    rules, own = load_rules(tmp_path), OwnTopics("shop")
    settings = load({}, {"app_id": "shop"}, env_file=None)
    counts = dict.fromkeys(["orders", "web", "decisions", "dead-letters", own.changelog], 4) | {"clicks": 6}
    needs = plan(
        rules,
        settings,
        partitions=common(plan(rules, settings, partitions=0, replication=1), counts) or 0,
        replication=1,
    )
    (problem,) = ensure._problems(needs, counts, rules, own)
    assert "make clicks anew with 4 partitions" in problem
    assert "docs/upgrade.md#more-partitions" in problem
