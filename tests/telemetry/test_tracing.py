"""Spans of triggers: which get one, what it says, and that nothing is kept or imported without need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from stream.errors import SettingsError
from stream.settings import load
from stream.structs import Decision, EventRef, Trigger
from stream.telemetry.tracing import TraceContext, Tracing, sampled_context, traced_by, tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{SPAN}-01".encode()
ID = "0af7651916cd43dd8448eb211c80319c"


class Record:
    def __init__(self, offset: int, *headers: tuple[str, bytes]) -> None:
        self.offset, self.headers = offset, headers
        self.timestamp, self.key, self.value = 0, b"c1", b"{}"


def trigger(offset: int, trigger_id: str = ID, source: str = "clicks") -> Trigger:
    event = EventRef("view", "e1", 1000)
    decision = Decision(
        *(trigger_id, "greeting", "zoe-1", "sent", None, "web", None, event, 1000),
        timed=offset < 0,
        source=source,
        offset=offset,
    )
    return Trigger(decision, "triggers.web", "zoe@example.com", {"text": "Zoe"}, 0, 1000)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(spans: InMemorySpanExporter) -> Callable[[float], Tracing]:
    def make(share: float = 1.0) -> Tracing:
        made = traced_by(share, "app")
        made.export_to(SimpleSpanProcessor(spans))
        return made

    return make


def traceparents(tracing: Tracing, number: int, *triggers: Trigger) -> list[bytes | None]:
    said = [tracing.traceparent(number, each) for each in triggers]
    tracing.export(1500)
    return said


@pytest.mark.parametrize(
    ("value", "context"),
    [
        (SAMPLED, TraceContext(int(TRACE, 16), int(SPAN, 16))),
        (SAMPLED.replace(b"-01", b"-03"), TraceContext(int(TRACE, 16), int(SPAN, 16))),
        (b"cc" + SAMPLED[2:] + b"-more", TraceContext(int(TRACE, 16), int(SPAN, 16))),
        (SAMPLED[:-1] + b"0", None),
        (b"ff" + SAMPLED[2:], None),
        (b"00-" + b"0" * 32 + SAMPLED[35:], None),
        (b"00-%b-%b-01" % (TRACE.encode(), b"0" * 16), None),
        (SAMPLED.upper(), None),
        (SAMPLED + b"\n", None),
        (SAMPLED + b"0", None),
        (b"", None),
        (b"\xff" * 55, None),
    ],
)
def test_what_a_traceparent_says(value: bytes, context: TraceContext | None) -> None:
    assert sampled_context(value) == context


def test_a_trigger_is_linked_to_what_caused_it(traces: Callable[..., Tracing], spans: Any) -> None:
    found = traces()
    found.note(3, "clicks", [Record(7, ("other", b"x"), ("traceparent", SAMPLED)), Record(8)])
    said = traceparents(found, 3, trigger(7), trigger(8), trigger(-1))
    assert said == [f"00-{ID}-{ID[:16]}-01".encode(), None, None]
    (span,) = spans.get_finished_spans()
    assert (span.context.trace_id, span.context.span_id) == (int(ID, 16), int(ID[:16], 16))
    assert span.parent is None
    (link,) = span.links
    assert (link.context.trace_id, link.context.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert (span.start_time, span.end_time) == (1000 * 10**6, 1500 * 10**6), "as long as its latency"
    assert (span.name, span.kind) == ("send triggers.web", SpanKind.PRODUCER)
    assert span.attributes["stream.rule"] == "greeting"
    assert span.resource.attributes["service.name"] == "app"
    assert "zoe" not in span.to_json().lower()


def test_the_same_trigger_says_the_same_after_a_crash(traces: Callable[..., Tracing]) -> None:
    said = []
    for _ in range(2):
        found = traces()
        found.note(0, "clicks", [Record(7, ("traceparent", SAMPLED))])
        said += traceparents(found, 0, trigger(7))
    assert said[0] == said[1]


def test_a_share_of_them_is_sampled_and_always_the_same_ones(traces: Callable[..., Tracing]) -> None:
    low, high = ID[:16] + "3" + "f" * 15, ID[:16] + "4" + "0" * 15
    found = traces(0.25)
    found.note(0, "clicks", [Record(7, ("traceparent", SAMPLED))])
    said = traceparents(found, 0, trigger(7, low), trigger(7, high))
    assert [each is not None for each in said] == [True, False]


def test_what_is_applied_is_forgotten_and_what_waits_is_not(traces: Callable[..., Tracing]) -> None:
    found = traces()
    found.note(0, "clicks", [Record(offset, ("traceparent", SAMPLED)) for offset in range(5)])
    found.note(0, "orders", [Record(offset, ("traceparent", SAMPLED)) for offset in range(5)])
    found.note(1, "clicks", [Record(0, ("traceparent", SAMPLED))])
    found.passed(0, {"clicks": 3})

    def traced_offsets(partition: int, source: str) -> list[int]:
        said = traceparents(found, partition, *(trigger(each, source=source) for each in range(5)))
        return [offset for offset, value in enumerate(said) if value is not None]

    assert traced_offsets(0, "clicks") == [3, 4]
    assert traced_offsets(0, "orders") == [0, 1, 2, 3, 4]
    found.forget(0)
    assert traced_offsets(0, "clicks") == traced_offsets(0, "orders") == []
    assert traced_offsets(1, "clicks") == [0], "the other partition goes on"


def test_without_the_setting_there_is_none_and_nothing_is_imported() -> None:
    assert tracing(load({}, env_file=None)) is None
    code = (
        "import sys; from stream.worker import app; from stream.telemetry import tracing; "
        "from stream.settings import load; "
        "assert tracing.tracing(load({}, env_file=None)) is None; "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_package_the_setting_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(SettingsError, match="extra `otel`"):
        tracing(load({}, {"trace_share": "0.1"}, env_file=None))
