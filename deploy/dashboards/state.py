"""What is known of customers: how many, how large, what waits, and where it lies."""

from __future__ import annotations

from deploy.dashboards.panels import Dashboard, Panel, Query, Row

DASHBOARD = Dashboard(
    "state",
    "Stream triggers: state",
    "What is known of customers: how many, how large, what waits, and where it lies.",
    (
        Row(
            "Customers",
            (
                Panel(
                    "Customers",
                    "With a state; with a store on disk a rough estimate, mostly too high.",
                    (Query("sum by (instance) (stream_customers{@})", "{{instance}}"),),
                    stacked=True,
                    width=12,
                ),
                Panel(
                    "In memory",
                    "Customers in memory: all, or with a store on disk those in use.",
                    (Query("sum by (instance) (stream_live_customers{@})", "{{instance}}"),),
                    stacked=True,
                    width=12,
                ),
            ),
        ),
        Row(
            "Timers",
            (
                Panel(
                    "Timers that wait",
                    "Reminders and deferred messages that have not fired.",
                    (Query("sum by (instance) (stream_timers{@})", "{{instance}}"),),
                    stacked=True,
                    width=12,
                ),
                Panel(
                    "Overdue",
                    "Since the deadline of the timer that should have fired first.",
                    (Query("stream_timers_overdue_seconds{@}", "{{instance}}"),),
                    "s",
                    width=12,
                    thresholds=((None, "green"), (60, "orange")),
                ),
            ),
        ),
        Row(
            "Store",
            (
                Panel(
                    "Size",
                    "Bytes of the customers' states; with a store on disk of its files.",
                    (Query("sum by (instance) (stream_state_bytes{@})", "{{instance}}"),),
                    "bytes",
                    stacked=True,
                ),
                Panel(
                    "Reads for an event",
                    "Customers looked for on disk, for each event. Near 1 hardly anybody is found in memory.",
                    (
                        Query(
                            "sum by (instance) (rate(stream_store_reads_total{@}[$__rate_interval]))"
                            " / sum by (instance) (rate(stream_events_total{@}[$__rate_interval]))",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    "Disk free",
                    "Of the store's disk; none with the memory store.",
                    (Query("stream_disk_free_bytes{@} / (stream_disk_size_bytes{@} > 0)", "{{instance}}"),),
                    "percentunit",
                    thresholds=((None, "red"), (0.05, "orange"), (0.15, "green")),
                ),
            ),
        ),
    ),
)
