"""A worker that says nothing of itself: `python -m loadtest.untold worker`, for `loadtest.telemetry` alone.

Nothing is counted or logged: of the metrics only how many events were applied, once a second, since the load
test ends by that.
"""

from __future__ import annotations

from typing import Any

from stream import cli, lane
from stream.metrics import Metrics
from stream.structs import Result


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


_applied: dict[str, int] = {}


def _add_up(_: Metrics, result: Result, seconds: float) -> None:
    for source, count in result.events.items():
        _applied[source] = _applied.get(source, 0) + count


def _tell(metrics: Metrics, *figures: Any) -> None:
    for source, count in _applied.items():
        metrics._events.add(count, source)
    _applied.clear()


class _Silent:
    debug = info = warning = error = exception = staticmethod(_nothing)


def main() -> None:
    for name in dir(Metrics):
        if name.startswith(("observe_", "set_", "count_")):
            setattr(Metrics, name, _nothing)
    setattr(Metrics, "observe_batch", _add_up)  # noqa: B010 - as above
    setattr(Metrics, "set_lag", _tell)  # noqa: B010 - which is called once a second
    setattr(lane, "log", _Silent())  # noqa: B010
    cli.main()


if __name__ == "__main__":
    main()
