"""What the runtime asks of a stage: one pure, synchronous state machine for each partition.

The runtime brings a partition's records, keeps its state durable and carries what it writes. It knows no
rules: the trigger engine (`worker.triggers`) is one stage, and a stage in the tests counts records by key.

    open ─► load … ready            the changelog, up to its end; a standby loads on and on
         ─► resume                  where offsets count from; what a former owner wrote beyond its checkpoint
         ─► step, step, …           records in; records out, positions, the next deadline
              └► take_changed       at each checkpoint: what the changelog is to be told
         ─► forget_pending          the partition is given up

A step never waits. Four things that take longer are asked of the runtime, each by a part of the step's
result or by a protocol of its own:

    checkpoint now       `StepResult.checkpoint`: within a tick, not only after the commit interval
    once it is durable   `HandsOn.checkpointed`: called when the changelog has acknowledged a checkpoint
    no step until then   `Holds.held`
    an effect outside    `StepResult.effects`, `Performs.performed`: awaited beside the steps, within a bound

Repeats after a crash are left out of what `step` writes to the partition's own number. A record for another
number, and what `checkpointed` and `performed` write, can come again: its receiver has to know repeats by
itself. An effect begins before what it is for is durable, and can be begun again by another owner.

Tested by tests/runtime/test_stage.py and tests/integration/test_stage.py.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from stream.clock import Clock
from stream.kafka._packed import PackedRecords
from stream.structs import Batch, Record, Target, WireRecord


class Effect(NamedTuple):
    """Something to be done outside, such as an HTTP call. `call` is the performer's to understand.

    After `timeout` seconds it is cancelled, and counts as timed out: it may have happened all the same.
    """

    call: Any
    timeout: float


class Performed(NamedTuple):
    """What became of an effect: the performer's answer, or that it did not come in time."""

    effect: Effect
    answer: Any
    timed_out: bool


@dataclass(slots=True)
class StepResult:
    """What one step came to.

    `records` are written before the next checkpoint's changes, those of a target in their order
    (`kafka._packed.pack` makes them of objects). `positions`: per source, the next offset that is not applied
    (only sources that moved). `more`: the same call with an empty batch would go on. `watermark` and
    `next_deadline` are the partition's, in ms; None where there is none.

    Of `checkpointed` and `performed` only `records`, `checkpoint` and `effects` count; a step says the rest.
    """

    records: Mapping[Target, PackedRecords] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)
    watermark: int | None = None
    next_deadline: int | None = None
    more: bool = False
    checkpoint: bool = False
    effects: Sequence[Effect] = ()


class Written(NamedTuple):
    """A record of this app that a tail holds: a former owner wrote it after its last checkpoint.

    `identity` is that of a record which would repeat it. `cause`: topic, partition and offset of the record
    that it answers; None where a timer did, at `fired_at` (ms). `content` is the stage's own.
    """

    identity: Hashable
    cause: tuple[str, int, int] | None
    fired_at: int | None = None
    content: Any = None


class Figures(NamedTuple):
    """How much a partition holds. `live`: keys in memory; `fetched`: look-ups that went to the disk;
    `created`: keys that were new when they were taken, so far.
    """

    keys: int
    bytes: int
    timers: int
    live: int
    fetched: int
    created: int = 0


class Store(Protocol):
    """Where a partition finds the keys that it does not hold in memory."""

    def get(self, key: bytes) -> bytes | None: ...
    def distrust(self) -> None:
        """What it gave cannot be right: it is wiped when it is opened next."""


class Partition(Protocol):
    """One partition number's state. One owner, one thread; no call awaits anything."""

    @property
    def checkpoint(self) -> bytes:
        """What the latest `take_changed` was given, as loaded; empty if there is none."""

    @property
    def figures(self) -> Figures: ...

    def load(self, records: Sequence[Record]) -> None:
        """Apply records of the changelog. A StateError says the offset, never the key."""

    def ready(self) -> None:
        """The changelog was read to its end."""

    def resume(self, bases: Mapping[str, int], written: Sequence[Written]) -> None:
        """Work begins. `bases`: per source, what its offsets count from (a topic that was deleted and made
        anew begins at 0 again). `written`: what the state does not know of, though it is in Kafka.
        """

    def recovered(self) -> None:
        """Everything that caused what was `written` is applied again."""

    def step(self, batch: Batch, clock: Clock, limit: int) -> StepResult:
        """Apply what is at hand, at most `limit` events and timers."""

    def take_changed(self, checkpoint: bytes) -> list[tuple[bytes, bytes]]:
        """(key, value) for the changelog of all that changed since the last call, as of now.

        If anything moved, `checkpoint` comes last, under the empty key: it must not be durable before the
        rest is.
        """

    def forget_pending(self) -> None:
        """Drop what is at hand and not applied: it will be read again."""


@runtime_checkable
class Paged(Protocol):
    """A partition that can leave keys to a store on disk, and find them there again."""

    def read_from(self, store: Store) -> None:
        """From now on not all keys are in memory; the others are in `store`."""

    def stand_in(self, key: bytes, note: bytes) -> None:
        """Take what `take_notes` gave for a key that is only in the store."""

    def take_notes(self) -> list[tuple[bytes, bytes | None]]:
        """What the store keeps apart of the keys taken or loaded since the last call: when each is due."""

    def evict(self, keep: int, most: int) -> int:
        """Leave at most `most` keys to the store, until `keep` are in memory; how many it was."""


@runtime_checkable
class HandsOn(Protocol):
    """A partition that does something once a checkpoint is durable."""

    def checkpointed(self) -> StepResult:
        """The latest `take_changed` is acknowledged. What this step writes is acknowledged before the next
        one is; after a crash in between, the state is the only one to know that it was not written.

        Not called for the last checkpoint before the partition is given up.
        """


@runtime_checkable
class Holds(Protocol):
    """A partition that now and then takes no step until a checkpoint is durable: what it decides from then on
    depends on something that the checkpoint says.
    """

    @property
    def held(self) -> bool:
        """Whether that is now. `take_changed` begins it, and `HandsOn.checkpointed` ends it."""


@runtime_checkable
class Performs(Protocol):
    """A partition that has effects outside."""

    def performed(self, done: Performed, clock: Clock) -> StepResult: ...


class Stage(Protocol):
    """A kind of work over co-partitioned topics."""

    @property
    def name(self) -> str:
        """Of what it keeps, such as `customers`; part of the changelog's name."""

    @property
    def sources(self) -> Mapping[str, str]:
        """The topics to be read, by the source's name."""

    @property
    def outputs(self) -> Iterable[str]:
        """The topics whose tails tell what was written."""

    @property
    def mark(self) -> tuple[str, bytes] | None:
        """A header, by name and value, of all that it writes. A source's record that has it is not read: what
        it wrote would come round for ever. None: nothing is told by a header.
        """

    def open(self, number: int) -> Partition:
        """An empty partition."""

    def read_written(self, topic: str, record: Record) -> Written | None:
        """A record of a tail, None if it is another app's. StateError if it is ours and cannot be read."""

    def identity(self, record: WireRecord) -> Hashable:
        """What makes a record the same as one that was written before."""
