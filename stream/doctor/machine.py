"""This machine: whether the disk can be written and has room, how many files may be open, and the memory.

What is asked of the system comes in as parameters, so that a test can say it. Tested by
tests/doctor/test_machine.py.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stream.doctor.findings import Finding, error, ok, warning
from stream.runtime.rocksdb import LEAST_MEMORY, OPEN_FILES, SHARE, memory_limit
from stream.settings import Settings

ROOM = 1 << 30  # bytes that should be free at least
OTHER_FILES = 512  # connections, libraries, the log
FILES_FOR_A_PARTITION = OPEN_FILES + 16  # RocksDB's tables, and its logs and locks
ITSELF = 256 << 20  # bytes that a worker takes without any customers
MIB = 1 << 20


def findings(settings: Settings, partitions: int | None) -> list[Finding]:
    """All of them; `partitions`: of the sources, None if not known."""
    found: list[Finding] = []
    if settings.store == "rocksdb":
        found += disk(settings.data_dir, settings.data_dir / settings.app_id / "customers")
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found += files(limit, hard, partitions, on_disk=settings.store == "rocksdb")
    return [*found, *memory(settings, memory_limit())]


def disk(folder: Path, store: Path) -> Iterator[Finding]:
    """Whether `folder` can be written, and has room for `store` to be written anew."""
    base = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=base):
            free = shutil.disk_usage(base).free
    except OSError as failure:
        yield error(
            "disk",
            f"{folder} cannot be written: {failure.strerror}",
            "mount a volume there that user "
            f"{os.getuid()} may write (fsGroup in Kubernetes), or set STREAM_DATA_DIR to one",
        )
        return
    used = sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) if store.exists() else 0
    needed = max(ROOM, used)  # RocksDB writes what it merges before it deletes what it was
    said = f"{folder} can be written, {free // MIB:,} MiB are free, the customers take {used // MIB:,} MiB"
    if free >= needed:
        yield ok("disk", said)
    else:
        yield error(
            "disk", said, f"make the volume larger: {needed // MIB:,} MiB should be free, or merging fails"
        )


def files(limit: int, hard: int, partitions: int | None, *, on_disk: bool) -> Iterator[Finding]:
    """Whether as many files may be open as RocksDB needs if one worker has all partitions."""
    needed = OTHER_FILES + (FILES_FOR_A_PARTITION * (partitions or 1) if on_disk else 0)
    if limit in (-1, resource.RLIM_INFINITY) or limit >= needed:
        yield ok("files", f"{limit:,} may be open, {needed:,} may be needed")
        return
    raised = hard in (-1, resource.RLIM_INFINITY) or hard >= needed
    fix = f"`ulimit -n {needed}` before the worker" if raised else "raise the limit of the service"
    message = f"{limit:,} may be open; {needed:,} are needed if one worker has all partitions"
    yield warning("files", message, f"{fix} (LimitNOFILE of systemd, or the container runtime's default)")


def memory(settings: Settings, limit: int) -> Iterator[Finding]:
    """Whether what is set aside for RocksDB leaves enough of `limit` bytes for the rest."""
    if settings.store != "rocksdb":
        yield ok("memory", f"{limit // MIB:,} MiB, all of it for the customers: some 600 bytes each")
        return
    cache = settings.store_memory or max(limit // SHARE, LEAST_MEMORY)
    said = f"{limit // MIB:,} MiB in all, {cache // MIB:,} MiB of it for RocksDB"
    if cache + ITSELF > limit:
        fix = "set STREAM_STORE_MEMORY lower, or leave it out for a quarter; or give the worker more memory"
        yield error("memory", said + ": too little is left for the worker itself", fix)
    elif cache > limit // 2:
        yield warning(
            "memory", said, "keep STREAM_STORE_MEMORY below a half: buffers come on top for moments"
        )
    else:
        yield ok("memory", said)
