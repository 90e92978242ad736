"""The topics around a rule set: which there must be, whether they fit together, and creating ours.

Sources are the team's: they are never created, and a mismatch is an error that says what to change.
What this program writes (channel topics, decisions, dead letters, the changelog) is created where missing.
It gets the sources' partition count, because a record goes to the partition number of its customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, for_code

from stream.decisions.wire import DEAD_LETTERS, DECISIONS
from stream.errors import TopologyError
from stream.kafka.connections import lost, security, unreachable
from stream.kafka.most_bytes import most_bytes_of
from stream.kafka.producer import MAX_REQUEST_BYTES
from stream.kafka.topic_ids import partition_counts
from stream.rules.model import RuleSet
from stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Kafka never compacts the segment that is being written: with 1 GiB, its default, a restore would read
# millions of outdated records.
CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(64 << 20),
}


@dataclass(frozen=True, slots=True)
class Topology:
    """What the worker needs to know of the topics: the sources' common partition count, what ours take."""

    partitions: int
    changelog: str
    most_bytes: Mapping[str, int] = field(default_factory=dict)  # that a batch may have, by topic written to


def changelog_topic(app_id: str) -> str:
    return f"{app_id}-customers-changelog"


def outputs(rules: RuleSet, app_id: str) -> dict[str, dict[str, str]]:
    """The topics that a worker writes, with the settings that matter when they are made."""
    topics: dict[str, dict[str, str]] = {channel.topic: {} for channel in rules.channels}
    topics[DECISIONS] = {}
    topics[DEAD_LETTERS] = {"max.message.bytes": str(MAX_REQUEST_BYTES)}  # whatever can be sent, however bad
    topics[changelog_topic(app_id)] = CHANGELOG_CONFIG
    return topics


def made_with(config: Mapping[str, str], replication: int) -> dict[str, str]:
    """The settings that a topic is made with: of three copies two must have a record before it counts as
    written, so that one broker may be away and one may be lost.
    """
    return {**config, "min.insync.replicas": "2"} if replication >= 3 else dict(config)


def replication_of(settings: Settings, brokers: int) -> int:
    """The replication factor of topics that are made here."""
    return settings.replication or min(3, brokers)


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client; raises BrokerError where no Kafka answers."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=settings.broker, client_id=settings.app_id, **security(settings)
    )
    try:
        await client.start()
    except KafkaError as error:
        await client.close()
        raise unreachable(settings, error) from error
    try:
        yield client
    except (KafkaConnectionError, NodeNotReadyError) as error:
        raise lost(settings, client._client, error) from error
    finally:
        await client.close()


async def create_topics(
    client: AIOKafkaAdminClient,
    topics: Mapping[str, Mapping[str, str]],
    *,
    partitions: int,
    replication: int,
) -> None:
    """Create `topics` (name → settings); one that another worker has just made is fine."""
    new = [
        NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=replication,
            topic_configs=made_with(config, replication),
        )
        for name, config in topics.items()
    ]
    if not new:
        return
    response = await client.create_topics(new)
    for name, code, *detail in response.topic_errors:
        error = for_code(code)
        if code and error.__name__ != "TopicAlreadyExistsError":
            text = detail[0] if detail and detail[0] else error.__name__
            raise TopologyError(
                f"topic {name!r} cannot be created: {text}",
                hint="create it yourself, or allow this client to (and see STREAM_REPLICATION)",
            )


def _problems(counts: Mapping[str, int], sources: list[str], ours: Mapping[str, Any]) -> Iterator[str]:
    missing = [topic for topic in sources if topic not in counts]
    if missing:
        yield "source topics that do not exist: " + ", ".join(missing)
    found = {topic: counts[topic] for topic in sources if topic in counts}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{topic} has {n}" for topic, n in sorted(found.items()))
        yield f"source topics need equal partition counts, keyed by customer: {listed}"
    if found:
        partitions = max(found.values())
        for topic in sorted(set(ours) & set(counts)):
            if counts[topic] < partitions:
                yield f"{topic} has {counts[topic]} partitions, the sources have {partitions}"


async def ensure_topics(settings: Settings, rules: RuleSet) -> Topology:
    """Check the topics against the rules and create ours where missing.

    Raises BrokerError where no Kafka answers, TopologyError with every problem and what to change.
    """
    sources = [source.topic for source in rules.sources]
    ours = outputs(rules, settings.app_id)
    async with admin_client(settings) as client:
        counts = await partition_counts(client._client, [*sources, *ours])
        problems = list(_problems(counts, sources, ours))
        if problems:
            raise TopologyError(
                "the topics do not fit the rules:\n  " + "\n  ".join(problems),
                hint="create or repartition those topics, or mend `topic:` in the rule files",
            )
        partitions = counts[sources[0]]
        brokers = len((await client.describe_cluster())["brokers"])
        await create_topics(
            client,
            {name: config for name, config in ours.items() if name not in counts},
            partitions=partitions,
            replication=replication_of(settings, brokers),
        )
        most_bytes = await most_bytes_of(client, ours)
    return Topology(partitions, changelog_topic(settings.app_id), most_bytes)
