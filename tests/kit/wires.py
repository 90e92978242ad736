"""What the engine said, as records: the worker's way, for results that are objects."""

from __future__ import annotations

from collections.abc import Iterable

from stream.decisions.wire import Origin
from stream.kafka._packed import unpack
from stream.structs import Decision, Trigger, WireRecord
from stream.worker._writer import RecordWriter


def decision_record(decision: Decision, origin: Origin) -> WireRecord:
    """What became of a match, for the topic of the decisions."""
    writer = RecordWriter(origin)
    writer.add(decision)
    (record,) = unpack(writer.take(0))
    return record


def trigger_record(trigger: Trigger, origin: Origin, sent_at: int) -> WireRecord:
    """The message for a channel, handed to Kafka at `sent_at` (ms)."""
    writer = RecordWriter(origin)
    writer.add(trigger.decision, trigger)
    return unpack(writer.take(sent_at))[0]


def records_of(
    triggers: Iterable[Trigger], decisions: Iterable[Decision], origin: Origin, sent_at: int
) -> list[WireRecord]:
    """Triggers, then decisions."""
    return [
        *(trigger_record(each, origin, sent_at) for each in triggers),
        *(decision_record(each, origin) for each in decisions),
    ]
