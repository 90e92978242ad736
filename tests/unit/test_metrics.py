"""Metrics: the contract's names, and figures that are those of what was observed."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics import Metrics, PartitionFigures
from stream.structs import DeadLetter, Decision, EventRef, Outcome, Result, Trigger

# The contract: name of the series and its labels.
CONTRACT = {
    "stream_events_total": {"source"},
    "stream_event_errors_total": {"source", "reason"},
    "stream_matches_total": {"rule"},
    "stream_decisions_total": {"rule", "outcome", "reason"},
    "stream_triggers_total": {"channel"},
    "stream_trigger_latency_seconds_bucket": {"le"},
    "stream_trigger_latency_seconds_count": set(),
    "stream_trigger_latency_seconds_sum": set(),
    "stream_batch_seconds_bucket": {"le"},
    "stream_batch_seconds_count": set(),
    "stream_batch_seconds_sum": set(),
    "stream_batch_events_bucket": {"le"},
    "stream_batch_events_count": set(),
    "stream_batch_events_sum": set(),
    "stream_lag_records": {"topic", "partition"},
    "stream_watermark_seconds": {"partition"},
    "stream_timers": {"state"},
    "stream_customers": set(),
    "stream_state_bytes": set(),
    "stream_recovery_remaining_records": set(),
    "stream_rules_revision_info": {"revision"},
    "stream_rules_reload_failures_total": set(),
    "stream_dead_letters_total": {"source", "reason"},
    "stream_repeats_total": set(),
    "stream_standby_lag_records": set(),
    "stream_live_customers": set(),
    "stream_store_reads_total": set(),
}


class StoredRecord:
    offset, timestamp, key, value = 1, 2, None, None


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def decision(
    rule: str = "cart", outcome: Outcome = "sent", reason: str | None = None, timed: bool = False
) -> Decision:
    channel = "email" if outcome == "sent" else None
    event = EventRef("add_to_cart", "e1", 0)
    return Decision("t1", rule, "customer-1", outcome, reason, channel, None, event, 0, timed)


def trigger(appended_at: int, timed: bool = False) -> Trigger:
    return Trigger(decision(timed=timed), "triggers.email", "a@b.example", {}, 0, appended_at)


def observed() -> Metrics:
    metrics = Metrics()
    result = Result(
        decisions=[
            decision(),
            decision(),
            decision(outcome="suppressed", reason="limit"),
            decision(rule="other"),
        ],
        dead_letters=[DeadLetter("clicks", "json", StoredRecord())] * 2,
        events={"clicks": 30, "sales": 3},
        repeats=4,
        errors={("clicks", "future_time"): 5},
    )
    metrics.observe_batch(result, 0.02)
    metrics.observe_sent([trigger(1_000), trigger(1_090), trigger(500, timed=True), trigger(2_000)], 1_100)
    metrics.set_lag("clicks", 3, 7)
    metrics.set_recovery(3, 100)
    metrics.set_revision("abc")
    metrics.set_partition(3, PartitionFigures(10, 2_000, {"open": 4}, watermark=1_500))
    metrics.count_reload_failure()
    return metrics


def test_the_names_and_labels_are_the_contracts() -> None:
    found: dict[str, set[str]] = {}
    for name, labels in samples(observed()):
        found.setdefault(name, set()).update(label for label, _ in labels)
    assert {name: labels for name, labels in found.items() if name.startswith("stream_")} == CONTRACT
    assert "process_cpu_seconds_total" in found


def test_a_batch_is_counted() -> None:
    metrics = observed()
    assert value(metrics, "stream_events_total", source="clicks") == 30
    assert value(metrics, "stream_events_total", source="sales") == 3
    assert value(metrics, "stream_event_errors_total", source="clicks", reason="future_time") == 5
    assert value(metrics, "stream_repeats_total") == 4
    assert value(metrics, "stream_dead_letters_total", source="clicks", reason="json") == 2
    assert value(metrics, "stream_matches_total", rule="cart") == 3
    assert value(metrics, "stream_matches_total", rule="other") == 1
    assert value(metrics, "stream_decisions_total", rule="cart", outcome="sent", reason="") == 2
    assert value(metrics, "stream_decisions_total", rule="cart", outcome="suppressed", reason="limit") == 1
    assert value(metrics, "stream_batch_events_sum") == 33
    assert value(metrics, "stream_batch_events_bucket", le="25.0") == 0
    assert value(metrics, "stream_batch_events_bucket", le="50.0") == 1
    assert value(metrics, "stream_batch_seconds_sum") == 0.02
    assert value(metrics, "stream_batch_seconds_bucket", le="0.01") == 0
    assert value(metrics, "stream_batch_seconds_bucket", le="0.025") == 1


def test_latency_is_that_of_triggers_without_a_timer() -> None:
    metrics = observed()
    assert value(metrics, "stream_triggers_total", channel="email") == 4
    assert value(metrics, "stream_trigger_latency_seconds_count") == 3
    assert value(metrics, "stream_trigger_latency_seconds_sum") == pytest.approx(0.11)
    # A record from a clock ahead of ours took no time at all; 10 ms belongs to the bucket of up to 10 ms.
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="0.001") == 1
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="0.0075") == 1
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="0.01") == 2
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="0.1") == 3
    metrics.observe_sent([trigger(0)], 60_000)
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="10.0") == 3
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="+Inf") == 4


def test_a_workers_figures_are_the_sums_over_its_partitions() -> None:
    metrics = observed()
    metrics.set_partition(4, PartitionFigures(1, 50, {"open": 1, "deferred": 2}, watermark=None))
    metrics.set_recovery(4, 11)
    metrics.set_lag("clicks", 4, 70)
    assert value(metrics, "stream_customers") == 11
    assert value(metrics, "stream_state_bytes") == 2_050
    assert value(metrics, "stream_timers", state="open") == 5
    assert value(metrics, "stream_timers", state="deferred") == 2
    assert value(metrics, "stream_recovery_remaining_records") == 111
    assert value(metrics, "stream_watermark_seconds", partition="3") == 1.5
    assert value(metrics, "stream_watermark_seconds", partition="4") is None


def test_a_partition_that_left_leaves_nothing_behind() -> None:
    metrics = observed()
    metrics.set_partition(4, PartitionFigures(1, 50, {"deferred": 2}, watermark=1))
    metrics.set_lag("clicks", 4, 70)
    metrics.forget_partition(3)
    assert value(metrics, "stream_customers") == 1
    assert value(metrics, "stream_timers", state="open") == 0
    assert value(metrics, "stream_recovery_remaining_records") == 0
    assert value(metrics, "stream_watermark_seconds", partition="3") is None
    assert value(metrics, "stream_lag_records", topic="clicks", partition="3") is None
    assert value(metrics, "stream_lag_records", topic="clicks", partition="4") == 70
    metrics.forget_partition(4)
    assert value(metrics, "stream_timers", state="deferred") == 0
    metrics.forget_partition(5)  # never had


def test_only_the_revision_in_force_is_shown() -> None:
    metrics = observed()
    metrics.set_revision("def")
    assert value(metrics, "stream_rules_revision_info", revision="def") == 1
    assert value(metrics, "stream_rules_revision_info", revision="abc") is None


def test_declared_series_begin_at_zero() -> None:
    metrics = Metrics()
    metrics.declare(sources=["clicks"], rules=["cart"], channels=["email"])
    assert value(metrics, "stream_events_total", source="clicks") == 0
    assert value(metrics, "stream_matches_total", rule="cart") == 0
    assert value(metrics, "stream_decisions_total", rule="cart", outcome="sent", reason="") == 0
    assert value(metrics, "stream_triggers_total", channel="email") == 0


def test_nothing_of_a_customer_is_shown() -> None:
    text = observed().exposition().decode()
    assert "customer-1" not in text
    assert "a@b.example" not in text


def test_two_workers_in_a_process_have_their_own() -> None:
    observed()
    assert value(Metrics(), "stream_repeats_total") == 0
