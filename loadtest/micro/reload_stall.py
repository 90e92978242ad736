"""How long a reload of 500 rules (REF-500) holds up an event loop that has something to do every millisecond.

    python -m loadtest.micro.reload_stall

The loop idle; the rules compiled in a thread; compiled aside and read in; and one partition's switch, in ms.
`held` is the processor time of the loop's own thread between two turns, whatever else the machine does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import uvloop

from loadtest.rulesets import stage
from stream.engine import PartitionState
from stream.rules.compiler.rule_set import load_rules
from stream.worker.compile_process import compile_aside

TURN_S = 0.001
T = TypeVar("T")


async def _turns(delays: list[float], held: list[float]) -> None:
    while True:
        wall, cpu = time.perf_counter(), time.thread_time()
        await asyncio.sleep(TURN_S)
        delays.append((time.perf_counter() - wall - TURN_S) * 1000)
        held.append((time.thread_time() - cpu) * 1000)


async def _measure(name: str, work: Awaitable[T]) -> T:
    delays: list[float] = []
    held: list[float] = []
    turns = asyncio.create_task(_turns(delays, held))
    await asyncio.sleep(0.01)
    delays.clear()
    held.clear()
    started = time.perf_counter()
    result = await work
    seconds = time.perf_counter() - started
    await asyncio.sleep(TURN_S * 2)
    turns.cancel()
    print(f"{name:22} {seconds:5.2f} s   delay {_figures(delays)}   held {_figures(held)}")
    return result


def _figures(values: list[float]) -> str:
    ordered = sorted(values)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    return f"p50 {p50:6.2f}  p99 {p99:6.2f}  max {ordered[-1]:6.2f}"


async def main() -> None:
    """Print the figures of three reloads."""
    with tempfile.TemporaryDirectory() as folder:
        directory = stage("ref500", Path(folder))
        rules = load_rules(directory)
        for _ in range(3):
            await _measure("idle", asyncio.sleep(1))
            await _measure("compiled in a thread", asyncio.to_thread(load_rules, directory))
            await _measure("compiled aside", compile_aside(directory))
            state = PartitionState(rules)
            started = time.thread_time()
            state.adopt(rules)
            print(f"one partition's switch: held {(time.thread_time() - started) * 1000:.2f}")


if __name__ == "__main__":
    uvloop.run(main())
