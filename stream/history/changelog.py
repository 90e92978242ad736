"""What a worker knew of one customer: the state at one of the checkpoints that its changelog still has.

A changelog is compacted: of each customer it has the newest record and, for a while, older ones. Their state
at a checkpoint is the last record before it. If there is none before the first checkpoint that is left, an
older one may have been compacted away; then that checkpoint says nothing of the customer, and a later one is
taken. All later ones lie beyond what has been compacted, or the first would be gone: there, a customer
without a record was not known. If nothing was compacted at all, nothing was known before the first record.
Nothing is written or committed.
Tested by tests/history/test_changelog.py and tests/integration/test_explain.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import uvloop
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stream.engine import PartitionState
from stream.errors import EventFileError
from stream.events._murmur import partition_of
from stream.history.progress import QUIET, Progress
from stream.history.topics import PATIENCE_S, Beginning
from stream.kafka.connections import unreachable
from stream.kafka.reader import read, reader, span
from stream.kafka.topic_ids import topic_ids
from stream.rules.model import RuleSet
from stream.runtime.checkpoint import Checkpoint, decode
from stream.runtime.takeover import sources_now
from stream.settings import Settings
from stream.structs import Record
from stream.topics.revisions import running_rules

CHECKPOINT = b""  # the key of checkpoints


class Kept(NamedTuple):
    """A record of a changelog; without a value the customer was deleted."""

    offset: int
    timestamp: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class KnownBefore:
    """A customer's state (None: nothing was known) and the checkpoint that it is of; empty, it is the
    beginning of all.

    `revision`: of the rules that workers took
    last. `at`: when that was written, ms. `place`: the checkpoint's, for people. `beginning`: what it has
    not applied. `bases`: by source, see `runtime.checkpoint.Incarnation`.
    """

    customer: str
    revision: str
    at: int
    place: str
    state: bytes | None
    checkpoint: bytes
    beginning: Beginning
    bases: Mapping[str, int]

    def enter(self, state: PartitionState) -> None:
        """Make it known. Raises StateError for what another release wrote."""
        if not self.checkpoint:
            return
        state.load(self.customer.encode(), self.state)
        state.load(CHECKPOINT, self.checkpoint)
        for source, base in self.bases.items():
            state.rebase(source, base)
        state.customers.rebuild_timers()


# As if a checkpoint had been made before anything was read; of a changelog of which nothing was compacted.
BEGINNING = Kept(-1, 0, b"")


def checkpoint_of(
    customer: Iterable[Kept],
    checkpoints: Iterable[Kept],
    since: int | None,
    reads_on: Callable[[Kept], bool] = lambda checkpoint: True,
) -> tuple[Kept, Kept | None] | None:
    """The checkpoint to begin at, and the customer's record that it is after, None where nothing was known.

    It is the last one until `since` (ms), or else the first one, that says something of the customer, and
    after which all that it has not applied can still be read (`reads_on`).
    """
    found: tuple[Kept, Kept | None] | None = None
    records = sorted(customer)
    for number, each in enumerate(sorted(checkpoints)):
        before = [record for record in records if record.offset < each.offset]
        wanted = found is None or (since is not None and each.timestamp <= since)
        if wanted and (before or number or each is BEGINNING) and reads_on(each):
            found = each, before[-1] if before else None
    return found


def known_before(
    settings: Settings, rules: RuleSet, customer: str, since: int | None = None, progress: Progress = QUIET
) -> KnownBefore:
    """What the app's workers knew of a customer at the first checkpoint that says it, or at the last until
    `since` (ms).

    Raises EventFileError where nothing can be found, BrokerError where Kafka cannot be reached.
    """
    try:
        return uvloop.run(_known_before(settings, rules, customer, since, progress))
    except KafkaError as error:
        raise unreachable(settings, error) from error


async def _known_before(
    settings: Settings, rules: RuleSet, customer: str, since: int | None, progress: Progress
) -> KnownBefore:
    topic, key = settings.own_topics.changelog, customer.encode()
    async with reader(settings, "explain") as consumer:
        await consumer._client.set_topics({topic})
        count = len(consumer.partitions_for_topic(topic) or ())
        if not count:
            hint = "is STREAM_APP_ID that of the workers, and has one been started?"
            raise EventFileError(
                f"Kafka has no topic {topic}, in which workers keep what they know", hint=hint
            )
        number, records, checkpoints = await _find(consumer, topic, count, key, progress)
        sources = await _Sources.read(consumer, rules, number)
        found = checkpoint_of(records, checkpoints, since, sources.has_what_follows)
        found = found or checkpoint_of(records, checkpoints[-1:], None)  # though records were deleted since
        if found is None:
            hint = "a worker makes one in every commit interval in which something happened; try again"
            raise EventFileError(f"{topic}/{number} has no checkpoint yet", hint=hint)
        checkpoint, record = found
        beginning, bases = sources.after(checkpoint)
        revision, _ = await running_rules(settings)
        return KnownBefore(
            customer,
            revision,
            checkpoint.timestamp,
            f"{topic}/{number}/{checkpoint.offset}",
            None if record is None else record.value,
            checkpoint.value or b"",
            beginning,
            bases,
        )


async def _find(
    consumer: Any, topic: str, count: int, key: bytes, progress: Progress
) -> tuple[int, list[Kept], list[Kept]]:
    """The partition that has a customer, with their records and its checkpoints.

    It is looked for first where Java's hash puts it; producers may use another one.
    """
    likely = partition_of(key, count)
    for number in sorted(range(count), key=lambda each: each != likely):
        records, checkpoints = await _read(consumer, TopicPartition(topic, number), key, progress)
        if records:
            return number, records, checkpoints
    hint = "is it the id that the source maps? Without --from-changelog the topics are read"
    raise EventFileError(f"{topic} says nothing of that customer", hint=hint)


async def _read(
    consumer: Any, tp: TopicPartition, key: bytes, progress: Progress
) -> tuple[list[Kept], list[Kept]]:
    """A customer's records, and the checkpoints."""
    begins, ends = await span(consumer, [tp])
    begin, end = begins[tp], ends[tp]
    progress.begin("reading what is known", end - begin, "records")
    records: list[Kept] = []
    checkpoints: list[Kept] = []
    whole = 0  # up to this offset nothing was compacted
    async for _, came, position in read(consumer, {tp: (begin, end)}, PATIENCE_S):
        each: Record
        for each in came:
            whole += each.offset == whole
            if each.offset < end and each.key in (key, CHECKPOINT):
                kept = Kept(each.offset, each.timestamp, each.value)
                (checkpoints if each.key == CHECKPOINT else records).append(kept)
        progress.reach(min(position, end) - begin)
    found = [each for each in checkpoints if each.value is not None]
    return records, [BEGINNING, *found] if records and whole > records[0].offset else found


@dataclass(frozen=True, slots=True)
class _Sources:
    """A partition of the sources' topics, as they are now."""

    rules: RuleSet
    number: int
    ids: Mapping[str, str]
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]

    @classmethod
    async def read(cls, consumer: Any, rules: RuleSet, number: int) -> _Sources:
        topics = sorted({each.topic for each in rules.sources})
        ids = await topic_ids(consumer._client, topics)
        return cls(
            rules, number, ids, *await span(consumer, [TopicPartition(each, number) for each in topics])
        )

    def has_what_follows(self, checkpoint: Kept) -> bool:
        """Whether nothing was deleted that a checkpoint has not applied."""
        noted = self._noted(checkpoint)
        return all(
            noted.positions.get(source, 0) >= self.begins[TopicPartition(topic, self.number)]
            for source, topic in self._topics.items()
            if source not in noted.incarnations or noted.incarnations[source].topic_id == self.ids.get(topic)
        )

    def after(self, checkpoint: Kept) -> tuple[Beginning, dict[str, int]]:
        """Where to read on after a checkpoint, and the sources' bases."""
        positions, incarnations = sources_now(
            self.number, self._noted(checkpoint), self._topics, self.ids, self.begins, self.ends
        )
        starts = {tp.topic: end for tp, end in self.ends.items()}
        for source, topic in self._topics.items():
            begin = self.begins[TopicPartition(topic, self.number)]
            starts[topic] = min(positions.get(source, begin), starts[topic])
        return Beginning(self.number, starts), {source: each.base for source, each in incarnations.items()}

    @property
    def _topics(self) -> dict[str, str]:
        return {each.name: each.topic for each in self.rules.sources}

    def _noted(self, checkpoint: Kept) -> Checkpoint:
        if not checkpoint.value:
            return Checkpoint()
        state = PartitionState(self.rules)
        state.load(CHECKPOINT, checkpoint.value)
        return decode(state.marks) or Checkpoint()
