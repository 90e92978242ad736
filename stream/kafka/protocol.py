"""Requests that aiokafka 0.14 does not have, or has without what is asked of them. None writes.

    DescribeQuorum 1        the controller's clock: of itself it says when it last fetched, which is now
    ApiVersions 3           the cluster's features, of which `metadata.version` tells the release
    DescribeGroups 3        what this client may do with a group (aiokafka's answer to it lacks the field)
    DescribeProducers 0     (KIP-664) who has written to a partition, and in which epoch

Tested by tests/integration/test_doctor.py, `group_members` by tests/kafka/test_group_members.py,
`latest_producers` by tests/integration/test_outbox.py.
"""

from __future__ import annotations

import io
from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Array,
    Boolean,
    Bytes,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

_METADATA_LOG = "__cluster_metadata"
_FINALIZED_FEATURES = 2  # the tag of the field
_REPLICAS = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_timestamp", Int64),
    ("last_caught_up_timestamp", Int64),
    ("tags", TaggedFields),
)


class _QuorumResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 55
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("current_voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 1
    RESPONSE_TYPE = _QuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Quorum(Request[_QuorumRequest]):  # type: ignore[misc]
    API_KEY = 55

    def build(self, request_struct_class: type[_QuorumRequest]) -> _QuorumRequest:
        return request_struct_class([(_METADATA_LOG, [(0, {})], {})], {})


class _VersionsResponse(Response):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_versions",
            CompactArray(
                ("api_key", Int16), ("min_version", Int16), ("max_version", Int16), ("tags", TaggedFields)
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _VersionsRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = _VersionsResponse
    SCHEMA = Schema(
        ("client_software_name", CompactString("utf-8")),
        ("client_software_version", CompactString("utf-8")),
        ("tags", TaggedFields),
    )

    def parse_response_header(self, read_buffer: Any) -> Any:
        """Of this answer alone the header stays the old one, so that any client can read it (KIP-511)."""
        return ResponseHeader_v0.decode(read_buffer)


class _Versions(Request[_VersionsRequest]):  # type: ignore[misc]
    API_KEY = 18

    def build(self, request_struct_class: type[_VersionsRequest]) -> _VersionsRequest:
        return request_struct_class("stream-triggers", "0", {})


class _GroupsResponse(Response):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("instance", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _GroupsRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 4
    RESPONSE_TYPE = _GroupsResponse
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class _Groups(Request[_GroupsRequest]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupsRequest]) -> _GroupsRequest:
        return request_struct_class([self._group], True)


class _ProducersResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", CompactString("utf-8")),
                        (
                            "active_producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("current_txn_start_offset", Int64),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _ProducersRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 61
    API_VERSION = 0
    RESPONSE_TYPE = _ProducersResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Producers(Request[_ProducersRequest]):  # type: ignore[misc]
    """DescribeProducers 0 (KIP-664)."""

    API_KEY = 61

    def __init__(self, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition

    def build(self, request_struct_class: type[_ProducersRequest]) -> _ProducersRequest:
        return request_struct_class([(self._topic, [self._partition], {})], {})


async def controller_clock(client: Any, node: int) -> int | None:
    """What the active controller's clock says, in ms; None where the cluster does not tell (this client may
    not describe it, or there is no such log).
    """
    answer = await client.send(node, _Quorum())
    if answer.error_code:
        return None
    for _, partitions, _ in answer.topics:
        for _, error, leader, _, _, voters, _, _ in partitions:
            times = [last_fetch for replica, _, last_fetch, _, _ in voters if replica == leader]
            if not error and times and times[0] > 0:
                return int(times[0])
    return None


async def api_versions(client: Any, node: int) -> tuple[dict[int, int], dict[str, int]]:
    """Of one broker: the highest version of each request by its key, and the cluster's features by name."""
    answer = await client.send(node, _Versions())
    apis = {key: highest for key, _, highest, _ in answer.api_versions}
    features = answer.tags.get(_FINALIZED_FEATURES)
    if features is None:
        return apis, {}
    of_each = CompactArray(
        ("name", CompactString("utf-8")), ("max", Int16), ("min", Int16), ("tags", TaggedFields)
    )
    return apis, {name: level for name, level, _, _ in of_each.decode(io.BytesIO(features))}


async def group_operations(client: Any, coordinator: int, group: str) -> tuple[int, int]:
    """(error code, operations as a number as in `topicids.metadata`) of a group, which need not exist yet."""
    answer = await client.send(coordinator, _Groups(group))
    (found,) = answer.groups
    return found[0], found[-1]


async def latest_producers(client: Any, leader: int, topic: str, partition: int) -> list[tuple[int, int]]:
    """(id, epoch) of each producer that a partition's leader remembers: the epoch in which it last wrote.
    Raises KafkaError.
    """
    answer = await client.send(leader, _Producers(topic, partition))
    ((_, ((_, error, _, producers, _),), _),) = answer.topics
    if error:
        raise for_code(error)()
    return [(each[0], each[1]) for each in producers]


FAUSTS = "faust"  # the name of Faust's assignor
_REBALANCES = ("PreparingRebalance", "CompletingRebalance")  # then nobody's subscription is told


async def group_members(
    client: Any, coordinator: int, group: str
) -> list[tuple[str | None, frozenset[str]]] | None:
    """(instance, topics that it reads) of each member of a consumer group that says what it reads; None while
    they share it out anew, which does not tell. Raises KafkaError.

    Nobody where they share it out in another way than Faust's workers do: what they say means something else.
    """
    answer = await client.send(coordinator, _Groups(group))
    ((error, _, state, _, protocol, described, _),) = answer.groups
    if error:
        raise for_code(error)()
    if state in _REBALANCES:
        return None
    members: list[tuple[str | None, frozenset[str]]] = []
    if protocol != FAUSTS:
        return members
    for _, instance, _, _, said, _ in described:
        if said:
            _, topics = _SUBSCRIPTION.decode(io.BytesIO(said))
            members.append((instance, frozenset(topics)))
    return members


_SUBSCRIPTION = Schema(("version", Int16), ("topics", Array(String("utf-8"))))  # and more that is not needed
