"""How much memory a backtest of a million customers takes, with `--store rocksdb`.

    python -m loadtest.backtest_memory [--customers 1000000] [--events 3000000] [--store memory] [--most 1024]

Writes a history as JSON lines: a profile of each customer, with an address and a consent, then clicks and
purchases of the `wide` kind, spread over sixty days. Runs `stream backtest` on it as a user does, in a
process of its own and with a report, under rules that reach nearly everybody and have goals
(`rules/everybody`): what a backtest keeps of each customer in memory, whatever the store, is then as much as
it can be. Says the most that was resident (`ru_maxrss`, which begins with what this program had: less), and
ends with 1 where that is more than `--most` MiB. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.workloads import START_MS, long

RULES = Path(__file__).parent / "rules" / "everybody"
DAYS = 60
BLOCK = 10_000  # lines


class Run(NamedTuple):
    """One backtest. `peak`: MiB that were resident at most. `found`: what `--json` says."""

    seconds: float
    cpu_seconds: float
    peak: float
    found: dict[str, Any]


def history(customers: int, events: int) -> Iterator[bytes]:
    """The lines: all profiles, then the events in the order of time."""
    granted = f'"consents":{{"marketing_email":{{"granted":true,"at":{START_MS - 1}}}}}'
    for number in range(customers):
        address = f'"attributes":{{"email":"c{number:05d}@mail.example"}}'
        profile = f'{{"source":"profiles","customer_id":"c{number:05d}",{address},{granted}}}\n'
        yield profile.encode()
    for source, _, _, value, _ in long(1, events, customers, DAYS):
        yield b'{"source":"%b",%b\n' % (source.encode(), value[1:])


def write(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        while some := list(islice(lines, BLOCK)):
            file.write(b"".join(some))


def run(events: Path, folder: Path, store: str) -> Run:
    """One backtest in a process of its own, with its customers and its report in `folder`."""
    told = ["--store", store, "--data-dir", str(folder), "--report", str(folder / "report.html"), "--json"]
    command = [sys.executable, "-m", "stream", "backtest", str(RULES), str(events), *told]
    began = time.monotonic()
    with (folder / "found.json").open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    found = json.loads((folder / "found.json").read_bytes())
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, found)


def main() -> int:
    """Write, run, say; 1 if it was too much."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--store", choices=["memory", "rocksdb"], default="rocksdb")
    parser.add_argument("--most", type=int, default=1_024, help="MiB")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stream-backtest-memory-") as folder:
        events = Path(folder) / "events.jsonl"
        write(events, history(given.customers, given.events))
        size = events.stat().st_size / 2**20
        done = run(events, Path(folder), given.store)
    every, total = done.found["messages"]["per_customer"], given.customers + given.events
    print(f"{total:,} lines ({size:,.0f} MiB) of {done.found['customers']:,} customers, {given.store}")
    print(f"{every['messages']:,} messages for {every['customers']:,} of them")
    print(
        f"{done.seconds:,.0f} s, {total / done.seconds:,.0f} lines a second; CPU {done.cpu_seconds:,.0f} s, "
        f"{total / done.cpu_seconds:,.0f} lines a second"
    )
    print(f"peak memory {done.peak:,.0f} MiB; {given.most:,} may be")
    return int(done.peak > given.most)


if __name__ == "__main__":
    sys.exit(main())
