"""A flame graph of where the engine's time goes: `perf record` on the engine alone, drawn as SVG.

    python -m loadtest.micro.flame [--rules ref500] [--events 1000000] --out loadtest/engine.svg

Needs Linux perf. Boxes are functions, as wide as their share of the samples, callees above callers; hovering
shows the share. The interpreter's own frames are one box, `Python` (3.11 does not tell perf which function it
runs), and so are the kernel's. The events are made before perf looks on.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from loadtest.micro.engine import SETS, batches, compile_rules, play
from loadtest.workloads import wide

WIDTH, ROW, SMALLEST = 1200, 17, 0.0015  # of the picture; of the samples, what is too narrow to be drawn
_CYTHON = re.compile(r"__pyx_(?:f|pw|pf|fuse_\d+)?_?\d*stream_(?P<rest>.+)")
_PROPERTY = re.compile(
    r"__pyx_(?:getprop|setprop|specialmethod|pymod_exec|tp_new|tp_dealloc)_\d+stream_(?P<rest>.+)"
)
_PART = re.compile(r"(\d+)(\w+)")
_INTERPRETER = re.compile(r"^(_?Py|py|_PyEval|cfunction_|method_|function_|object_|slot_|type_call|builtin_)")


@dataclass
class Box:
    """A function called in one way: how many samples, and what it called."""

    name: str
    samples: int = 0
    callees: dict[str, Box] = field(default_factory=dict)


def fold(script: Iterable[str]) -> Box:
    """The tree of calls of what `perf script` printed: per sample a line, then frames, innermost first."""
    root = Box("all")
    stack: list[str] = []
    for line in (*script, ""):
        if line.strip() and line[0] in " \t":
            stack.append(line.split()[1].partition("+")[0])
        elif not line.strip() and stack:
            _count(root, _readable(stack))
            stack = []
    return root


def _count(root: Box, names: list[str]) -> None:
    box = root
    box.samples += 1
    for name in names:
        box = box.callees.setdefault(name, Box(name))
        box.samples += 1


def _readable(stack: list[str]) -> list[str]:
    """From the outermost frame inwards, from the engine's `run` on; the interpreter's frames one box."""
    names = [_name(each) for each in reversed(stack)]
    begin = next((at for at, name in enumerate(names) if name == "PartitionState.run"), None)
    if begin is None:
        return ["outside of the engine"]
    found: list[str] = []
    for name in names[begin:]:
        if name.startswith(("asm_", "entry_SYSCALL")):
            return [*found, "kernel"]
        if not found or found[-1] != name:
            found.append(name)
    return found


def _name(symbol: str) -> str:
    """`PartitionState.match` of `__pyx_f_6stream_10_fastmatch_14PartitionState_match`."""
    known = _CYTHON.match(symbol) or _PROPERTY.match(symbol)
    if known is None:
        return "Python" if _INTERPRETER.match(symbol) else symbol
    rest, parts = known["rest"], []
    while match := _PART.match(rest):  # length, then so many characters
        size = int(match[1])
        parts.append(match[2][:size])
        rest = match[2][size:].lstrip("_")
    return ".".join([*parts[1:], re.sub(r"^\d+", "", rest)]).strip(".")


def draw(root: Box) -> str:
    """The tree as SVG."""
    boxes = list(_place(root, 0.0, 0, root.samples))
    height = ROW * (max(depth for _, _, depth, _ in boxes) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
        'font-size="11"><rect width="100%" height="100%" fill="#fffdf7"/>'
    ]
    for name, left, depth, share in boxes:
        x, y, width = left * WIDTH, height - ROW * (depth + 1), share * WIDTH
        colour = f"hsl({20 + sum(name.encode()) % 40}, {'20%' if name == 'Python' else '80%'}, 72%)"
        shown = escape(name if len(name) * 6.7 < width - 4 else name[: max(int((width - 4) / 6.7), 0)])
        lines.append(
            f'<g><title>{escape(name)} {share:.1%}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" '
            f'height="{ROW - 1}" fill="{colour}"/><text x="{x + 2:.1f}" y="{y + 12}">{shown}</text></g>'
        )
    return "\n".join([*lines, "</svg>\n"])


def _place(box: Box, left: float, depth: int, whole: int) -> Iterator[tuple[str, float, int, float]]:
    """(name, left edge, depth, share) of the boxes wide enough to be seen."""
    share = box.samples / whole
    if share < SMALLEST:
        return
    yield box.name, left, depth, share
    for callee in sorted(box.callees.values(), key=lambda each: -each.samples):
        yield from _place(callee, left, depth + 1, whole)
        left += callee.samples / whole


def record(rules: str, events: int) -> Box:
    """Runs the engine in a process of its own under perf."""
    if shutil.which("perf") is None:
        sys.exit("error: perf is not installed (hint: on Debian it is in linux-perf)")
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "perf.data"
        command = [sys.executable, "-m", "loadtest.micro.flame", "--rules", rules, "--events", str(events)]
        target = subprocess.Popen([*command, "--play"], stdout=subprocess.PIPE)
        assert target.stdout is not None
        target.stdout.readline()  # the events are made
        perf = ["perf", "record", "-q", "-F", "997", "--call-graph", "dwarf,16384", "-p", str(target.pid)]
        recorder = subprocess.Popen([*perf, "-o", str(data)])
        while not data.exists() and recorder.poll() is None:
            os.sched_yield()
        target.send_signal(signal.SIGUSR1)
        target.wait()
        recorder.wait()
        script = subprocess.run(
            ["perf", "script", "-i", str(data), "-F", "comm,ip,sym", "--no-inline"],
            capture_output=True, text=True, check=True, errors="replace",
        )  # fmt: skip
    return fold(script.stdout.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rules", default="ref500", choices=SETS)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("loadtest/engine.svg"))
    parser.add_argument(
        "--play", action="store_true", help=argparse.SUPPRESS
    )  # the process that perf watches
    given = parser.parse_args()
    if given.play:
        played, rules = list(batches(wide(events=given.events))), compile_rules(SETS[given.rules])
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        print("ready", flush=True)
        signal.sigwait({signal.SIGUSR1})
        play(rules, played)
        return
    tree = record(given.rules, given.events)
    given.out.write_text(draw(tree), encoding="utf-8")
    print(f"{given.out}: {tree.samples} samples of {given.events} events by {given.rules}")


if __name__ == "__main__":
    main()
