"""Deciding sees a match through a protocol: it needs no compiled engine."""

from __future__ import annotations

import subprocess
import sys


def test_decisions_are_imported_without_the_engine() -> None:
    program = (
        "import sys, stream.decisions.decide\n"
        "loaded = [name for name in sys.modules if name in ('stream.engine', 'stream._fastmatch')"
        " or name.startswith('stream.matcher')]\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
