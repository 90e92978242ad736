"""Reading parts of topics from one offset to another, without a consumer group.

Kafka clients have no such call: the end of a range may be a hole (compaction, a transaction's marker), so it
is reached by the *position*, not by a record; and where a fetch at the tail answers nothing, only the high
watermark of that answer says that nothing is there. On a line so thin that an answer does not come within
a request's time, less is asked for, or the same would be asked for in vain for ever.
Tested by tests/integration/test_restore.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.clock import wall_ms
from stream.errors import BrokerError
from stream.kafka.connections import security
from stream.kafka.raw_records import UNBOUNDED, give_raw_records
from stream.kafka.topic_ids import only_ask
from stream.settings import Settings

FETCH_BYTES = 4 * 1024 * 1024
POLL_MS = 500
LEAST_FETCH_BYTES = 64 * 1024
REQUEST_TIMEOUT_MS = 10_000
MOST_PLACES = 5  # that an error names
TRUSTED = 10  # fetches that came, after which twice as much is asked for


@asynccontextmanager
async def reader(
    settings: Settings, purpose: str, *, ours: bool = True, own: bool = False
) -> AsyncIterator[Any]:
    """A consumer of raw records. An offset out of range is an error, never a jump. No group.

    Of what is `ours` nothing is in a transaction, so what others write in one is left out, committed or not.
    To wait for the last stable offset instead would hide what we wrote behind a transaction of theirs that is
    still open. What others write for us is read as a worker reads it: once it is committed, and nothing of
    this app, but for who wants its `own` records beside theirs.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker,
        client_id=f"{settings.app_id}-{purpose}",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=FETCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        isolation_level="read_uncommitted" if ours else "read_committed",
        **security(settings),
    )
    only_ask(consumer._client)
    try:
        await consumer.start()
        if ours:
            give_raw_records(consumer, largest=UNBOUNDED, ours=True)
        else:
            give_raw_records(consumer, mark=None if own else ("ce_app", settings.app_id.encode()))
        yield consumer
    finally:
        await close(consumer)


async def span(
    consumer: Any, tps: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """The beginning and end offsets of topic partitions, as of now."""
    # Or each topic's metadata would be waited for by itself, a tenth of a second each.
    await consumer._client.set_topics({tp.topic for tp in tps})
    return await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)


async def read(
    consumer: Any, ranges: Mapping[TopicPartition, tuple[int, int]], patience_s: float | None = None
) -> AsyncIterator[tuple[TopicPartition, Sequence[Any], int]]:
    """Yield (topic partition, records, position after them) until each has come to the end of its range.

    Assigns them to the consumer. The caller may seek a partition elsewhere, to begin it anew. Records from
    beyond the end may be among them. The last yield of a range has no records, and a position at its end or
    beyond.

    Waits for a Kafka that is away; with `patience_s` it raises BrokerError after that time without an answer.
    """
    consumer.assign(list(ranges))
    for tp, (start, _) in ranges.items():
        consumer.seek(tp, start)
    unfinished = set(ranges)
    silent_since, came = time.monotonic(), 0
    patience = _Patience(patience_s)
    while unfinished:
        polled_at = wall_ms()
        done = [tp for tp in unfinished if await consumer.position(tp) >= ranges[tp][1]]
        for tp in done:
            unfinished.discard(tp)
            consumer.pause(tp)  # what comes beyond the end would lie about, and aiokafka fetch nothing else
            yield tp, (), max(await consumer.position(tp), ranges[tp][1])
        if not unfinished:
            return
        fetched = await consumer.getmany(*unfinished, timeout_ms=POLL_MS)
        for tp, records in fetched.items():
            yield tp, records, records[-1].offset + 1
        await patience.spend(consumer, unfinished, polled_at, came=bool(fetched))
        if fetched:
            silent_since, came = time.monotonic(), came + 1
            if came % TRUSTED == 0:
                _ask_for(consumer, 2)
            continue
        if time.monotonic() > silent_since + REQUEST_TIMEOUT_MS / 1000:
            silent_since, came = time.monotonic(), 0
            _ask_for(consumer, 0.25)
        if any(tp in consumer._fetcher._records for tp in unfinished):
            continue  # it came when the poll was over
        for tp in list(unfinished):
            if _is_hole(consumer, tp, polled_at, ranges[tp][1]):
                consumer.seek(tp, ranges[tp][1])


class _Patience:
    """How long no answer may come; None: for ever."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._heard = time.monotonic()

    async def spend(
        self, consumer: Any, tps: Collection[TopicPartition], polled_at: int, *, came: bool
    ) -> None:
        """After a poll, at which records `came` or not. Raises BrokerError with how far it has come."""
        if came or any((consumer.last_poll_timestamp(tp) or 0) >= polled_at for tp in tps):
            self._heard = time.monotonic()
        if self._seconds is None or time.monotonic() <= self._heard + self._seconds:
            return
        places = sorted([f"{tp.topic}/{tp.partition}/{await consumer.position(tp)}" for tp in tps])
        more = f" and {len(places) - MOST_PLACES:,} more" if len(places) > MOST_PLACES else ""
        raise BrokerError(
            f"Kafka went away while topics were read: no answer for {self._seconds:.0f} seconds; the next "
            f"record would have been {', '.join(places[:MOST_PLACES])}{more}",
            hint="try again when it is back",
        )


def _ask_for(consumer: Any, times: float) -> None:
    """So many times as much as before, within bounds, in each answer."""
    fetcher = consumer._fetcher
    size = int(min(max(fetcher._fetch_max_bytes * times, LEAST_FETCH_BYTES), FETCH_BYTES))
    fetcher._fetch_max_bytes = fetcher._max_partition_fetch_bytes = size


def _is_hole(consumer: Any, tp: TopicPartition, polled_at: int, end: int) -> bool:
    """Whether the broker has answered since `polled_at` that it has nothing for us, though its end is beyond
    `end`.

    Only true of a poll that gave nothing for any partition, and when nothing has come since: a full response
    leaves partitions out.
    """
    answered_at = consumer.last_poll_timestamp(tp)
    highwater = consumer.highwater(tp)
    return answered_at is not None and answered_at >= polled_at and highwater is not None and highwater >= end


async def close(consumer: Any) -> None:
    """Stop a consumer whose `stop` may let the cancellation of its own fetches out, as aiokafka 0.14's does.

    Unguarded it reads like a cancellation of the caller: the restore would end without a word.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping])
    if stopping.cancelled():
        for fetch in list(consumer._fetcher._pending_tasks):
            fetch.cancel()
        await consumer._client.close()
    else:
        stopping.result()
