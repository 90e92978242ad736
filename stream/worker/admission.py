"""What a worker waits for before it joins its group: the sources' topics, and workers that read the same.

A source that is not there yet is waited for: a team may deploy before its producers. So are workers of the
same app whose rules have other sources. A group shares out the partitions of all that its members read: who
reads a topic less would be given partitions of which it cannot serve any, and they would rest.
A disk is for one worker: two would open the same stores, at the first rebalance that gives one what the other
had. Tested by tests/attacks/live/test_topics.py and tests/worker/test_admission.py.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog

from stream.errors import SettingsError
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.ensure import MissingSourcesError, Topology, ensure_topics, other_sources
from stream.worker.health import Health

LOOK_S = 1.0
SAY_EVERY = 30  # looks, between two lines of the log

log = structlog.get_logger("stream.worker")


@contextmanager
def disk_of_its_own(settings: Settings) -> Iterator[None]:
    """Hold the data folder. Raises SettingsError where another worker of this app has it."""
    if settings.store != "rocksdb":
        yield
        return
    folder = settings.data_dir / settings.app_id
    with suppress(OSError):  # what is wrong with the folder is said by the store
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = (folder / "worker.lock").open("ab")
    except OSError:
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(
                f"another worker of {settings.app_id} keeps its customers in {settings.data_dir}",
                hint="give each worker a STREAM_DATA_DIR of its own",
            ) from None
        yield


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
                if others is None:
                    self._waits_for = "what the workers of its group read: it is in a rebalance"
                    if said:
                        log.info("waits_for_group", reason="a rebalance does not tell what is read")
                elif not others:
                    return topology
                else:
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
