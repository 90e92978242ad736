"""Asking for topics: what there is of them, their ids, and never making one by asking.

An id tells a topic from one of the same name that was deleted before (KIP-516). aiokafka 0.14 speaks Metadata
up to version 5, which does not have them; `metadata` is version 10.

Kafka makes a topic that a client asks for, if `auto.create.topics.enable` is left at its default: one of ours
would come with one partition and a retention of a week. aiokafka's clients ask so; `only_ask` mends that.
Tested by tests/integration/test_takeover.py and tests/attacks/live/test_topics.py.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import FunctionType, MethodType
from typing import Any
from uuid import UUID

import aiokafka.client
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

NO_ID = bytes(16)


class _Uuid:
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: io.BytesIO) -> bytes:
        return data.read(16)

    @classmethod
    def repr(cls, value: bytes) -> str:
        return str(UUID(bytes=value))


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Metadata(Request[_MetadataRequest]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Sequence[str], authorized: bool = False) -> None:
        self._topics = topics
        self._authorized = authorized

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        topics: list[Any] = [(NO_ID, name, {}) for name in self._topics]
        return request_struct_class(topics, False, self._authorized, self._authorized, {})


async def metadata(client: Any, topics: Sequence[str], *, authorized: bool = False) -> Any:
    """The answer as above; `client`: aiokafka's AIOKafkaClient, connected. With `authorized` it says what
    this client may do, as a number that has bit n for the operation that the protocol gives the code n.
    """
    return await client.send(client.get_random_node(), _Metadata(topics, authorized))


async def partition_counts(client: Any, topics: Sequence[str]) -> dict[str, int]:
    """Partition counts of the topics that exist; `client` as for `metadata`."""
    answer = await metadata(client, topics)
    return {topic: len(partitions) for error, topic, _, _, partitions, *_ in answer.topics if error == 0}


class _Asked(MetadataRequest):  # type: ignore[misc]
    """aiokafka's own, which makes no topic."""

    def __init__(self, topics: list[str] | None = None) -> None:
        super().__init__(topics, allow_auto_topic_creation=False)


# aiokafka names the request in the middle of this function, and offers no other place to say what it asks.
_UPDATE = FunctionType(
    AIOKafkaClient._metadata_update.__code__, {**vars(aiokafka.client), "MetadataRequest": _Asked}
)


def only_ask(client: Any) -> None:
    """Let a client of aiokafka, one of a consumer or producer, too, ask for topics and never make one."""
    client._metadata_update = MethodType(_UPDATE, client)


async def topic_ids(client: Any, topics: Sequence[str]) -> dict[str, str]:
    """The ids of the topics that exist, as 32 hex digits; `client` as for `metadata`."""
    answer = await metadata(client, topics)
    return {
        topic: topic_id.hex()
        for error, topic, topic_id, *_ in answer.topics
        if error == 0 and topic_id != NO_ID
    }
