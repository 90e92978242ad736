"""The architecture: which package may import which, and by which doors.

The pure packages know neither Kafka nor asyncio nor the wall clock: that is what makes live processing, a
test and a backtest one and the same evaluation.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import stream

# The words that everything may use. They import one another in this order, and nothing else of the project.
ROOT = ("hints", "diagnostics", "errors", "clock", "moments", "structs", "regular_files", "settings")

# What each package, and each other module of the root, imports besides those.
IMPORTS: dict[str, set[str]] = {
    "cel": set(),
    "expression": {"cel"},
    "content": set(),
    "rules": {"cel", "content", "expression"},
    "events": set(),
    "state": {"events", "rules"},
    "matcher": {"cel", "events", "expression", "rules", "state"},
    "decisions": {"content", "events", "matcher", "rules", "state"},
    "_fastmatch": {"decisions", "events", "matcher", "rules", "state"},
    "engine": {"_fastmatch", "decisions", "matcher", "rules"},
    "telemetry": set(),
    "kafka": {"events"},
    "topics": {"decisions", "events", "kafka", "rules"},
    "runtime": {"kafka", "telemetry"},
    "worker": {
        "decisions",
        "engine",
        "events",
        "kafka",
        "rules",
        "runtime",
        "state",
        "telemetry",
        "topics",
    },
    "history": {"engine", "events", "kafka", "rules", "runtime", "topics"},
    "authoring": {
        "cel",
        "content",
        "decisions",
        "engine",
        "events",
        "expression",
        "history",
        "matcher",
        "rules",
    },
    "broker": set(),
    "doctor": {"authoring", "decisions", "kafka", "rules", "runtime", "topics"},
    "demo": {"broker", "decisions", "rules", "topics"},
    "cli": {
        "authoring",
        "broker",
        "demo",
        "doctor",
        "events",
        "history",
        "rules",
        "runtime",
        "telemetry",
        "topics",
        "worker",
    },
    "__main__": {"cli"},
}
PURE = {
    *("hints", "diagnostics", "errors", "clock", "moments", "structs", "regular_files", "settings"),
    *(
        "cel",
        "expression",
        "content",
        "rules",
        "events",
        "state",
        "matcher",
        "decisions",
        "_fastmatch",
        "engine",
    ),
}
IMPURE_LIBRARIES = {"faust", "mode", "aiokafka", "asyncio", "uvloop"}
WALL_CLOCK = re.compile(
    r"(?:.*\.)?(time\.(time|time_ns|gmtime|localtime)|(datetime|date)\.(now|utcnow|today))"
)
READS_THE_WALL_CLOCK = {"clock"}

PACKAGE = Path(stream.__file__).parent


class Import(NamedTuple):
    """`from a.b import c` is module `a.b`, name `c`; `import a.b` has no name."""

    module: str
    name: str | None


def sources(package: Path) -> list[Path]:
    found = (path for suffix in ("py", "pyx", "pxd", "pyi") for path in package.rglob(f"*.{suffix}"))
    return sorted(path for path in found if "_vendor" not in path.parts)


def place_of(path: Path, package: Path) -> str:
    """The package below `stream` that a file lies in, or the module of the root that it is."""
    return path.relative_to(package).parts[0].partition(".")[0]


def imports(path: Path, package: Path) -> Iterator[Import]:
    text = path.read_text(encoding="utf-8")
    here = ["stream", *path.relative_to(package).parent.parts]
    if path.suffix in {".pyx", ".pxd"}:
        for origin, names in re.findall(
            r"^\s*from\s+([\w.]+)\s+c?import\s+(\([^)]*\)|[^#\n]*)", text, re.MULTILINE
        ):
            dots = len(origin) - len(origin.lstrip("."))
            base = _absolute(here, dots, origin.lstrip("."))
            bare = re.sub(r"#[^\n]*", "", names).strip("()")
            yield from (Import(base, name.split()[0]) for name in bare.split(",") if name.strip())
        for names in re.findall(r"^\s*c?import\s+([^#\n]+)", text, re.MULTILINE):
            yield from (Import(name.split()[0], None) for name in names.split(",") if name.strip())
        return
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(here, node.level, node.module or "")
            yield from (Import(base, alias.name) for alias in node.names)


def _absolute(here: list[str], dots: int, name: str) -> str:
    if not dots:
        return name
    return ".".join([*here[: len(here) - dots + 1], *([name] if name else [])])


def wall_clock_reads(path: Path) -> Iterator[str]:
    """Calls of the wall clock, and imports that would hide them from this test."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".pyx", ".pxd"}:
        yield from re.findall(r"\btime\.time(?:_ns)?\b|\bdatetime\.(?:now|utcnow|today)\b", text)
        yield from re.findall(
            r"^\s*from\s+(?:time|libc\.time|posix\.time)\s+c?import\b.*", text, re.MULTILINE
        )
        return
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Attribute) and WALL_CLOCK.fullmatch(ast.unparse(node)):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (
                f"time.{alias.name}" for alias in node.names if WALL_CLOCK.fullmatch(f"time.{alias.name}")
            )


def doors_of(docstring: str) -> set[str]:
    """What a package's docstring names after `Doors:`, up to the end of the sentence."""
    named = re.search(r"^Doors: ([^.]*)\.", docstring, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", named[1])) if named else set()


def findings(package: Path) -> list[str]:
    """What breaks the architecture in a package, one line each."""
    return list(dict.fromkeys(_findings(package)))


def _findings(package: Path) -> Iterator[str]:
    doors = {
        path.parent.name: doors_of(ast.get_docstring(ast.parse(path.read_text())) or "")
        for path in package.glob("*/__init__.py")
    }
    for path in sources(package):
        name, place = path.relative_to(package), place_of(path, package)
        if place == "__init__":
            continue
        if place not in IMPORTS and place not in ROOT:
            yield f"{name}: lies in no package that has its line of imports"
            continue
        for imported in imports(path, package):
            yield from (f"{name}: {finding}" for finding in _of_import(place, imported, doors))
        if place in PURE and place not in READS_THE_WALL_CLOCK:
            yield from (f"{name}: reads the wall clock: {call}" for call in wall_clock_reads(path))


def _of_import(place: str, imported: Import, doors: dict[str, set[str]]) -> Iterator[str]:
    top, *rest = [*imported.module.split("."), *([imported.name] if imported.name else [])]
    if top in IMPURE_LIBRARIES and place in PURE:
        yield f"{place} is pure and must not import {top}"
    if top != "stream" or not rest or rest[0] == place:
        return
    target = rest[0]
    if target in ROOT:
        if place in ROOT and ROOT.index(target) >= ROOT.index(place):
            yield f"{place} comes before {target} and must not import it"
        return
    if target not in IMPORTS:
        return  # `__version__`
    if target not in IMPORTS.get(place, set()):
        yield f"{place} must not import {target}"
    elif target in doors and (len(rest) < 2 or rest[1] not in doors[target]):
        yield f"{'.'.join(rest[:2])} is not a door of {target}"


def test_the_architecture_holds() -> None:
    assert findings(PACKAGE) == []


def test_no_line_allows_what_nobody_does() -> None:
    """An arrow that is not drawn any more goes from the table, too."""
    drawn: dict[str, set[str]] = {place: set() for place in IMPORTS}
    for path in sources(PACKAGE):
        for each in imports(path, PACKAGE):
            parts = [*each.module.split("."), each.name or ""]
            if parts[0] == "stream" and parts[1] in IMPORTS and (at := place_of(path, PACKAGE)) in drawn:
                drawn[at].add(parts[1])
    assert {place: lines - drawn[place] for place, lines in IMPORTS.items() if lines - drawn[place]} == {}


def test_no_packages_import_each_other_in_a_circle() -> None:
    tuple(TopologicalSorter(IMPORTS).static_order())
    with pytest.raises(CycleError):
        tuple(TopologicalSorter({**IMPORTS, "cel": {"cli"}}).static_order())


def test_the_whole_package_was_looked_at() -> None:
    looked_at = {place_of(path, PACKAGE) for path in sources(PACKAGE)}
    assert set(IMPORTS) | set(ROOT) == looked_at - {"__init__"}


@pytest.mark.parametrize("package", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_each_package_says_what_it_is_for_and_names_its_doors(package: str) -> None:
    docstring = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text())) or ""
    first, *_ = docstring.splitlines()
    assert first.endswith(".")
    doors = doors_of(docstring)
    assert doors
    assert [
        door
        for door in doors
        if not (PACKAGE / package / door).is_dir() and not list((PACKAGE / package).glob(f"{door}.p*"))
    ] == []


def test_every_package_is_installed() -> None:
    """A wheel holds what is listed; the tree beside an installed one hides what is not."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    found = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert found <= set(project["tool"]["setuptools"]["packages"])


def test_the_root_is_small() -> None:
    """A house whose hall has thirty doors is a corridor: what is built (`.so`, `.c`) does not count."""
    entries = {path.name for path in PACKAGE.iterdir() if path.suffix not in {".so", ".c"}} - {"__pycache__"}
    assert len(entries) <= 34


@pytest.mark.parametrize(
    ("file", "text", "finding"),
    [
        ("errors.py", "from stream.rules.model import RuleSet", "errors must not import rules"),
        ("clock.py", "from stream.structs import Batch", "clock comes before structs and must not import it"),
        ("structs.py", "from stream.clock import Clock", None),
        ("content/x.py", "import stream.engine as e", "content must not import engine"),
        ("content/x.py", "from stream import engine", "content must not import engine"),
        ("content/x.py", "from .. import engine", "content must not import engine"),
        ("content/x.py", "from ..engine import process", "content must not import engine"),
        ("content/x.py", "from . import filters", None),
        ("rules/x.py", "from stream.cel.values import Duration", None),
        ("rules/x.py", "from stream.cel.secret import x", "cel.secret is not a door of cel"),
        ("rules/x.py", "from stream.cel import secret", "cel.secret is not a door of cel"),
        ("rules/x.py", "import stream.cel", "cel is not a door of cel"),
        ("demo/play.py", "from ..cli import main", "demo must not import cli"),
        ("runtime/x.py", "from stream.demo.play import play", "runtime must not import demo"),
        ("runtime/x.py", "def f():\n    from stream.cli import main", "runtime must not import cli"),
        ("engine.py", "import asyncio", "engine is pure and must not import asyncio"),
        ("rules/x.py", "from aiokafka.structs import X", "rules is pure and must not import aiokafka"),
        ("runtime/x.py", "import asyncio, faust", None),
        ("engine.py", "import time\nnow = time.time()", "reads the wall clock: time.time"),
        ("engine.py", "from time import time_ns as now", "reads the wall clock: time.time_ns"),
        (
            "engine.py",
            "import datetime\ndatetime.datetime.now()",
            "reads the wall clock: datetime.datetime.now",
        ),
        ("engine.py", "from datetime import date\nf = date.today", "reads the wall clock: date.today"),
        ("engine.py", "import time\ntime.perf_counter()", None),
        ("clock.py", "import time\ntime.time_ns()", None),
        ("state/_x.pyx", "from stream.runtime.lane cimport Lane", "state must not import runtime"),
        ("state/_x.pxd", "cimport stream.runtime.lane", "state must not import runtime"),
        ("state/_x.pyx", "from stream cimport _fastmatch", "state must not import _fastmatch"),
        ("state/_x.pyx", "from ..runtime.lane import Lane", "state must not import runtime"),
        ("state/_x.pyx", "from stream.events._value cimport (  # both\n    ValueC,\n    Kind)", None),
        ("state/_x.pyx", "from stream.events._hidden cimport x", "events._hidden is not a door of events"),
        ("state/_x.pyx", "import orjson, asyncio", "state is pure and must not import asyncio"),
        ("state/_x.pyx", "cdef long now = time.time_ns()", "reads the wall clock: time.time_ns"),
        ("state/_x.pyx", "from libc.time cimport time", "reads the wall clock: from libc.time cimport time"),
        ("state/_x.pyx", "from stream.state._packed cimport x\nfrom libc.stdint cimport int64_t", None),
        ("helpers.py", "", "lies in no package that has its line of imports"),
        ("tools/x.py", "", "lies in no package that has its line of imports"),
    ],
)
def test_what_breaks_the_architecture_is_found(
    tmp_path: Path, file: str, text: str, finding: str | None
) -> None:
    for package, doors in {
        "cel": "`values`",
        "events": "`_value`",
        "demo": "`run`",
        "runtime": "`lane`",
    }.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f'"""Planted.\n\nDoors: {doors}.\n"""\n')
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert findings(tmp_path) == ([f"{file}: {finding}"] if finding else [])
