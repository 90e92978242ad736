"""The engine's parts under pyperf, which spawns processes, warms up and says how far its figures spread.

    python -m loadtest.micro.suite --fast -o before.json        # `make micro`
    python -m pyperf compare_to before.json after.json --table

Time for one event, or one record, of the processor:

    read orjson     a record of the `wide` workload by `orjson.loads`, to compare with
    read engine     the same through the engine with rules for other event names: reading and merging
    engine refN     `wide` through REF-N: reading, traits, rules, state, decisions
    match 300       300 boolean expressions over ten attributes; 0.4% are true, and then an `if` is false
    match none      the same events and attributes, without the 300: what is left of `match 300` is matching
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle

import orjson
import pyperf

from loadtest.micro.engine import FAR, PER_BATCH, SETS, batches, compile_rules
from loadtest.rulesets import SOURCES
from loadtest.workloads import CLICKSTREAM, START_MS, LoadEvent, wide
from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.structs import Batch

EVENTS = 50_000
EXPRESSIONS = 300
KINDS, PLACES = 12, 25


def expressions(count: int = EXPRESSIONS, seed: int = 1) -> list[str]:
    """Boolean expressions over `kind`, `place`, `n0` … `n5`, `flag` and `tier`."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        places = ", ".join(f"'p{dice.randrange(PLACES)}'" for _ in range(3))
        low = dice.randrange(20, 60)
        terms = (
            f"event.kind == 'k{dice.randrange(KINDS)}'",
            f"(event.place in [{places}] || event.flag && event.n0 > {dice.randrange(80, 95)})",
            f"event.n1 >= {low} && event.n2 < {low + 30}",
            f"(event.n3 > {dice.randrange(50)} || event.tier == 'gold')",
            f"event.n4 != {dice.randrange(100)} && event.n5 <= {dice.randrange(70, 100)}",
        )
        found.append(" && ".join(terms))
    return found


def bids(count: int = EVENTS, seed: int = 2) -> Iterator[LoadEvent]:
    """Events of ten attributes each."""
    dice = random.Random(seed)
    for number in range(count):
        attributes = {f"n{at}": dice.randrange(100) for at in range(6)}
        value = {
            "event": "bid", "customer_id": f"c{dice.randrange(5_000)}", "ts": START_MS + number,
            "kind": f"k{dice.randrange(KINDS)}", "place": f"p{dice.randrange(PLACES)}",
            "flag": dice.random() < 0.5, "tier": dice.choice(("gold", "silver", "none")), **attributes,
        }  # fmt: skip
        yield CLICKSTREAM, 0, b"", orjson.dumps(value), START_MS + number


def matching(sources: list[str]) -> dict[str, str]:
    """A rule for each expression; its `if` is false, so that nothing is decided."""
    rules = "".join(
        f'  r{at:03d}:\n    on: bid\n    where: "{source}"\n    if: "event.kind == event.tier"\n'
        "    send: {channel: interest, content: {text: x}}\n"
        for at, source in enumerate(sources)
    )
    return {"sources.yaml": SOURCES, "rules.yaml": f"rules:\n{rules}"}


@cache
def _played(workload: str) -> list[Batch]:
    found = list(batches(bids() if workload == "bids" else wide(events=EVENTS)))
    gc.freeze()  # these records are not the engine's
    return found


@cache
def _compiled(name: str) -> RuleSet:
    if name == "match 300":
        return compile_rules(matching(expressions()))
    # The engine looks at the events of `match none`, too: one rule waits for a kind that there is not.
    return compile_rules(matching(["event.kind == 'none'"]) if name == "match none" else SETS[name])


def engine(rules: str, workload: str) -> Callable[[int], float]:
    """Plays the workload so often that `loops` events have been; seconds for `loops` of them."""

    def run(loops: int) -> float:
        played, compiled, done, taken = _played(workload), _compiled(rules), 0, 0.0
        while done < loops:
            state, clock = PartitionState(compiled), Clock(wall=lambda: FAR, by_event_time=True)
            start = pyperf.perf_counter()
            for batch in played:
                process(batch, compiled, state, clock, limit=PER_BATCH * 10)
            taken += pyperf.perf_counter() - start
            done += EVENTS
        return taken * loops / done

    return run


def by_orjson(loops: int) -> float:
    values = cycle(
        [record.value or b"" for batch in _played("wide") for record in batch.records[CLICKSTREAM]]
    )
    start = pyperf.perf_counter()
    for _ in range(loops):
        orjson.loads(next(values))
    return float(pyperf.perf_counter() - start)


def main() -> None:
    runner = pyperf.Runner(loops=EVENTS, processes=5, values=3, warmups=1)
    runner.metadata["description"] = "seconds for one event"
    runner.bench_time_func("read orjson", by_orjson)
    runner.bench_time_func("read engine", engine("match none", "wide"))
    for size in (300, 500, 2000):
        runner.bench_time_func(f"engine ref{size}", engine(f"ref{size}", "wide"))
    for name in ("match 300", "match none"):
        runner.bench_time_func(name, engine(name, "bids"))


if __name__ == "__main__":
    main()
