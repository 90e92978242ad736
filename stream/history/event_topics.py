"""Past events for a backtest straight from Kafka's topics. Tested by tests/integration/test_backtest.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from stream.diagnostics import some
from stream.engine import FUTURE_MS
from stream.history._past import PastEvent, Reader
from stream.history.event_files import ALLOWED_MS, Between, PastEvents, Portion
from stream.history.merged import SortedEvents, merged
from stream.history.pieces import Whence
from stream.history.progress import QUIET, Progress
from stream.history.sorting import Sorter
from stream.history.topics import Beginning, read_topics
from stream.rules.model import RuleSet, Source
from stream.settings import Settings


class EventTopics(PastEvents):
    """The events of topics, each partition by itself, and between them by time."""

    def __init__(
        self,
        settings: Settings,
        rules: RuleSet,
        between: Between,
        sorter: Sorter,
        *,
        sort: bool,
        progress: Progress,
        beginning: Beginning | None,
    ) -> None:
        super().__init__(rules, between)
        self._sorter = sorter

        def reader_of(source: Source, origin: Whence) -> Reader:
            return Reader(
                rules.sources,
                origin,
                fixed=source.name,
                latest=self.now + FUTURE_MS,
                allowed=ALLOWED_MS,
                by_time=sort,
                wanted=self.absent,
            )

        def tell(done: int, total: int) -> None:
            if not done:
                progress.begin("reading the topics", total, "records")
            progress.reach(done)

        found = uvloop.run(
            read_topics(settings, rules.sources, between, reader_of, sorter.add, tell, beginning)
        )
        for origin, readers in found.readers.items():
            for reader in readers:
                self.count(reader, origin.place_of)
        self.placed.clear()  # a record has Kafka's time
        if sort:
            self.disorder.clear()
        if between.since is not None and beginning is None:
            self.notes.append("events of before --since were not read: traits, limits and caps begin empty")
        self.notes += [
            f"{some(count, f'record of {topic} is', f'records of {topic} are')} not read by a worker either: "
            f"{reason}"
            for (topic, reason), count in sorted((+found.unread).items())
        ]

    def batches(self) -> Iterator[Portion]:
        for taken in merged([SortedEvents(self._sorter.sorted(), tuple(self.names))]):
            portions: dict[int, dict[str, list[PastEvent]]] = {}
            for name, events in taken.items():
                for event in events:
                    of_partition = portions.setdefault(event.origin.partition, {})
                    of_partition.setdefault(name, []).append(event)
            for partition, records in sorted(portions.items()):
                yield Portion(partition, records)


@contextmanager
def event_topics(
    settings: Settings,
    rules: RuleSet,
    between: Between,
    *,
    sort: bool = False,
    progress: Progress = QUIET,
    beginning: Beginning | None = None,
) -> Iterator[EventTopics]:
    """What the topics of the rules' sources hold; with `beginning` from there on, and of one partition.

    Raises BrokerError, EventFileError.
    """
    with Sorter() as sorter:
        yield EventTopics(settings, rules, between, sorter, sort=sort, progress=progress, beginning=beginning)
