"""Fixtures for all tests: one Kafka for the whole run, and names of its own for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The address of a Kafka with one broker: `STREAM_BROKER` if that is set, else an embedded one."""
    if given := os.environ.get("STREAM_BROKER"):
        yield given
        return
    from rich.console import Console

    from stream.broker import EmbeddedKafka

    with EmbeddedKafka(console=Console(stderr=True)) as embedded:
        yield embedded.bootstrap


@pytest.fixture
def prefix() -> str:
    """What a test's topics and application ids begin with: tests share a Kafka, not its topics."""
    return f"t{uuid.uuid4().hex[:10]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the Kafka, so that `-m 'not kafka'` is the quick half of the tests."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")
