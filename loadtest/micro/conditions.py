"""What a compiled condition costs, and what the same costs by the plain evaluator.

    python -m loadtest.micro.conditions

Both from the same run, in turns; nanoseconds of the processor's time for one: minimum, median, maximum of the
rounds. The compiled one includes about 0.1 us for filling its frame, which the engine does once an event.
Events are dicts; those of 100 kB are bytes that are read anew each time, as the engine reads a record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import orjson

from stream.errors import ExpressionError
from stream.expression import Timestamp, evaluate, parse
from stream.matcher._condition import Names, compile_condition
from stream.matcher._frame import Frame

ROUNDS = 9
TIMES = 2_000
AT = 1_772_445_600_000
EVENT = {
    "price": 80,
    "amount": 12.5,
    "sku": "s-1042",
    "category": "shoes",
    "tags": ["new", "sale"],
    "lines": [{"sku": "s-1", "price": 20}, {"sku": "s-2", "price": 120.5}],
    "seen": "2026-03-02T09:00:00Z",
}
CONDITIONS = {
    "comparison": "event.price >= 50",
    "chain": "event.price >= 50 && event.category == 'shoes' && event.sku != 'x'",
    "has": "has(event.coupon) || has(event.price)",
    "ternary": "event.category == 'shoes' ? event.price > 50 : false",
    "arithmetic": "event.price * 2 - 10 > 100 && event.amount / 2.0 < 10.0",
    "size": "size(event.tags) > 1",
    "startsWith": "event.sku.startsWith('s-')",
    "matches": "event.sku.matches('^s-[0-9]+$')",
    "in field": "'sale' in event.tags",
    "in 100": f"event.sku in [{', '.join(repr(f's-{n}') for n in range(1000, 1100))}]",
    "conversion": "double(event.price) * 1.2 > 90.0",
    "time": "now - event_time < duration('1h')",
    "time of text": "now - timestamp(event.seen) > duration('30m')",
    "lowerAscii": "event.category.lowerAscii() == 'shoes'",
    "macro": "event.tags.exists(tag, tag == 'sale')",
    "macro of maps": "event.lines.exists(line, line.price > 100 && has(line.sku))",
    "macro in a macro": "event.lines.all(line, event.tags.exists(tag, tag != line.sku))",
}
LARGE = {**EVENT, "items": [f"box-{number:012}" for number in range(5_800)]}  # 100 kB
OF_A_LARGE_EVENT = {
    "exists, 100 kB": "!event.items.exists(item, item.startsWith('gift'))",
    "in, 100 kB": "!('gift' in event.items)",
}


def _round(work: Callable[[], Any], times: int) -> float:
    start = time.thread_time_ns()
    for _ in range(times):
        work()
    return (time.thread_time_ns() - start) / times


def _compare(source: str, event: dict[str, Any], raw: bytes | None = None) -> tuple[list[float], list[float]]:
    tree, frame = parse(source), Frame()
    node = compile_condition(tree, Names())
    at = Timestamp(AT * 1_000_000)
    bindings = {"event": event, "event_name": "view", "event_time": at, "now": at}

    def compiled() -> Any:
        return node.evaluate(event if raw is None else raw, "view", None, AT, frame=frame)

    def plain() -> Any:
        return evaluate(tree, bindings if raw is None else {**bindings, "event": orjson.loads(raw)})

    if compiled() is not True or plain() is not True:
        raise ExpressionError(f"does not hold, so it measures something else: {source}")
    times = TIMES if raw is None else TIMES // 200
    rounds = [(_round(plain, times), _round(compiled, times)) for _ in range(ROUNDS)]
    return [each[0] for each in rounds], [each[1] for each in rounds]


def main() -> None:
    print(f"{'':16}{'plain, ns':>27}{'compiled, ns':>27}{'ratio':>8}")
    large = orjson.dumps(LARGE)
    for name, source in {**CONDITIONS, **OF_A_LARGE_EVENT}.items():
        plain, compiled = (
            _compare(source, LARGE, large) if name in OF_A_LARGE_EVENT else _compare(source, EVENT)
        )
        columns = "".join(
            f"{min(each):9.0f}{median(each):9.0f}{max(each):9.0f}" for each in (plain, compiled)
        )
        print(f"{name:16}{columns}{median(plain) / median(compiled):8.1f}")


if __name__ == "__main__":
    main()
