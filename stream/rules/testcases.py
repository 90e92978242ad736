"""Tests as rule files write them: what happens to a customer, and what is to be sent. Times are in ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.diagnostics import Location

DEFAULT_START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
HOLDOUT = "holdout"  # what `arm` says for the control group


@dataclass(frozen=True, slots=True)
class TestCustomer:
    """Who the events are of; `consents`: what a profile record says of each purpose."""

    __test__ = False  # no test of pytest's

    id: str = "c1"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    consents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TestEvent:
    """An event, `at` ms after the test's start; `source` None: the first one of events as written.

    It is processed `late` ms after that. A record of a source that carries none has no name: `fields` are
    what it says.
    """

    __test__ = False

    at: int
    name: str
    source: str | None
    fields: Mapping[str, Any]
    late: int = 0


@dataclass(frozen=True, slots=True)
class Expectation:
    """A message that is to be sent, `at` ms after the test's start; what is None is not compared."""

    at: int | None = None
    rule: str | None = None
    channel: str | None = None
    variant: str | None = None
    content: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test. `rule` None: all of them are judged. `arm`: a variant's name, or `holdout`."""

    name: str
    location: Location
    events: tuple[TestEvent, ...]
    expect: tuple[Expectation, ...]
    rule: str | None = None
    customer: TestCustomer = TestCustomer()
    start: int = DEFAULT_START
    until: int | None = None
    arm: str | None = None
