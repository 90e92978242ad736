"""The topics around a rule set: which there must be, whether they fit together, and creating ours.

Sources are the team's: they are never created, and a mismatch is an error that says what to change.
What this program writes (channel topics, decisions, dead letters, the changelog) is created where missing.
It gets the sources' partition count, because a record goes to the partition number of its customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    BrokerResponseError,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    KafkaTimeoutError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    for_code,
)

from stream.errors import BrokerError, TopologyError
from stream.kafka.cluster import configs, subscriptions
from stream.kafka.connections import lost, security, unreachable
from stream.kafka.most_bytes import most_bytes_of
from stream.kafka.topic_ids import partition_counts
from stream.rules.model import RuleSet
from stream.settings import Settings, shown
from stream.structs import OwnTopics
from stream.topics.counts import common, odd
from stream.topics.fit import Misfit, misfits_of
from stream.topics.plan import Need, made_with, outputs, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger("stream.topics")


@dataclass(frozen=True, slots=True)
class Topology:
    """What the worker needs to know of the topics: the sources' common partition count, what ours take."""

    partitions: int
    changelog: str
    most_bytes: Mapping[str, int] = field(default_factory=dict)  # that a batch may have, by topic written to


def replication_of(settings: Settings, brokers: int) -> int:
    """The replication factor of topics that are made here."""
    return settings.replication or min(3, brokers)


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client; raises BrokerError where no Kafka answers, at first or to what is `asked` in here."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=settings.broker, client_id=settings.app_id, **security(settings)
    )
    try:
        try:
            await client.start()
        except (KafkaError, TimeoutError) as error:
            raise unreachable(settings, error) from error
        with asked(settings, client):
            yield client
    finally:
        await client.close()


@contextmanager
def asked(settings: Settings, client: AIOKafkaAdminClient) -> Iterator[None]:
    """Raises BrokerError where Kafka does not answer `client`, or not with what it was asked for."""
    try:
        yield
    except (KafkaError, TimeoutError, NotImplementedError) as error:
        raise _in_words(settings, client, error) from error


def _in_words(settings: Settings, client: AIOKafkaAdminClient, error: Exception) -> BrokerError:
    kafka, name = f"Kafka at {shown(settings.broker)}", type(error).__name__
    if isinstance(error, TimeoutError | KafkaTimeoutError | RequestTimedOutError):
        return BrokerError(
            f"{kafka} does not answer in time", hint="are its brokers overloaded, or the network? Try again"
        )
    if isinstance(error, NotImplementedError | IncompatibleBrokerVersion):  # aiokafka's words for it
        return BrokerError(f"{kafka} is too old ({name})", hint="upgrade it: 2.8 or later is needed")
    if not getattr(error, "retriable", False):
        return BrokerError(
            f"{kafka} does not do what it is asked for ({name})",
            hint="may this client? `stream doctor` looks; the brokers' log has the reason",
        )
    if isinstance(error, BrokerResponseError):
        return BrokerError(f"{kafka} is not ready ({name})", hint="try again")
    return lost(settings, client._client, error)


class MissingSourcesError(TopologyError):
    """All that is wrong with the topics is that sources are not there yet: `topics`."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(
            f"the topics do not fit the rules:\n  source topics that do not exist: {', '.join(topics)}",
            hint="create them; or mend `topic:` in the rule files, and restart",
        )
        self.topics = topics


async def create_topics(
    client: AIOKafkaAdminClient,
    topics: Mapping[str, Mapping[str, str]],
    *,
    partitions: int | Mapping[str, int],
    replication: int,
) -> None:
    """Create `topics` (name → settings); one that another worker has just made is fine. `partitions`: of all,
    or by name.

    Raises TopologyError where Kafka refuses, KafkaError where it does not answer or cannot do it yet.
    """
    new = [
        NewTopic(
            name,
            num_partitions=partitions if isinstance(partitions, int) else partitions[name],
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
        if error.retriable:
            raise error(f"topic {name!r} cannot be created yet")
        if code and error is not TopicAlreadyExistsError:
            text = detail[0] if detail and detail[0] else error.__name__
            raise TopologyError(
                f"topic {name!r} cannot be created: {text}",
                hint="create it yourself, or allow this client to (and see STREAM_REPLICATION)",
            )


def _problems(
    needs: Sequence[Need], topics: Mapping[str, int], rules: RuleSet, own: OwnTopics
) -> Iterator[str]:
    used = {source.topic for source in rules.sources} | {channel.topic for channel in rules.channels}
    for topic in sorted(filter(own.has, used)):
        yield f"{topic} is this program's own, or Kafka's: no source and no channel can have it"
    if (found := odd(needs, topics)) is not None:
        yield f"{found.message}; {found.mend}"
    for need in needs:
        if need.is_ours and topics.get(need.name, need.partitions) < need.partitions:
            yield f"{need.name} has {topics[need.name]} partitions, and needs {need.partitions}"


async def ensure_topics(settings: Settings, rules: RuleSet) -> Topology:
    """`ensure_with` a client of its own. Raises BrokerError where Kafka does not answer."""
    async with admin_client(settings) as client:
        return await ensure_with(client, settings, rules)


async def ensure_with(client: AIOKafkaAdminClient, settings: Settings, rules: RuleSet) -> Topology:
    """Check the topics against the rules and create ours where missing.

    Raises TopologyError with every problem and what to change, and MissingSourcesError where nothing is wrong
    but that sources are missing; KafkaError where Kafka does not answer.
    """
    sources, own = sorted({source.topic for source in rules.sources}), settings.own_topics
    brokers = len((await client.describe_cluster())["brokers"])
    copies = replication_of(settings, brokers)
    names = [*sources, *outputs(rules, own)]
    counts = await partition_counts(client._client, names)
    partitions = common(plan(rules, settings, partitions=0, replication=copies), counts) or 0
    needs = plan(rules, settings, partitions=partitions, replication=copies)
    misfits = await _misfits(client, settings.broker, [need for need in needs if need.name in counts])
    problems = list(_problems(needs, counts, rules, own))
    problems += [each.said for each in misfits if each.stops]
    missing = [topic for topic in sources if topic not in counts]
    if missing and not problems:
        raise MissingSourcesError(missing)
    if problems:
        problems += [f"source topics that do not exist: {', '.join(missing)}"] if missing else []
        raise TopologyError(
            "the topics do not fit the rules:\n  " + "\n  ".join(problems),
            hint="create or mend those topics, or mend `topic:` in the rule files",
        )
    for each in misfits:
        log.warning("topic_is_set_otherwise", topic=each.topic, finding=each.message, hint=each.mend)
    new = [need for need in needs if need.is_ours and need.name not in counts]
    await create_topics(
        client,
        {need.name: need.config for need in new},
        partitions={need.name: need.partitions for need in new},
        replication=copies,
    )
    most_bytes = await most_bytes_of(client, [need.name for need in needs if need.is_ours])
    return Topology(partitions, own.changelog, most_bytes)


async def _misfits(client: AIOKafkaAdminClient, broker: str, needs: Sequence[Need]) -> list[Misfit]:
    """What is set otherwise than it must be, of those whose settings this client may see."""
    found = await configs(client, [need.name for need in needs])
    return [
        each for need in needs if need.name in found for each in misfits_of(need, found[need.name], broker)
    ]


async def other_sources(client: AIOKafkaAdminClient, settings: Settings, rules: RuleSet) -> set[str] | None:
    """The topics by which other members of the group read something else than these rules; none where that
    may not be seen, None while it is not known. Raises KafkaError.
    """
    ours = {source.topic for source in rules.sources}
    try:
        read = await subscriptions(client, settings.app_id, settings.instance_id)
    except GroupAuthorizationFailedError:
        return set()
    return None if read is None else {topic for theirs in read for topic in theirs ^ ours}
