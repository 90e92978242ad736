"""Rule files compiled in a process of their own, so that the event loop keeps its interpreter.

Compiling is Python from end to end. In a thread it takes the interpreter away from the event loop again and
again: 500 rules, half a second or more, a delay of 5 ms at the median for whatever the loop had to do next.
In a process the loop does not notice it. What is left in this process is to read the result, which is
therefore written in pieces and read a millisecond at a time.

`python -m stream.worker.compile_process DIRECTORY APP_ID DECISIONS DEAD_LETTERS` is that process; it answers
on standard output.
Tested by tests/worker/test_reload.py.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from stream.engine import PartitionState
from stream.errors import RuleFileError, StreamError
from stream.rules.compiler.rule_set import NOBODYS, load_rules
from stream.rules.model import RuleSet
from stream.structs import OwnTopics

AT_MOST_S = 120.0  # 10,000 rules take a few seconds
HELD_S = 0.001  # how long reading the pieces may hold the event loop
NICENESS = 10  # events go first where there is one core for both

# A field of the rule set and one piece of it, pickled: the whole of it, or one item of a tuple.
Piece = tuple[str, bytes]


async def compile_aside(directory: Path, own: OwnTopics = NOBODYS) -> RuleSet:
    """`load_rules` in another process, and a proof that the engine can take the result.

    Raises RuleFileError with every error of the rule files, StreamError if the process fails.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__, str(directory), *own),
            # The modules that this process has, not what happens to lie in the working directory.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(each or os.curdir for each in sys.path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise StreamError(f"no process to compile the rules in: {error.strerror}") from error
    try:
        answer, complaint = await asyncio.wait_for(process.communicate(), AT_MOST_S)
    except TimeoutError:
        raise StreamError(f"compiling the rules took longer than {AT_MOST_S:.0f} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise StreamError(f"compiling the rules ended with exit code {process.returncode}: {last}")
    refused, pieces = pickle.loads(answer)  # noqa: S301  # written by our own code, see `main`
    if refused:
        raise RuleFileError(refused)
    return await _put_together(pieces)


async def _put_together(pieces: list[Piece]) -> RuleSet:
    values: dict[str, list[Any]] = {field.name: [] for field in fields(RuleSet)}
    until = time.perf_counter() + HELD_S
    for name, pickled in pieces:
        values[name].append(pickle.loads(pickled))  # noqa: S301  # as above
        if time.perf_counter() > until:
            await asyncio.sleep(0)
            until = time.perf_counter() + HELD_S
    made: dict[str, Any] = {name: tuple(items) for name, items in values.items()}
    return RuleSet(**{**made, **{name: made[name][0] for name in _SINGLE}})


_SINGLE = ("revision", "policy", "first_source")  # all else is a tuple


def _pieces(rules: RuleSet) -> Iterator[Piece]:
    for field in fields(rules):
        value = getattr(rules, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            yield field.name, pickle.dumps(item)


def main(directory: Path, own: OwnTopics) -> None:
    """Compile, and write (diagnostics, pieces), of which one is empty, to standard output."""
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        rules = load_rules(directory, own)
        PartitionState(rules)  # whatever it would raise is raised here, and the worker keeps its rules
        answer: tuple[list[Any], list[Piece]] = [], list(_pieces(rules))
    except RuleFileError as error:
        answer = error.diagnostics, []
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), OwnTopics(*sys.argv[2:]))
