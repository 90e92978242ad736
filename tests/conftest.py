"""For all tests: one Kafka for the whole run, names of its own for each test, and limits that no machine's
speed can break.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import pytest_timeout
from hypothesis import HealthCheck, settings

from tests.kit import patience

TESTS = Path(__file__).parent
# What judges a change of the engine: `make engine`, and the debug and sanitizer builds.
ENGINE_ROOMS = {"engine", "events", "matcher", "reference", "state"}

# How long examples take says something of the machine only.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool | None:
    """The limit of a test (`timeout`), counted in quiet seconds: see tests/kit/patience.py."""
    if settings.method != "signal":
        return None
    limit = patience.Deadline(settings.timeout)

    def look(number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if limit.passed:
            cancel()
            pytest_timeout.timeout_sigalrm(item, settings)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, patience.LOOK_S)  # never earlier than by the wall
    return True


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
        if {"kafka", "secure_kafka"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")
