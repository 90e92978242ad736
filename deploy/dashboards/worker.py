"""One worker from the inside: what it uses, how its batches are, what it waits for."""

from __future__ import annotations

from deploy.dashboards.panels import WORKERS, Dashboard, Panel, Query, Row

DASHBOARD = Dashboard(
    "worker",
    "Stream triggers: worker",
    "One worker from the inside: what it uses, how its batches are, what it waits for.",
    (
        Row(
            "Process",
            (
                Panel(
                    "CPU",
                    "Cores in use, and the engine's part of them.",
                    (
                        Query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}"),
                        Query("rate(stream_batch_seconds_sum{@}[$__rate_interval])", "{{instance}} engine"),
                    ),
                ),
                Panel(
                    "Memory",
                    "Resident memory.",
                    (Query("process_resident_memory_bytes{@}", "{{instance}}"),),
                    "bytes",
                ),
                Panel(
                    "Open files",
                    "File descriptors in use.",
                    (Query("process_open_fds{@}", "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Batches",
            (
                Panel(
                    "Seconds of a batch",
                    "What the engine takes for a batch; nothing else of this worker happens meanwhile.",
                    tuple(
                        Query(
                            f"histogram_quantile({share}, "
                            "sum by (le) (rate(stream_batch_seconds_bucket{@}[$__rate_interval])))",
                            f"p{share * 100:g}",
                        )
                        for share in (0.5, 0.99)
                    ),
                    "s",
                ),
                Panel(
                    "Events of a batch",
                    "On average. Batches grow with the load by themselves.",
                    (
                        Query(
                            "rate(stream_batch_events_sum{@}[$__rate_interval])"
                            " / rate(stream_batch_events_count{@}[$__rate_interval])",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    "Under way",
                    "Records in work, and records on their way that Kafka has not acknowledged.",
                    (
                        Query("stream_in_flight_records{@}", "{{instance}} in work"),
                        Query("stream_unacknowledged_records{@}", "{{instance}} not acknowledged"),
                    ),
                ),
            ),
        ),
        Row(
            "Progress",
            (
                Panel(
                    "Lag by partition",
                    "Records whose effects are not yet safe.",
                    (Query("sum by (topic, partition) (stream_lag_records{@})", "{{topic}}/{{partition}}"),),
                ),
                Panel(
                    "Watermark behind the clock",
                    "How far back in time a partition works; about 0 where there is no lag.",
                    (Query("time() - min by (partition) (stream_watermark_seconds{@})", "{{partition}}"),),
                    "s",
                ),
                Panel(
                    "Commits",
                    "Commits of offsets in a second.",
                    (
                        Query(
                            "sum by (instance, result) (rate(stream_commits_total{@}[$__rate_interval]))",
                            "{{instance}} {{result}}",
                        ),
                    ),
                    "ops",
                ),
                Panel(
                    "Commit age",
                    "Seconds since the last commit while something waits for one.",
                    (Query("stream_commit_age_seconds{@}", "{{instance}}"),),
                    "s",
                ),
                Panel(
                    "Standing still",
                    "For how long the part that has stood still longest has, though it has work; "
                    "at the limit the worker ends itself.",
                    (
                        Query("stream_stalled_seconds{@}", "{{instance}}"),
                        Query("min(stream_stalled_limit_seconds{@})", "limit"),
                    ),
                    "s",
                    colors={"limit": "red"},
                ),
                Panel(
                    "Records read again",
                    "Left out, as they had been applied; some after each crash or rebalance.",
                    (Query("rate(stream_repeats_total{@}[$__rate_interval])", "{{instance}}"),),
                    "ops",
                ),
            ),
        ),
        Row(
            "What runs",
            (
                Panel(
                    "Versions and rule sets",
                    "Of every worker: program, Python, store, and the revision of its rules.",
                    (
                        Query("max by (instance, version, python, store) (stream_build_info{@})"),
                        Query("max by (instance, revision) (stream_rules_revision_info{@})"),
                        Query("max by (instance) (stream_rules{@})", "Rules"),
                    ),
                    kind="table",
                    width=24,
                    height=5,
                    key="instance",
                ),
            ),
        ),
    ),
    variables=(("instance", "stream_build_info"),),
    workers=f'{WORKERS}, instance=~"$instance"',
)
