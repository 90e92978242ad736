"""What happens in a case's topics: events to catch up with, and what comes to pass at a given time.

`wide` and `dense` are those of `loadtest.workloads`. The others are made for one thing each:

    many     each customer once, then a fifth of them again: many customers, hardly anything happens
    hot      every other event is one customer's
    timers, fan-out, hot (in bursts)   see `Burst`

Partitions are those of Kafka's default partitioner, of as many as the case has.
Tested by tests/loadtest/test_worlds.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiokafka.partitioner import murmur2

from loadtest.cases.table import Case
from loadtest.micro import backtest
from loadtest.micro.engine import strangers
from loadtest.rulesets import SOURCES, ref_rules
from loadtest.workloads import CLICKSTREAM, PARTITIONS, START_MS, TRANSACTIONS, WORKLOADS, LoadEvent, paced

NOOP = """\
sources:
  clickstream: {event: event, customer: customer_id, time: ts, id: event_id}
  transactions: {event: event, customer: customer_id, time: ts, id: event_id}
channels:
  noop: {topic: triggers.noop, consent: none}
rules:
  never:
    on: never
    allow: [W501, W505]
    send: {channel: noop, content: {text: never}}
"""
# Both traits, so that a state is kept of every customer.
MANY = """\
rules:
  bought:
    on: purchase
    if: traits.spend_30d > 0 && traits.views_1h['cat7'] >= 0
    send: {channel: spender, content: {text: bought}}
"""
# Each page view is a trigger, by which the others' latency is seen; a product view fires 500 rules; and a
# cart is waited for, half an hour.
PROBE = """\
rules:
  probe:
    on: page_view
    send: {channel: checkout, content: {text: probe}}
  forgotten:
    on: add_to_cart
    unless: {on: purchase, within: 30m}
    again: keep
    send: {channel: cart, content: {text: forgotten}}
"""
FAN_OUT = 500
SHORTEST_S = 10.0  # what is shorter mostly measures the beginning
WAITS_MS = 30 * 60_000  # of the rule `forgotten`
LOUD = "c9999999"  # the customer who has half of all events, or whose event fires 500 rules


def rule_files(name: str) -> dict[str, str]:
    """A rule set of the table, by file name."""
    base, _, more = name.removeprefix("ref").partition("+")
    if name.startswith("ref"):
        return ref_rules(int(base)) if not more else strangers(int(base), int(base) + int(more))
    usual = ref_rules(300)
    return {
        "noop": {"rules.yaml": NOOP},
        # Of the four families only the one that fires least is left as it is: 6,000 times on wide.
        "few": backtest.quiet(usual) | {"interest.yaml": usual["interest.yaml"]},
        "many": {"sources.yaml": SOURCES, "rules.yaml": MANY},
        "burst": {"sources.yaml": SOURCES, "probe.yaml": PROBE, "fan-out.yaml": _fan_out()},
    }[name]


def _fan_out() -> str:
    rules = (
        f"  fan-{number:03d}:\n    on: product_view\n"
        f"    send: {{channel: interest, content: {{text: fan-{number:03d}}}}}\n"
        for number in range(FAN_OUT)
    )
    return "rules:\n" + "".join(rules)


@lru_cache(maxsize=1 << 17)
def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's default partitioner puts a key."""
    return int((murmur2(key) & 0x7FFF_FFFF) % partitions)


def events(case: Case, scale: float) -> Iterator[LoadEvent]:
    """To catch up with; `scale` of them."""
    count = scaled(case.events, scale)
    match case.world:
        case "many":
            found = many(scaled(case.customers, scale))
        case "hot":
            found = hot(count)
        case _:
            found = WORKLOADS[case.world].generate(1, count)
    if case.partitions == PARTITIONS and case.world in WORKLOADS:
        return found  # they are there already
    return (
        (topic, partition_of(key, case.partitions), key, value, time_ms)
        for topic, _, key, value, time_ms in found
    )


def scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale))


def rendered(name: str, customer: str, id_: str, time_ms: int) -> bytes:
    """An event of which little is asked, of about as many bytes as the others."""
    if name == "purchase":
        rest = '"amount":49.90,"currency":"EUR","items":2,"store":"s7","channel":"web"'
    else:
        rest = (
            '"page":"/shoes/run","sku":"p77","category":"cat7","device":"ios","referrer":"google",'
            f'"session":"{customer}-1","price":129.90'
        )
    return (
        f'{{"event":"{name}","customer_id":"{customer}","ts":{time_ms},"event_id":"{id_}",{rest}}}'.encode()
    )


def placed(name: str, customer: str, id_: str, time_ms: int) -> LoadEvent:
    """The same on its topic; its partition is not known yet."""
    topic = TRANSACTIONS if name == "purchase" else CLICKSTREAM
    return topic, 0, customer.encode(), rendered(name, customer, id_, time_ms), time_ms


def many(customers: int) -> Iterator[LoadEvent]:
    """Each once, then every fifth again; one event in ten is a purchase."""
    for number in range(customers + customers // 5):
        customer = number if number < customers else (number - customers) * 5
        name = "purchase" if number % 10 == 0 else "product_view"
        yield placed(name, f"c{customer:07d}", f"e{number}", START_MS + number // 100)


def hot(count: int) -> Iterator[LoadEvent]:
    """Every other event is one customer's, the others those of 20,000; one in ten is a purchase."""
    for number in range(count):
        customer = LOUD if number % 2 else f"c{number // 2 % 20_000:07d}"
        name = "purchase" if number // 2 % 10 == 0 else "product_view"
        yield placed(name, customer, f"e{number}", START_MS + number // 100)


@dataclass(frozen=True, slots=True)
class Due:
    """An event that is sent at a given time, in seconds from the beginning."""

    at: float
    topic: str
    partition: int
    key: bytes
    value: bytes


def steady(case: Case, seconds: float) -> Iterator[Due]:
    """Wide at the case's rate: 5,000 customers, as many events of event time a second as of the clock."""
    count = round(case.rate * seconds)
    for number, (topic, partition, key, value, _) in enumerate(paced(1, count, case.rate)):
        yield Due(number / case.rate, topic, partition, key, value)


_Planned = tuple[float, str, str, str]  # seconds, id, customer, event


@dataclass(frozen=True, slots=True)
class Burst:
    """What is sent in a burst case, after a warm-up and a calm.

    `timers`: a cart each of so many customers, `beforehand`, so that their half hours end evenly within the
    burst. `fan-out`: each second an event that fires 500 rules. `hot`: as many events as the others have, all
    of one customer; while it is calm, of many.

    The first letter of an id says what an event is: `w` others while it warms up, `c` in the calm, `b` in the
    burst; `x` the burst itself; `y` what stands for it before.
    """

    case: Case
    warm: float
    calm: float
    took: float
    beforehand: int
    order: Sequence[_Planned]

    def timer_at(self, number: int) -> float:
        """When a half hour ends, in seconds from the beginning."""
        return self.warm + self.calm + self.took * number / self.beforehand

    def before(self, begun_ms: int) -> Iterator[LoadEvent]:
        """What lies in the topics; `begun_ms`: the wall clock when the first event is due."""
        for number in range(self.beforehand):
            time_ms = begun_ms + round(self.timer_at(number) * 1000) - WAITS_MS
            topic, _, key, value, time_ms = placed("add_to_cart", f"c8{number:06d}", f"x{number}", time_ms)
            yield topic, partition_of(key, self.case.partitions), key, value, time_ms

    def due(self, begun_ms: int) -> Iterator[Due]:
        """In the order of time; each is made when it is asked for, which takes some microseconds."""
        for at, id_, customer, name in self.order:
            topic, _, key, value, _ = placed(name, customer, id_, begun_ms + round(at * 1000))
            yield Due(at, topic, partition_of(key, self.case.partitions), key, value)


def planned(case: Case, scale: float, warm: float) -> Burst:
    """As long a calm as the burst."""
    took = max(SHORTEST_S, case.seconds * scale)
    carts = scaled(case.customers, scale) if case.world == "timers" else 0
    return Burst(case, warm, took, took, carts, sorted(_planned(case, warm, took)))


def _planned(case: Case, warm: float, took: float) -> Iterator[_Planned]:
    burst, rate = warm + took, case.rate
    for letter, begin, seconds in (("w", 0.0, warm), ("c", warm, took), ("b", burst, took)):
        yield from _some(begin, seconds, rate, letter, "c00", "page_view")
    match case.world:
        case "fan-out":
            yield from _some(burst, took, 1, "x", LOUD, "product_view")
        case "hot":
            yield from _some(0.0, burst, rate, "y", "c70", "page_view")
            yield from _some(burst, took, rate, "x", LOUD, "page_view")


def _some(begin: float, seconds: float, rate: float, letter: str, who: str, name: str) -> Iterator[_Planned]:
    """`who`: a customer, or the beginning of the names of 20,000."""
    for number in range(round(rate * seconds)):
        customer = who if who == LOUD else f"{who}{number % 20_000:05d}"
        yield begin + number / rate, f"{letter}{number}", customer, name
