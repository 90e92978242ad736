"""RocksDB as it is used: a checkpoint is there whole or not at all, and wrong stores are wiped."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from stream.engine import PartitionState
from stream.errors import StoreError
from stream.runtime.partition_store import StoredPartition
from stream.runtime.rocksdb import COUNT, DiskStore, DiskStores, memory_limit
from stream.settings import Settings, load
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.engine.enginekit import DAY, HOUR, Rules, World, rec

RULES = (
    Rules()
    .trait("views", "count", "view")
    .rule("cart", "cart", unless=("purchase", HOUR))
    .rule("seen", "view", condition="traits.views >= 3", limit=(1, DAY))
    .build()
)
STAGE = TriggerStage(RULES, "shop", Metrics())


def state_of(stored: StoredPartition) -> PartitionState:
    assert isinstance(stored.partition, TriggerPartition)
    return stored.partition.state


def settings(folder: Path, **more: str) -> Settings:
    memory = {"STREAM_STORE_MEMORY": str(8 << 20)}
    return load({"STREAM_DATA_DIR": str(folder), "STREAM_STORE": "rocksdb", **memory, **more}, env_file=None)


@pytest.fixture
def stores(tmp_path: Path) -> DiskStores:
    return DiskStores(settings(tmp_path), "customers")


@pytest.fixture
def store(stores: DiskStores) -> Iterator[DiskStore]:
    store = stores.open(0, "log")
    yield store
    store.close()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_what_was_written_is_there_when_it_is_opened_again(stores: DiskStores) -> None:
    store = stores.open(0, "log")
    store.write([(b"ann", b"1"), (b"bob", b"2"), (b"", b"marks")], [(b"bob", b"note")], 7)
    store.write([(b"ann", None), (b"cid", b"3")], [(b"bob", None), (b"cid", b"other")], 9)
    store.close()
    again = stores.open(0, "log")
    assert [again.get(key) for key in (b"ann", b"bob", b"cid", b"")] == [None, b"2", b"3", b"marks"]
    assert list(again.timers()) == [(b"cid", b"other")]
    assert again.position == 9
    again.close()


def test_a_folder_that_everybody_could_read_is_closed(stores: DiskStores) -> None:
    stores._folder.mkdir(parents=True, mode=0o755)
    stores.open(0, "log").close()
    assert stores._folder.stat().st_mode & 0o777 == 0o700


def test_a_filled_store_is_an_ordinary_one_once_it_has_settled(stores: DiskStores) -> None:
    store = stores.open(0, "log")
    store.fill()
    for turn in range(1, 4):
        store.write([(b"ann", b"%d" % turn), (b"c%d" % turn, b"")], [(b"ann", b"note")], turn)
        store.fill()  # it goes on
    for _ in store.settling():
        pass
    assert store.get(b"ann") == b"3"
    assert [store.get(b"c%d" % turn) for turn in (1, 2, 3)] == [b""] * 3
    assert (list(store.timers()), store.position) == ([(b"ann", b"note")], 3)
    store.close()
    options = max((stores._folder / "0").glob("OPTIONS-*")).read_text()
    assert "SkipListFactory" in options
    assert "VectorRepFactory" not in options


def test_as_many_keys_are_shown_as_there_are_however_often_they_were_written(stores: DiskStores) -> None:
    """Sizing rests on the number of customers, which was forty times too high."""
    store = stores.open(0, "log")
    for turn in range(1, 40):
        store.write([(b"", b"checkpoint"), *((b"c%d" % n, b"%d" % turn) for n in range(100))], [], turn)
    store.write([(b"c1", b"a"), (b"c1", None), (b"new", b"b"), (b"new", b"c"), (b"gone", None)], [], 40)
    assert store.keys == 100
    store.close()
    store = stores.open(0, "log")
    assert store.keys == 100
    store.close()


def test_the_keys_of_a_store_that_was_filled_are_counted_once(stores: DiskStores) -> None:
    store = stores.open(0, "log")
    store.fill()
    for turn in range(1, 20):
        store.write([(b"", b"checkpoint"), *((b"c%d" % n, b"%d" % turn) for n in range(100))], [], turn)
    for _ in store.settling():
        pass
    store.write([(b"c1", b"again"), (b"other", b"")], [], 20)
    assert store.keys == 101
    store.close()


def test_the_keys_of_a_store_of_an_earlier_release_are_counted(stores: DiskStores) -> None:
    store = stores.open(0, "log")
    store.write([(b"", b"checkpoint"), (b"ann", b"1"), (b"bob", b"1")], [], 1)
    store._db.delete(COUNT)
    store.close()
    store = stores.open(0, "log")
    for _ in store.settling():
        pass
    assert store.keys == 2
    store.close()


def test_customers_are_counted_once_whether_they_are_in_memory_or_not(stores: DiskStores) -> None:
    stored = StoredPartition(STAGE, 0, stores.open(0, "log"), "log")
    world = World(RULES, state=state_of(stored))
    for turn in range(1, 6):
        world.clicks(*(rec(20 * turn + number, turn, customer=f"c{number}") for number in range(5 + turn)))
        list(stored.committing(stored.take_changed(b""), turn, keep=2))
        assert stored.keys == 5 + turn
    stored.close()
    again = StoredPartition(STAGE, 0, stores.open(0, "log"), "log")
    World(RULES, state=state_of(again)).clicks(rec(200, 9, customer="c3"), rec(201, 9, customer="c99"))
    list(again.committing(again.take_changed(b""), 9, keep=2))
    assert again.keys == 11
    again.close()


@pytest.mark.parametrize("begin", ["", "store.fill()"], ids=["in use", "filled"])
def test_a_killed_process_leaves_a_whole_checkpoint_behind(begin: str, tmp_path: Path) -> None:
    """Buffers that were not on disk are lost; what is there is as of one checkpoint, offset and all."""
    code = f"""
        import os, signal
        from pathlib import Path
        from tests.runtime.test_rocksdb import settings
        from stream.runtime.rocksdb import DiskStores
        store = DiskStores(settings(Path({str(tmp_path)!r})), "customers").open(0, "log")
        {begin}
        for turn in range(1, 40):  # 80 MB, in buffers of less
            values = [(b"c%d" % n, b"%d" % turn + bytes(20_000)) for n in range(100)]
            store.write(values, [(b"t", b"%d" % turn)], turn)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == -9
    store = DiskStores(settings(tmp_path), "customers").open(0, "log")
    turn = store.position
    assert 0 < turn < 40
    values = {(store.get(b"c%d" % n) or b"").rstrip(b"\0") for n in range(100)}
    assert values == {b"%d" % turn}
    assert list(store.timers()) == [(b"t", b"%d" % turn)]
    store.close()


def test_a_store_that_another_process_has_open_is_an_error_and_is_left_alone(
    stores: DiskStores, store: DiskStore
) -> None:
    store.write([(b"ann", b"1")], [], 1)
    with pytest.raises(StoreError, match="another process has it open") as caught:
        stores.open(0, "log")
    assert "another worker" in (caught.value.hint or "")
    assert store.get(b"ann") == b"1"


def test_a_disk_that_knows_no_locks_was_taken_for_another_process(
    stores: DiskStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody looked for a worker that was not there: a network's file system has no flock."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match=r"0\.lock cannot be locked: No locks available") as caught:
        stores.open(0, "log")
    assert "flock" in (caught.value.hint or "")


def test_a_store_that_a_dead_process_had_open_is_opened(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from stream.runtime.rocksdb import DiskStores
        from tests.runtime.test_rocksdb import settings
        store = DiskStores(settings(Path({str(tmp_path)!r})), "customers").open(0, "log")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == -9
    DiskStores(settings(tmp_path), "customers").open(0, "log").close()


def test_a_store_is_not_wiped_because_too_many_files_are_open(tmp_path: Path) -> None:
    """What RocksDB says of it was once told from corruption by its words."""
    store = DiskStores(settings(tmp_path), "customers").open(0, "log")
    store.write([(b"ann", b"1")], [], 1)
    store.close()
    code = f"""
        import os, resource
        from pathlib import Path
        from stream.errors import StoreError
        from stream.runtime.rocksdb import DiskStores
        from tests.runtime.test_rocksdb import settings
        stores = DiskStores(settings(Path({str(tmp_path)!r})), "customers")
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2, used + 2))
        try:
            stores.open(0, "log")
        except StoreError as error:
            print(error.message)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True
    )
    assert "cannot be opened: [Errno 24]" in ran.stdout, ran.stderr
    again = DiskStores(settings(tmp_path), "customers").open(0, "log")
    assert again.get(b"ann") == b"1"
    again.close()


@pytest.mark.parametrize("other", ["app", "changelog"])
def test_anothers_store_is_wiped_and_the_log_says_so(tmp_path: Path, other: str, logged: list[Any]) -> None:
    store = DiskStores(settings(tmp_path), "customers").open(0, "log")
    store.write([(b"ann", b"1")], [], 1)
    store.close()
    if other == "app":
        (tmp_path / "stream").rename(tmp_path / "shop")
        again = DiskStores(settings(tmp_path, STREAM_APP_ID="shop"), "customers").open(0, "log")
    else:
        again = DiskStores(settings(tmp_path), "customers").open(0, "made anew")
    assert (again.get(b"ann"), again.position) == (None, 0)
    again.close()
    assert [line["event"] for line in logged] == ["store_begins_anew"]


def test_a_store_that_cannot_be_opened_is_wiped(
    stores: DiskStores, tmp_path: Path, logged: list[Any]
) -> None:
    store = stores.open(0, "log")
    store.write([(b"ann", b"1")], [], 1)
    store.close()
    (tmp_path / "stream/customers/0/CURRENT").write_text("nonsense")
    again = stores.open(0, "log")
    assert (again.get(b"ann"), again.position) == (None, 0)
    again.close()
    assert [line["event"] for line in logged] == ["store_begins_anew"]


def spoil(folder: Path) -> None:
    """Overwrite the middle of each table file."""
    for file in folder.glob("*.sst"):
        size = file.stat().st_size
        with file.open("r+b") as opened:
            opened.seek(size // 4)
            opened.write(b"spoilt" * (size // 24))


def test_a_store_found_corrupt_while_at_work_ends_the_worker_and_is_wiped_at_the_next_start(
    stores: DiskStores, tmp_path: Path, logged: list[Any]
) -> None:
    store = stores.open(0, "log")
    store.write([(b"c%d" % n, bytes(1000)) for n in range(1000)], [], 1)
    store.close()
    spoil(tmp_path / "stream/customers/0")
    read = stores.open(0, "log")
    with pytest.raises(StoreError, match="Corruption"):
        _ = [read.get(b"c%d" % n) for n in range(1000)]
    read.close()
    again = stores.open(0, "log")
    assert (again.get(b"c1"), again.position) == (None, 0)
    again.close()
    assert logged


def test_a_value_that_is_no_customer_ends_the_worker_and_the_store_is_wiped(stores: DiskStores) -> None:
    stored = StoredPartition(STAGE, 0, stores.open(0, "log"), "log")
    assert stored.store is not None
    stored.store.write([(b"c1", b"\xff")], [], 1)
    with pytest.raises(StoreError, match="corrupt") as caught:
        World(RULES, state=state_of(stored)).clicks(rec(0, 0))
    assert "c1" not in caught.value.message
    stored.close()
    again = stores.open(0, "log")
    assert again.position == 0
    again.close()


def test_a_note_of_timers_that_is_corrupt_has_the_store_wiped(stores: DiskStores, logged: list[Any]) -> None:
    store = stores.open(0, "log")
    store.write([(b"c1", b"\xff")], [(b"c1", b"short")], 1)
    stored = StoredPartition(STAGE, 0, store, "log")
    assert (stored.position, state_of(stored).customers.timers) == (0, 0)
    stored.close()
    assert [line["event"] for line in logged] == ["store_begins_anew"]


def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    """A real one: the process may write no file larger than 256 KiB."""
    code = f"""
        import resource, signal
        from pathlib import Path
        from stream.errors import StoreError
        from stream.runtime.rocksdb import DiskStores
        from tests.runtime.test_rocksdb import settings
        store = DiskStores(settings(Path({str(tmp_path)!r})), "customers").open(0, "log")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
        try:
            for turn in range(100):
                store.write([(b"c%d" % n, __import__("os").urandom(10_000)) for n in range(100)], [], turn)
        except StoreError as error:
            print(error.message, error.hint)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True
    )
    assert "cannot be written: IO error: " in ran.stdout, ran.stderr
    assert "is the disk full" in ran.stdout


def test_customers_leave_memory_and_come_back_as_they_were(stores: DiskStores) -> None:
    stored = StoredPartition(STAGE, 0, stores.open(0, "log"), "log")
    world = World(RULES, state=state_of(stored))
    world.clicks(*(rec(n, n, customer=f"c{n}") for n in range(10)), rec(10, 10, "cart", customer="c3"))
    list(stored.committing(stored.take_changed(b""), 1, keep=100))
    assert (state_of(stored).customers.live, state_of(stored).customers.timers) == (10, 1)
    world.clicks(rec(11, 11, customer="c0"))
    list(stored.committing(stored.take_changed(b""), 2, keep=2))
    list(stored.committing(stored.take_changed(b""), 2, keep=2))
    assert (state_of(stored).customers.live, state_of(stored).customers.timers) == (2, 1)
    world.clicks(rec(12, 12, customer="c3"), rec(13, 13, customer="c3"), rec(14, 2 * HOUR, customer="c4"))
    assert world.fired() == [("seen", "sent", 13), ("cart", "sent", HOUR + 10)]
    stored.close()


def test_opening_a_store_reads_no_customer(stores: DiskStores) -> None:
    stored = StoredPartition(STAGE, 0, stores.open(0, "log"), "log")
    world = World(RULES, state=state_of(stored))
    world.clicks(*(rec(n, n, "cart", customer=f"c{n}") for n in range(10)))
    list(stored.committing(stored.take_changed(b""), 1, keep=100))
    stored.close()
    again = StoredPartition(STAGE, 0, stores.open(0, "log"), "log")
    assert (state_of(again).customers.live, state_of(again).customers.fetched, again.position) == (0, 0, 1)
    state_of(again).customers.rebuild_timers()
    assert state_of(again).customers.timers == 10
    later = World(RULES, state=state_of(again))
    later.clicks(rec(20, 2 * HOUR, customer="x"))
    assert later.fired() == [("cart", "sent", HOUR + n) for n in range(10)]
    again.close()


def test_a_store_of_nobody_needs_memory_that_there_is() -> None:
    assert 64 << 20 < memory_limit() < 1 << 50


def test_a_store_that_has_not_filled_a_buffer_is_not_shown_as_empty(store: DiskStore) -> None:
    """For hours, and then all at once: its files are written when a buffer is full."""
    before = store.disk_bytes
    store.write([(b"c%d" % number, bytes(1000)) for number in range(1000)], [], 1)
    assert store.disk_bytes > before + 1_000_000


def test_a_store_that_an_earlier_release_has_open_is_left_alone(tmp_path: Path) -> None:
    """It knows RocksDB's lock only; during an upgrade its store would have been wiped under it."""
    store = DiskStores(settings(tmp_path), "customers").open(0, "log")
    store.write([(b"ann", b"1")], [], 1)
    store.close()
    code = f"""
        import sys
        from rocksdict import Options, Rdict
        db = Rdict({str(tmp_path / "stream" / "customers" / "0")!r}, Options(raw_mode=True))
        print("open", flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as earlier:
        assert earlier.stdout is not None
        assert earlier.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="cannot be opened"):
            DiskStores(settings(tmp_path), "customers").open(0, "log")
        earlier.communicate()
    again = DiskStores(settings(tmp_path), "customers").open(0, "log")
    assert again.get(b"ann") == b"1"
    again.close()
