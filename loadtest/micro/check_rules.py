"""How long rule files take: read, compiled, and what refusing a bomb costs.

`python -m loadtest.micro.check_rules [--rules 10000] [--rounds 3]`: minimum, median and maximum of the
rounds, in CPU time, which on an idle core is the time itself. The rules are those of the README's kinds, no
two alike, 400 a file. Nothing is cached between rounds except what the process has imported.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stream.errors import RuleFileError
from stream.rules.compiler.rule_set import check_rules, compile_files
from stream.rules.files import collect

PER_FILE = 400
COMMON = """\
sources:
  clickstream: {event: event, customer: customer_id, time: ts, id: event_id}
  transactions: {event: {is: purchase}, customer: customer_id, time: ts, id: event_id}
channels:
  email: {topic: triggers.email, consent: none}
  web: {topic: triggers.web, consent: none, address: event.session}
traits:
  views_7d: {function: count, of: product_view, per: category, over: 7d}
  spend_90d: {function: sum, of: purchase, field: amount, over: 90d}
  chats_3d: {function: count, of: support_chat, over: 3d}
"""
RULE = """\
  rule-{number}:
    describe: A cart of {number} or more, left for half an hour
    on: [add_to_cart, wishlist_add]
    where: event.price >= {number} && event.category == 'cat{category}'
    unless: {{on: purchase, within: 30m}}
    if: >-
      traits.views_7d[event.category] >= {category} && traits.spend_90d < {number}.5
      && !(traits.chats_3d > 0)
    send:
      channel: email
      content:
        subject: "Still thinking about {{{{ event.category }}}}?"
        body: "Number {number}: your {{{{ event.name | default: 'cart' }}}} is here."
    limit: 1 per 7d
    priority: {category}
"""
BOMBS = {
    "a billion laughs": "a0: &a0 ["
    + "x," * 2000
    + "]\n"
    + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(5)),
    "deep flow": "a: " + "[" * 500_000,
    "deep mappings": "{" * 500_000,
    "deep blocks": "- " * 400_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(70_000)),
    "one long line": "a: [" + "b," * 450_000,
    "one long text": "a: '" + "b " * 450_000,
    "too many bytes": "#" * 50_000_000,
}


def write_rules(directory: Path, count: int) -> None:
    """`count` rules with what they need, in files of PER_FILE."""
    (directory / "common.yaml").write_text(COMMON)
    for first in range(0, count, PER_FILE):
        rules = (RULE.format(number=n, category=n % 40) for n in range(first, min(first + PER_FILE, count)))
        (directory / f"rules-{first:06}.yaml").write_text("rules:\n" + "".join(rules))


def measure(name: str, step: Callable[[], object], rounds: int) -> None:
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        step()
        seconds.append(time.process_time() - started)
    low, middle, high = (1000 * each(seconds) for each in (min, statistics.median, max))
    print(f"{name:<24} min {low:8.0f} ms   median {middle:8.0f} ms   max {high:8.0f} ms", flush=True)


def refuse(directory: Path) -> None:
    """Refuse the bomb in a directory; prints milliseconds and megabytes. Runs in a process of its own."""
    before = _memory("VmRSS")
    started = time.process_time()
    try:
        check_rules(directory)
    except RuleFileError as error:
        took, what = time.process_time() - started, error.diagnostics[0]
    else:
        raise SystemExit("the bomb was not refused")
    grown = max(0, _memory("VmHWM") - before)
    print(
        f"{directory.name:<24} {took * 1000:8.0f} ms   {grown / 1024:8.1f} MB   {what.code}: {what.message}"
    )


def _memory(name: str) -> int:
    """Kilobytes of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rules", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--refuse", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.refuse:
        refuse(given.refuse)
        return
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        write_rules(directory, given.rules)
        files, found = collect(directory)
        measure(f"read {given.rules:,} rules", lambda: collect(directory), given.rounds)
        measure(f"compile {given.rules:,} rules", lambda: compile_files(files, found), given.rounds)
        measure(f"check {given.rules:,} rules", lambda: check_rules(directory), given.rounds)
    for name, bomb in BOMBS.items():
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / name
            directory.mkdir()
            (directory / "bomb.yaml").write_text(bomb)
            command = [sys.executable, "-m", "loadtest.micro.check_rules", "--refuse", str(directory)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
