"""Fetching in a loop without tasks, while nothing is up: a worker that keeps up fetches all the time.

aiokafka's fetcher makes a task for each request, which goes through the client, a timeout and the connection,
and when it ends, plans anew for all partitions: 14 turns of the event loop. Here a node's next request is
sent by what takes the answer to the last. With the node there is a fetch session (KIP-227): what was asked
for before is not asked for again, and of partitions of which nothing is new the answer says nothing. So it
does not matter how many are idle.

    aiokafka asks a node    in its own way, for all partitions that are to be fetched from it
    we go on                if these are all of its partitions, until something is up; its fetcher has the
                            node down as one that is being asked
    something is up         an error of whatever kind, of a partition, the session or the connection; a
                            partition without a position, or paused; other leaders; records that nobody takes;
                            the assignment ends
    aiokafka asks again     is told the same, and does what is to be done

So the rare and difficult has one place, which is aiokafka's. What was fetched lies where its fetcher has it,
with the positions, high watermarks and times of the last answer, which are read there.
Tested by tests/kafka/test_fetch_loop.py, tests/integration/test_fetching.py and test_lane.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from io import BytesIO
from itertools import repeat
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import KafkaConnectionError

from stream.clock import wall_ms
from stream.events._taken import TakenRecords
from stream.kafka.connections import Question
from stream.kafka.pace import Pace
from stream.kafka.quick_requests import FETCH_KIND, FetchAnswer, fetch_body
from stream.kafka.raw_records import Bytes, Fetched, Reading

NO_SESSION, FIRST_EPOCH, LAST_EPOCH = 0, 0, 2**31 - 1
SESSION_IS_GONE = frozenset({70, 71})  # the broker does not know it, or is elsewhere in it
UNKNOWN = -1  # a leader's epoch, the beginning of a log
AGAIN_S = 1.0  # what has failed is aiokafka's for so long
LOOK_S = 1.0  # how often aiokafka's fetcher looks whether it has something to do, beside what it is told


class NodeLoop(Question):
    """Fetches `tps` from one node until `ended`, which says whether for a failure."""

    def __init__(self, loop: FetchLoop, connection: Any, assignment: Any, tps: frozenset[Any]) -> None:
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.assignment = assignment
        self.tps = tps
        self.session = NO_SESSION
        self._loop = loop
        self._fetcher = loop.fetcher
        self._connection = connection
        self._partitions = {tp: (place, assignment.state_value(tp)) for place, tp in enumerate(sorted(tps))}
        self._states = [state for _, state in self._partitions.values()]
        self._offsets: list[int] = []  # from where each was asked for
        self._epoch = FIRST_EPOCH
        self._asked = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, session: int) -> None:
        """Begin, in place of a session from before."""
        self.session = session
        self._settle()

    def go_on(self) -> None:
        """Ask, as soon as it is time, unless that is done, or something that was fetched is not taken."""
        if self._asked or self.ended.done() or not self.tps.isdisjoint(self._fetcher._records):
            return
        if (seconds := self._loop.pace.wait()) > 0:
            self._wait(seconds, self._ask)
        else:
            self._ask()

    def end(self, *, failed: bool = False) -> None:
        """Ask no more."""
        self._stop_waiting()
        if not self.ended.done():
            self.ended.set_result(failed)

    def _settle(self) -> None:
        if self.tps.isdisjoint(self._fetcher._records):
            self.go_on()
        else:
            self._wait(self._fetcher._prefetch_backoff, self.end)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ask(self) -> None:
        self._stop_waiting()
        offsets = [state._position for state in self._states]
        if None in offsets or any(state.paused for state in self._states) or not self.assignment.active:
            self.end()
            return
        fetcher, topics = self._fetcher, defaultdict(list)
        most = fetcher._max_partition_fetch_bytes
        if self._epoch == FIRST_EPOCH or offsets != self._offsets:
            known = self._offsets if self._epoch != FIRST_EPOCH else repeat(None)
            for tp, offset, before in zip(self._partitions, offsets, known, strict=False):
                if offset != before:
                    topics[tp.topic].append((tp.partition, UNKNOWN, offset, UNKNOWN, most))
        self._offsets = offsets
        body = fetch_body(
            (fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes, fetcher._fetch_max_bytes),
            (fetcher._isolation_level, self.session, self._epoch),
            list(topics.items()),
        )
        try:
            self._connection.ask(FETCH_KIND, body, self)
        except KafkaConnectionError:
            self.end(failed=True)
        else:
            self._asked = True
            self._wait(self._connection.request_timeout, self._give_up)

    def _give_up(self) -> None:
        self._connection.close(reason=CloseReason.CONNECTION_TIMEOUT)

    # -- as the connection has it

    def decode(self, answer: BytesIO) -> Any:
        return FetchAnswer.decode(answer)

    def done(self) -> bool:
        return self.ended.done()

    def set_exception(self, error: BaseException) -> None:
        self.end(failed=True)

    def set_result(self, answer: Any) -> None:
        self._asked = False
        self._stop_waiting()
        if not self.assignment.active:
            self.end()
        elif answer.error_code in SESSION_IS_GONE and self._epoch != FIRST_EPOCH:
            self._epoch = FIRST_EPOCH
            self._ask()
        elif answer.error_code:
            self.end(failed=True)
        else:
            self.session = answer.session_id
            # A broker that has no room for another session gives none; so all is asked for each time.
            self._epoch = FIRST_EPOCH if self.session == NO_SESSION else self._epoch % LAST_EPOCH + 1
            if self._keep(answer.topics):
                self._loop.on_fetched()
            if not (self._asked or self._timer or self.ended.done()):
                self._settle()

    def _keep(self, topics: Iterable[tuple[str, Iterable[tuple[Any, ...]]]]) -> bool:
        """Put what was fetched where it is taken from, if it was anything. What is no record is the end."""
        fetcher, fetched, now = self._fetcher, False, wall_ms()
        for state in self._states:
            state.timestamp = now
        for topic, partitions in topics:
            for number, error, highwater, stable, _, aborted, _, data in partitions:
                tp = TopicPartition(topic, number)
                if error or tp not in self._partitions:
                    self.end(failed=True)
                    continue
                place, state = self._partitions[tp]
                # In a session they are said once: kept even where the position has changed meanwhile.
                state.highwater, state.lso = highwater, stable
                offset = self._offsets[place]
                if data and state._position == offset:
                    batches = self._loop.reading.batches(
                        tp, Bytes(data), aborted, offset, fetcher._isolation_level
                    )
                    fetcher._records[tp] = Fetched(
                        tp,
                        assignment=self.assignment,
                        partition_records=batches,
                        backoff=fetcher._prefetch_backoff,
                    )
                    fetched = True
        return fetched


class FetchLoop:
    """Of one consumer, at `pace`. `on_fetched`: there is something to `take`."""

    def __init__(self, pace: Pace, reading: Reading, on_fetched: Callable[[], None]) -> None:
        self.pace = pace
        self.reading = reading
        self.on_fetched = on_fetched
        self._nodes: dict[int, NodeLoop] = {}
        self._kept: set[Any] = set()  # the partitions of all of them
        self._sessions: dict[int, int] = {}
        self._left_until: dict[int, float] = {}  # to aiokafka

    def attach(self, consumer: Any) -> None:
        """Before the started consumer fetches anything."""
        self._client = consumer._client
        self.fetcher = fetcher = consumer._fetcher
        self._fetch = fetcher._proc_fetch_request
        fetcher._fetcher_timeout = LOOK_S
        fetcher._proc_fetch_request = self._keep_fetching
        self._client.cluster.add_listener(self._look_at_leaders)

    def take(self, partitions: Collection[Any]) -> dict[Any, TakenRecords]:
        """All that was fetched of these partitions, or of all if there are none. As aiokafka's own, it raises
        KafkaError for what cannot be fetched.
        """
        fetcher, taken = self.fetcher, dict[Any, TakenRecords]()
        if fetcher._subscriptions.reassignment_in_progress:
            return taken
        for tp, found in list(fetcher._records.items()):
            if partitions and tp not in partitions:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            if isinstance(found, FetchError):
                if taken:
                    break  # it is for the next call
                self._clear(tp)
                found.check_raise()
            if records := found.getall():
                taken[tp] = records
            if not found.has_more():
                self._clear(tp)
        return taken

    def _clear(self, tp: Any) -> None:
        """The partition may be fetched from again."""
        del self.fetcher._records[tp]
        if tp not in self._kept:
            self.fetcher._notify(self.fetcher._wait_consume_future)

    def go_on(self) -> None:
        """Fetch more, where all has been taken."""
        for node in self._nodes.values():
            node.go_on()

    async def _keep_fetching(self, assignment: Any, node_id: int, request: Any) -> bool:
        """In place of aiokafka's request, which is the first. Cancelled, it returns, as aiokafka's does: the
        assignment has ended, or the consumer is closed.
        """
        try:
            if (seconds := self.pace.wait()) > 0:
                await asyncio.sleep(seconds)
            if await self._fetch(assignment, node_id, request):
                self.on_fetched()
            if (node := self._node(assignment, node_id, request)) is not None:
                await self._stay(node, node_id)
        except asyncio.CancelledError:
            pass
        return False

    async def _stay(self, node: NodeLoop, node_id: int) -> None:
        self._nodes[node_id] = node
        self._kept |= node.tps
        try:
            node.start(self._sessions.get(node_id, NO_SESSION))
            if await node.ended:
                self._left_until[node_id] = time.monotonic() + AGAIN_S
        finally:
            node.end()
            self._sessions[node_id] = node.session
            self._kept -= node.tps
            del self._nodes[node_id]

    def _node(self, assignment: Any, node_id: int, request: Any) -> NodeLoop | None:
        """If the request is for all that is to be fetched from the node, and the broker is new enough."""
        asked = {TopicPartition(topic, number) for topic, each in request.topics for number, *_ in each}
        connection = self._client._conns.get((node_id, ConnectionGroup.DEFAULT))
        if (
            not assignment.active
            or connection is None
            or not connection.speaks(FETCH_KIND)
            or time.monotonic() < self._left_until.get(node_id, 0.0)
            or asked != self._led_by(node_id, assignment)
        ):
            return None
        return NodeLoop(self, connection, assignment, frozenset(asked))

    def _led_by(self, node_id: int, assignment: Any) -> set[Any]:
        return {tp for tp in assignment.tps if self.fetcher._select_read_replica(tp) == node_id}

    def _look_at_leaders(self, _: Any) -> None:
        """The cluster's metadata is new."""
        for node_id, node in self._nodes.items():
            if node.tps != self._led_by(node_id, node.assignment):
                node.end()
