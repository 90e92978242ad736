"""How far a long command is: a bar with rate and remaining time on a terminal's standard error, else nothing.

Tested by tests/history/test_progress.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text


class Progress(Protocol):
    """Is told what begins, and how much of it is done."""

    def begin(self, what: str, total: int, unit: str = "events") -> None: ...
    def reach(self, done: int) -> None: ...


class _Quiet:
    def begin(self, what: str, total: int, unit: str = "events") -> None:
        pass

    def reach(self, done: int) -> None:
        pass


QUIET: Progress = _Quiet()


class _Rate(ProgressColumn):
    """So many a second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f} {task.fields['unit']}/s" if rate else "")


class _Shown:
    """On a bar: each step takes the place of the one before."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def begin(self, what: str, total: int, unit: str = "events") -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=total or None, unit=unit)

    def reach(self, done: int) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=done)


@contextmanager
def showing(console: Console | None = None) -> Iterator[Progress]:
    """Shows how far a command is, if standard error is a terminal."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield QUIET
        return
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), _Rate()
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        yield _Shown(bar)
