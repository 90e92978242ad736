"""A worker that stops itself: `python -m tests.faults.sleeper PLACE FILE worker`, as `python -m
stream`. It does so once, when FILE is there: at the first request of the kind that PLACE names, when all that
forbids it has been asked and nothing of it is written to the socket.

SIGSTOP falls there once in some thirty stops by chance; here it falls there each time.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka.protocol.produce import ProduceRequest

from stream.cli.main import main as stream_command
from stream.kafka.connections import _Connection
from stream.kafka.raw_records import HEADER

COMMITS = 8  # OffsetCommit's key
PLACES = ("triggers", "decisions", "customers", "marks", "offsets")


def _kinds(request: Any) -> set[str]:
    """What a request would write."""
    if request.API_KEY == COMMITS:
        return {"offsets"}
    if not isinstance(request, ProduceRequest):
        return set()
    return {_kind(topic, data) for topic, partitions in request._topics for _, data in partitions}


def _kind(topic: str, data: bytes) -> str:
    if not topic.endswith("-customers-changelog"):
        return "decisions" if topic == "decisions" else "triggers"
    # A record: its length, attributes and times; then its key's length, which is 0 for the marks.
    at = HEADER.size
    while data[at] & 0x80:
        at += 1
    return "customers" if data[at + 4] else "marks"


def stop_before(place: str, armed: Path) -> None:
    """Stop this process before it writes the first request of this kind."""
    usual = _Connection.send

    def send(self: _Connection, request: Any, expect_response: bool = True) -> Any:
        if place in _kinds(request) and armed.exists():
            armed.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
        return usual(self, request, expect_response)

    _Connection.send = send


if __name__ == "__main__":
    stop_before(sys.argv.pop(1), Path(sys.argv.pop(1)))
    stream_command()
