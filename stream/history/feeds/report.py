"""What a feed was, and what came of it, in words. Tested by tests/cli/test_send.py."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import orjson

from stream.diagnostics import some
from stream.errors import EventFileError
from stream.history.feeds.feed import Feed
from stream.history.feeds.sender import Delivery


def of_feed(feed: Feed) -> Iterator[str]:
    """What was left out and why, and what was odd."""
    yield from feed.left_out.lines("row", " left out: ")
    yield from feed.odd.lines("record")
    yield from feed.after()


def dry_run(feed: Feed, shown: int) -> Iterator[str]:
    """All of it looked at, nothing sent: the first records as they would be, and what would become of all."""
    left = shown
    for portion in feed.portions():
        for each in portion.records[:left]:
            pretty = orjson.dumps(orjson.loads(each.value), option=orjson.OPT_INDENT_2).decode()
            yield f"{feed.origin.place_of(each.number)}, key {each.key.decode()}"
            yield pretty
        left -= min(left, len(portion.records))
    yield f"{some(feed.taken, 'record')} would be sent to {feed.source.topic}"


def of_delivery(feed: Feed, found: Delivery, again: str) -> Iterator[str]:
    """`again`: the command that goes on, without its --from-line."""
    to = f"to {feed.source.topic} in {some(found.partitions, 'partition')}"
    yield f"sent {some(found.acknowledged, 'record')} {to}; all replicas in sync have acknowledged them"
    if found.next is None:
        return
    what = feed.origin.rows.what if feed.origin.rows is not None else "line"
    if found.stopped_by is not None:
        yield f"stopped by {signal.Signals(found.stopped_by).name}"
    yield f"all before {what} {found.next:,} is in Kafka or was left out; of what is behind it some may be"
    yield f"go on with: {again} --from-line {found.next}"


def exit_code(feed: Feed, found: Delivery | None) -> int:
    if found is not None and found.stopped_by is not None:
        return 128 + found.stopped_by
    failed = found is not None and (found.error is not None or found.next is not None)
    return 1 if failed or feed.left_out.total else 0


def refuse_nothing(feed: Feed) -> None:
    """An input without any row is no success: raises EventFileError."""
    if not feed.taken and not feed.left_out.total:
        beyond = f" from {feed.first} on" if feed.first > 1 else ""
        raise EventFileError(f"{feed.origin.name}: there is no row in it{beyond}")
