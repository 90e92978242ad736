"""Telemetry that is put off: a lane's step notes what happened, and it is counted many steps at a time.

The objects of a metric are far from what the engine has just worked on: counting after each step cost a
twenty-fifth of the step in memory that had to be fetched. And with hundreds of rules most decisions of a step
are of another rule each: their series, looked up each time, took a seventh. So steps are counted by the dozen
(`Later`), decisions in a plain dict first, and their series are looked up when somebody looks (`Tally`).

Noted in the lane's thread, told in the health server's, too; nothing is lost between them. Tested by
tests/unit/test_tallies.py; what all of it costs: `python -m loadtest.telemetry`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from threading import Lock
from typing import Generic, TypeVar

from stream.structs import Decision

T = TypeVar("T")
AT_ONCE = 64

Judged = tuple[str, str | None, str, str | None]  # rule, channel, outcome, reason
judged = itemgetter(*(Decision._fields.index(name) for name in ("rule", "channel", "outcome", "reason")))


class Later(Generic[T]):
    """Hands what is noted to `take`, many at a time and in order; in one thread at a time."""

    def __init__(self, take: Callable[[Sequence[T]], object]) -> None:
        self._take = take
        self._noted: deque[T] = deque()
        self._lock = Lock()

    def note(self, thing: T) -> None:
        """Put it by; hands all of them over if many wait."""
        self._noted.append(thing)
        if len(self._noted) >= AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Hand over what waits."""
        with self._lock:
            things = [self._noted.popleft() for _ in range(len(self._noted))]  # taken here alone
            if things:
                self._take(things)


class Tally:
    """How many decisions there were of each kind since they were last taken."""

    def __init__(self) -> None:
        self._counts: Counter[Judged] = Counter()
        self._lock = Lock()

    def add(self, decisions: Iterable[Decision]) -> None:
        with self._lock:
            self._counts.update(map(judged, decisions))

    def take(self) -> Counter[Judged]:
        """The counts, which begin at nothing again."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken
