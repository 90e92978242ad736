"""By which name Kafka knows the clients of a worker: in its log, its quotas and a group's list of members."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from stream.errors import StreamError
from stream.kafka.lease import Lease
from stream.kafka.producer import Producer
from stream.kafka.reader import reader
from stream.runtime.app import StageApp
from stream.settings import Settings, load
from stream.telemetry.metrics import Metrics
from stream.topics.ensure import admin_client
from tests.kit.counting import Counting

Client = Callable[[Settings], AbstractAsyncContextManager[object]]


@pytest.fixture
def settings() -> Settings:
    return load({}, {"app_id": "shop", "broker": "127.0.0.1:1"}, env_file=None)


@asynccontextmanager
async def producer(settings: Settings) -> AsyncIterator[object]:
    made = Producer(settings, Lease(60.0))
    await made.start()
    yield made


@pytest.mark.parametrize(
    "client",
    [admin_client, lambda settings: reader(settings, "restore"), producer],
    ids=["admin", "reader", "producer"],
)
async def test_a_client_of_a_worker_says_which_app_it_is(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def connect(self: AIOKafkaClient) -> None:
        asked.append(self._client_id)
        raise KafkaConnectionError

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", connect)
    with pytest.raises((KafkaConnectionError, StreamError)):
        async with client(settings):
            pass
    assert [each.partition("-")[0] for each in asked] == ["shop"]


async def test_every_apps_member_of_its_group_was_called_after_the_library(settings: Settings) -> None:
    """An operator saw `faust-0.15.3` for all of them, and no quota could tell them apart."""
    app = StageApp(settings, Counting("t"), Metrics(), partitions=1)
    assert app.conf.broker_client_id == "shop"
