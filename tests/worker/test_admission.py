"""What a worker needs for itself before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import SettingsError
from stream.settings import Settings, load
from stream.worker.admission import disk_of_its_own


def settings(folder: Path, app_id: str = "shop", store: str = "rocksdb") -> Settings:
    return load({}, {"data_dir": str(folder), "app_id": app_id, "store": store}, env_file=None)


def test_two_workers_on_one_data_folder_ended_at_a_rebalance(tmp_path: Path) -> None:
    with disk_of_its_own(settings(tmp_path)):
        with (
            pytest.raises(SettingsError, match="another worker of shop keeps its customers in"),
            disk_of_its_own(settings(tmp_path)),
        ):
            pass
        with (
            disk_of_its_own(settings(tmp_path, "other")),
            disk_of_its_own(settings(tmp_path, store="memory")),
        ):
            pass
    with disk_of_its_own(settings(tmp_path)):
        pass


def test_a_folder_that_cannot_be_used_is_left_to_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with disk_of_its_own(settings(tmp_path / "file")):
        pass
