"""How often one and the same thing is logged.

A hundred partitions may all have the same to say, and a library says it for ever. Of each thing a burst is
let through, then one line every `EVERY_S`, with the number of those that were left out. If it stops being
said, a line of its own says what was left out, with the next line of anything.

A broker that is away makes its client say so thirty times a second, in `SAID_BY_US` ways. These are heard at
DEBUG only: `kafka_away`, `broker_away` and `kafka_refuses` of stream/kafka/contact.py say each once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from stream.telemetry.log_fields import make_plain

EVERY_S = 10.0
OURS = 100  # lines of one event name at once: each partition may have its own
LIBRARIES = 1
MOST_HEARD = 1000  # different things that are remembered
SAID_BY_US = frozenset(
    {
        'Unable connect to "%s:%s": %s',
        'Unable to request metadata from "%s:%s": %s',
        "Unable connect to node with id %s: %s",
        "Unable to request metadata from node with id %s: %r",
        "Unable to update metadata from %s",
        "Failed fetch messages from %s: %s",
        "Failed fetch offsets from %s: %s",
        "Cannot send %r to %s: %r",
        "Could not send %r: %r",
        "Got error produce response: %s",
        "Error sending %s to node %s [%s] -- marking coordinator dead",
        "Marking the coordinator dead (node %s)for group %s.",
        "Heartbeat send request failed: %s. Will retry.",
        "Heartbeat session expired - marking coordinator dead",
        "Group Coordinator Request failed: %s",
        "LeaveGroup request failed: %s",
        "Timer %s is overlapping (interval=%r runtime=%r)",
    }
)


def is_ours(name: str) -> bool:
    """Whether a logger is this project's."""
    return name == "stream" or name.startswith("stream.")


class _Heard:
    """Of one thing: when its present turn began, the lines let through and left out since."""

    __slots__ = ("left_out", "level", "passed", "since", "text")

    def __init__(self, since: float, level: int) -> None:
        self.since, self.level = since, level
        self.passed = self.left_out = 0
        self.text: str | None = None  # of the last one left out


class Repeats(logging.Filter):
    """Lets through what has not been said too often. `now` in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._heard: dict[tuple[str, str], _Heard] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, _said(record)), self._now()
        if key[1] in SAID_BY_US and not logging.getLogger("stream").isEnabledFor(logging.DEBUG):
            return False
        heard = self._heard.get(key)
        if heard is None or now >= heard.since + EVERY_S:
            left_out = heard.left_out if heard is not None else 0
            if heard is None and len(self._heard) >= MOST_HEARD:
                self._heard.clear()
            heard = self._heard[key] = _Heard(now, record.levelno)
            if left_out:
                _note(record, left_out)
        elif heard.passed >= (OURS if is_ours(record.name) else LIBRARIES):
            heard.left_out += 1
            heard.text = _text(record)
            return False
        heard.passed += 1
        return True

    def overdue(self) -> Iterator[logging.LogRecord]:
        """Lines that tell what was left out of things that are no longer said."""
        now = self._now()
        for key, heard in list(self._heard.items()):
            if now >= heard.since + EVERY_S:
                del self._heard[key]
                if heard.left_out:
                    name, said = key
                    record = logging.LogRecord(name, heard.level, "", 0, heard.text or said, (), None)
                    record.left_out = heard.left_out
                    yield record


def _said(record: logging.LogRecord) -> str:
    """What is said, whatever the values: the event's name, or a library's text before they are put in."""
    if isinstance(record.msg, dict):
        return str(record.msg.get("event"))
    return str(record.args[0] if record.name == "py.warnings" and record.args else record.msg)  # type: ignore[index]


def _text(record: logging.LogRecord) -> str:
    """What a line would say: later, its values may have changed, and they keep much alive."""
    if isinstance(record.msg, dict):
        return _said(record)
    plain = logging.makeLogRecord(record.__dict__)
    make_plain(plain)
    return str(plain.msg)


def _note(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg["left_out"] = left_out
    else:
        record.left_out = left_out
