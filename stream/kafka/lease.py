"""The lease: until when nobody else can own the partitions of this worker.

Kafka's group coordinator gives a member's partitions to others when it has heard nothing from it for the
session time-out. A process that was stopped (SIGSTOP, a frozen machine, a long pause) wakes up and does not
know; what it has ready to send would go out beside what the new owner sends. So nothing is applied or
produced unless the coordinator has answered a request that was sent less than a session time-out ago.

What was asked for here and leaves late all the same is the broker's business: see `fence`.

A Kafka that is away ends the lease, too: then work rests until it answers again.
Tested by tests/kafka/test_lease.py, and on real Kafka by tests/faults.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOK_S = 0.05


class Lease:
    """Renewed from the consumer's thread, asked from any. `term`: the session time-out, in seconds."""

    def __init__(self, term: float, now: Callable[[], float] = time.monotonic) -> None:
        self._term = term
        self._now = now
        self._until = float("-inf")

    def now(self) -> float:
        """The clock that `renew` wants."""
        return self._now()

    def renew(self, asked_at: float) -> None:
        """The coordinator has answered a request that was sent at `asked_at`."""
        self._until = max(self._until, asked_at + self._term)

    @property
    def held(self) -> bool:
        return self._now() < self._until

    async def wait(self) -> None:
        """Return once it is held."""
        while not self.held:
            await asyncio.sleep(LOOK_S)
