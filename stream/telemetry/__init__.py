"""Metrics, logs and traces.

Doors: `metrics`, `partition_metrics`, `logs`, `tracebacks`, `tracing`.
"""
