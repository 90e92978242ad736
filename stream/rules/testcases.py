"""Tests as rule files write them: what happens to a customer, and what is to be sent. Times are in ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from stream.diagnostics import Location
from stream.rules.durations import format_duration

DEFAULT_START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
HOLDOUT = "holdout"  # what `arm` says for the control group

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOWHERE = Location("")


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
class Known:
    """What a trait holds at the test's start, or its value for one `key` of `per`: as if there had been an
    event at that moment for each of `values`. A function that looks at no field has None for each.
    """

    trait: str
    values: tuple[Any, ...]
    key: str | int | bool | None = None
    location: Location = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """A file of what happened before the test's start; `path` leads there from where the program runs."""

    path: str
    location: Location = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A message that is to be sent, `at` ms after the test's start; what is None is not compared.

    `outcome`: `sent`, or `shadow` if its rule must only say that it would have been.
    """

    at: int | None = None
    rule: str | None = None
    channel: str | None = None
    variant: str | None = None
    outcome: str | None = None
    content: Mapping[str, str] | None = None
    location: Location = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test. `rule` None: all of them are judged. `arm`: a variant's name, or `holdout`.

    `zone`: in which its times are shown, if it has dates among them; None: they are shown from the start.
    """

    name: str
    location: Location
    events: tuple[TestEvent, ...]
    expect: tuple[Expectation, ...]
    rule: str | None = None
    customer: TestCustomer = TestCustomer()
    start: int = DEFAULT_START
    until: int | None = None
    arm: str | None = None
    known: tuple[Known, ...] = ()
    history: HistoryFile | None = None
    zone: tzinfo | None = None
    expect_location: Location = field(default=_NOWHERE, compare=False)

    def shown(self, time: int) -> str:
        """A time (ms since 1970) as the test writes its own: `1h30m` from the start, or a date."""
        if self.zone is None:
            return shown_duration(time - self.start)
        local = (_EPOCH + timedelta(milliseconds=time)).astimezone(self.zone)
        exact = local.second or local.microsecond
        return local.strftime("%Y-%m-%d %H:%M:%S" if exact else "%Y-%m-%d %H:%M")


def shown_duration(ms: int) -> str:
    """Of a test's time, before its start perhaps."""
    return f"-{format_duration(-ms)}" if ms < 0 else format_duration(ms)
