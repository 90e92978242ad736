"""A worker that says nothing of itself: `python -m loadtest.untold worker`, for `loadtest.telemetry` alone.

Nothing is counted or logged but how many events were applied, since the load test ends by that.
"""

from __future__ import annotations

from typing import Any

from stream.cli.main import main as stream_command
from stream.runtime import checkpointer, ownership
from stream.structs import Result
from stream.telemetry.commit_metrics import CommitMetrics
from stream.telemetry.ownership_metrics import OwnershipMetrics
from stream.telemetry.partition_metrics import PartitionMetrics
from stream.telemetry.work_metrics import WorkMetrics
from stream.telemetry.worker_metrics import ProcessMetrics, RulesMetrics

PARTS = (WorkMetrics, CommitMetrics, PartitionMetrics, OwnershipMetrics, ProcessMetrics, RulesMetrics)


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _count_events(metrics: WorkMetrics, result: Result, seconds: float) -> None:
    for source, count in result.events.items():
        metrics._events.add(count, source)


class _Silent:
    debug = info = warning = error = exception = staticmethod(_nothing)


def main() -> None:
    for part in PARTS:
        for name in dir(part):
            if name.startswith(("observe_", "set_", "count_")):
                setattr(part, name, _nothing)
    setattr(WorkMetrics, "observe_batch", _count_events)  # noqa: B010 - not an assignment: mypy forbids that
    for module in (checkpointer, ownership):
        setattr(module, "log", _Silent())  # noqa: B010
    stream_command()


if __name__ == "__main__":
    main()
