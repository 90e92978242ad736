"""Is all well? The four golden signals: traffic, latency, errors, saturation."""

from __future__ import annotations

from deploy.dashboards.panels import Dashboard, Panel, Query, Row

_LATENCY = "stream_trigger_latency_seconds_bucket{@}"

DASHBOARD = Dashboard(
    "overview",
    "Stream triggers: overview",
    "Is all well? Traffic, latency, errors and saturation of all workers of a job.",
    (
        Row(
            "At a glance",
            (
                Panel(
                    "Workers ready",
                    "Workers that have partitions and their customers; a spare one does not count.",
                    (Query("sum(stream_ready{@})"),),
                    kind="figure",
                    width=4,
                    height=4,
                    thresholds=((None, "red"), (1, "green")),
                ),
                Panel(
                    "Events",
                    "Events applied in a second.",
                    (Query("sum(rate(stream_events_total{@}[$__rate_interval]))"),),
                    "ops",
                    kind="figure",
                    width=4,
                    height=4,
                ),
                Panel(
                    "Triggers",
                    "Triggers handed to Kafka in a second.",
                    (Query("sum(rate(stream_triggers_total{@}[$__rate_interval]))"),),
                    "ops",
                    kind="figure",
                    width=4,
                    height=4,
                ),
                Panel(
                    "Latency, p99",
                    "From the event's record to its trigger; of a hundred, one took longer.",
                    (Query(f"histogram_quantile(0.99, sum by (le) (rate({_LATENCY}[$__rate_interval])))"),),
                    "s",
                    kind="figure",
                    width=4,
                    height=4,
                    thresholds=((None, "green"), (0.1, "orange"), (1, "red")),
                ),
                Panel(
                    "Lag",
                    "Age of the oldest event that nobody has dealt with.",
                    (Query("max(stream_lag_seconds{@})"),),
                    "s",
                    kind="figure",
                    width=4,
                    height=4,
                    thresholds=((None, "green"), (60, "orange"), (600, "red")),
                ),
                Panel(
                    "Alerts firing",
                    "Of those in docs/runbooks.md, without the merely informing.",
                    (
                        Query(
                            'count(ALERTS{alertname=~"Stream.+", alertstate="firing", severity!="info"})'
                            " or vector(0)"
                        ),
                    ),
                    kind="figure",
                    width=4,
                    height=4,
                    thresholds=((None, "green"), (1, "red")),
                ),
            ),
        ),
        Row(
            "Traffic",
            (
                Panel(
                    "Events by source",
                    "Events applied in a second.",
                    (
                        Query(
                            "sum by (source) (rate(stream_events_total{@}[$__rate_interval]))", "{{source}}"
                        ),
                    ),
                    "ops",
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Triggers by channel",
                    "Triggers handed to Kafka in a second.",
                    (
                        Query(
                            "sum by (channel) (rate(stream_triggers_total{@}[$__rate_interval]))",
                            "{{channel}}",
                        ),
                    ),
                    "ops",
                    width=12,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Latency",
            (
                Panel(
                    "Trigger latency",
                    "From the event's record in Kafka to its trigger handed to Kafka. Timers do not count.",
                    tuple(
                        Query(
                            f"histogram_quantile({share}, sum by (le) (rate({_LATENCY}[$__rate_interval])))",
                            f"p{share * 100:g}",
                        )
                        for share in (0.5, 0.95, 0.99)
                    ),
                    "s",
                    width=12,
                ),
                Panel(
                    "Slower than the objective",
                    "Share of triggers later than 0.1 s; the objective allows 0.1% in a month.",
                    (
                        Query(
                            "1 - sum(rate(stream_trigger_latency_seconds_bucket"
                            '{@, le="0.1"}[$__rate_interval]))'
                            " / sum(rate(stream_trigger_latency_seconds_count{@}[$__rate_interval]))",
                            "slower than 0.1 s",
                        ),
                    ),
                    "percentunit",
                    width=12,
                    thresholds=((None, "green"), (0.001, "orange"), (0.0144, "red")),
                ),
            ),
        ),
        Row(
            "Errors",
            (
                Panel(
                    "Dead letters by reason",
                    "Records that are not events, in a second.",
                    (
                        Query(
                            "sum by (reason) (rate(stream_dead_letters_total{@}[$__rate_interval]))",
                            "{{reason}}",
                        ),
                    ),
                    "ops",
                ),
                Panel(
                    "Events with an oddity",
                    "Conditions that ended in an error, and times from the future, in a second.",
                    (
                        Query(
                            "sum by (source, reason) (rate(stream_event_errors_total{@}[$__rate_interval]))",
                            "{{source}}: {{reason}}",
                        ),
                    ),
                    "ops",
                ),
                Panel(
                    "Refused and failed",
                    "In an hour: rule sets refused, commits failed, texts that could not be rendered.",
                    (
                        Query(
                            "sum(increase(stream_rules_reload_failures_total{@}[1h]))", "rule sets refused"
                        ),
                        Query(
                            'sum(increase(stream_commits_total{@, result="failed"}[1h]))', "commits failed"
                        ),
                        Query(
                            'sum(increase(stream_channel_decisions_total{@, reason="content"}[1h]))',
                            "texts not rendered",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Saturation",
            (
                Panel(
                    "Engine, share of a core",
                    "How much of the time the engine works, by worker. Near 1 it is the limit.",
                    (
                        Query(
                            "sum by (instance) (rate(stream_batch_seconds_sum{@}[$__rate_interval]))",
                            "{{instance}}",
                        ),
                    ),
                    "percentunit",
                ),
                Panel(
                    "Lag by topic",
                    "Age of the oldest event that nobody has dealt with.",
                    (Query("max by (topic) (stream_lag_seconds{@})", "{{topic}}"),),
                    "s",
                ),
                Panel(
                    "Memory",
                    "Resident memory, by worker.",
                    (
                        Query(
                            "process_resident_memory_bytes{@}"
                            " and on (namespace, job, instance) stream_build_info",
                            "{{instance}}",
                        ),
                    ),
                    "bytes",
                ),
            ),
        ),
    ),
)
