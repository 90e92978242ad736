"""Tracing: a trigger's span, linked to the trace of the record that caused it. It is off unless
STREAM_TRACE_SHARE says otherwise: OpenTelemetry is not imported then, and a batch costs one look at a field.

    note     a batch arrives: of records with a `traceparent` whose sampled flag is set, the context is kept
    traceparent    their triggers get one of their own
    export   and a span, by OTLP
    passed   what is applied is forgotten

A trigger begins a trace of its own, since it may answer many events of many traces. Its trace id is its
trigger id (32 hex digits, as good as random): a trigger leads to its trace, and a trigger that goes out again
after a crash has the same one. The span is as long as the trigger's latency: from the record appended to
Kafka to the trigger handed to Kafka. It says rule, channel and topic, and nothing of the customer.

A timer's trigger has no record at hand, and so no span: the state keeps no trace contexts. The standard
variables OTEL_EXPORTER_OTLP_… say where spans go. Tested by tests/telemetry/test_tracing.py and
tests/integration/test_tracing.py.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.errors import SettingsError
from stream.settings import Settings
from stream.structs import Record, Trigger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

TRACEPARENT = "traceparent"
# Of later versions the beginning is the same (W3C Trace Context, 3.2.2 and 4.3). Zeros are no ids.
PATTERN = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|\Z)"
)
SAMPLED = 0x01
STOP_S = 2.0  # to hand over what was not exported yet


class TraceContext(NamedTuple):
    """Of the cause: trace and span."""

    trace_id: int
    span_id: int


def sampled_context(value: bytes) -> TraceContext | None:
    """What a `traceparent` says; None if it says nothing, or that it is not sampled."""
    found = PATTERN.match(value)
    if found is None or not int(found[3], 16) & SAMPLED:
        return None
    return TraceContext(int(found[1], 16), int(found[2], 16))


class _Ids:
    """The ids of the next span. One thread makes spans."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id

    def is_trace_id_random(self) -> bool:
        return True


class Tracing:
    """The contexts of records at hand, and the spans of their triggers. For the event loop's thread."""

    def __init__(self, share: float, provider: TracerProvider, ids: Any) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._below = round(share * 2**64)
        self._provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("stream.triggers")
        self._causes: dict[tuple[int, str], dict[int, TraceContext]] = {}
        self._sent: list[tuple[int, Trigger, TraceContext]] = []

    def export_to(self, processor: SpanProcessor) -> None:
        """Hand finished spans to it, too."""
        self._provider.add_span_processor(processor)

    def note(self, number: int, source: str, records: Sequence[Record]) -> None:
        """Keep the contexts of a batch's records, which come in the order of their offsets."""
        causes = self._causes.setdefault((number, source), {})
        for record in records:
            for name, value in record.headers:
                if name == TRACEPARENT and (context := sampled_context(value)) is not None:
                    causes[record.offset] = context

    def traceparent(self, number: int, trigger: Trigger) -> bytes | None:
        """That of a trigger whose cause had one, and is in the share; its span is made by `export`."""
        decision = trigger.decision
        cause = self._causes.get((number, decision.source), {}).get(decision.offset)
        if cause is None or int(decision.trigger_id[16:], 16) >= self._below:
            return None
        self._sent.append((number, trigger, cause))
        return f"00-{decision.trigger_id}-{decision.trigger_id[:16]}-01".encode()

    def export(self, now: int) -> None:
        """Export the spans of what has got a `traceparent`: it is handed to Kafka at `now` (ms)."""
        for number, trigger, cause in self._sent:
            self._export(number, trigger, cause, now)
        self._sent.clear()

    def _export(self, number: int, trigger: Trigger, cause: TraceContext, now: int) -> None:
        trace, decision = self._trace, trigger.decision
        self._ids.trace_id = int(decision.trigger_id, 16)
        self._ids.span_id = int(decision.trigger_id[:16], 16)
        linked = trace.SpanContext(*cause, is_remote=True, trace_flags=trace.TraceFlags(SAMPLED))
        span = self._tracer.start_span(
            f"send {trigger.topic}",
            kind=trace.SpanKind.PRODUCER,
            links=[trace.Link(linked)],
            start_time=min(trigger.appended_at, now) * 1_000_000,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "send",
                "messaging.operation.name": "send",
                "messaging.destination.name": trigger.topic,
                "messaging.destination.partition.id": str(number),
                "stream.rule": decision.rule,
                "stream.channel": decision.channel or "",
            },
        )
        span.end(now * 1_000_000)

    def passed(self, number: int, positions: Mapping[str, int]) -> None:
        """Forget the contexts of records before these offsets, by source: they are applied."""
        for source, position in positions.items():
            causes = self._causes.get((number, source))
            while causes and (first := next(iter(causes))) < position:
                del causes[first]

    def forget(self, number: int) -> None:
        """Forget a partition's: it is given up, and what was at hand is read again."""
        for cause in [each for each in self._causes if each[0] == number]:
            del self._causes[cause]

    def stop(self) -> None:
        """Hand over what was not exported yet, for as long as that is worth waiting for."""
        ending = threading.Thread(target=self._provider.shutdown, name="tracing-stop", daemon=True)
        ending.start()
        ending.join(STOP_S)


def tracing(settings: Settings) -> Tracing | None:
    """What the settings ask for: None, or a `Tracing` that exports by OTLP.

    Raises SettingsError where OpenTelemetry is not installed.
    """
    if not settings.trace_share:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            "STREAM_TRACE_SHARE: OpenTelemetry is not installed",
            hint="install this package with its extra `otel`",
        ) from None
    made = traced_by(settings.trace_share, settings.app_id)
    made.export_to(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def traced_by(share: float, app_id: str) -> Tracing:
    """A `Tracing` that exports nowhere yet."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider, sampling

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    ids: Any = _Ids()
    provider = TracerProvider(
        sampler=sampling.ALWAYS_ON,  # it is decided before
        resource=Resource.create({} if named else {"service.name": app_id}),
        shutdown_on_exit=False,
        id_generator=ids,
    )
    return Tracing(share, provider, ids)
