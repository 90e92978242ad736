"""The compiled extension: it is there, it is compiled, and its stubs say what it has."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import stream

PACKAGE = Path(stream.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("_*.pyx")
)


def test_there_are_extensions_to_test() -> None:
    assert "_fastmatch" in MODULES
    assert "state._customer" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_the_extension_is_loaded_not_something_slow_in_its_place(name: str) -> None:
    module = importlib.import_module(f"stream.{name}")
    assert module.__file__ is not None
    assert module.__file__.endswith(tuple(EXTENSION_SUFFIXES))


@pytest.mark.parametrize("name", MODULES)
def test_the_extension_is_built_from_the_source_that_lies_here(name: str) -> None:
    module = importlib.import_module(f"stream.{name}")
    source = max(path.stat().st_mtime for path in PACKAGE.glob(f"{name.replace(chr(46), chr(47))}.p[yx][xd]"))
    built = Path(str(module.__file__)).stat().st_mtime
    assert built >= source, "build it: python setup.py build_ext --inplace"


@pytest.mark.parametrize("name", MODULES)
def test_what_is_compiled_is_not_pickled_by_generated_code(name: str) -> None:
    """The build says so once: such code would copy pointers' owners without what they own."""
    module = importlib.import_module(f"stream.{name}")
    classes = [each for each in vars(module).values() if isinstance(each, type)]
    assert [each for each in classes if hasattr(each, "__reduce_cython__")] == []
    assert [each for each in vars(module) if "__pyx_unpickle" in each] == []


def test_every_extension_is_built_by_setup_py() -> None:
    text = (PACKAGE.parent / "setup.py").read_text()
    assert [name for name in MODULES if name not in text] == [] or "*.pyx" in text


def test_the_stubs_say_what_the_extension_has(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(".*\\.__pyx_capi__\n")  # how extensions find each other's functions
    modules = [f"stream.{name}" for name in MODULES]
    command = [sys.executable, "-m", "mypy.stubtest", *modules, "--allowlist", str(allowed), "--concise"]
    run = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_sources_are_tidy() -> None:
    files = sorted(str(path) for path in [*PACKAGE.rglob("_*.pyx"), *PACKAGE.rglob("_*.pxd")])
    run = subprocess.run(
        [sys.executable, "-m", "cython_lint.cython_lint", "--max-line-length", "110", *files],
        cwd=PACKAGE.parent,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },  # it runs pycodestyle
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
