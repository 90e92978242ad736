"""Fixtures for all tests: one Kafka for the whole run, and names of its own for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# What judges a change of the engine: `make engine`, and the debug and sanitizer builds.
ENGINE_ROOMS = {"engine", "events", "matcher", "reference", "state"}


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The address of a Kafka with one broker: `STREAM_BROKER` if that is set, else an embedded one."""
    if given := os.environ.get("STREAM_BROKER"):
        yield given
        return
    from rich.console import Console

    from stream.broker.cluster import EmbeddedKafka

    with EmbeddedKafka(console=Console(stderr=True)) as embedded:
        yield embedded.bootstrap


@pytest.fixture
def prefix() -> str:
    """What a test's topics and application ids begin with: tests share a Kafka, not its topics."""
    return f"t{uuid.uuid4().hex[:10]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the Kafka, so that `-m 'not kafka'` is the quick half of the tests, and the engine's."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in ENGINE_ROOMS:
            item.add_marker("engine")
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")
