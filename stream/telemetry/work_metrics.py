"""Metrics of the work: events in, matches judged, triggers out, and how long that took.

What moves with each batch is put into plain lists and dictionaries; buckets and series are looked up when it
is much or somebody scrapes. Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from stream.structs import (
    ConditionErrorReason,
    DeadLetterReason,
    EventErrorReason,
    Result,
    SuppressionReason,
)
from stream.telemetry.registry import MetricsRegistry
from stream.telemetry.rule_series import DecisionCounts, Judged

# Seconds. The engine's own share is below the first one, an outage's backlog above the last.
LATENCY_BUCKETS = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_SECONDS_BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 5),
)
BATCH_EVENTS_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)

DEAD_LETTER_REASONS: tuple[DeadLetterReason, ...] = get_args(DeadLetterReason)
EVENT_ERROR_REASONS: tuple[EventErrorReason, ...] = get_args(EventErrorReason)
OUTCOMES = (  # of a decision, with the reasons that each may have
    ("sent", ""),
    *(("suppressed", reason) for reason in get_args(SuppressionReason)),
    ("deferred", "quiet"),
    ("holdout", "holdout"),
    ("shadow", ""),
)


class WorkMetrics:
    """Counted once per batch."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._events = registry.table("stream_events", "Events applied.", "source")
        self._event_errors = registry.counter(
            "stream_event_errors",
            f"What was odd with events that were applied all the same: {', '.join(EVENT_ERROR_REASONS)}.",
            "source",
            "reason",
        )
        self._condition_errors = registry.table(
            "stream_condition_errors",
            "Conditions that ended in an error and did not hold, and what traits could not take, "
            "by rule, trait or policy: "
            f"{', '.join(get_args(ConditionErrorReason))}.",
            "definition",
            "reason",
        )
        self._repeats = registry.counter("stream_repeats", "Records read again and left out: applied before.")
        self._repeated = registry.counter(
            "stream_repeated_events",
            "Events left out because the customer had had their id: repeats of a source with `dedupe`.",
            "source",
        )
        self._misplaced = registry.counter(
            "stream_misplaced_records",
            "Records of one in a thousand that are not where murmur2 puts their customer.",
            "source",
        )
        self._dead_letters = registry.counter(
            "stream_dead_letters",
            f"Records that are not events and went to the dead letters: {', '.join(DEAD_LETTER_REASONS)}.",
            "source",
            "reason",
        )
        self._decisions = DecisionCounts(
            registry.unregistered_table(
                "stream_matches", "Matches judged: a rule's conditions held.", "rule"
            ),
            registry.unregistered_table(
                "stream_decisions",
                "What became of matches: sent, suppressed, deferred, holdout, shadow. "
                "The reason is empty when sent, or when it would have been.",
                "rule",
                "outcome",
                "reason",
            ),
            registry.unregistered_table(
                "stream_channel_decisions",
                "The same decisions by the channel that was chosen, whatever the number of rules.",
                "channel",
                "outcome",
                "reason",
            ),
        )
        registry.register(self._decisions)
        self._triggers = registry.table("stream_triggers", "Triggers handed to Kafka.", "channel")
        self._latency = registry.histogram(
            "stream_trigger_latency_seconds",
            "Seconds from the event's record appended to Kafka to its trigger handed to Kafka; "
            "without the triggers that a timer fired.",
            LATENCY_BUCKETS,
        )
        self._batch_seconds = registry.histogram(
            "stream_batch_seconds", "Seconds that the engine took for a batch.", BATCH_SECONDS_BUCKETS
        )
        self._batch_events = registry.histogram(
            "stream_batch_events", "Events applied of a batch.", BATCH_EVENTS_BUCKETS
        )

    def declare(self, sources: Iterable[str], rules: Iterable[str], channels: Iterable[str]) -> None:
        """Start the series of these names at 0, so that their first increase is seen as one."""
        for source in sources:
            self._events.add(0, source)
            self._repeated.labels(source)
            self._misplaced.labels(source)
            for reason in DEAD_LETTER_REASONS:
                self._dead_letters.labels(source, reason)
            for oddity in EVENT_ERROR_REASONS:
                self._event_errors.labels(source, oddity)
        channels, rules = list(channels), list(rules)
        for rule in rules:
            for why in get_args(ConditionErrorReason):
                self._condition_errors.add(0, rule, why)
        for channel in channels:
            self._triggers.add(0, channel)
        self._decisions.declare(rules, ((channel, *each) for channel in channels for each in OUTCOMES))

    def retire(self, keep: Iterable[str]) -> None:
        """Drop the series of all rules but these; traits and the policy stay."""
        keep = set(keep)
        self._decisions.retire(keep)
        for definition, reason in list(self._condition_errors.counts):
            if definition not in keep and definition != "policy" and "." not in definition:
                del self._condition_errors.counts[definition, reason]

    def observe_batch(self, result: Result, seconds: float) -> None:
        """One call of the engine and the seconds that it took."""
        for source, count in result.events.items():
            self._events.add(count, source)
        for (source, reason), count in result.errors.items():
            self._event_errors.labels(source, reason).inc(count)
        for (definition, _, why, _), count in result.condition_errors.items():
            self._condition_errors.add(count, definition, why)
        if result.repeats:
            self._repeats.inc(result.repeats)
        for source, count in result.left_out.items():
            self._repeated.labels(source).inc(count)
        for source, count in result.misplaced.items():
            self._misplaced.labels(source).inc(count)
        if result.dead_letters:
            for labels, count in Counter((each.source, each.reason) for each in result.dead_letters).items():
                self._dead_letters.labels(*labels).inc(count)
        self._batch_seconds.observe((seconds,))
        self._batch_events.observe((sum(result.events.values()),))

    def observe_decided(self, judged: Mapping[Judged, int]) -> None:
        """How many decisions there were of each kind."""
        self._decisions.observe(judged)

    def observe_sent(self, channels: Mapping[str, int], appended: Iterable[int], sent_at: int) -> None:
        """Triggers handed to Kafka at `sent_at`, milliseconds of the wall clock: how many, by channel, and
        when the records were appended that caused them, but for those that a timer fired.
        """
        for channel, count in channels.items():
            self._triggers.add(count, channel)
        # Below 0 if the record's timestamp is ahead of our clock: another machine wrote it.
        self._latency.observe([(sent_at - each) / 1000 for each in appended])
