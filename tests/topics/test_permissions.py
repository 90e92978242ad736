"""What a client may do in a Kafka that does not tell it, or not now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import RequestTimedOutError
from structlog.testing import capture_logs

from stream.errors import BrokerError
from stream.kafka.cluster import Cluster, Topic
from stream.rules.model import RuleSet
from stream.settings import Settings, load
from stream.topics import permissions
from stream.topics.ensure import asked
from stream.topics.plan import SOURCE, Need
from stream.worker import app

NEEDS = [Need(name, SOURCE, 8, 3, {}, ("Describe", "Read")) for name in ("clicks", "orders")]
MAY = frozenset({"Describe", "Read"})
RULES: Any = object()


def topic(operations: frozenset[str] | None) -> Topic:
    return Topic(8, 3, 3, 0, {}, operations)


@pytest.fixture
def settings() -> Settings:
    return load({}, {"app_id": "shop"}, env_file=None)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `look` finds: a Cluster, or an error."""
    found: dict[str, Any] = {}

    @asynccontextmanager
    async def admin_client(settings: Settings) -> AsyncIterator[Any]:
        client: Any = None
        with asked(settings, client):
            yield client

    async def look(*_: object) -> Any:
        if isinstance(found["cluster"], Exception):
            raise found["cluster"]
        return found["cluster"]

    def plan(rules: RuleSet, settings: Settings, **_: int) -> list[Need]:
        return NEEDS

    for name, instead in (("admin_client", admin_client), ("look", look), ("plan", plan)):
        monkeypatch.setattr(permissions, name, instead)
    return found


async def test_a_kafka_that_does_not_answer_counted_as_one_that_allows_everything(
    settings: Settings, kafka: dict[str, Any]
) -> None:
    """`worker --check` said ok, and a starting worker no word."""
    kafka["cluster"] = RequestTimedOutError()
    with pytest.raises(BrokerError, match=r"could not be asked: .* in time"):
        await permissions.refused(settings, RULES)
    with capture_logs() as said:
        await app._warn_of_permissions(settings, RULES)
    assert [each["event"] for each in said] == ["permissions_not_known"]


async def test_what_is_told_counts_and_what_is_not_told_is_said(
    settings: Settings, kafka: dict[str, Any]
) -> None:
    topics = {"clicks": topic(frozenset({"Describe"})), "orders": topic(None)}
    kafka["cluster"] = Cluster([], topics, frozenset(), None, group_operations=None)
    with capture_logs() as said:
        assert await permissions.refused(settings, RULES) == [("topic clicks", ("Read",))]
    (line,) = said
    assert line["event"] == "permissions_not_known"
    assert line["reason"].endswith("with topic orders, group shop")
    kafka["cluster"] = Cluster([], {"clicks": topic(MAY)}, frozenset(), None, MAY)
    with capture_logs() as said:
        assert await permissions.refused(settings, RULES) == []
    assert said == []
