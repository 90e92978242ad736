"""Decisions, counted as they come and told to the metrics when somebody looks.

With hundreds of rules most decisions of a batch are of another rule each: a metric's series looked up for
every one of them took a seventh of a worker's time. Here a decision costs a tenth of a microsecond, and the
series are looked up once per scrape. Counted in the lane's thread, taken in the health server's. Tested by
tests/unit/test_metrics.py; what all of it costs: `python -m loadtest.telemetry`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from threading import Lock

from stream.structs import Decision

Judged = tuple[str, str | None, str, str | None]  # rule, channel, outcome, reason

_judged = itemgetter(*(Decision._fields.index(name) for name in ("rule", "channel", "outcome", "reason")))


class DecisionTally:
    """How many decisions there were of each kind since they were last taken."""

    def __init__(self) -> None:
        self._counts: Counter[Judged] = Counter()
        self._lock = Lock()

    def add(self, decisions: Iterable[Decision]) -> None:
        with self._lock:
            self._counts.update(map(_judged, decisions))

    def take(self) -> Counter[Judged]:
        """The counts, which begin at nothing again."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken
