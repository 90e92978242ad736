"""What a worker knows of the customers of its partitions: one `engine.PartitionState` for each, and the
changelog offset up to which it is complete.

With the memory store that is all. With a store on disk (`store`) a state has those customers in memory that
are in use, and finds the others there; it says nothing that the changelog does not have.
`restore` fills it from the changelog, `lane` works on it. Tested by tests/runtime/test_rocksdb.py and
tests/integration/test_restore.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog

from stream.engine import PartitionState
from stream.errors import StateError
from stream.rules.model import RuleSet
from stream.runtime.rocksdb import SLICE, Store, Stores
from stream.structs import Record

log = structlog.get_logger("stream.stored")


class StoredPartition:
    """The customers of one partition, complete up to (not including) changelog offset `position`: all in
    memory, or with a `store` those that are in use.
    """

    __slots__ = ("changelog_id", "position", "state", "store", "taken")

    def __init__(self, rules: RuleSet, store: Store | None = None, changelog_id: str = "") -> None:
        self.store = store
        self.changelog_id = changelog_id
        self.taken: list[tuple[bytes, bytes | None]] = []  # what the store is to know of timers
        self._begin(rules)
        if store is not None:
            try:
                self._look_into(store)
            except StateError as error:
                log.warning("store_begins_anew", reason=error.message)
                store.wipe()
                self._begin(rules)

    def _begin(self, rules: RuleSet) -> None:
        self.state = PartitionState(rules)
        self.state.keep_in(self.store)
        self.position = 0
        self.taken = []

    def _look_into(self, store: Store) -> None:
        if marks := store.get(b""):
            self.state.load(b"", marks)
        for key, note in store.timers():
            self.state.stand_in(key, note)
        self.position = store.position

    def begin_anew(self) -> None:
        """Forget everything: it is not to be trusted, or can no longer be completed."""
        if self.store is not None:
            self.store.wipe()
        self._begin(self.state.rules)

    def load(self, records: Sequence[Record]) -> None:
        """Apply changelog records; a StateError names the offset, never the customer."""
        self.state.load_all(records)
        if self.store is not None and records:
            self.store.fill()
            customers = [(record.key or b"", record.value) for record in records]
            self.store.write(customers, self.state.take_dues(), records[-1].offset + 1)

    def settling(self) -> Iterator[None]:
        """The changelog was read to its end: yields until the disk is ready for its use."""
        if self.store is not None:
            yield from self.store.settling()

    def take_changed(self) -> list[tuple[bytes, bytes]]:
        """What the changelog is to be told, see `PartitionState.take_changed`; `commit` has to follow."""
        changed = self.state.take_changed()
        self.taken = self.state.take_dues()
        return changed

    def commit(self, changed: Sequence[tuple[bytes, bytes]], position: int, keep: int) -> None:
        """The changelog has what was taken, up to `position`. `keep`: customers that stay in memory."""
        for _ in self.committing(changed, position, keep):
            pass

    def committing(self, changed: Sequence[tuple[bytes, bytes]], position: int, keep: int) -> Iterator[None]:
        """The same with pauses. In them the state may go on, but nothing else may be taken from it."""
        if self.store is not None:
            yield from self.store.writing(changed, self.taken, position)
            self.taken = []
            while self.state.evict(keep, SLICE) == SLICE:
                yield
        self.position = position

    def close(self) -> None:
        """Let go of the disk."""
        if self.store is not None:
            self.store.close()

    @property
    def customers(self) -> int:
        """How many there are; with a store an estimate."""
        return self.state.customers if self.store is None else self.store.customers

    @property
    def state_bytes(self) -> int:
        """Of their byte forms; with a store its size."""
        return self.state.state_bytes if self.store is None else self.store.disk_bytes


class StoredPartitions:
    """The partitions at hand, own ones and standbys, by number."""

    def __init__(self, stores: Stores | None = None) -> None:
        self.stored: dict[int, StoredPartition] = {}
        self._stores = stores

    def ensure(self, number: int, changelog_id: str, rules: RuleSet) -> StoredPartition:
        """What is known of a partition, of this very changelog; from disk, if it is not at hand."""
        stored = self.stored.get(number)
        if stored is not None and stored.changelog_id != changelog_id:
            log.warning("restore_begins_anew", partition=number, reason="the changelog was made anew")
            self.drop(number)
            stored = None
        if stored is None:
            store = self._stores.open(number, changelog_id) if self._stores is not None else None
            stored = self.stored[number] = StoredPartition(rules, store, changelog_id)
        return stored

    @property
    def keep(self) -> int:
        """How many customers of a partition stay in memory, if there is a store."""
        return self._stores.customers // max(len(self.stored), 1) if self._stores is not None else 0

    def close(self) -> None:
        """Let go of all partitions: the worker ends."""
        for number in list(self.stored):
            self.drop(number)

    def drop(self, number: int) -> None:
        """Forget a partition's customers: they belong to another worker, or are no longer trusted."""
        if (stored := self.stored.pop(number, None)) is not None:
            stored.close()
