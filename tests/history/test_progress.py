"""How far a command is: on a terminal, and only there."""

from __future__ import annotations

import io

from rich.console import Console

from stream.history.progress import QUIET, showing


def test_a_terminal_sees_rate_and_remaining_time() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with showing(console) as progress:
        progress.begin("looking through", 100, "bytes")
        progress.reach(50)
        progress.begin("playing", 10)
        progress.reach(1)
        progress.reach(10)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "playing" in shown
    assert "100%" in shown
    assert "0:00:00" in shown


def test_elsewhere_nothing_is_shown() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with showing(console) as progress:
        assert progress is QUIET
        progress.begin("playing", 0)
        progress.reach(1)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""
