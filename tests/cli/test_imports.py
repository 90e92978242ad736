"""What a command imports decides how long it takes to say anything: a second for Faust, another for texts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stream import __version__

# Each takes a tenth of a second or more.
SLOW = {"aiokafka", "asyncio", "babel", "faust", "liquid", "pydantic", "rich", "structlog", "yaml"}

RUN = """
import sys
from stream.cli.main import main
sys.argv = ["stream", *sys.argv[1:]]
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported_by(*arguments: str) -> tuple[str, set[str]]:
    """What a command says, and the packages that were imported for it."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout, set(done.stderr.split())


def test_the_version_is_said_at_once() -> None:
    said, imported = imported_by("--version")
    assert said == f"stream {__version__}\n"
    assert "typer" in imported
    assert imported & SLOW == set()


@pytest.mark.parametrize(
    "arguments", [("--help",), ("check", "--schema"), ("worker", "--help"), ("demo", "--help")]
)
def test_nothing_but_a_worker_waits_for_faust(arguments: tuple[str, ...]) -> None:
    _, imported = imported_by(*arguments)
    assert imported & {"faust", "aiokafka"} == set()
