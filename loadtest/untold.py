"""A worker that says nothing of itself: `python -m loadtest.untold worker`, for `loadtest.telemetry` alone.

Nothing is counted or logged but how many events were applied, since the load test ends by that.
"""

from __future__ import annotations

from typing import Any

from stream import cli
from stream.runtime import checkpointer, ownership
from stream.structs import Result
from stream.telemetry.metrics import Metrics


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _count_events(metrics: Metrics, result: Result, seconds: float) -> None:
    for source, count in result.events.items():
        metrics._events.add(count, source)


class _Silent:
    debug = info = warning = error = exception = staticmethod(_nothing)


def main() -> None:
    for name in dir(Metrics):
        if name.startswith(("observe_", "set_", "count_")):
            setattr(Metrics, name, _nothing)
    setattr(Metrics, "observe_batch", _count_events)  # noqa: B010 - not an assignment: mypy forbids that
    for module in (checkpointer, ownership):
        setattr(module, "log", _Silent())  # noqa: B010
    cli.main()


if __name__ == "__main__":
    main()
