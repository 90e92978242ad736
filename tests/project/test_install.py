"""`make` in an empty clone: it shows that something happens, and all that pip said where it fails."""

from __future__ import annotations

import io
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SAID = """\
Obtaining file:///clone
  Installing build dependencies: started
  Installing build dependencies: finished with status 'done'
Collecting faust-streaming>=0.11 (from stream==0.1)
  Downloading faust_streaming-0.11-py3-none-any.whl (1.2 MB)
Collecting orjson (from stream==0.1)
Building wheels for collected packages: stream
  Building editable for stream (pyproject.toml): started
Installing collected packages: orjson, faust-streaming, stream
Successfully installed faust-streaming-0.11 orjson-3 stream-0.1
"""


@pytest.fixture(scope="module")
def install() -> Any:
    path = Path(__file__).parents[2] / ".ci" / "install.py"
    spec = spec_from_file_location("install", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pip(exit_code: int) -> list[str]:
    return [sys.executable, "-c", f"print({SAID!r}, end=''); raise SystemExit({exit_code})"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_log_each_step_is_a_line(install: Any) -> None:
    out = io.StringIO()
    assert install.run(pip(0), out) == 0
    assert [line.partition(" … ")[0] for line in out.getvalue().splitlines()[:-1]] == [
        "starting pip",
        "installing the build tools",
        "collecting packages (1, faust-streaming)",
        "compiling the engine (this takes minutes)",
        "installing 3 packages",
    ]
    assert out.getvalue().splitlines()[-1].startswith("installed in ")


def test_on_a_terminal_it_is_one_line_that_moves(install: Any) -> None:
    out = Terminal()
    assert install.run(pip(0), out) == 0
    assert out.getvalue().count("\n") == 1
    assert {len(shown) for shown in out.getvalue().split("\r")[1:-1]} == {install.WIDTH}
    assert "collecting packages (2, orjson)" in out.getvalue()


def test_a_silent_step_moves_too(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "TICK_S", 0.02)
    out = Terminal()
    silent = "import time; time.sleep(0.5)"  # many ticks long
    assert install.run([sys.executable, "-c", silent], out) == 0
    assert out.getvalue().count("starting pip") > 3


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_of_a_failure_everything_is_shown(install: Any, out: io.StringIO) -> None:
    assert install.run(pip(3), out) == 3
    assert out.getvalue().endswith(SAID)
