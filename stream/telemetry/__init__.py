"""Metrics, logs and traces.

Doors: `metrics`, `logs`, `tracebacks`, `tracing`.
"""
