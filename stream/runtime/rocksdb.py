"""The state of a partition on disk: RocksDB, by way of rocksdict.

    c<key>    its value, the same as in the changelog; of the empty key, the checkpoint
    t<key>    what the partition notes of the key's timers, so that opening looks at no others
    m         whose store this is
    o         the changelog's offset up to which it is complete
    n         how many keys it has

What one checkpoint says is one write batch, together with the offset. There is no write-ahead log: the
changelog in Kafka is one. After a crash the store is as of some earlier checkpoint, whole, because all of it
is one column family, whose buffers are written to disk in order; the rest comes from the changelog.

A store that is another's, or is corrupt, is wiped and made anew from the changelog, and the log says so. One
that another process has open, or a disk that cannot be read or written, is an error. RocksDB tells these
apart by the words of its messages only. So a lock of our own says that a store is in use. Where RocksDB
cannot open one, the disk itself is tried: if all files can be read and another be written, it is corrupt.

An empty store is *filled*: while it takes the changelog nothing is read from it, so its buffers are plain
lists, sorted when they go to disk. Writing to them takes a tenth of the time (`settling` ends it).

All stores of a process share one budget of memory: a cache, to which the write buffers are charged.
Tested by tests/runtime/test_rocksdb.py and tests/integration/test_store.py.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import orjson
import structlog
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    MemtableFactory,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from stream.errors import InternalError, StoreError
from stream.settings import Settings

log = structlog.get_logger("stream.store")

FORMAT = 1
KEY, TIMERS, OWNER, OFFSET, COUNT = b"c", b"t", b"m", b"o", b"n"
DISTRUSTED = "DISTRUSTED"  # a file that says so
SLICE = 5000  # entries between two pauses: a few milliseconds
BLOOM_BITS = 10  # per key: one look in a hundred for an unknown key reads from disk
BUFFER_BYTES = 32 << 20  # of a partition, before it is written to disk
OPEN_FILES = 256  # of a partition
FILES_UNMERGED = 16  # of a partition that is filled, before they are merged; 20 would slow its first writes
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
SHARE = 4  # of the memory there is, for the stores, if no setting says otherwise
LEAST_MEMORY = 32 << 20
PROBE_BYTES = 1 << 20


def memory_limit() -> int:
    """Bytes of memory that this process may use: the control group's limit, else the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in CGROUP_LIMITS:
        try:
            return min(int(Path(path).read_text(encoding="ascii")), machine)
        except (OSError, ValueError):  # another kind of control group, or "max"
            continue
    return machine


class DiskStores:
    """Where a worker's stores of a stage are, and the memory that they share."""

    def __init__(self, settings: Settings, stage: str) -> None:
        self._folder = settings.data_dir / settings.app_id / stage
        self._owner = {"format": FORMAT, "app_id": settings.app_id}
        self.keys_in_memory = settings.store_customers
        memory = settings.store_memory or max(memory_limit() // SHARE, LEAST_MEMORY)
        self._cache = Cache.new_hyper_clock_cache(memory, 0)
        # Buffers beyond their half are written to disk early; they never stop a write.
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            memory // 2, allow_stall=False, cache=self._cache
        )

    def open(self, number: int, changelog_id: str) -> DiskStore:
        """The store of a partition: as it was left if it is of this changelog, else empty.

        Raises StoreError if the disk does not let us, or another process has it open.
        """
        owner = orjson.dumps({**self._owner, "partition": number, "changelog": changelog_id})
        return DiskStore(self._folder / str(number), self._options(), self._filling_options(), owner)

    def _filling_options(self) -> Options:
        options = self._options()
        options.set_memtable_factory(MemtableFactory.vector())
        options.set_allow_concurrent_memtable_write(False)  # a list cannot
        options.set_level_zero_file_num_compaction_trigger(FILES_UNMERGED)
        return options

    def _options(self) -> Options:
        tables = BlockBasedOptions()
        tables.set_block_cache(self._cache)
        tables.set_cache_index_and_filter_blocks(True)
        tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
        tables.set_bloom_filter(BLOOM_BITS, False)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(tables)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(BUFFER_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_max_open_files(OPEN_FILES)
        options.set_keep_log_file_num(2)
        return options


class DiskStore:
    """One partition's keys on disk. One owner, one thread.

    `position`: the changelog's offset up to which it is complete; 0: it is empty.
    """

    def __init__(self, folder: Path, options: Options, filling: Options, owner: bytes) -> None:
        self._folder = folder
        self._options = options
        self._filling_options = filling
        self._filling = False
        self._owner = owner
        self._write_options = WriteOptions()
        self._write_options.disable_wal = True  # type: ignore[method-assign,assignment]  # a property
        self.position = 0
        self._keys: int | None = None  # None: not counted yet
        self._db: Any = None
        self._lock = self._take_lock()
        try:
            self._open(options)
        except StoreError:
            self._lock.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        """What is known of a key, in its byte form; None if nothing is."""
        try:
            found: bytes | None = self._opened().get(KEY + key)
        except Exception as error:  # rocksdict raises nothing narrower
            self.distrust()
            raise self._error("read", error) from error
        return found

    def each_key(self) -> Iterator[bytes]:
        """The keys as they are now; what is written meanwhile is not among them."""
        entries = self._opened().iter()
        entries.seek(KEY)
        while entries.valid() and (key := entries.key())[:1] == KEY:
            yield key[1:]
            entries.next()

    def timers(self) -> Iterator[tuple[bytes, bytes]]:
        """(key, note) of each key with timers."""
        entries = self._opened().iter()
        entries.seek(TIMERS)
        while entries.valid() and (key := entries.key())[:1] == TIMERS:
            yield key[1:], entries.value()
            entries.next()

    def write(
        self,
        keys: Iterable[tuple[bytes, bytes | None]],
        timers: Iterable[tuple[bytes, bytes | None]],
        position: int,
    ) -> None:
        """Take over what the changelog has up to `position`, all of it or nothing; None deletes.

        Raises StoreError if the disk is full, or fails.
        """
        entries = dict(keys)  # the latest of a key counts
        created = 0 if self._keys is None else self._gained(entries)
        for _ in self.writing(entries.items(), timers, position, created):
            pass

    def _gained(self, entries: Mapping[bytes, bytes | None]) -> int:
        """How many keys more there will be."""
        return sum((value is not None) - (self.get(key) is not None) for key, value in entries.items() if key)

    def writing(
        self,
        keys: Iterable[tuple[bytes, bytes | None]],
        timers: Iterable[tuple[bytes, bytes | None]],
        position: int,
        created: int,
    ) -> Iterator[None]:
        """The same with pauses, in which the loop may do other things; nothing is written before the end.

        `created`: how many keys more there will be.
        """
        batch = WriteBatch(raw_mode=True)
        for prefix, entries in ((KEY, keys), (TIMERS, timers)):
            for number, (key, value) in enumerate(entries, start=1):
                if value is None:
                    batch.delete(prefix + key)
                else:
                    batch.put(prefix + key, value)
                if number % SLICE == 0:
                    yield
        batch.put(OFFSET, position.to_bytes(8, "big"))
        keys_then = None if self._keys is None else self._keys + created
        if keys_then is not None:
            batch.put(COUNT, keys_then.to_bytes(8, "big"))
        try:
            self._opened().write(batch, self._write_options)
        except Exception as error:  # as above
            raise self._error("written", error) from error
        self.position, self._keys = position, keys_then

    def fill(self) -> None:
        """It is empty and takes the changelog now: quicker to write and slow to read, until `settling`."""
        if self.position == 0 and not self._filling:
            self._close()
            self._open(self._filling_options)
            self._filling, self._keys = True, None

    def settling(self) -> Iterator[None]:
        """The end of filling, if it was filled: yields while what it took goes to disk, and is counted."""
        if self._filling:
            yield from self._flushing()
        if self._keys is None:
            yield from self._counting()

    def _flushing(self) -> Iterator[None]:
        db = self._opened()
        db.flush(wait=False)
        while db.property_int_value("rocksdb.num-entries-active-mem-table") or (
            db.property_int_value("rocksdb.num-immutable-mem-table")
        ):
            yield
        self._close()
        self._filling = False
        self._open(self._options)

    def _counting(self) -> Iterator[None]:
        """Count the keys, once in a store's life: each write tells how many there are from then on."""
        entries, keys = self._opened().iter(), 0
        entries.seek(KEY + b"\0")  # past the empty key
        while entries.valid() and entries.key()[:1] == KEY:
            keys += 1
            if keys % SLICE == 0:
                yield
            entries.next()
        self._keys = keys

    @property
    def keys(self) -> int:
        """How many there are; until they are counted an estimate, with what was written again."""
        if self._keys is not None:
            return self._keys
        return int(self._opened().property_int_value("rocksdb.estimate-num-keys") or 0)

    @property
    def disk_bytes(self) -> int:
        """Of its files, and of what waits in memory to be written to them."""
        asked = ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables")
        return sum(int(self._opened().property_int_value(each) or 0) for each in asked)

    def distrust(self) -> None:
        """Have it wiped when it is opened next: it is wrong, and whoever found out ends."""
        (self._folder / DISTRUSTED).touch()

    def wipe(self) -> None:
        """Make it empty."""
        if self._db is not None:
            self._db.close()
        self._remove()
        self._filling = False
        self._open(self._options)

    def close(self) -> None:
        """Write everything to disk and let go of it. Raises StoreError if that fails."""
        try:
            self._close()
        finally:
            self._lock.close()

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except Exception as error:  # as above
                raise self._error("closed", error) from error

    def _take_lock(self) -> IO[bytes]:
        """Beside the store, not in it: it outlives a wipe. It is held for as long as the file is open."""
        path = self._folder.with_name(f"{self._folder.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o700)  # an earlier release made it for everybody
            lock = path.open("ab")
        except OSError as error:
            raise self._error("opened", error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise self._error("opened", "another process has it open") from None
        except OSError as error:
            lock.close()
            raise StoreError(
                f"{path} cannot be locked: {error.strerror}",
                hint="STREAM_DATA_DIR must be on a file system that knows flock, such as a local disk",
            ) from error
        return lock

    def _opened(self) -> Any:
        if self._db is None:
            raise InternalError(f"{self._folder} is used after its end")
        return self._db

    def _open(self, options: Options) -> None:
        if reason := self._look(options):
            log.warning("store_begins_anew", partition=int(self._folder.name), reason=reason)
            self._remove()
            if reason := self._look(options):
                raise StoreError(f"{self._folder} cannot be made: {reason}", hint="is the disk all right?")

    def _look(self, options: Options) -> str | None:
        """Open what is there; what is wrong with it, None if nothing is."""
        if (self._folder / DISTRUSTED).exists():
            return "it was found to be corrupt"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Named for the column family, too: else it goes by the options that it was made with.
            db = Rdict(str(self._folder), options, column_families={"default": options})
            owner, offset, keys = db.get(OWNER), db.get(OFFSET), db.get(COUNT)
            if owner is None and next(iter(db.keys()), None) is None:
                batch = WriteBatch(raw_mode=True)
                batch.put(OWNER, self._owner)
                db.write(batch, self._write_options)
                owner = self._owner
        except Exception as error:  # as above
            self._try_disk()
            return str(error)
        if owner != self._owner:
            db.close()
            return "it is of another app, changelog or format"
        self._db = db
        self.position = int.from_bytes(offset, "big") if offset else 0
        self._keys = int.from_bytes(keys, "big") if keys else None if self.position else 0
        return None

    def _try_disk(self) -> None:
        """Raises StoreError if the disk, not what is on it, is why a store cannot be opened."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # RocksDB's own lock: a process that does not know ours, as an earlier release, may hold it.
            with (self._folder / "LOCK").open("ab") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with ExitStack() as opened:  # all at once, as RocksDB does: there may be too many
                files = [
                    opened.enter_context(path.open("rb")) for path in self._folder.iterdir() if path.is_file()
                ]
                for file in files:
                    while file.read(PROBE_BYTES):
                        pass
            with tempfile.TemporaryFile(dir=self._folder) as probe:
                probe.write(bytes(PROBE_BYTES))
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise self._error("opened", error) from error

    def _remove(self) -> None:
        self._db = None
        try:
            if self._folder.exists():
                shutil.rmtree(self._folder)
        except OSError as error:
            raise self._error("wiped", error) from error

    def _error(self, what: str, error: object) -> StoreError:
        return StoreError(
            f"{self._folder} cannot be {what}: {error}",
            hint="is the disk full, or the directory another worker's? See STREAM_DATA_DIR",
        )
