"""A worker's rules, as its directory has them: a change is taken between two events, or not at all.

    changed ─► quiet for 200 ms ─► compiled aside ─► new topics made ─► the stage switches
                                        │ errors: one log line, one count; the old set stays

The directory is looked at four times a second (names, sizes, times, inodes) instead of watched with inotify:
a watch stays with the inode that it was set on, and misses a directory that is removed and made again, a
link that is turned over and a volume that is written on another machine. All of it looks the same here: an
editor that writes by rename, Kubernetes that turns over a mounted ConfigMap's `..data`, a checkout.

What was read is known by a digest of its content: touching files does nothing, and the same broken files are
reported once. Tested by tests/worker/test_reload.py and tests/integration/test_reload.py.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import structlog

from stream.diagnostics import one_line
from stream.errors import RuleFileError, StreamError, TopologyError
from stream.regular_files import open_regular
from stream.rules.changes import rules_changed, sections_changed
from stream.rules.files import MAX_BYTES, paths_in
from stream.rules.model import RuleSet
from stream.telemetry.metrics import Metrics
from stream.worker.aside import Aside
from stream.worker.triggers import TriggerStage

log = structlog.get_logger("stream.reload")

LOOK_S = 0.25
STEP_S = 0.05  # looks while files are being written
QUIET_S = 0.2  # nobody has written for so long: the change is complete
PATIENCE_S = 2.0  # somebody writes on and on, or the directory is gone: what is there is judged
RETRY_S = 30.0  # after a failure that is not the files' fault
ERRORS_LOGGED = 50  # in one line
ENDED_LOGGED = 100  # rules
LOOKS_AGAIN = 3  # at files that were changed while they were compiled

Signature = tuple[tuple[str, int, int, int], ...]


class Directory:
    """A rules directory, and how it was when it was last judged.

    Made before the rules are first read, so that no change after that is missed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.signature = self.look()
        self.digest = self.read()

    def look(self) -> Signature:
        """What tells without reading that files have changed; empty if there are none."""
        found = []
        for path in paths_in(self.path):
            with suppress(OSError):  # gone since it was listed
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(sorted(found))

    def read(self) -> bytes:
        """A digest of the files' names and content."""
        digest = blake2b(digest_size=16)
        for path in paths_in(self.path):
            with suppress(OSError), open_regular(path) as file:
                content = file.read(MAX_BYTES + 1)  # larger files are refused whatever is in them
                digest.update(b"%s\0%d\0" % (os.fsencode(path), len(content)))
                digest.update(content)
        return digest.digest()


class Reload:
    """Brings the stage's rules up to date with the directory, and says what came of it."""

    def __init__(
        self,
        directory: Directory,
        stage: TriggerStage,
        metrics: Metrics,
        ensure_topics: Callable[[RuleSet], Awaitable[object]],
        *,
        publish: Callable[[RuleSet], Awaitable[object]],
        compile_rules: Callable[[Path], Awaitable[RuleSet]],
    ) -> None:
        self._directory = directory
        self._stage = stage
        self._metrics = metrics
        self._ensure_topics = ensure_topics
        self._publish = publish
        self._compile = compile_rules
        self._aside = Aside("the rules' directory")
        self._asked = asyncio.Event()
        self._retry_at: float | None = None
        self._reported: tuple[bytes, str] | None = None

    def ask(self) -> None:
        """Reload at once, whether or not anything has changed."""
        self._asked.set()

    async def keep_reloading(self) -> None:
        """Take every change of the directory, for ever."""
        while True:
            try:
                asked = await self._wait()
                await self._reload(asked=asked)
            except StreamError as error:  # the disk does not answer
                self._refuse(error, self._directory.digest, asked=False)
                await asyncio.sleep(LOOK_S)

    # -- when

    async def _wait(self) -> bool:
        """Until there is something to do; whether somebody asked for it."""
        while not self._asked.is_set():
            signature = await self._aside.call(self._directory.look)
            if signature != self._directory.signature:
                await self._until_quiet(signature)
                break
            if self._retry_at is not None and time.monotonic() >= self._retry_at:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), LOOK_S)
        asked = self._asked.is_set()
        self._asked.clear()
        return asked

    async def _until_quiet(self, signature: Signature) -> None:
        changed_at = time.monotonic()
        deadline = changed_at + PATIENCE_S
        while not self._asked.is_set():
            await asyncio.sleep(STEP_S)
            latest, now = await self._aside.call(self._directory.look), time.monotonic()
            if latest != signature or not latest:  # no files at all: they are being exchanged
                signature, changed_at = latest, now
            if now - changed_at >= QUIET_S or now >= deadline:
                return

    # -- what

    async def _reload(self, *, asked: bool) -> None:
        directory, started = self._directory, time.monotonic()
        for _ in range(LOOKS_AGAIN):
            signature = await self._aside.call(directory.look)
            digest = await self._aside.call(directory.read)
            if digest == directory.digest and self._retry_at is None and not asked:
                directory.signature = signature
                return
            outcome = await self._judge()
            if await self._aside.call(directory.look) == signature:
                break
        directory.signature, directory.digest, self._retry_at = signature, digest, None
        if isinstance(outcome, StreamError):
            self._refuse(outcome, digest, asked=asked)
        else:
            await self._take(outcome, started)

    async def _judge(self) -> RuleSet | StreamError:
        """What is in the directory now, ready to be switched to, or what is wrong with it."""
        try:
            rules = await self._compile(self._directory.path)
            now = self._stage.rules
            if _topics(rules) != _topics(now):
                raise TopologyError(
                    "the sources' names or topics changed, which a running worker cannot take",
                    hint="restart: stop all workers, then start them; until then the old rules stay in force",
                )
            if {each.topic for each in rules.channels} - {each.topic for each in now.channels}:
                await self._ensure_topics(rules)
            if rules.revision != now.revision:
                await self._publish(rules)  # before anything is decided by them
        except StreamError as error:
            return error
        return rules

    async def _take(self, rules: RuleSet, started: float) -> None:
        old, self._reported = self._stage.rules, None
        self._metrics.rules.set_reload(successful=True)
        if rules.revision == old.revision:
            log.info("rules_unchanged", revision=old.revision)
            return
        self._metrics.work.declare(
            [source.name for source in rules.sources],
            [rule.name for rule in rules.rules],
            [channel.name for channel in rules.channels],
        )
        ended = await self._stage.switch(rules)
        self._metrics.rules.set_rules(rules.revision, len(rules.rules))
        self._metrics.work.retire(rule.name for rule in rules.rules)
        seconds = round(time.monotonic() - started, 3)
        changed = rules_changed(old, rules)
        log.info(
            "rules_reloaded",
            old=old.revision,
            new=rules.revision,
            seconds=seconds,
            added=len(changed.added),
            removed=len(changed.removed),
            changed=len(changed.changed),
            unchanged=len(changed.unchanged),
            also=[name for name, each in sections_changed(old, rules).items() if any(each[:3])],
            ended=[str(each) for each in ended[:ENDED_LOGGED]],
            more=max(len(ended) - ENDED_LOGGED, 0),
        )

    def _refuse(self, error: StreamError, digest: bytes, *, asked: bool) -> None:
        # The team mends rules and topics, and the first is noticed; for the second it asks again.
        passes = not isinstance(error, RuleFileError | TopologyError)
        if passes:
            self._retry_at = time.monotonic() + RETRY_S
        if self._reported == (digest, str(error)) and not asked:
            return
        self._reported = digest, str(error)
        errors = errors_of(error)
        self._metrics.rules.count_reload_failure()
        log.error(
            "rules_refused",
            in_force=self._stage.rules.revision,
            errors=errors[:ERRORS_LOGGED],
            more=max(len(errors) - ERRORS_LOGGED, 0),
            hint=error.hint,
            next=f"tried again in {RETRY_S:.0f} s" if passes else "looked at again when it has changed",
        )


def errors_of(error: StreamError) -> list[str]:
    """Each finding of an error of the rule files, each line of another error."""
    if isinstance(error, RuleFileError):
        return [str(each) for each in error.diagnostics]
    return [one_line(each.strip()) for each in error.message.splitlines()]


def _topics(rules: RuleSet) -> dict[str, str]:
    return {source.name: source.topic for source in rules.sources}
