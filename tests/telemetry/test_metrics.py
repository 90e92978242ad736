"""Metrics: the contract's names, and figures that are those of what was observed."""

from __future__ import annotations

import random
import re
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.compiler.rule_set import load_rules
from stream.structs import Batch, DeadLetter, Decision, EventRef, Outcome, Result
from stream.telemetry.instruments import BatchHistogram, CounterTable
from stream.telemetry.metrics import Metrics
from stream.telemetry.partition_metrics import PartitionFigures
from stream.telemetry.rule_series import DecisionCounts
from stream.telemetry.work_metrics import OUTCOMES

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
}


DOCUMENTED = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")


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


def counted(decisions: Iterable[Decision]) -> Counter[tuple[str, str, str | None, str | None]]:
    return Counter((each.rule, each.outcome, each.reason, each.channel) for each in decisions)


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
    metrics.work.observe_batch(result, 0.02)
    metrics.work.observe_decided(counted(result.decisions))
    metrics.work.observe_sent({"email": 4}, [1_000, 1_090, 2_000], 1_100)
    metrics.partitions.set_lag("clicks", 3, 7, 1.25)
    metrics.ownership.set_recovery(3, 100)
    metrics.rules.set_rules("abc", 2)
    metrics.partitions.set_partition(3, PartitionFigures(10, 2_000, {"open": 4}, watermark=1_500))
    metrics.rules.count_reload_failure()
    return metrics


def test_the_names_and_labels_are_those_that_others_rely_on() -> None:
    found: dict[str, set[str]] = {}
    for name, labels in samples(observed()):
        found.setdefault(name, set()).update(label for label, _ in labels)
    assert {name: found.get(name) for name in CONTRACT} == CONTRACT
    assert "process_cpu_seconds_total" in found


def test_the_page_and_the_code_agree() -> None:
    """Of each metric name, type and labels; of what is exposed, nothing is missing."""
    rows = re.findall(r"^\| `(stream_\w+)` \| (\w+) \| ([^|]*)\|(.*)\|$", DOCUMENTED, re.MULTILINE)
    documented = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    assert len(documented) == len(rows), "none twice"
    assert documented == {each.name: (each.type, each.labels) for each in Metrics().registry.described}
    for name, _, _, rest in rows:
        unit, says, _ = (cell.strip() for cell in rest.split(" | "))
        assert "" not in (unit, says), name
    described = {each.name for each in Metrics().registry.described}
    exposed = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in samples(observed())}
    assert {name for name in exposed if name.startswith("stream_")} <= described


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
    metrics.work.observe_sent({"email": 1}, [0], 60_000)
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="10.0") == 3
    assert value(metrics, "stream_trigger_latency_seconds_bucket", le="+Inf") == 4


def test_a_workers_figures_are_the_sums_over_its_partitions() -> None:
    metrics = observed()
    metrics.partitions.set_partition(4, PartitionFigures(1, 50, {"open": 1, "deferred": 2}, watermark=None))
    metrics.ownership.set_recovery(4, 11)
    metrics.partitions.set_lag("clicks", 4, 70, 0.5)
    assert value(metrics, "stream_customers") == 11
    assert value(metrics, "stream_state_bytes") == 2_050
    assert value(metrics, "stream_timers", state="open") == 5
    assert value(metrics, "stream_timers", state="deferred") == 2
    assert value(metrics, "stream_recovery_remaining_records") == 111
    assert value(metrics, "stream_watermark_seconds", partition="3") == 1.5
    assert value(metrics, "stream_watermark_seconds", partition="4") is None


def test_a_partition_that_left_leaves_nothing_behind() -> None:
    metrics = observed()
    metrics.partitions.set_partition(4, PartitionFigures(1, 50, {"deferred": 2}, watermark=1, overdue=3.0))
    metrics.partitions.set_lag("clicks", 4, 70, 0.5)
    metrics.ownership.set_assignment({4}, set())
    assert value(metrics, "stream_customers") == 1
    assert value(metrics, "stream_timers", state="open") == 0
    assert value(metrics, "stream_recovery_remaining_records") == 0
    assert value(metrics, "stream_watermark_seconds", partition="3") is None
    assert value(metrics, "stream_lag_records", topic="clicks", partition="3") is None
    assert value(metrics, "stream_lag_seconds", topic="clicks", partition="3") is None
    assert value(metrics, "stream_lag_records", topic="clicks", partition="4") == 70
    assert value(metrics, "stream_timers_overdue_seconds") == 3
    metrics.ownership.set_assignment(set(), set())
    assert value(metrics, "stream_timers", state="deferred") == 0
    assert value(metrics, "stream_timers_overdue_seconds") == 0
    assert value(metrics, "stream_rebalances_total") == 2


def test_customers_of_a_partition_that_became_a_standby_are_not_counted_twice() -> None:
    metrics = observed()
    metrics.ownership.set_assignment({5}, {3})
    assert value(metrics, "stream_customers") == 0
    assert value(metrics, "stream_partitions", role="active") == 1
    assert value(metrics, "stream_partitions", role="standby") == 1


def test_what_a_standby_was_behind_is_forgotten_when_it_takes_over() -> None:
    now = [100.0]
    metrics = Metrics(lambda: now[0])
    metrics.ownership.set_assignment(set(), {1, 2})
    metrics.ownership.set_standby(1, 40)
    metrics.ownership.set_standby(2, 0)
    now[0] = 130.0
    metrics.ownership.set_standby(1, 10)
    metrics.ownership.set_standby(2, 0)
    assert value(metrics, "stream_standby_lag_records") == 10
    assert value(metrics, "stream_standby_lag_seconds") == 30, "a copy that gets closer is still behind"
    now[0] = 131.0
    metrics.ownership.set_standby(1, 0)
    assert value(metrics, "stream_standby_lag_seconds") == 1, "of the other, which nobody looked at since"
    metrics.ownership.set_assignment({1, 2}, set())
    assert value(metrics, "stream_standby_lag_records") == 0
    assert value(metrics, "stream_standby_lag_seconds") == 0


def test_restored_records_are_those_that_are_no_longer_to_be_read() -> None:
    metrics = Metrics()
    for remaining in (100, 40, 0, 0, 10, 0):  # begun anew after 0, as after a rebalance
        metrics.ownership.set_recovery(3, remaining)
    assert value(metrics, "stream_restored_records_total") == 110


def test_a_partition_that_was_blocked_did_not_show_while_others_committed() -> None:
    """A channel's topic was deleted: the alert that the guide promises never came."""
    now = [0.0]
    metrics = Metrics(lambda: now[0])
    for second in range(0, 100, 5):
        now[0] = second
        metrics.commits.set_under_way(0, 0, {1, 2})
        metrics.commits.count_commit({1}, done=True)
    assert value(metrics, "stream_commit_age_seconds") == 95


def test_commits_are_stale_only_while_something_waits_for_one() -> None:
    now = [0.0]
    metrics = Metrics(lambda: now[0])

    def age_at(second: float, *uncommitted: int) -> float | None:
        now[0] = second
        metrics.commits.set_under_way(0, 0, uncommitted)
        return value(metrics, "stream_commit_age_seconds")

    assert age_at(1000) == 0, "an idle worker commits nothing"
    assert age_at(1001, 3) == 0
    assert age_at(1005, 3) == 4
    metrics.commits.count_commit({3}, done=False)
    assert value(metrics, "stream_commit_age_seconds") == 4
    metrics.commits.count_commit({3}, done=True)
    assert value(metrics, "stream_commit_age_seconds") == 0
    now[0] = 1100
    assert value(metrics, "stream_commit_age_seconds") == 95, "also if nobody measures any more"
    assert age_at(1101) == 0
    assert value(metrics, "stream_commits_total", result="ok") == 1
    assert value(metrics, "stream_commits_total", result="failed") == 1


def test_a_refused_set_is_shown_until_one_is_taken() -> None:
    metrics = Metrics()
    assert value(metrics, "stream_rules_last_reload_successful") == 1
    metrics.rules.count_reload_failure()
    assert value(metrics, "stream_rules_last_reload_successful") == 0
    metrics.rules.set_reload(successful=True)
    assert value(metrics, "stream_rules_last_reload_successful") == 1
    assert value(metrics, "stream_rules_reload_failures_total") == 1


def test_only_the_revision_in_force_is_shown() -> None:
    metrics = observed()
    metrics.rules.set_rules("def", 3)
    assert value(metrics, "stream_rules_revision_info", revision="def") == 1
    assert value(metrics, "stream_rules_revision_info", revision="abc") is None
    assert value(metrics, "stream_rules") == 3


def test_a_disk_is_shown_before_the_store_has_made_its_folder(tmp_path: Path) -> None:
    metrics = Metrics()
    assert value(metrics, "stream_disk_size_bytes") == 0
    metrics.process.watch_disk(tmp_path / "not" / "yet")
    size, free = (value(metrics, f"stream_disk_{each}_bytes") or 0 for each in ("size", "free"))
    assert 0 < free <= size


def test_a_disk_that_fails_hides_no_other_metric() -> None:
    metrics = observed()
    metrics.process.watch_disk(Path("/" + "x" * 5000))  # a name that no system takes
    assert value(metrics, "stream_disk_free_bytes") != value(metrics, "stream_disk_free_bytes"), "NaN"
    assert value(metrics, "stream_repeats_total") == 4


def test_declared_series_begin_at_zero() -> None:
    metrics = Metrics()
    metrics.work.declare(sources=["clicks"], rules=["cart"], channels=["email"])
    assert value(metrics, "stream_events_total", source="clicks") == 0
    assert value(metrics, "stream_dead_letters_total", source="clicks", reason="json") == 0
    assert value(metrics, "stream_event_errors_total", source="clicks", reason="condition") == 0
    assert value(metrics, "stream_matches_total", rule="cart") == 0
    assert value(metrics, "stream_decisions_total", rule="cart", outcome="sent", reason="") == 0
    assert value(metrics, "stream_triggers_total", channel="email") == 0


def test_series_of_a_rule_that_is_gone_are_gone() -> None:
    metrics = observed()
    metrics.work.retire(["other"])
    assert value(metrics, "stream_matches_total", rule="cart") is None
    assert value(metrics, "stream_decisions_total", rule="cart", outcome="suppressed", reason="limit") is None
    assert value(metrics, "stream_matches_total", rule="other") == 1
    assert (
        value(metrics, "stream_channel_decisions_total", channel="email", outcome="sent", reason="") == 3
    ), "with those of the rule that is gone, though nobody had scraped since"


def test_a_histogram_of_many_values_is_that_of_one_after_the_other() -> None:
    bounds, chance = (0.5, 1.0, 2.5, 10.0), random.Random(7)
    registry = CollectorRegistry()
    ours, theirs = (
        BatchHistogram("ours", "", bounds),
        Histogram("theirs", "", buckets=bounds, registry=registry),
    )
    registry.register(ours)
    for size in (0, 1, 2, 500, 999, 1, 1700):
        values = [chance.choice((*bounds, 0.0, 0.25, 1.5, 3.0, 10.25, 99.0)) for _ in range(size)]
        ours.observe(values)
        for each in values:
            theirs.observe(each)
        told = generate_latest(registry).decode()
        rows = [
            sorted(row.removeprefix(name) for row in told.splitlines() if row.startswith(name))
            for name in ("ours", "theirs")
        ]
        assert rows[0] == rows[1]


def test_nothing_is_lost_while_one_thread_records_and_reloads_and_another_scrapes() -> None:
    rules = [f"rule-{number}" for number in range(200)]
    matches, decisions = CounterTable("m", "", ["rule"]), CounterTable("d", "", ["rule", "outcome", "reason"])
    counts = DecisionCounts(matches, decisions, CounterTable("c", "", ["channel", "outcome", "reason"]))
    waits, ended, interval = BatchHistogram("w", "", (1.0,)), threading.Event(), sys.getswitchinterval()
    seen: list[tuple[float, float]] = []
    different: set[tuple[float, float]] = set()

    def scrape() -> None:
        while not ended.is_set():
            told = [sample for family in counts.collect() for sample in family.samples]
            judged = sum(sample.value for sample in told if sample.name == "m_total")
            seen.append((judged, next(waits.collect()).samples[-2].value))
            different.add(seen[-1])

    scraping, batches = threading.Thread(target=scrape), 0
    sys.setswitchinterval(1e-6)
    try:
        scraping.start()
        # Until it was seen in motion, whichever of the two threads the machine lets run.
        while (len(seen) < 300 or len(different) < 30 or batches < 100) and scraping.is_alive():
            counts.observe(counted(decision(rule) for rule in rules))
            waits.observe([0.5] * 200)
            batches += 1
            if batches % 50 == 0:
                counts.declare([*rules, "new"], [])
                counts.retire(rules)
    finally:
        ended.set()
        scraping.join()
        sys.setswitchinterval(interval)
    assert len(seen) >= 300, "the thread that scrapes failed"
    for figures in zip(*seen, strict=True):
        assert list(figures) == sorted(figures), "a counter never goes back"
    list(counts.collect())
    assert matches.counts == {(rule,): batches for rule in rules}
    assert next(waits.collect()).samples[-2].value == batches * 200


def test_a_worker_that_nobody_scrapes_does_not_grow() -> None:
    metrics = Metrics()

    def work(batches: int) -> None:
        for _ in range(batches):
            metrics.work.observe_batch(Result(), 0.001)
            metrics.work.observe_decided(counted(decision(f"rule-{each}", "sent") for each in range(20)))
            metrics.work.observe_sent({"email": 20}, [0] * 20, 1)

    work(200)
    tracemalloc.start()
    try:
        work(1000)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 100_000


def test_a_thousand_rules_of_which_each_has_seen_everything_stay_within_the_budget() -> None:
    """The worst that customers can do to a worker of 64 partitions and five topics."""
    metrics = Metrics()
    rules = [f"rule-{number}" for number in range(1000)]
    sources = [f"source-{number}" for number in range(5)]
    metrics.work.declare(sources, rules, [f"channel-{number}" for number in range(10)])
    for partition in range(64):
        metrics.partitions.set_partition(partition, PartitionFigures(10_000, 1, {"open": 1}, watermark=1))
        for source in sources:
            metrics.partitions.set_lag(source, partition, 1, 1.0)
    for turn in range(3):
        for rule in rules:
            decisions = [decision(rule, outcome, reason or None) for outcome, reason in OUTCOMES]
            metrics.work.observe_batch(Result(), 0.001 * turn)
            metrics.work.observe_decided(counted(decisions))
    found = samples(metrics)
    assert len(found) < 8000
    judged: Counter[str] = Counter()
    for (name, labels), count in found.items():
        if name == "stream_decisions_total":
            judged[dict(labels)["rule"]] += int(count)
    assert judged == dict.fromkeys(rules, 3 * len(OUTCOMES)), "of every rule, every decision"
    assert value(metrics, "stream_matches_total", rule="rule-999") == 3 * (len(OUTCOMES) - 1)
    assert value(
        metrics, "stream_channel_decisions_total", channel="", outcome="suppressed", reason="cap"
    ) == (3000)
    metrics.work.retire(rules[:200])
    for outcome, reason in OUTCOMES:
        metrics.work.observe_decided(counted([decision("rule-199", outcome, reason)]))
    assert (
        value(metrics, "stream_decisions_total", rule="rule-199", outcome="suppressed", reason="cap") == 1
    ), "room that became free is used"


def test_195_rules_are_told_apart_in_all_that_they_do() -> None:
    metrics = Metrics()
    for number in range(195):
        rule = f"rule-{number}"
        metrics.work.observe_decided(counted(decision(rule, *each) for each in OUTCOMES))
    assert not [labels for _, labels in samples(metrics) if ("reason", "other") in labels]


class Written:
    """A record as a producer wrote it."""

    headers = ()

    def __init__(self, offset: int, body: dict[str, object]) -> None:
        self.offset, self.timestamp = offset, 1_767_225_600_000 + offset
        self.key, self.value = str(body["customer_id"]).encode(), orjson.dumps(body)


def test_ten_thousand_customers_leave_no_trace_of_themselves_and_less_than_8000_series(
    tmp_path: Path,
) -> None:
    """A thousand rules through the engine, with personal data wherever an event can have some."""
    rules = "".join(
        f"  rule-{n}: {{on: view, where: event.sku == {n}, send: {{channel: mail, content: {{text: Hi}}}}}}\n"
        for n in range(1000)
    )
    (tmp_path / "rules.yaml").write_text(
        "sources: {clicks: {event: event, customer: customer_id, id: event_id}}\n"
        "channels: {mail: {topic: mail, consent: news, address: customer.email}}\n"
        f"rules:\n{rules}"
    )
    loaded, metrics = load_rules(tmp_path), Metrics()
    metrics.work.declare(["clicks"], [rule.name for rule in loaded.rules], ["mail"])
    records = [
        Written(
            number,
            {
                "event": "view" if number % 10 else f"secret-name-{number}",
                "customer_id": f"secret-{number}@example.com",
                "event_id": f"secret-id-{number}",
                "sku": number % 1000,
                "email": f"secret-{number}@example.com",
            },
        )
        for number in range(10_000)
    ]
    bad = Written(10_000, {"customer_id": "", "event": "secret"})
    batch = Batch(0, {"clicks": [*records, bad]}, frozenset({"clicks"}))
    state = PartitionState(loaded)
    result = process(batch, loaded, state, Clock(by_event_time=True), limit=20_000)
    metrics.work.observe_batch(result, 0.1)
    metrics.work.observe_decided(counted(result.decisions))
    assert (result.events, len(result.decisions), len(result.dead_letters)) == ({"clicks": 10_000}, 9_000, 1)
    assert "secret" not in metrics.exposition().decode()
    assert 2_000 < len(samples(metrics)) < 8_000


def test_nothing_of_a_customer_is_shown() -> None:
    text = observed().exposition().decode()
    assert "customer-1" not in text
    assert "a@b.example" not in text


def test_two_workers_in_a_process_have_their_own() -> None:
    observed()
    assert value(Metrics(), "stream_repeats_total") == 0
