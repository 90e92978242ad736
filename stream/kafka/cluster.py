"""What a Kafka says of itself, for `stream doctor` and `stream topics`: looked at, never written to.

Where this client may not ask, a fact is None: unknown, and neither good nor bad.
Tested by tests/integration/test_doctor.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    KafkaError,
    NotCoordinatorError,
)

from stream.clock import wall_ms
from stream.kafka.protocol import api_versions, controller_clock, group_members, group_operations
from stream.kafka.topic_ids import metadata

METADATA, METADATA_VERSION = 3, 10  # Kafka 2.8: topics have ids
NODE_S = 10.0  # to wait for one broker
NOT_AUTHORIZED = frozenset({29, 30, 31})  # topic, group, cluster
OPERATIONS = {
    3: "Read",
    4: "Write",
    5: "Create",
    6: "Delete",
    7: "Alter",
    8: "Describe",
    9: "ClusterAction",
    10: "DescribeConfigs",
    11: "AlterConfigs",
    12: "IdempotentWrite",
}
_ALL = 2
_NOT_SAID = -(2**31)


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker, by the address that it tells clients to use. `apis`: highest version by key of a request;
    None: it did not answer there.
    """

    id: int
    address: str
    apis: Mapping[int, int] | None


@dataclass(frozen=True, slots=True)
class Topic:
    """`replication` and `in_sync` are those of the worst partition; `leaderless`: partitions without a
    leader.

    `config`: settings in force, None if they may not be seen. `operations`: what this client may do with it,
    None if that is not said.
    """

    partitions: int
    replication: int
    in_sync: int
    leaderless: int
    config: Mapping[str, str] | None
    operations: frozenset[str] | None

    def number(self, setting: str) -> int | None:
        """A setting that is a number; None if it is not known."""
        value = (self.config or {}).get(setting)
        return int(value) if value is not None and value.lstrip("-").isdecimal() else None


@dataclass(frozen=True, slots=True)
class Cluster:
    """`topics`: of those asked for, those that exist; `hidden`: those that this client may not even see.

    `features` by name, such as `metadata.version`. `clock_ahead`: ms by which the controller's clock is ahead
    of this machine's, give or take `clock_error`; None if it is not known.
    """

    brokers: Sequence[Broker]
    topics: Mapping[str, Topic]
    hidden: frozenset[str]
    operations: frozenset[str] | None
    group_operations: frozenset[str] | None
    group_hidden: bool = False
    features: Mapping[str, int] = field(default_factory=dict)
    clock_ahead: int | None = None
    clock_error: int = 0


async def look(admin: AIOKafkaAdminClient, topics: Sequence[str], group: str) -> Cluster:
    """Everything above; raises KafkaError where Kafka goes away meanwhile, or is too old to be asked."""
    client = admin._client
    answer = await metadata(client, topics, authorized=True)
    asked = await asyncio.gather(*(_ask(client, node) for node, *_ in answer.brokers))
    brokers = [
        Broker(node, f"{host}:{port}", apis)
        for (node, host, port, *_), (apis, _) in zip(answer.brokers, asked, strict=True)
    ]
    there = {each[1]: each for each in answer.topics if each[0] == 0}
    settings = await configs(admin, sorted(there))
    group_hidden, may = await _group(admin, group)
    ahead, error = await _clock(client)
    return Cluster(
        brokers=brokers,
        topics={name: _topic(each, settings.get(name)) for name, each in there.items()},
        hidden=frozenset(each[1] for each in answer.topics if each[0] in NOT_AUTHORIZED),
        operations=_operations(answer.cluster_authorized_operations),
        group_operations=may,
        group_hidden=group_hidden,
        features=next((features for _, features in asked if features), {}),
        clock_ahead=ahead,
        clock_error=error,
    )


def _topic(answer: Any, config: Mapping[str, str] | None) -> Topic:
    _, _, _, _, partitions, operations, _ = answer
    return Topic(
        partitions=len(partitions),
        replication=min((len(replicas) for _, _, _, _, replicas, *_ in partitions), default=0),
        in_sync=min((len(in_sync) for _, _, _, _, _, in_sync, *_ in partitions), default=0),
        leaderless=sum(leader < 0 for _, _, leader, *_ in partitions),
        config=config,
        operations=_operations(operations),
    )


def _operations(bits: int) -> frozenset[str] | None:
    if bits == _NOT_SAID:
        return None
    if bits >> _ALL & 1:
        return frozenset(OPERATIONS.values())
    return frozenset(name for code, name in OPERATIONS.items() if bits >> code & 1)


async def _ask(client: Any, node: int) -> tuple[Mapping[int, int] | None, Mapping[str, int]]:
    """Ask one broker, at the address that it tells clients, what it can do."""
    try:
        async with asyncio.timeout(NODE_S):
            while not await client.ready(node):
                await asyncio.sleep(client._retry_backoff)
            return await api_versions(client, node)
    except (KafkaError, OSError, TimeoutError):
        return None, {}


async def configs(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings in force of topics; those that this client may not see are left out."""
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    found = {}
    for answer in await admin.describe_configs(resources):
        for error, _, _, name, entries in answer.resources:
            if not error:
                found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


async def _group(admin: AIOKafkaAdminClient, group: str) -> tuple[bool, frozenset[str] | None]:
    """Whether the group is hidden from this client, and what it may do with it."""
    try:
        coordinator = await admin.find_coordinator(group)
        error, bits = await group_operations(admin._client, coordinator, group)
    except KafkaError as error_:
        return getattr(error_, "errno", 0) in NOT_AUTHORIZED, None
    return error in NOT_AUTHORIZED, None if error else _operations(bits)


async def subscriptions(
    admin: AIOKafkaAdminClient, group: str, but: str | None = None
) -> list[frozenset[str]] | None:
    """The topics that each member of a consumer group reads, without the static member `but`; None while the
    group does not tell: it shares them out anew, or has no coordinator at the moment. Raises KafkaError.
    """
    try:
        coordinator = await admin.find_coordinator(group)
        members = await group_members(admin._client, coordinator, group)
    except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
        return None
    if members is None:
        return None
    return [topics for instance, topics in members if instance is None or instance != but]


async def _clock(client: Any) -> tuple[int | None, int]:
    """(ms by which the controller's clock is ahead, how exact that is): half of the way there and back."""
    before = wall_ms()
    try:
        controller = await controller_clock(client, client.get_random_node())
    except (KafkaError, NotImplementedError, IncompatibleBrokerVersion):
        return None, 0
    after = wall_ms()
    if controller is None:
        return None, 0
    return controller - (before + after) // 2, (after - before + 1) // 2
