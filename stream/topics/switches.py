"""Which rules are off, in the compacted topic `<app-id>-switches`: a record for each rule, its name the key.

    {"off": true, "at": TIME, "until": TIME or null, "because": TEXT, "by": TEXT}

`stream disable` and `stream enable` write it, workers read it. A record that nobody can read switches its
rule off: what is not known refuses.
Tested by tests/topics/test_switches.py, and on a real Kafka by tests/integration/test_switches.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stream.clock import LATEST, wall_ms
from stream.decisions.wire import iso_time
from stream.errors import BrokerError, StreamError
from stream.events._times import parse_time
from stream.hints import did_you_mean
from stream.kafka.connections import unreachable
from stream.kafka.reader import read, reader, span
from stream.kafka.topic_ids import topic_ids
from stream.rules.forms import NAME
from stream.settings import Settings
from stream.structs import Record, Switches
from stream.topics.records import write
from stream.topics.revisions import running_rules

PATIENCE_S = 15.0
_NAME = re.compile(NAME)


class Switch(NamedTuple):
    """A rule that was switched off or on. Times in ms; `until` None: until it is enabled."""

    rule: str
    off: bool
    at: int
    until: int | None = None
    because: str = ""
    by: str = ""

    def is_off(self, now: int) -> bool:
        """Whether it is off as of a time."""
        return self.off and (self.until is None or now < self.until)


def encode(switch: Switch) -> tuple[bytes, bytes]:
    said = {
        "off": switch.off,
        "at": iso_time(switch.at),
        "until": None if switch.until is None else iso_time(switch.until),
        "because": switch.because,
        "by": switch.by,
    }
    return switch.rule.encode(), orjson.dumps(said)


def decode(record: Record) -> Switch | None:
    """What a record says; None if it is about no rule that there can be. A tombstone switches it on."""
    rule = (record.key or b"").decode(errors="replace")
    if not _NAME.fullmatch(rule):
        return None
    if record.value is None:
        return Switch(rule, off=False, at=max(record.timestamp, 0))
    try:
        said = orjson.loads(record.value)
        until = None if said["until"] is None else _time(said["until"])
        return Switch(
            rule, said["off"] is not False, _time(said["at"]), until, str(said["because"]), str(said["by"])
        )
    except (ValueError, TypeError, KeyError):
        return Switch(rule, off=True, at=max(record.timestamp, 0), because="its record cannot be read")


def _time(text: Any) -> int:
    at = parse_time(text)
    if at is None:
        raise ValueError("not a time")
    return at


def switches_of(topic_id: str, position: int, known: Iterable[Switch]) -> Switches:
    """What partitions judge by."""
    off = {each.rule: LATEST if each.until is None else each.until for each in known if each.off}
    return Switches(topic_id, position, off)


async def ask_all(settings: Settings) -> Mapping[str, Switch]:
    """What is known of each rule, now. Raises BrokerError."""
    topic = settings.own_topics.switches
    try:
        async with reader(settings, "switches") as consumer:
            if topic not in await topic_ids(consumer._client, [topic]):
                hint = "a worker of this release makes it when it starts; or `stream topics --create`"
                raise BrokerError(f"there is no topic {topic}", hint=hint)
            known: dict[str, Switch] = {}
            await read_into(known, consumer, topic, PATIENCE_S)
            return known
    except (KafkaError, TimeoutError) as error:
        raise unreachable(settings, error) from error


async def read_into(
    known: dict[str, Switch], consumer: Any, topic: str, patience_s: float | None = None
) -> int:
    """Read the topic from its beginning to the end that it has now; the position after it."""
    tp = TopicPartition(topic, 0)
    begins, ends = await span(consumer, [tp])
    position = begins[tp]
    async for _, records, after in read(consumer, {tp: (begins[tp], ends[tp])}, patience_s):
        take(known, records)
        position = max(position, after)
    return position


def take(known: dict[str, Switch], records: Iterable[Record]) -> None:
    for record in records:
        if (switch := decode(record)) is not None:
            known[switch.rule] = switch


async def set_switch(settings: Settings, switch: Switch) -> None:
    """Write it, and wait until Kafka has it. Raises TopologyError, BrokerError."""
    key, value = encode(switch)
    topic = settings.own_topics.switches
    await write(settings, topic, key, value, f"the switch cannot be written to {topic}")


def refuse_unknown(rule: str, revision: str, names: Iterable[str]) -> None:
    """Raises StreamError for a rule that the workers do not have."""
    names = list(names)
    if rule not in names:
        some = f"there are: {', '.join(names[:20])}" if names else "it has none"
        hint = did_you_mean(rule, names) or some
        raise StreamError(f"the running rules (revision {revision}) have no rule `{rule}`", hint=hint)


async def disable(settings: Settings, rule: str, until: int | None, because: str, by: str) -> dict[str, Any]:
    """Switch a rule off: what was written, as `described`. Raises StreamError."""
    refuse_unknown(rule, *await running_rules(settings))
    switch = Switch(rule, True, wall_ms(), until, because, by)
    await set_switch(settings, switch)
    return described(switch)


async def enable(settings: Settings, rule: str, because: str, by: str) -> bool:
    """Switch a rule on; False if it was on already. Raises StreamError."""
    switch = (await ask_all(settings)).get(rule)
    if switch is None:  # one that is gone from the rules can still be off
        refuse_unknown(rule, *await running_rules(settings))
    if switch is None or not switch.off:
        return False
    await set_switch(settings, Switch(rule, False, wall_ms(), None, because, by))
    return True


async def off_now(settings: Settings) -> list[dict[str, Any]]:
    """The rules that are off, as `described`; `running`: whether the workers have such a rule at all."""
    now = wall_ms()
    off = [switch for _, switch in sorted((await ask_all(settings)).items()) if switch.is_off(now)]
    names = (await running_rules(settings))[1] if off else []
    return [{**described(each), "running": each.rule in names} for each in off]


def described(switch: Switch) -> dict[str, Any]:
    """For people and programs; times in ISO 8601."""
    return {
        "rule": switch.rule,
        "since": iso_time(switch.at),
        "until": None if switch.until is None else iso_time(switch.until),
        "because": switch.because,
        "by": switch.by,
    }
