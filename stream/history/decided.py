"""What workers decided on one customer, by their own topic of decisions; of no group, nothing is written.

They write a customer's decisions to the partition that the customer's events are in. Those of other apps that
share the topic are left out, and counted. Of those that a crash has repeated the first is taken.
Tested by tests/history/test_decided.py and tests/integration/test_explain.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import uvloop
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from stream.engine import FUTURE_MS
from stream.events._times import parse_time
from stream.history.topics import PATIENCE_S
from stream.kafka.connections import unreachable
from stream.kafka.reader import read, reader, span
from stream.settings import Settings
from stream.structs import Record

_APP = "ce_app"  # the header that says whose record it is


class LiveDecision(NamedTuple):
    """A decision as it was written. `at`: the stream time of its judgement, `written`: Kafka's time, both in
    ms; `event`: the id of the event that led to it.
    """

    trigger_id: str
    rule: str
    revision: str
    outcome: str
    reason: str | None
    channel: str | None
    variant: str | None
    event: str
    at: int
    written: int
    place: str


@dataclass(slots=True)
class DecidedLive:
    """A customer's decisions in the order in which they were written. `begins`: the time (ms) of the first
    record, where older ones may have been deleted. `others`: how many are of other apps. `unread`: why the
    topic could not be read.
    """

    app_id: str
    topic: str
    decisions: list[LiveDecision] = field(default_factory=list)
    begins: int | None = None
    others: Counter[str] = field(default_factory=Counter)
    unread: str | None = None

    def take(self, records: Iterable[Record], customer: bytes, place: str) -> None:
        """Add those of a customer. `place`: of the partition."""
        known = {(each.trigger_id, each.at, each.outcome) for each in self.decisions}
        for record in records:
            if record.key != customer:
                continue
            app = dict(record.headers).get(_APP, b"").decode(errors="replace")
            if app != self.app_id:
                self.others[app] += 1
            elif (one := _decided(record, f"{place}/{record.offset}")) is not None:
                identity = (one.trigger_id, one.at, one.outcome)
                if identity not in known:
                    known.add(identity)
                    self.decisions.append(one)


def _decided(record: Record, place: str) -> LiveDecision | None:
    """None for what is no decision, whatever its headers say."""
    try:
        said: dict[str, Any] = orjson.loads(record.value or b"")
        texts = [said[name] for name in ("trigger_id", "rule", "revision", "outcome")]
        texts.append(said["event"]["id"])
        at = parse_time(said["at"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if at is None or not all(isinstance(each, str) for each in texts):
        return None
    trigger_id, rule, revision, outcome, event = texts
    more = [said.get(name) for name in ("reason", "channel", "variant")]
    reason, channel, variant = (each if isinstance(each, str) else None for each in more)
    return LiveDecision(
        trigger_id, rule, revision, outcome, reason, channel, variant, event, at, record.timestamp, place
    )


def decided_live(settings: Settings, customer: str, partition: int, since: int | None) -> DecidedLive:
    """What workers have decided on a customer since a time (ms). Raises BrokerError."""
    found = DecidedLive(settings.app_id, settings.own_topics.decisions)
    try:
        uvloop.run(_read(settings, customer.encode(), TopicPartition(found.topic, partition), since, found))
    except TopicAuthorizationFailedError:
        found.unread = "this client may not read it: grant Describe and Read"
    except KafkaError as error:
        raise unreachable(settings, error) from error
    return found


async def _read(
    settings: Settings, customer: bytes, tp: TopicPartition, since: int | None, found: DecidedLive
) -> None:
    async with reader(settings, "explain") as consumer:
        await consumer._client.set_topics({tp.topic})
        if tp.partition not in (consumer.partitions_for_topic(tp.topic) or ()):
            found.unread = f"Kafka has no {tp.topic}/{tp.partition}"
            return
        begins, ends = await span(consumer, [tp])
        start, end = begins[tp], ends[tp]
        if since is not None:  # a decision is written when its time has come, but for clocks that are ahead
            later = (await consumer.offsets_for_times({tp: max(since - FUTURE_MS, 0)}))[tp]
            start = end if later is None else max(later.offset, start)
        async for _, records, _ in read(consumer, {tp: (start, end)}, PATIENCE_S):
            here = [each for each in records if each.offset < end]
            if here and found.begins is None and 0 < start == begins[tp]:
                found.begins = here[0].timestamp
            found.take(here, customer, f"{tp.topic}/{tp.partition}")
