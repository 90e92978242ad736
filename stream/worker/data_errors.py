"""Log lines for what goes wrong with data: which record, which rule, which part of it; never what was in it.

One line a minute of each thing, with how often it was since the last one. A producer that sends nothing but
broken records, or a rule that fails for every customer, does not fill the log. Metrics count all of it.
Tested by tests/worker/test_data_errors.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from stream.structs import Result

log = structlog.get_logger("stream.data")

EVERY_S = 60.0
MOST_KINDS = 1000  # that are told apart at a time
UNCLEAR = ("unknown_consent", "timezone", "date")  # what keeps messages back because nobody can read it

Kind = tuple[str, ...]
OTHERS: Kind = (
    "others",
)  # those that there is no room for are told as one, with the place of whichever came


class DataErrors:
    """Tells of one worker's results. `topics`: of the sources, by name. `now` in seconds."""

    def __init__(self, topics: Mapping[str, str], now: Callable[[], float] = time.monotonic) -> None:
        self._topics = topics
        self._now = now
        self._heard: dict[Kind, tuple[float, int]] = {}  # when it may be said again; how often since

    def tell(self, result: Result, partition: int) -> None:
        """Say what went wrong in one call of the engine on a partition."""
        for letter in result.dead_letters:
            if times := self._times(("dead_letter", letter.source, letter.reason), 1):
                log.warning(
                    "dead_letter",
                    source=letter.source,
                    reason=letter.reason,
                    topic=self._topics.get(letter.source),
                    partition=partition,
                    offset=letter.record.offset,
                    times=times,
                )
        for (source, reason), count in result.errors.items():
            if reason in UNCLEAR and (times := self._times(("profile_unclear", source, reason), count)):
                log.warning("profile_unclear", source=source, reason=reason, partition=partition, times=times)
        for (name, part, cause, paths), count in result.condition_errors.items():
            if not (times := self._times(("condition", name, part, cause, paths), count)):
                continue
            if cause == "missing":  # of many customers perhaps, and nothing is wrong
                log.info(
                    "condition_lacks_something",
                    definition=name,
                    part=part,
                    paths=paths,
                    partition=partition,
                    times=times,
                )
            else:
                log.warning(
                    "condition_failed",
                    definition=name,
                    part=part,
                    reason=cause,
                    paths=paths,
                    partition=partition,
                    times=times,
                )
        for (rule, field, why), count in result.content_errors.items():
            if times := self._times(("text_failed", rule, field, why), count):
                log.warning(
                    "text_failed", definition=rule, field=field, reason=why, partition=partition, times=times
                )

    def _times(self, kind: Kind, count: int) -> int:
        """How often it was, if it may be said now; else 0."""
        now = self._now()
        if kind not in self._heard and len(self._heard) >= MOST_KINDS:
            self._heard = {each: heard for each, heard in self._heard.items() if now < heard[0]}
            if len(self._heard) >= MOST_KINDS:
                kind = OTHERS
        again, before = self._heard.get(kind, (now, 0))
        if now < again:
            self._heard[kind] = again, before + count
            return 0
        self._heard[kind] = now + EVERY_S, 0
        return before + count
