"""The engine without Kafka: past events, or a test's, played to one partition on the clock of the events.

Time is the events': the watermark is the largest event time so far, whatever the machine's clock says, so
the same events in the same order always give the same decisions. Sources are merged as in a worker: each in
its own order, between them the earliest event first; `ended` says which of them have nothing more to come, so
that they are not waited for. At the end of the input `advance` moves the watermark on, and what is due fires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from stream.clock import LATEST, Clock
from stream.decisions.experiments import Arms
from stream.engine import PartitionState, process
from stream.matcher._match import Match
from stream.rules.model import RuleSet
from stream.structs import Batch, DeadLetter, Record, Result, Unwritten


class ReplayedRecord(NamedTuple):
    """An event that never was in Kafka, as the engine reads records. `timestamp`: ms; -1 if not known.

    `place`: where it was read, for people.
    """

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    place: str = ""


class Disk(Protocol):
    """Where the customers of a partition are that are not in use; `runtime.rocksdb` has one."""

    @property
    def keys(self) -> int: ...
    def get(self, key: bytes) -> bytes | None: ...
    def each_key(self) -> Iterator[bytes]: ...
    def distrust(self) -> None: ...
    def write(
        self,
        keys: Iterable[tuple[bytes, bytes | None]],
        timers: Iterable[tuple[bytes, bytes | None]],
        position: int,
    ) -> None: ...


AT_ONCE = 10_000  # customers that are asked before they go back to disk


class Paging(NamedTuple):
    """How customers go to disk: `open` gives that of a partition, and `keep` of them stay in memory."""

    open: Callable[[int], Disk]
    keep: int


class Replay:
    """Events, played by hand, those of each partition by themselves. What the engine says comes as `Result`s,
    in order.

    `now` (ms): an event dated more than five minutes later counts as of its record's timestamp. Without it no
    event is from the future. `arms` and `take`: as of
    `engine.process`.
    """

    def __init__(
        self,
        rules: RuleSet,
        arms: Arms | None = None,
        now: int = LATEST,
        take: Callable[[Match], bool] | None = None,
        paging: Paging | None = None,
    ) -> None:
        self.rules = rules
        self.arms = arms
        self.now = now
        self._take = take
        self._paging = paging
        self._states: dict[int, PartitionState] = {}
        self._disks: dict[int, Disk] = {}
        self._reached: dict[int, int] = {}
        self._written = 0

    @property
    def timers(self) -> int:
        """Instances that wait."""
        return sum(each.customers.timers for each in self._states.values())

    @property
    def customers(self) -> int:
        """Of whom anything is known."""
        for partition in self._disks:
            self._leave(partition, keep=0)
        here = sum(len(each.customers) for number, each in self._states.items() if number not in self._disks)
        return here + sum(each.keys for each in self._disks.values())

    @property
    def everywhere(self) -> int | None:
        """The watermark (ms) that all partitions have reached."""
        return min(self._reached.values(), default=None)

    def everybody(self) -> Iterator[tuple[PartitionState, Iterator[str]]]:
        """Each partition's state with the ids of its customers, also of those on disk."""
        for partition, state in sorted(self._states.items()):
            yield state, self._ids(partition)

    def _ids(self, partition: int) -> Iterator[str]:
        disk = self._disks.get(partition)
        if disk is None or self._paging is None:
            yield from self._states[partition].customers.ids()
            return
        self._leave(partition, keep=0)
        for number, key in enumerate(disk.each_key(), start=1):
            if key:  # the empty one says how far the sources are
                yield key.decode()
            if number % min(self._paging.keep, AT_ONCE) == 0:
                self._leave(partition, keep=0)

    @property
    def state(self) -> PartitionState:
        """Of the first partition: of all events that are of none."""
        return self.state_of(0)

    def state_of(self, partition: int) -> PartitionState:
        """What is known of a partition's customers."""
        if partition not in self._states:
            self._states[partition] = state = PartitionState(self.rules)
            if self._paging is not None:
                self._disks[partition] = disk = self._paging.open(partition)
                state.customers.read_from(disk)
        return self._states[partition]

    def feed(
        self, records: Mapping[str, Sequence[Record]], ended: frozenset[str], partition: int = 0
    ) -> Iterator[Result]:
        """Apply the records (by source), as far as no source that has not ended must be waited for."""
        return self._process(
            Batch(partition, records, ended), Clock(wall=lambda: self.now, by_event_time=True)
        )

    def advance(self, until: int) -> Iterator[Result]:
        """All sources have ended: move the watermark to `until` (ms) and fire what is due before it."""
        ended = frozenset(source.name for source in self.rules.sources)
        clock = Clock(wall=lambda: self.now, by_event_time=True, reached=until)
        for partition in sorted(self._states):
            yield from self._process(Batch(partition, {}, ended), clock)

    def _process(self, batch: Batch, clock: Clock) -> Iterator[Result]:
        while True:
            state = self.state_of(batch.partition)
            result = process(batch, self.rules, state, clock, arms=self.arms, take=self._take)
            if result.watermark is not None:
                self._reached[batch.partition] = result.watermark
            yield result
            if not result.more:
                break
            batch = Batch(batch.partition, {}, batch.ended)
        if self._paging is not None and len(state.customers) > 2 * self._paging.keep:
            self._leave(batch.partition, self._paging.keep)

    def _leave(self, partition: int, keep: int) -> None:
        """Leave to disk what is not in use, until `keep` customers are in memory."""
        state, disk = self._states[partition], self._disks[partition]
        self._written += 1
        disk.write(state.take_changed(), state.customers.take_notes(), self._written)
        state.customers.evict(keep, len(state.customers))


def why_unwritten(failed: Unwritten, variant: str | None) -> str:
    """What of a message could not be written, for people."""
    of = f"`{failed.field}`" + (f" of variant `{variant}`" if variant is not None else "")
    if failed.variable is not None:
        if "." not in failed.variable:
            return f"{of}: `{failed.variable}` is all of it: name a field, such as `{failed.variable}.NAME`"
        return f"{of}: there is no `{failed.variable}`, or it is an object"
    if failed.filter is not None:
        return f"{of}: `{failed.filter}` got what it does not take, such as a text for a number"
    return f"{of}: it could not be written"


class First(NamedTuple):
    """Where something was odd first: a record of a source, by its offset, -1 for a timer; and when."""

    source: str
    offset: int
    at: int


@dataclass(frozen=True, slots=True)
class RuleTally:
    """What became of a rule's matches: by outcome, of what was not sent by reason, of what was by channel."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    unwritten: Counter[tuple[str | None, Unwritten]] = field(default_factory=Counter)  # with its variant


class Tally:
    """What a replay came to, added up result by result."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.dead_letters: Counter[tuple[str, str]] = Counter()
        self.first_letters: dict[tuple[str, str], DeadLetter] = {}
        self.condition_errors: Counter[tuple[str, str, str, str]] = Counter()
        self.firsts: dict[tuple[object, ...], First] = {}  # of each condition error, and of what is unwritten
        self.errors: Counter[tuple[str, str]] = Counter()
        self.left_out: Counter[str] = Counter()
        self.rules: dict[str, RuleTally] = {}
        self.watermark: int | None = None

    def of(self, rule: str) -> RuleTally:
        return self.rules.get(rule, RuleTally())

    def add(self, result: Result) -> None:
        self.events.update(result.events)
        for letter in result.dead_letters:
            self.dead_letters[letter.source, letter.reason] += 1
            self.first_letters.setdefault((letter.source, letter.reason), letter)
        self.condition_errors.update(result.condition_errors)
        for what, first in result.first_failures.items():
            if what not in self.firsts:
                self.firsts[what] = First(*first)
        self.errors.update(result.errors)
        self.left_out.update(result.left_out)
        if result.watermark is not None:  # of its partition
            self.watermark = max(result.watermark, self.watermark or 0)
        for decision in result.decisions:
            rule = self.rules.setdefault(decision.rule, RuleTally())
            rule.outcomes[decision.outcome] += 1
            if decision.unwritten is not None:
                rule.unwritten[decision.variant, decision.unwritten] += 1
                place = (decision.rule, decision.variant, decision.unwritten)
                self.firsts.setdefault(place, First(decision.source, decision.offset, decision.at))
            if decision.reason is not None:
                rule.reasons[decision.reason] += 1
            elif decision.outcome == "sent":
                rule.channels[str(decision.channel)] += 1
