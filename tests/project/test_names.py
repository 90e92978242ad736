"""A class has a name of its own: a reader who searches for it finds one class, whatever the package."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import stream

PACKAGE = Path(stream.__file__).parent


def places_of_classes(package: Path) -> Mapping[str, list[str]]:
    """Where each class of a package is, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for suffix in ("py", "pyx"):
        for path in sorted(package.rglob(f"*.{suffix}")):
            text = path.read_text(encoding="utf-8")
            for name in re.findall(r"^ *(?:cdef )?class (\w+)", text, re.MULTILINE):
                found[name].append(path.relative_to(package).as_posix())
    return found


def test_no_class_name_is_used_twice() -> None:
    found = places_of_classes(PACKAGE)
    assert len(found) > 200
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_a_name_that_is_used_twice_is_found_in_python_and_cython(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("class Lane:\n    pass\n")
    (tmp_path / "two.pyx").write_text("cdef class Lane(Base):\n    pass\nclass Other: pass\n")
    assert places_of_classes(tmp_path) == {"Lane": ["one.py", "two.pyx"], "Other": ["two.pyx"]}
