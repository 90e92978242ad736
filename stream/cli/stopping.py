"""A command that is stopped cleans up first, and says so in one line.

Tested by tests/cli/test_stopping.py.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(SystemExit):
    """Somebody wants the command to end. Of this kind, since event loops and tasks keep others."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def _ignore(_: sys.UnraisableHookArgs) -> None:
    pass


@contextmanager
def tidy() -> Iterator[None]:
    """Signals that end a process let what is open be closed and removed. A second one changes nothing.

    What the caller has the process ignore, as `nohup` does, stays ignored.
    """
    before = {each: signal.getsignal(each) for each in SIGNALS}
    taken = [each for each, handler in before.items() if handler is not signal.SIG_IGN]

    def stop(number: int, _: object) -> NoReturn:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        # The signal may cut into a constructor; what complains then is the `__del__` of half an object.
        sys.unraisablehook = _ignore
        raise _Stopped(number)

    for each in taken:
        signal.signal(each, stop)
    try:
        yield
    except _Stopped as stopped:
        name = signal.Signals(stopped.number).name
        typer.echo(f"stopped by {name}: nothing half done is left", err=True)
        raise typer.Exit(128 + stopped.number) from None
    finally:
        for each in taken:
            signal.signal(each, before[each])
