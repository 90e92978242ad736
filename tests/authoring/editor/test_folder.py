"""A folder whose files are open in an editor: what is not saved counts, and what was good is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream.authoring.check import check
from stream.authoring.editor.folder import RulesFolder, folder_of, looks_like_rules

GOOD = "policy: {allow: [W510]}\nsegments:\n  keen: customer.age > 3\n"
RULES = Path(__file__).parents[3] / "rules"


def test_it_finds_what_the_check_finds(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "rules:\n  a: {on: x, wehre: y}\n")
    found = RulesFolder(tmp_path).check().diagnostics
    assert [each for findings in found.values() for each in findings] == list(check(tmp_path).diagnostics)


def test_what_is_not_saved_stands_in_the_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    folder = RulesFolder(tmp_path)
    folder.put(path, GOOD.replace("keen", "eager"))
    folder.put(tmp_path / "new.yaml", "rulez: 1\n")
    assert list(folder.check().diagnostics) == [str(tmp_path / "new.yaml")]
    assert list(folder.names.files.segments) == ["eager"]
    folder.drop(path)
    folder.drop(tmp_path / "new.yaml")
    assert folder.check().diagnostics == {}
    assert list(folder.names.files.segments) == ["keen"]


def test_a_half_typed_file_keeps_its_names(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    folder = RulesFolder(tmp_path)
    folder.check()
    folder.put(path, GOOD + "rules: [")
    (finding,) = folder.check().diagnostics[str(path)]
    assert finding.code == "E005"
    assert list(folder.names.files.segments) == ["keen"]
    assert folder.roots()[1] == [path]


def test_a_file_that_has_changed_on_the_disk_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    folder = RulesFolder(tmp_path)
    folder.check()
    path.write_text(GOOD.replace("keen", "others"))
    folder.check()
    assert list(folder.names.files.segments) == ["others"]
    path.unlink()
    folder.check()
    assert list(folder.names.files.segments) == []


def test_an_open_file_may_not_be_larger_than_one_on_the_disk(tmp_path: Path) -> None:
    folder = RulesFolder(tmp_path)
    folder.put(tmp_path / "a.yaml", "# " + "ü" * 600_000)
    (finding,) = folder.check().diagnostics[str(tmp_path / "a.yaml")]
    assert finding.code == "E003"


@pytest.mark.parametrize(
    ("named", "workspaces", "file", "folder"),
    [
        (["shop"], ["."], "shop/rules/a.yaml", "shop"),
        (["shop", "shop/deep"], ["."], "shop/deep/er/a.yaml", "shop/deep"),
        ([], ["."], "rules/tests/a.yaml", "rules"),
        (["elsewhere"], ["."], "rules/tests/a.yaml", "rules"),
        ([], ["brand"], "brand/tests/a.yaml", "brand"),
        ([], ["."], "loose/a.yaml", "loose"),
        ([], [], "loose/a.yaml", "loose"),
    ],
)
def test_the_folder_of_a_file(
    tmp_path: Path, named: list[str], workspaces: list[str], file: str, folder: str
) -> None:
    (tmp_path / "brand").mkdir()
    (tmp_path / "brand" / "rules.yaml").write_text(GOOD)
    given = [tmp_path / each for each in named], [tmp_path / each for each in workspaces]
    assert folder_of(tmp_path / file, *given, GOOD) == tmp_path / folder


def test_a_file_of_something_else_has_none(tmp_path: Path) -> None:
    text = "name: x\nchannels: [conda-forge]\ndependencies: [python]\n"
    assert folder_of(tmp_path / "environment.yml", [], [tmp_path], text) is None
    assert looks_like_rules("")
    assert not looks_like_rules("services: {}\n")


def test_everything_below_the_home_folder_is_not_taken_for_rules() -> None:
    assert folder_of(Path.home() / "a.yaml", [], [], GOOD) is None
    assert folder_of(Path(os.sep, "a.yaml"), [], [], GOOD) is None
