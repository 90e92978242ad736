"""Whether the engine gives back what it takes: resident memory over many reloads and many events.

    python -m loadtest.micro.memory [--reloads 1000] [--events 10000000]

Reloads: a partition goes over from REF-300 to REF-500 and back, each time to a rule set of its own, of which
a new program is made, with some events in between. (The two are compiled from their files once: what is
asked about is the engine, and compiling a thousand times would take minutes.)
Events: laps of the same 100,000 `wide` events of 5,000 customers, each lap ten days later than the one
before, so that windows roll, timers fire and limits are free again. The state is steady after six laps, when
the longest window is full.

Resident size is measured after a tenth of the reloads (100 of 1,000) and a tenth of the events, and at the
end of each: the end must be within 5% of that. Exit code 1 if it is not. Linux only (`/proc`).
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from loadtest.micro.engine import FAR, Read, compile_rules
from loadtest.rulesets import ref_rules
from loadtest.workloads import wide
from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.structs import Batch, Record

CUSTOMERS = 5_000
LAP = 100_000
LAP_MS = 10 * 86_400_000
PER_BATCH = 2_000
BETWEEN_RELOADS = 2_000  # events
MOST = 0.05

Value = tuple[str, bytes, int]  # source, JSON, ms since the first


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident bytes after the first tenth, and at the end."""

    early: int
    late: int

    @property
    def share(self) -> float:
        return self.late / self.early - 1


class Player:
    """Plays laps of the same events to one partition, each later than the one before."""

    def __init__(self, values: list[Value]) -> None:
        self._values = values
        self._rules = [compile_rules(_by_record_time(size)) for size in (300, 500)]
        self._state = PartitionState(self._rules[0])
        self._clock = Clock(wall=lambda: FAR * 1000, by_event_time=True)
        self._played = 0

    @property
    def customers(self) -> int:
        return len(self._state.customers)

    def reload(self) -> None:
        """Goes over to the other rule set, as one that was never seen before."""
        self._rules.reverse()
        self._rules[0] = replace(self._rules[0])
        self._state.adopt(self._rules[0])

    def play(self, events: int) -> None:
        for first in range(self._played, self._played + events, PER_BATCH):
            batch = Batch(0, self._records(first), frozenset(("clickstream", "transactions")))
            rules: RuleSet = self._rules[0]
            while process(batch, rules, self._state, self._clock).more:
                batch = Batch(0, {}, batch.ended)
            self._state.take_changed()
        self._played += events

    def _records(self, first: int) -> dict[str, list[Record]]:
        records: dict[str, list[Record]] = {}
        for number in range(first, first + PER_BATCH):
            lap, at = divmod(number, len(self._values))
            source, value, time = self._values[at]
            records.setdefault(source, []).append(Read(number, FAR + lap * LAP_MS + time, value, None))
        return records


def measure(steps: int, step: Callable[[], None], progress: Callable[[int], None]) -> Growth:
    """Takes the steps; resident size after a tenth of them and after all."""
    early = 0
    for done in range(1, steps + 1):
        step()
        progress(done)
        if done == max(steps // 10, 1):
            early = resident()
    return Growth(early, resident())


def resident() -> int:
    """Bytes of this process in memory, after a collection."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def values(count: int = LAP) -> list[Value]:
    """`wide` events, the customers folded onto CUSTOMERS."""
    return list(_folded(count))


def _folded(count: int) -> Iterator[Value]:
    begin = 0
    for number, (topic, _, key, value, time) in enumerate(wide(events=count)):
        begin = begin or time
        customer = b"c%05d" % (int(key[1:]) % CUSTOMERS)
        yield topic, value.replace(key, customer), number * 10


def _by_record_time(size: int) -> dict[str, str]:
    files = ref_rules(size)
    return {
        **files,
        "sources.yaml": files["sources.yaml"].replace(", time: ts", "").replace(", id: event_id", ""),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reloads", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    given = parser.parse_args()
    player = Player(values())
    gc.freeze()

    def reload() -> None:
        player.play(BETWEEN_RELOADS)
        player.reload()

    def say(what: str, steps: int) -> Callable[[int], None]:
        def progress(done: int) -> None:
            if done % max(steps // 20, 1) == 0:
                print(f"  {what}: {done} of {steps}", file=sys.stderr, flush=True)

        return progress

    player.play(6 * LAP)  # the state is steady from here on
    laps = max(given.events // LAP, 1)
    found = {
        f"{given.reloads} reloads": measure(given.reloads, reload, say("reloads", given.reloads)),
        f"{laps * LAP} events": measure(laps, lambda: player.play(LAP), say("laps", laps)),
    }
    print(f"{'':18}{'after a tenth':>15}{'at the end':>12}{'growth':>9}")
    for name, growth in found.items():
        early, late = growth.early / 2**20, growth.late / 2**20
        print(f"{name:18}{early:11.1f} MiB{late:8.1f} MiB{growth.share:+9.1%}")
    sys.exit(any(abs(growth.share) > MOST for growth in found.values()))


if __name__ == "__main__":
    main()
