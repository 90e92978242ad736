"""Doing something again whenever files change: `stream test --watch`.

Files are looked at a few times a second, as a worker does with its rules, and for the same reasons: an editor
that writes by rename, a checkout and a folder on another machine all look the same, and no library is needed.
Tested by tests/authoring/test_watch.py and tests/cli/test_watching.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

LOOK_S = 0.2
QUIET_S = 0.1  # nothing has changed for so long: the change is complete

Signature = tuple[tuple[str, int, int, int], ...]


def look(paths: Iterable[Path]) -> Signature:
    """What tells without reading that files have changed. One that is not there is left out."""
    found = []
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(sorted(found))


def wait_for_change(
    before: Signature, now: Callable[[], Signature], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Returns once what `now` gives is another than `before`, and stays so for a moment."""
    while (seen := now()) == before:
        sleep(LOOK_S)
    while True:
        sleep(QUIET_S)
        if (later := now()) == seen:
            return
        seen = later


def keep_running(run: Callable[[], int], now: Callable[[], Signature]) -> int:
    """Runs it now and after each change, until Ctrl-C; what the last one that came to its end returned."""
    code = 130  # as of what Ctrl-C ends at once
    try:
        while True:
            before = now()  # a change while it runs is one, too
            code = run()
            wait_for_change(before, now)
    except KeyboardInterrupt:
        return code
