"""Membership in the consumer group, where aiokafka 0.14's coordinator would get stuck, or not notice.

    lease          Each answer that counts for the coordinator renews it (see `lease`).
    fenced         Under static membership a heartbeat and a commit name the instance (KIP-345); aiokafka's do
                   not, so that of two workers under one STREAM_INSTANCE_ID each takes the other's place again
                   and again. Named, the broker says which was replaced, and that one ends.
    half open      A peer that accepts and never answers is noticed after `REQUEST_S`. Only joining a group
                   may take as long as the others need for it.
    passing        What passes by itself (a coordinator that is starting or moving) is tried again, where
                   aiokafka takes it for fatal.
    fatal          What is left, aiokafka keeps until somebody asks, and nobody does: the worker would live on
                   and do nothing. It ends.

Tested by tests/integration/test_membership.py and test_outage.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.types import Array, Int16, Int32, Int64, Schema, String

from stream.errors import MembershipError
from stream.kafka.lease import Lease

REQUEST_S = 10.0
FENCED_INSTANCE_ID = 82
UNKNOWN_EPOCH = -1
RENEWING = (HeartbeatRequest, SyncGroupRequest)

# Why Kafka does not take a member, and what mends it.
NOT_TAKEN: Mapping[type[KafkaError], tuple[str, str]] = {
    InconsistentGroupProtocolError: (
        "the group {group} has members of another kind: another program uses this name",
        "end that program, or give this one a STREAM_APP_ID of its own",
    ),
    InvalidSessionTimeoutError: (
        "the brokers do not allow members of the group {group} this STREAM_SESSION_TIMEOUT",
        "it should lie between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms",
    ),
    GroupAuthorizationFailedError: (
        "Kafka does not allow this client to be a member of the group {group}",
        "grant Read on group {group} to this client; `stream doctor` says what else is missing",
    ),
}

_TEXT = String("utf-8")


class _HeartbeatResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 12
    API_VERSION = 3
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class _HeartbeatStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _HeartbeatResponse
    SCHEMA = Schema(
        ("group", _TEXT), ("generation_id", Int32), ("member_id", _TEXT), ("group_instance_id", _TEXT)
    )


class _Heartbeat(Request[_HeartbeatStruct]):  # type: ignore[misc]
    """Version 3: with the instance."""

    API_KEY = 12

    def __init__(self, plain: HeartbeatRequest, instance: str) -> None:
        self._fields = plain._group, plain._generation_id, plain._member_id, instance

    def build(self, request_struct_class: type[_HeartbeatStruct]) -> _HeartbeatStruct:
        return request_struct_class(*self._fields)


class _CommitResponse(Response):  # type: ignore[misc]
    API_KEY = 8
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(("topic", _TEXT), ("partitions", Array(("partition", Int32), ("error_code", Int16)))),
        ),
    )


class _CommitStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 8
    API_VERSION = 7
    RESPONSE_TYPE = _CommitResponse
    SCHEMA = Schema(
        ("group", _TEXT),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            Array(
                ("topic", _TEXT),
                (
                    "partitions",
                    Array(
                        ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT)
                    ),
                ),
            ),
        ),
    )


class _Commit(Request[_CommitStruct]):  # type: ignore[misc]
    """Version 7: with the instance."""

    API_KEY = 8

    def __init__(self, plain: OffsetCommitRequest, instance: str) -> None:
        topics = [
            (topic, [(number, offset, UNKNOWN_EPOCH, metadata) for number, offset, metadata in partitions])
            for topic, partitions in plain._topics
        ]
        member = plain._consumer_id
        self._fields = plain._consumer_group, plain._consumer_group_generation_id, member, instance, topics

    def build(self, request_struct_class: type[_CommitStruct]) -> _CommitStruct:
        return request_struct_class(*self._fields)


class Membership:
    """Stands between a consumer's coordinator and the broker, from `attach` on.

    `on_failure` is called in the coordinator's thread with what the worker has to end for.
    """

    def __init__(self, lease: Lease, on_failure: Callable[[BaseException], None]) -> None:
        self._lease = lease
        self._on_failure = on_failure
        self._coordinator: Any = None
        self._send: Any = None

    def attach(self, consumer: Any) -> None:
        """Before the consumer subscribes to anything."""
        self._coordinator = coordinator = consumer._coordinator
        self._send = coordinator._send_req
        coordinator._send_req = self._send_req
        coordinator._push_error_to_user = self._push_error_to_user

    async def _send_req(self, request: Any) -> Any:
        instance = self._coordinator._group_instance_id
        plain, asked_at = request, self._lease.now()
        if instance is not None and isinstance(request, HeartbeatRequest):
            request = _Heartbeat(request, instance)
        elif instance is not None and isinstance(request, OffsetCommitRequest):
            request = _Commit(request, instance)
        if isinstance(request, JoinGroupRequest | SyncGroupRequest):
            response = await self._send_slowly(request)
        else:
            response = await self._send(request)
        codes = set(_error_codes(plain, response))
        if FENCED_INSTANCE_ID in codes:
            error = MembershipError(
                f"another worker took the place of this one: both have STREAM_INSTANCE_ID={instance}",
                hint="give each worker its own, such as the pod's name, or leave it unset",
            )
            self._on_failure(error)
            raise error
        if isinstance(plain, OffsetFetchRequest) and getattr(response, "error_code", False):
            self._raise_what_passes(codes)
            raise for_code(response.error_code)()  # aiokafka takes it for a group without offsets
        if not isinstance(plain, OffsetCommitRequest):  # it looks at each of those itself
            self._raise_what_passes(codes)
        if isinstance(plain, RENEWING) and response.error_code == 0:
            self._lease.renew(asked_at)
        return response

    async def _send_slowly(self, request: Any) -> Any:
        """The answer comes when all members have joined: waited for as long as the broker is there."""
        coordinator, node = self._coordinator, self._coordinator.coordinator_id
        client = coordinator._client
        connection = node is not None and await client._get_conn(node, group=ConnectionGroup.COORDINATION)
        if not connection:
            return await self._send(request)  # which says what is wrong
        usual = connection._request_timeout
        try:
            connection._request_timeout = coordinator._rebalance_timeout_ms / 1000 + REQUEST_S
            answer = asyncio.ensure_future(connection.send(request))
        except KafkaError:
            coordinator.coordinator_dead()
            raise
        finally:
            connection._request_timeout = usual  # of what is sent from now on
        try:
            while not (await asyncio.wait([answer], timeout=REQUEST_S))[0]:
                await client.send(node, ApiVersionRequest())  # by another connection
            return answer.result()
        except (KafkaError, TimeoutError) as error:
            coordinator.coordinator_dead()
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise error if isinstance(error, KafkaError) else RequestTimedOutError() from error
        finally:
            answer.cancel()

    def _raise_what_passes(self, codes: set[int]) -> None:
        for code in codes:
            error = for_code(code)
            if error is NoError or not error.retriable:
                continue
            if error in (
                GroupCoordinatorNotAvailableError,
                NotCoordinatorForGroupError,
                RequestTimedOutError,
            ):
                self._coordinator.coordinator_dead()
            raise error()

    async def _push_error_to_user(self, error: BaseException) -> None:
        """What aiokafka takes for fatal; it goes on only once the consumer is closed."""
        self._on_failure(_in_words(error, self._coordinator.group_id))
        await asyncio.wait([self._coordinator._closing])


def _in_words(error: BaseException, group: str) -> BaseException:
    """What Kafka says of a member that it does not take, with what mends it; else the error as it is."""
    for kind, (message, hint) in NOT_TAKEN.items():
        if isinstance(error, kind):
            said = MembershipError(message.format(group=group), hint=hint.format(group=group))
            said.__cause__ = error
            return said
    return error


def _error_codes(request: Any, response: Any) -> Iterator[int]:
    if isinstance(request, OffsetCommitRequest | OffsetFetchRequest):
        for _, partitions in response.topics:
            yield from (partition[-1] for partition in partitions)
    if "error_code" in response.SCHEMA.names:
        yield response.error_code
