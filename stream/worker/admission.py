"""What a worker waits for before it joins its group: the sources' topics, and workers that read the same.

A source that is not there yet is waited for: a team may deploy before its producers. So are workers of the
same app whose rules have other sources. A group shares out the partitions of all that its members read: who
reads a topic less would be given partitions of which it cannot serve any, and they would rest.
Tested by tests/attacks/live/test_topics.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.ensure import MissingSourcesError, Topology, ensure_topics, other_sources
from stream.worker.health import Health

LOOK_S = 1.0
SAY_EVERY = 30  # looks, between two lines of the log

log = structlog.get_logger("stream.worker")


class Admission:
    """`health` is the verdict meanwhile; the worker replaces it."""

    def __init__(self, settings: Settings, rules: RuleSet) -> None:
        self._settings = settings
        self._rules = rules
        self._waits_for = "topics"
        self.health: Callable[[], Health] = self._waiting

    def _waiting(self) -> Health:
        return Health(live=True, ready=False, reasons=(f"waits for {self._waits_for}",))

    async def until_fit(self, stop: asyncio.Event) -> Topology | None:
        """Return once topics and workers fit; None if `stop` is set before.

        Raises what `ensure_topics` does but for missing sources.
        """
        looks = 0
        while not stop.is_set():
            said = looks % SAY_EVERY == 0
            looks += 1
            try:
                topology = await ensure_topics(self._settings, self._rules)
            except MissingSourcesError as error:
                self._waits_for = f"source topics: {', '.join(error.topics)}"
                if said:
                    log.warning("waits_for_topics", missing=sorted(error.topics), hint=error.hint)
            else:
                others = await other_sources(self._settings, self._rules)
                if not others:
                    return topology
                self._waits_for = "workers that read other sources to end"
                if said:
                    log.warning(
                        "waits_for_workers_with_other_sources",
                        topics=sorted(others),
                        hint="sources change for all workers at once: stop all of them, then start them",
                    )
            try:
                await asyncio.wait_for(stop.wait(), LOOK_S)
            except TimeoutError:
                continue
        return None
