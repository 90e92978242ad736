"""Whether Kafka answers this process, and lets it in: one line when that ends, one when it is as before.

Every answer of every broker to every client here counts, so a worker that has nothing to do knows it, too:
its heartbeats are answered. Tested by tests/kafka/test_contact.py, and on real Kafka by
tests/integration/test_outage.py and test_security.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from stream.kafka.connection_refusals import REASONS, Refusal

log = structlog.get_logger("stream.kafka")

SILENT_S = 5.0  # without an answer, and with an attempt that failed: Kafka is away
QUITE_SILENT_S = 30.0  # without an answer: longer than a rebalance has nothing to ask
BROKER_S = 30.0  # one broker cannot be reached: longer than it is away to be upgraded
LOOK_S = 1.0
FROZEN_S = 5.0  # no look for so long: this process was stopped, or its machine


class Contact:
    """Told by connections, in any thread. `now` in seconds. `refusals` are counted by reason."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._heard_at = now()
        self._failed_at = float("-inf")
        self._away_since: float | None = None
        self._unreachable: dict[str, tuple[float, float]] = {}  # first and last attempt, by address
        self._refused: dict[str, Refusal] = {}  # by address
        self._told: dict[str, Refusal | None] = {}  # what a line was written about: None: unreachable
        self.refusals: dict[tuple[str, ...], int] = {(reason,): 0 for reason in REASONS}

    def heard(self) -> None:
        """Kafka has answered a client that it has let in."""
        self._heard_at = self._now()

    def cut(self) -> None:
        """A connection has broken, or a request was not answered in time."""
        self._failed_at = self._now()

    def unreachable(self, address: str) -> None:
        """A connection could not be made."""
        self._failed_at = now = self._now()
        first, _ = self._unreachable.get(address, (now, now))
        self._unreachable[address] = first, now

    def refused(self, address: str, refusal: Refusal) -> None:
        """A broker is there and does not let us in."""
        self.refusals[refusal.reason,] += 1
        self._refused[address] = refusal

    def accepted(self, address: str) -> None:
        """A broker has let us in."""
        self.heard()
        self._unreachable.pop(address, None)
        self._refused.pop(address, None)
        if address in self._told:
            said = f"the broker at {address} answers this client again"
            if self._told.pop(address) is None:
                log.info("broker_back", reason=said)
            else:
                log.info("kafka_accepts", reason=said)

    def refusal(self) -> tuple[str, Refusal] | None:
        """An address where we are refused, and why."""
        return next(iter(self._refused.items()), None)

    def away(self) -> float:
        """Seconds since the last answer; 0 while Kafka is there. For any thread."""
        heard_at = self._heard_at
        silent = self._now() - heard_at
        known = silent >= SILENT_S and self._failed_at > heard_at
        return silent if known or silent >= QUITE_SILENT_S else 0.0

    def look(self) -> None:
        """Say what has become so: that Kafka is away, or back; that a broker is, or refuses us."""
        away = self.away()
        if away and self._away_since is None:
            self._away_since = self._heard_at
            log.warning("kafka_away", seconds=round(away), next="waits, and goes on when Kafka is back")
        elif not away and self._away_since is not None:
            log.info("kafka_back", seconds=round(self._heard_at - self._away_since))
            self._away_since = None
        for address, refusal in list(self._refused.items()):
            if self._told.get(address) != refusal:
                self._told[address] = refusal
                log.error(
                    "kafka_refuses",
                    reason=f"the broker at {address} refuses this client: {refusal.message}",
                    hint=refusal.hint,
                )
        if away:
            return  # not some broker, but all
        for address, (first, last) in list(self._unreachable.items()):
            if last >= first + BROKER_S and address not in self._told:
                self._told[address] = None
                log.warning("broker_away", reason=f"the broker at {address} cannot be reached; others answer")

    async def keep_looking(self) -> None:
        """Look until cancelled."""
        looked_at = self._now()
        self.heard()  # what went on before is nobody's business
        while True:
            await asyncio.sleep(LOOK_S)
            if self._now() > looked_at + LOOK_S + FROZEN_S and self._away_since is None:
                self.heard()  # not Kafka was away, but we
            looked_at = self._now()
            self.look()


CONTACT = Contact()  # of this process: it talks to one Kafka
