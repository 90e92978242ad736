"""What a worker needs for itself before it begins."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from structlog.testing import capture_logs

from stream.errors import BrokerError, SettingsError, StoreError, TopologyError
from stream.settings import Settings, load
from stream.topics.ensure import MissingSourcesError, Topology
from stream.worker import admission
from stream.worker.admission import Admission, disk_of_its_own


def settings(folder: Path, app_id: str = "shop", store: str = "rocksdb") -> Settings:
    return load({}, {"data_dir": str(folder), "app_id": app_id, "store": store}, env_file=None)


def test_two_workers_on_one_data_folder_ended_at_a_rebalance(tmp_path: Path) -> None:
    with disk_of_its_own(settings(tmp_path)):
        with (
            pytest.raises(SettingsError, match="another worker of shop keeps its customers in"),
            disk_of_its_own(settings(tmp_path)),
        ):
            pass
        with (
            disk_of_its_own(settings(tmp_path, "other")),
            disk_of_its_own(settings(tmp_path, store="memory")),
        ):
            pass
    with disk_of_its_own(settings(tmp_path)):
        pass


def test_a_disk_without_locks_was_called_another_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(StoreError, match=r"worker\.lock cannot be locked: No locks available"),
        disk_of_its_own(settings(tmp_path)),
    ):
        pass


def test_a_folder_that_cannot_be_used_is_left_to_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with disk_of_its_own(settings(tmp_path / "file")):
        pass


FITS = Topology(4, "changelog")
Looks = list[tuple[Any, Any]]  # what each look finds: other sources, and of the topics; errors are raised


class Kafka:
    """Where each look of a starting worker finds what a test says."""

    def __init__(self, looks: Looks) -> None:
        self.looks = iter(looks)
        self.clients = 0
        self.topics: Any = None

    @asynccontextmanager
    async def admin_client(self, _: Settings) -> AsyncIterator[Any]:
        self.clients += 1
        broker = SimpleNamespace(host="k", port=1)
        yield SimpleNamespace(_client=SimpleNamespace(cluster=SimpleNamespace(brokers=lambda: [broker])))

    async def other_sources(self, *_: object) -> Any:
        others, self.topics = next(self.looks)
        return self._told(others)

    async def ensure_with(self, *_: object) -> Any:
        return self._told(self.topics)

    def _told(self, answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


async def admitted(monkeypatch: pytest.MonkeyPatch, looks: Looks) -> tuple[Kafka, Topology, list[Any]]:
    """By which Kafka, to what, and what the log said meanwhile."""
    kafka = Kafka(looks)
    for name in ("admin_client", "other_sources", "ensure_with"):
        monkeypatch.setattr(admission, name, getattr(kafka, name))
    monkeypatch.setattr(admission, "LOOK_S", 0)
    waiting = Admission(load({}, {"broker": "k:1"}, env_file=None), SimpleNamespace())  # type: ignore[arg-type]
    with capture_logs() as said:
        topology = await waiting.until_fit()
    return kafka, topology, [(each["event"], each.get("topics") or each.get("missing")) for each in said]


async def test_a_worker_that_waits_has_one_client_and_says_once_for_what(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It made two clients a second, and a warning every half minute."""
    missing = MissingSourcesError(["clicks", "orders"])
    looks = [
        *[(set(), missing)] * 100,
        *[(set(), MissingSourcesError(["orders"]))] * 100,
        *[(None, FITS)] * 100,
        *[({"more"}, FITS)] * 100,
        (set(), FITS),
    ]
    kafka, topology, said = await admitted(monkeypatch, looks)
    assert (kafka.clients, topology) == (1, FITS)
    assert said == [
        ("waits_for_topics", ["clicks", "orders"]),
        ("waits_for_topics", ["orders"]),
        ("waits_for_group", None),
        ("waits_for_workers_with_other_sources", ["more"]),
    ]


async def test_an_outage_ended_a_worker_that_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Looks = [
        ({"more"}, FITS),
        (KafkaConnectionError(), None),
        (KafkaConnectionError(), None),
        (RequestTimedOutError(), None),
        (set(), KafkaConnectionError()),
        ({"more"}, FITS),
        (set(), FITS),
    ]
    kafka, topology, said = await admitted(monkeypatch, looks)
    assert (kafka.clients, topology) == (1, FITS)
    assert [event for event, _ in said] == [
        "waits_for_workers_with_other_sources",
        *["waits_for_kafka"] * 3,  # gone, slow, gone
        "waits_for_workers_with_other_sources",
    ]


async def test_what_is_wrong_at_the_first_look_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BrokerError, match="went away"):
        await admitted(monkeypatch, [(KafkaConnectionError(), None)])
    with pytest.raises(BrokerError, match="does not answer in time"):
        await admitted(monkeypatch, [({"more"}, RequestTimedOutError())])


async def test_a_kafka_that_was_slow_at_the_wrong_moment_ended_a_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the rules say was written once, or not at all. What will never be taken is an error at once."""
    away = [BrokerError("away", hint="wait")] * 50
    answers = iter([*away, BrokerError("not ready", hint="wait"), None, *away, TopologyError("may not")])

    async def publish(*_: object) -> None:
        if (answer := next(answers)) is not None:
            raise answer

    monkeypatch.setattr(admission, "publish", publish)
    monkeypatch.setattr(admission, "LOOK_S", 0)
    waiting = Admission(load({}, {"broker": "k:1"}, env_file=None), SimpleNamespace())  # type: ignore[arg-type]
    with capture_logs() as said:
        await waiting.until_published()
    assert [(each["event"], each["reason"]) for each in said] == [
        ("waits_for_kafka", "away"),
        ("waits_for_kafka", "not ready"),
    ]
    with pytest.raises(TopologyError, match="may not"):
        await waiting.until_published()
