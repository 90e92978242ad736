"""Who has what, how often it moves, and how long the next owner takes to be ready."""

from __future__ import annotations

from deploy.dashboards.panels import Dashboard, Panel, Query, Row

DASHBOARD = Dashboard(
    "restore-and-rebalance",
    "Stream triggers: restore and rebalance",
    "Who has what, how often it moves, and how long the next owner takes to be ready.",
    (
        Row(
            "Ownership",
            (
                Panel(
                    "Ready",
                    "1: has partitions and their customers. A spare worker stays at 0.",
                    (Query("stream_ready{@}", "{{instance}}"),),
                ),
                Panel(
                    "Partitions",
                    "Partition numbers that a worker works on.",
                    (Query('stream_partitions{@, role="active"}', "{{instance}}"),),
                    stacked=True,
                ),
                Panel(
                    "Standby copies",
                    "Partition numbers of which a worker keeps a copy for another.",
                    (Query('stream_partitions{@, role="standby"}', "{{instance}}"),),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Rebalances",
            (
                Panel(
                    "Assignments in 15 minutes",
                    "At each of them all workers of the group pause.",
                    (Query("increase(stream_rebalances_total{@}[15m])", "{{instance}}"),),
                    thresholds=((None, "green"), (10, "orange")),
                ),
                Panel(
                    "From assignment to first event",
                    "On average, over an hour.",
                    (
                        Query(
                            "sum by (instance) (increase(stream_restore_seconds_sum{@}[1h]))"
                            " / (sum by (instance) (increase(stream_restore_seconds_count{@}[1h])) > 0)"
                            " or sum by (instance) (stream_restore_seconds_sum{@})"
                            " / (sum by (instance) (stream_restore_seconds_count{@}) > 0)",
                            "{{instance}}",
                        ),
                    ),
                    "s",
                ),
                Panel(
                    "Starts of workers",
                    "In 15 minutes.",
                    (
                        Query(
                            "changes(process_start_time_seconds{@}[15m])"
                            " and on (namespace, job, instance) stream_build_info",
                            "{{instance}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Restore",
            (
                Panel(
                    "Still to be read",
                    "Changelog records before work begins.",
                    (Query("stream_recovery_remaining_records{@}", "{{instance}}"),),
                ),
                Panel(
                    "Read",
                    "Changelog records in a second.",
                    (Query("rate(stream_restored_records_total{@}[$__rate_interval])", "{{instance}}"),),
                    "ops",
                ),
                Panel(
                    "Standbys behind",
                    "Seconds since the copy that is furthest behind was complete.",
                    (Query("stream_standby_lag_seconds{@}", "{{instance}}"),),
                    "s",
                    thresholds=((None, "green"), (60, "orange")),
                ),
                Panel(
                    "Standbys behind, records",
                    "Changelog records that the copies lack, at the last look.",
                    (Query("stream_standby_lag_records{@}", "{{instance}}"),),
                    width=24,
                    height=6,
                ),
            ),
        ),
    ),
)
