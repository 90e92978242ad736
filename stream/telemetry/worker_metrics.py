"""Metrics of the worker itself: its build, readiness, progress and disk, and the rules in force.

Tested by tests/telemetry/test_metrics.py.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client import ProcessCollector

from stream.clock import wall_ms
from stream.telemetry.registry import MetricsRegistry


class ProcessMetrics:
    """The process, its progress and its disk."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._build = registry.info("stream_build", "What runs here.", "version", "python", "store")
        self._ready = registry.gauge(
            "stream_ready", "1 if partitions are assigned and their customers restored, as /ready says."
        )
        self._stalled = registry.gauge(
            "stream_stalled_seconds",
            "Seconds that the part of the worker that has stood still longest, though it has work, has.",
        )
        self._stalled_limit = registry.gauge(
            "stream_stalled_limit_seconds", "Seconds of that after which the worker ends itself."
        )
        self._disk_free = registry.gauge(
            "stream_disk_free_bytes", "Bytes free on the store's disk; 0 without a store on disk."
        )
        self._disk_size = registry.gauge(
            "stream_disk_size_bytes", "Bytes of the store's disk; 0 without a store on disk."
        )
        ProcessCollector(registry=registry)

    def set_build(self, version: str, store: str) -> None:
        self._build.info({"version": version, "python": platform.python_version(), "store": store})

    def set_ready(self, ready: Callable[[], bool]) -> None:
        """What is asked at every scrape, in the thread that scrapes."""
        self._ready.set_function(lambda: float(ready()))

    def set_stalled(self, seconds: float, limit: float) -> None:
        """What the watchdog has seen, in its thread: how long what has work has stood still, of how long."""
        self._stalled.set(seconds)
        self._stalled_limit.set(limit)

    def watch_disk(self, folder: Path) -> None:
        """Show how full the disk of this folder is; the folder may not exist yet."""
        self._disk_free.set_function(lambda: _disk(folder).free)
        self._disk_size.set_function(lambda: _disk(folder).total)


class RulesMetrics:
    """The rule set in force, and its reloads."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._revision = registry.info(
            "stream_rules_revision", "The rule set in force, by its revision.", "revision"
        )
        self._loaded = registry.gauge("stream_rules", "Rules in force.")
        self._reload_failures = registry.counter(
            "stream_rules_reload_failures", "Rule sets refused because of errors; the one in force stayed."
        )
        self._reload_successful = registry.gauge(
            "stream_rules_last_reload_successful", "0 while the rule files at hand are refused, else 1."
        )
        self._reload_successful.set(1)
        self._disabled: Mapping[str, int] = {}
        disabled = registry.gauge("stream_rules_disabled", "Rules that are switched off.")
        disabled.set_function(lambda: sum(until > wall_ms() for until in self._disabled.values()))

    def set_rules(self, revision: str, rules: int) -> None:
        """The rule set in force, and how many rules it has."""
        self._revision.info({"revision": revision})
        self._loaded.set(rules)

    def set_reload(self, *, successful: bool) -> None:
        """Whether the rule files as they are now were taken."""
        self._reload_successful.set(successful)

    def count_reload_failure(self) -> None:
        self._reload_failures.inc()
        self.set_reload(successful=False)

    def set_disabled(self, until: Mapping[str, int]) -> None:
        """The rules that are switched off, and until when (ms)."""
        self._disabled = dict(until)


class _Disk(NamedTuple):
    total: float
    free: float


def _disk(folder: Path) -> _Disk:
    """Of the folder, or of the nearest existing one above it. Not a number where the disk fails: a scrape
    must show the rest all the same.
    """
    for each in (folder, *folder.absolute().parents):
        try:
            total, _, free = shutil.disk_usage(each)
        except FileNotFoundError:
            continue
        except OSError:
            break
        return _Disk(total, free)
    return _Disk(float("nan"), float("nan"))
