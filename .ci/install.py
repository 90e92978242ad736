"""Installs packages by pip and shows how far it is: `python .ci/install.py ARGUMENTS OF PIP INSTALL`.

A first installation takes minutes, in which `pip --quiet` says nothing and pip itself hundreds of lines. On a
terminal this is one line that moves; elsewhere a line for each step, and one every half minute. If it fails,
all that pip said is shown. Only the standard library is used: nothing is installed yet. Tested by
tests/project/test_install.py.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

TICK_S = 1.0
PLAIN_EVERY_S = 30.0
WIDTH = 78


class Progress:
    """The step that pip is at, from what it says."""

    def __init__(self) -> None:
        self.step = "starting pip"
        self.detail = ""
        self.collected = 0

    def read(self, line: str) -> None:
        if found := re.match(r"\s*Collecting ([\w.-]+)", line):
            self.collected += 1
            self.step, self.detail = "collecting packages", f"{self.collected}, {found[1]}"
        elif re.match(r"\s*Installing build dependencies: started", line):
            self.step, self.detail = "installing the build tools", ""
        elif re.match(r"\s*Building editable for", line):
            self.step, self.detail = "compiling the engine", "this takes minutes"
        elif found := re.match(r"\s*Building wheel for ([\w.-]+)", line):
            self.step, self.detail = f"building {found[1]}", ""
        elif found := re.match(r"\s*Installing collected packages: (.*)", line):
            self.step, self.detail = f"installing {len(found[1].split(', '))} packages", ""


def run(command: Sequence[str], out: TextIO) -> int:
    """Run it, with progress written to `out`; its exit code. All that it said is written if it fails."""
    progress, said, began = Progress(), [], time.monotonic()
    shown, shown_at = "", -PLAIN_EVERY_S
    moves = out.isatty()
    with subprocess.Popen(  # noqa: S603 - the caller's own command
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in _lines(process):
            if line is not None:
                said.append(line)
                progress.read(line)
            passed = time.monotonic() - began
            detail = f" ({progress.detail})" if progress.detail else ""
            if moves:
                out.write(f"\r{f'{progress.step}{detail} … {passed:.0f} s':{WIDTH}.{WIDTH}}")
            elif progress.step != shown or passed - shown_at >= PLAIN_EVERY_S:
                out.write(f"{progress.step}{detail} … {passed:.0f} s\n")
                shown, shown_at = progress.step, passed
            out.flush()
    if moves:
        out.write(f"\r{'':{WIDTH}}\r")
    if process.returncode:
        out.writelines(said)
    else:
        out.write(f"installed in {time.monotonic() - began:.0f} s\n")
    return process.returncode


def _lines(process: subprocess.Popen[str]) -> Iterator[str | None]:
    """What a process says, line by line, and None for each second in which it says nothing."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=TICK_S)
        except queue.Empty:
            yield None
        else:
            if line is None:
                return
            yield line


if __name__ == "__main__":
    PIP = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    sys.exit(run([*PIP, *sys.argv[1:]], sys.stdout))
