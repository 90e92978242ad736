"""The partitions that a worker has the state of, own ones and standbys, and up to where it is complete.

With the memory store a `stage.Partition` is all. With a store on disk (`rocksdb`) a partition has those keys
in memory that are in use, and finds the others there; the disk says nothing that the changelog does not have.
`restore` fills it from the changelog.
Tested by tests/runtime/test_rocksdb.py and tests/integration/test_restore.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog

from stream.errors import SettingsError, StateError, StreamError
from stream.runtime.rocksdb import SLICE, DiskStore, DiskStores
from stream.runtime.stage import Paged, Partition, Stage
from stream.structs import Record

log = structlog.get_logger("stream.stored")


class StoredPartition:
    """A partition that is complete up to (not including) changelog offset `position`: all in memory, or with
    a `store` the keys that are in use. `dropped`: it is another worker's by now, or not trusted.
    """

    __slots__ = (
        *("changelog_id", "created", "created_before", "dropped", "number", "paged", "partition", "position"),
        *("stage", "store", "taken"),
    )

    def __init__(
        self, stage: Stage, number: int, store: DiskStore | None = None, changelog_id: str = ""
    ) -> None:
        self.stage = stage
        self.number = number
        self.store = store
        self.changelog_id = changelog_id
        self.dropped = False
        self._begin()
        if store is not None:
            try:
                self._look_into(store)
            except StateError as error:
                log.warning("store_begins_anew", reason=error.message)
                store.wipe()
                self._begin()

    def _begin(self) -> None:
        self.partition: Partition = self.stage.open(self.number)
        self.paged = _paged(self.partition) if self.store is not None else None
        if self.paged is not None and self.store is not None:
            self.paged.read_from(self.store)
        self.position = 0
        self.taken: list[tuple[bytes, bytes | None]] = []  # what the store is to know of timers
        self.created = self.created_before = 0  # keys that were new among those taken, and until then

    def _look_into(self, store: DiskStore) -> None:
        if checkpoint := store.get(b""):
            self.partition.load([_Kept(store.position, b"", checkpoint)])
        for key, note in store.timers():
            _paged(self.partition).stand_in(key, note)
        self.position = store.position

    def begin_anew(self) -> None:
        """Forget everything: it is not to be trusted, or can no longer be completed."""
        if self.store is not None:
            self.store.wipe()
        self._begin()

    def load(self, records: Sequence[Record]) -> None:
        """Apply changelog records; a StateError names the offset, never the key."""
        self.partition.load(records)
        if self.store is not None and self.paged is not None and records:
            self.store.fill()
            entries = [(record.key or b"", record.value) for record in records]
            self.store.write(entries, self.paged.take_notes(), records[-1].offset + 1)

    def settling(self) -> Iterator[None]:
        """The changelog was read to its end: yields until the disk is ready for its use."""
        if self.store is not None:
            yield from self.store.settling()

    def take_changed(self, checkpoint: bytes) -> list[tuple[bytes, bytes]]:
        """What the changelog is to be told, see `stage.Partition`; `committing` has to follow."""
        changed = self.partition.take_changed(checkpoint)
        self.taken = self.paged.take_notes() if self.paged is not None else []
        created = self.partition.figures.created
        self.created, self.created_before = created - self.created_before, created
        return changed

    def take_checkpoint(self, checkpoint: bytes) -> list[tuple[bytes, bytes]]:
        """The same where nothing has changed, perhaps not even the checkpoint."""
        self.take_changed(b"")  # another one, so that this one is new
        return self.take_changed(checkpoint)

    def committing(self, changed: Sequence[tuple[bytes, bytes]], position: int, keep: int) -> Iterator[None]:
        """The changelog has what was taken, up to `position`. `keep`: keys that stay in memory. In the pauses
        the partition may go on, but nothing else may be taken from it.
        """
        if self.store is not None and self.paged is not None:
            yield from self.store.writing(changed, self.taken, position, self.created)
            self.taken = []
            while self.paged.evict(keep, SLICE) == SLICE:
                yield
        self.position = position

    def close(self) -> None:
        """Let go of the disk."""
        if self.store is not None:
            self.store.close()

    @property
    def keys(self) -> int:
        """How many there are; while a store is filled an estimate."""
        return self.partition.figures.keys if self.store is None else self.store.keys

    @property
    def bytes(self) -> int:
        """Of their byte forms; with a store its size."""
        return self.partition.figures.bytes if self.store is None else self.store.disk_bytes


def _paged(partition: Partition) -> Paged:
    if not isinstance(partition, Paged):
        raise SettingsError(
            "this stage keeps all of its state in memory", hint="leave STREAM_STORE out, or say memory"
        )
    return partition


class _Kept:
    """A record of the changelog as the store has it."""

    __slots__ = ("headers", "key", "offset", "timestamp", "value")

    def __init__(self, offset: int, key: bytes, value: bytes) -> None:
        self.offset, self.timestamp, self.key, self.value = offset, -1, key, value
        self.headers: Sequence[tuple[str, bytes]] = ()


class PartitionStore:
    """The partitions at hand, own ones and standbys, by number."""

    def __init__(self, stage: Stage, disk: DiskStores | None = None) -> None:
        self.stored: dict[int, StoredPartition] = {}
        self._stage = stage
        self._disk = disk

    def ensure(self, number: int, changelog_id: str) -> StoredPartition:
        """What is known of a partition, of this very changelog; from disk, if it is not at hand."""
        stored = self.stored.get(number)
        if stored is not None and stored.changelog_id != changelog_id:
            log.warning("restore_begins_anew", partition=number, reason="the changelog was made anew")
            self.drop(number)
            stored = None
        if stored is None:
            store = self._disk.open(number, changelog_id) if self._disk is not None else None
            try:
                stored = self.stored[number] = StoredPartition(self._stage, number, store, changelog_id)
            except StreamError:
                if store is not None:
                    store.close()
                raise
        return stored

    @property
    def keep(self) -> int:
        """How many keys of a partition stay in memory, if there is a store on disk."""
        return self._disk.keys_in_memory // max(len(self.stored), 1) if self._disk is not None else 0

    def close(self) -> None:
        """Let go of all partitions: the worker ends."""
        for number in list(self.stored):
            self.drop(number)

    def drop(self, number: int) -> None:
        """Forget a partition: it belongs to another worker, or is no longer trusted."""
        if (stored := self.stored.pop(number, None)) is not None:
            stored.dropped = True
            stored.close()
