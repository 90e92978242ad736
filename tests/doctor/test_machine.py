"""What the doctor says of the machine: disk, open files, memory."""

from __future__ import annotations

import os
import resource
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from stream.doctor import machine
from stream.settings import Settings, load

MIB = machine.MIB
Usage = namedtuple("Usage", "total used free")


def settings(**given: object) -> Settings:
    return load({}, {"store": "rocksdb", **given}, env_file=None)


def test_a_disk_with_room_that_can_be_written(tmp_path: Path) -> None:
    (finding,) = machine.disk(tmp_path / "not" / "there" / "yet", tmp_path / "none")
    assert finding.status == "ok"
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "app"
    store.mkdir()
    with (store / "1.sst").open("wb") as file:
        file.truncate(3 << 30)  # no room is taken
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9 << 30, 7 << 30, 2 << 30))
    (finding,) = machine.disk(tmp_path, store)
    assert finding.status == "error"
    assert "3,072 MiB should be free" in str(finding.fix)


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    read_only = Path("/proc")  # also for root
    (finding,) = machine.disk(read_only, tmp_path)
    assert finding.status == "error"
    assert str(os.getuid()) in str(finding.fix)


@pytest.mark.parametrize(
    ("limit", "hard", "partitions", "on_disk", "status", "fix"),
    [
        (1024, 1024, 64, False, "ok", None),
        (1024, 4096, 64, True, "warning", "raise"),
        (1024, 1 << 20, 64, True, "warning", "ulimit -n 17920"),
        (1024, resource.RLIM_INFINITY, 64, True, "warning", "ulimit -n 17920"),
        (20_000, 20_000, 64, True, "ok", None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 4096, True, "ok", None),
    ],
)
def test_open_files(
    limit: int, hard: int, partitions: int, on_disk: bool, status: str, fix: str | None
) -> None:
    (finding,) = machine.files(limit, hard, partitions, on_disk=on_disk)
    assert finding.status == status
    assert (fix or "") in str(finding.fix)


@pytest.mark.parametrize(
    ("store_memory", "status"),
    [(None, "ok"), (400 * MIB, "ok"), (600 * MIB, "warning"), (900 * MIB, "error"), (2048 * MIB, "error")],
)
def test_what_is_set_aside_for_the_store(store_memory: int | None, status: str) -> None:
    (finding,) = machine.memory(settings(store_memory=store_memory), 1024 * MIB)
    assert finding.status == status


def test_a_store_in_memory_needs_no_disk() -> None:
    found = machine.findings(settings(store="memory"), 8)
    assert [each.check for each in found] == ["files", "memory"]
