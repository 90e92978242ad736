"""The layers: a module imports only from its own layer or from lower ones.

The lower three know neither Kafka nor asyncio nor the wall clock: that is what makes live processing, a test
and a backtest one and the same evaluation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stream

# From low to high. A module that is not here is a module whose place nobody has thought about.
LAYERS: dict[str, set[str]] = {
    "words": {
        *("__init__", "codes", "errors", "structs", "hints", "clock", "settings", "metrics", "logs"),
        *("collectors", "ruleseries", "logfields", "loglimits", "tracebacks"),
    },
    "rules": {
        *("rulefiles", "durations", "cel", "expression", "conditions", "testcases"),
        *("compiler", "program", "atoms", "content", "keys", "schema"),
        *("filters", "formats", "locales", "rendering", "simpletext"),
    },
    "engine": {
        *("_value", "_yyjson", "_vendor", "_event", "_times", "_packed", "_windows", "_layout", "_instances"),
        *("_state", "_reader", "_codec", "_timers", "_byid", "_customers", "_profile"),
        *("_frame", "_fields", "_operators", "_condition", "_index", "_decode", "_program", "_fastmatch"),
        *("_explain", "engine", "guards", "arms", "quiet", "periods", "records"),
    },
    "runtime": {
        *(
            "transport",
            "ledger",
            "store",
            "stored",
            "table",
            "restore",
            "producer",
            "outbox",
            "lane",
            "compilation",
            "reload",
            "app",
        ),
        *("broker", "health", "topology", "ranges", "topicids", "marks", "recall", "takeover", "unit"),
        *("rawrecords", "clusterapi", "clusterfacts", "topicplan", "tracing"),
        *("lease", "membership", "failures", "watchdog", "verbosity"),
    },
    "hands": {
        "cli",
        "check",
        "indexpaths",
        "replay",
        "eventfiles",
        "backtest",
        "ruletest",
        "demo",
        "doctor",
        *("topics", "topicformat"),
        "__main__",
    },
}
PURE = ("words", "rules", "engine")
IMPURE_PACKAGES = {"faust", "mode", "aiokafka", "asyncio", "uvloop"}
WALL_CLOCK = re.compile(
    r"(?:.*\.)?(time\.(time|time_ns|gmtime|localtime)|(datetime|date)\.(now|utcnow|today))"
)
READS_THE_WALL_CLOCK = {"clock"}

PACKAGE = Path(stream.__file__).parent
RANK = {module: rank for rank, modules in enumerate(LAYERS.values()) for module in modules}
NAMES = tuple(LAYERS)


def sources(package: Path) -> list[Path]:
    return sorted(path for suffix in ("py", "pyx", "pxd", "pyi") for path in package.rglob(f"*.{suffix}"))


def module_of(path: Path, package: Path) -> str:
    """The name in the table: that of the file, or of the package below `stream` that it lies in."""
    return path.relative_to(package).parts[0].partition(".")[0]


def imports(path: Path, package: Path) -> Iterator[str]:
    """Dotted names that a file imports; `from a import b` gives `a.b`, as b may be a module."""
    text = path.read_text(encoding="utf-8")
    here = ["stream", *path.relative_to(package).parent.parts]
    if path.suffix in {".pyx", ".pxd"}:
        for origin, names in re.findall(
            r"^\s*from\s+([\w.]+)\s+c?import\s+\(?([^)#\n]*)", text, re.MULTILINE
        ):
            dots = len(origin) - len(origin.lstrip("."))
            base = _absolute(here, dots, origin.lstrip("."))
            yield base
            yield from (f"{base}.{name.split()[0]}" for name in names.split(",") if name.strip())
        for names in re.findall(r"^\s*c?import\s+([^#\n]+)", text, re.MULTILINE):
            yield from (name.split()[0] for name in names.split(",") if name.strip())
        return
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(here, node.level, node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


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


def findings(package: Path) -> list[str]:
    """What breaks the layers in a package, one line each."""
    return list(dict.fromkeys(_findings(package)))


def _findings(package: Path) -> Iterator[str]:
    for path in sources(package):
        name, module = path.relative_to(package), module_of(path, package)
        if module not in RANK:
            yield f"{name}: stands in no layer"
            continue
        rank = RANK[module]
        for imported in imports(path, package):
            top, _, rest = imported.partition(".")
            if top in IMPURE_PACKAGES and NAMES[rank] in PURE:
                yield f"{name}: {NAMES[rank]} must not import {top}"
            target = rest.partition(".")[0]
            if top == "stream" and RANK.get(target, -1) > rank:
                yield f"{name}: {NAMES[rank]} must not import {target} of {NAMES[RANK[target]]}"
        if NAMES[rank] in PURE and module not in READS_THE_WALL_CLOCK:
            yield from (f"{name}: reads the wall clock: {call}" for call in wall_clock_reads(path))


def test_the_layers_hold() -> None:
    assert findings(PACKAGE) == []


def test_the_whole_package_was_looked_at() -> None:
    looked_at = {module_of(path, PACKAGE) for path in sources(PACKAGE)}
    assert {"__init__", "errors", "structs", "clock", "expression", "records", "health"} <= looked_at


def test_no_module_stands_in_two_layers() -> None:
    assert sum(len(modules) for modules in LAYERS.values()) == len(RANK)


@pytest.mark.parametrize(
    ("file", "text", "finding"),
    [
        ("errors.py", "from stream.rules.model import RuleSet", "words must not import program of rules"),
        ("content.py", "import stream.engine as e", "rules must not import engine of engine"),
        ("content.py", "from stream import engine", "rules must not import engine of engine"),
        ("content.py", "from . import engine", "rules must not import engine of engine"),
        ("content.py", "from .engine import process", "rules must not import engine of engine"),
        ("demo/play.py", "from ..cli import main", None),
        ("lane.py", "from stream.demo.play import play", "runtime must not import demo of hands"),
        ("lane.py", "def f():\n    from stream.cli import main", "runtime must not import cli of hands"),
        ("engine.py", "import asyncio", "engine must not import asyncio"),
        ("metrics.py", "from aiokafka.structs import TopicPartition", "words must not import aiokafka"),
        ("lane.py", "import asyncio, faust", None),
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
        ("_state.pyx", "from stream.runtime.lane cimport Lane", "engine must not import lane of runtime"),
        ("_state.pxd", "cimport stream.runtime.lane", "engine must not import lane of runtime"),
        ("_state.pyx", "from stream cimport _fastmatch, lane", "engine must not import lane of runtime"),
        ("_state.pyx", "from .lane import Lane", "engine must not import lane of runtime"),
        ("_state.pyx", "import orjson, asyncio", "engine must not import asyncio"),
        ("_state.pyx", "cdef long now = time.time_ns()", "reads the wall clock: time.time_ns"),
        ("_state.pyx", "from libc.time cimport time", "reads the wall clock: from libc.time cimport time"),
        ("_state.pyx", "from stream._fastmatch cimport x\nfrom libc.stdint cimport int64_t", None),
        ("helpers.py", "", "stands in no layer"),
        ("tools/x.py", "", "stands in no layer"),
    ],
)
def test_what_breaks_the_layers_is_found(tmp_path: Path, file: str, text: str, finding: str | None) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert findings(tmp_path) == ([f"{file}: {finding}"] if finding else [])
