"""The keeper of an embedded Kafka's processes and folder: it ends them when its parent ends, however.

A small program of its own, run as `python -I -S supervisor.py [FOLDER]` with a pipe on its input. When
the pipe closes, it ends the nodes, and removes the folder if that was a temporary one (no FOLDER given). The
pipe closes when the parent stops the cluster, leaves, crashes or is killed with SIGKILL: nothing depends on
the parent's good behaviour. On Linux the nodes also die with this program, should somebody kill it.
It imports nothing of the project and only light modules: about 50 ms to start, and 14 MB.

One JSON object a line, one answer to each; the first answer comes unasked and names the folder:

    {"do": "start", "node": "0", "argv": [...], "log": "/path"}   {"pid": 4711}
    {"do": "status"}                                              {"0": {"pid": 4711, "ended": null}}
    {"do": "signal", "node": "0", "signal": 9}                    {}

`ended` is the exit code, once there is one. What nodes print is appended to `log`. An answer {"error": "..."}
says in words what went wrong. Tested by tests/integration/test_broker.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

PARENT_CHECK_SECONDS = 0.5  # a fork of the parent may hold the pipe open: so look at who the parent is, too
TERM_SECONDS = 10.0  # how long the nodes of a kept folder have to write everything down


def die_with_parent() -> Callable[[], None] | None:
    """What makes a child get SIGKILL when this program dies; None where the system cannot do that."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


class Nodes:
    """The processes, by node. Each leads a process group, so that signals reach what it starts itself."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._in_child = die_with_parent()

    def start(self, node: str, argv: list[str], log: str) -> dict[str, Any]:
        with open(log, "ab") as output:  # noqa: PTH123 - pathlib would double this program's start-up
            self._processes[node] = subprocess.Popen(  # noqa: S603 - the parent's own command
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=self._in_child,
            )
        return {"pid": self._processes[node].pid}

    def status(self) -> dict[str, Any]:
        return {node: {"pid": each.pid, "ended": each.poll()} for node, each in self._processes.items()}

    def signal(self, node: str, number: int) -> None:
        process = self._processes[node]
        if process.poll() is None:  # not reaped, so the number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def _running(self) -> bool:
        return any(each.poll() is None for each in self._processes.values())

    def end(self, *, gently: bool) -> None:
        """End all; `gently` lets them write down what they know first, for a while."""
        if gently:
            for node in self._processes:
                self.signal(node, signal.SIGTERM)
                self.signal(node, signal.SIGCONT)  # a stopped one would not hear it
            deadline = time.monotonic() + TERM_SECONDS
            while self._running() and time.monotonic() < deadline:
                time.sleep(0.02)
        for node in self._processes:
            self.signal(node, signal.SIGKILL)
        for each in self._processes.values():
            each.wait()


def requests() -> Iterator[dict[str, Any]]:
    """The parent's requests, until it closes the pipe or is gone."""
    parent = os.getppid()
    pending = b""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], PARENT_CHECK_SECONDS)
        if not readable:
            continue
        data = os.read(0, 65536)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def answer(reply: dict[str, Any]) -> None:
    os.write(1, json.dumps(reply).encode() + b"\n")


def obey(nodes: Nodes, request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["do"] == "start":
            return nodes.start(request["node"], request["argv"], request["log"])
        if request["do"] == "signal":
            nodes.signal(request["node"], request["signal"])
            return {}
        return nodes.status()
    except OSError as error:
        return {"error": str(error)}


def end_on_signal(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def main(kept: str | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to judge
    signal.signal(signal.SIGTERM, end_on_signal)
    nodes = Nodes()
    folder = kept or tempfile.mkdtemp(prefix="stream-kafka-")
    lock = os.open(os.path.join(folder, ".in-use"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)  # noqa: PTH118
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        answer({"error": "in use"})
        return
    try:
        # A parent that is gone cannot read: nothing is left to do but to end.
        with contextlib.suppress(BrokenPipeError):
            answer({"folder": folder})
            for request in requests():
                answer(obey(nodes, request))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        nodes.end(gently=kept is not None)
        if kept is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
