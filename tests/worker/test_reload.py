"""Rules that change under a running worker: what is noticed, what is taken, what is refused and said."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream.errors import BrokerError, RuleFileError, StreamError
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.structs import OwnTopics
from stream.telemetry.metrics import Metrics
from stream.worker import aside, reload
from stream.worker import compile_process as compilation
from stream.worker.compile_process import compile_aside
from stream.worker.reload import Directory, Reload, Signature
from stream.worker.triggers import Ended
from tests.kit.patience import eventually_async

SOURCES = "sources: {clicks: {event: event, customer: customer_id, time: ts}}\n"
CHANNELS = "channels: {web: {topic: web, consent: none}}\n"
RULES = """
rules:
  on-view: {on: view, send: {channel: web, content: {text: "Hello {{ event.name }}"}}}
  on-cart: {on: cart, where: event.n > 1, unless: {on: buy, within: 1h},
    send: {channel: web, content: {text: Hi}}}
"""
OTHER_RULES = (
    RULES.replace("Hello", "Welcome")
    + "  on-search: {on: search, send: {channel: web, content: {text: Hi}}}\n"
)
BROKEN_RULES = RULES.replace("web", "wbe")

NEVER_S = 3600.0

Log = list[MutableMapping[str, Any]]


class Lane:
    """Keeps the rule sets that it was switched to."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.switches: list[RuleSet] = []

    async def switch(self, rules: RuleSet) -> list[Ended]:
        self.rules = rules
        self.switches.append(rules)
        return [Ended("on-cart", 3, exact=False)]

    def names(self) -> list[str]:
        return sorted(rule.name for rule in self.rules.rules)


class Watched(Directory):
    """Counts how often it was looked at."""

    looks = 0

    def look(self) -> Signature:
        self.looks += 1
        return super().look()


class Worker:
    """A reload over a directory, with everything around it in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.directory = Watched(folder)
        self.lane: Any = Lane(load_rules(folder))
        self.metrics = Metrics()
        self.ensured: list[RuleSet] = []
        self.published: list[str] = []
        self.kafka_is_away = False
        self.compiled = 0
        self.reload = Reload(
            self.directory,
            self.lane,
            self.metrics,
            self.ensure_topics,
            publish=self.publish,
            compile_rules=self.compile,
        )

    async def compile(self, folder: Path) -> RuleSet:
        self.compiled += 1
        return load_rules(folder)

    async def ensure_topics(self, rules: RuleSet) -> None:
        if self.kafka_is_away:
            raise BrokerError("no Kafka answers", hint="is it running?")
        assert self.lane.rules is not rules, "topics come before the switch"
        self.ensured.append(rules)

    async def publish(self, rules: RuleSet) -> None:
        assert self.lane.rules is not rules, "what rules say is written before they decide anything"
        self.published.append(rules.revision)

    @property
    def failures(self) -> float:
        return self.metrics.registry.get_sample_value("stream_rules_reload_failures_total") or 0

    def write(self, text: str, name: str = "rules.yaml") -> None:
        """By a rename: a writer that is held up must not leave half a file."""
        draft = self.folder / f".{name}"
        draft.write_text(text)
        draft.replace(self.folder / name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reload.keep_reloading())
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until_judged(self) -> None:
        """Wait until the directory as it is now has been judged."""

        async def done() -> bool:
            return self.directory.signature == self.directory.look() != ()

        await eventually_async(done, "the directory has been judged")

    async def until_switched(self, times: int = 1) -> None:
        async def done() -> bool:
            return len(self.lane.switches) == times

        await eventually_async(done, "the lane has been switched")

    async def until_looked(self, times: int) -> None:
        """Wait until the directory was looked at so often from now on."""
        before = self.directory.looks

        async def done() -> bool:
            return self.directory.looks >= before + times

        await eventually_async(done, "the directory has been looked at")

    async def until_failed(self, times: int = 1) -> None:
        async def done() -> bool:
            return self.failures == times

        await eventually_async(done, "the failure has been counted")


@pytest.fixture
async def worker(tmp_path: Path) -> Worker:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name, text in {"sources.yaml": SOURCES, "channels.yaml": CHANNELS, "rules.yaml": RULES}.items():
        (folder / name).write_text(text)
    return Worker(folder)


@pytest.fixture
def logged() -> Iterator[Log]:
    with capture_logs() as entries:
        yield entries


def said(log: Log, event: str) -> Log:
    return [entry for entry in log if entry["event"] == event]


async def test_a_change_is_taken_and_said_in_one_line(worker: Worker, logged: Log) -> None:
    old = worker.lane.rules.revision
    async with worker.running():
        worker.write(OTHER_RULES)
        await worker.until_switched()
        await worker.until_judged()
    new = worker.lane.rules.revision
    assert worker.lane.names() == ["on-cart", "on-search", "on-view"]
    (line,) = said(logged, "rules_reloaded")
    assert (line["old"], line["new"]) == (old, new)
    assert [line[each] for each in ("added", "removed", "changed", "unchanged")] == [1, 0, 1, 1]
    assert (line["ended"], line["more"]) == (["on-cart: 3 or more"], 0)
    assert worker.metrics.registry.get_sample_value("stream_rules_revision_info", {"revision": new}) == 1
    assert worker.metrics.registry.get_sample_value("stream_matches_total", {"rule": "on-search"}) == 0
    assert worker.failures == 0


@pytest.mark.parametrize(
    ("more", "also"),
    [
        ('policy: {suppress: "true"}\n', ["policy"]),
        ("channels: {mail: {topic: mail, consent: none}}\n", ["channels"]),
        ("traits: {views: {function: count, of: view}}\n", ["traits"]),
        ("segments: {late: now > now}\npolicy: {stale_after: 2h}\n", ["policy", "segments"]),
    ],
)
async def test_an_emergency_brake_was_taken_and_the_log_said_that_nothing_had_changed(
    worker: Worker, logged: Log, more: str, also: list[str]
) -> None:
    async with worker.running():
        worker.write(more, "more.yaml")
        await worker.until_switched()
        await worker.until_judged()
    (line,) = said(logged, "rules_reloaded")
    assert [line[each] for each in ("added", "removed", "changed")] == [0, 0, 0]
    assert line["also"] == also


async def test_a_broken_set_is_refused_with_all_its_errors_and_reported_once(
    worker: Worker, logged: Log
) -> None:
    before = worker.lane.rules
    async with worker.running():
        worker.write(BROKEN_RULES)
        await worker.until_failed()
        os.utime(worker.folder / "rules.yaml", (1, 1))
        await worker.until_judged()
        assert worker.failures == 1, "the same files were only touched"
        worker.write(BROKEN_RULES + "  # still broken\n")
        await worker.until_failed(2)
        worker.reload.ask()
        await worker.until_failed(3)
    assert worker.lane.rules is before
    lines = said(logged, "rules_refused")
    assert len(lines) == 3
    assert len(lines[0]["errors"]) == 2, "one for each rule"
    assert all("rules.yaml:" in each for each in lines[0]["errors"])
    assert lines[0]["in_force"] == before.revision


async def test_a_mended_set_is_taken(worker: Worker, logged: Log) -> None:
    before = worker.lane.rules
    async with worker.running():
        worker.write(BROKEN_RULES)
        await worker.until_failed()
        worker.write(RULES)
        await worker.until_judged()
        assert worker.lane.rules is before, "as it was: nothing to switch to"
        worker.write(OTHER_RULES)
        await worker.until_switched()
    assert [each["event"] for each in logged if each["event"].startswith("rules_")] == [
        *("rules_refused", "rules_unchanged", "rules_reloaded")
    ], "put back to the one in force, it is said, too"
    assert worker.failures == 1


async def test_files_written_one_after_the_other_are_one_change(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule came 100 ms before its channel, and the worker complained about half a set."""
    quiet = reload.QUIET_S
    monkeypatch.setattr(reload, "PATIENCE_S", NEVER_S)
    monkeypatch.setattr(reload, "QUIET_S", NEVER_S)
    async with worker.running():
        worker.write(OTHER_RULES.replace("web", "mail"))
        await worker.until_looked(3)  # it has seen the first file, and waits for more
        worker.write("channels: {mail: {topic: web, consent: none}}", "channels.yaml")
        monkeypatch.setattr(reload, "QUIET_S", quiet)
        await worker.until_switched()
    assert worker.failures == 0


async def test_a_directory_that_is_written_without_end_is_judged_all_the_same(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PATIENCE_S", 0.4)
    monkeypatch.setattr(reload, "QUIET_S", NEVER_S)  # however slow the writer is
    async with worker.running():
        worker.write(OTHER_RULES)

        async def write_on() -> None:
            while True:
                worker.write(f"# {asyncio.get_running_loop().time()}", "notes.yaml")
                await asyncio.sleep(reload.STEP_S / 2)  # the pace of who writes

        writer = asyncio.create_task(write_on())
        await worker.until_switched()
        writer.cancel()


async def test_what_changes_while_it_is_compiled_is_looked_at_again(worker: Worker) -> None:
    compile_rules = worker.compile

    async def slowly(folder: Path) -> RuleSet:
        try:
            return await compile_rules(folder)
        finally:
            if worker.compiled == 1:
                worker.write(OTHER_RULES)

    worker.reload._compile = slowly
    async with worker.running():
        worker.write(BROKEN_RULES)
        await worker.until_switched()
    assert worker.failures == 0
    assert worker.compiled == 2


async def test_an_editor_that_writes_by_rename_is_noticed(worker: Worker) -> None:
    """The new file had the size and the times of the old one."""
    path = worker.folder / "rules.yaml"
    before = path.stat()
    async with worker.running():
        draft = worker.folder / ".rules.yaml.swp"
        draft.write_text(RULES.replace("Hello", "Ahoy!"))
        os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
        draft.replace(path)
        assert path.stat().st_size == before.st_size
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        await worker.until_switched()


async def test_a_config_map_that_is_turned_over_is_taken(tmp_path: Path) -> None:
    """As the kubelet writes it: a hidden folder for each version, `..data` turned over by a rename."""
    mount = tmp_path / "mount"

    def version(name: str, rules: str) -> None:
        folder = mount / name
        folder.mkdir(parents=True)
        for file, text in {"sources.yaml": SOURCES, "channels.yaml": CHANNELS, "rules.yaml": rules}.items():
            (folder / file).write_text(text)

    version("..2026_11_22_10_00_00.1", RULES)
    (mount / "..data").symlink_to("..2026_11_22_10_00_00.1")
    for file in ("sources.yaml", "channels.yaml", "rules.yaml"):
        (mount / file).symlink_to(Path("..data", file))
    worker = Worker(mount)
    assert len(worker.directory.look()) == 3, "nothing hidden"
    async with worker.running():
        version("..2026_11_22_10_05_00.2", OTHER_RULES)
        (mount / "..data_tmp").symlink_to("..2026_11_22_10_05_00.2")
        (mount / "..data_tmp").replace(mount / "..data")
        shutil.rmtree(mount / "..2026_11_22_10_00_00.1")
        await worker.until_switched()
        await worker.until_judged()
    assert worker.lane.names() == ["on-cart", "on-search", "on-view"]
    assert worker.failures == 0
    assert len(worker.lane.switches) == 1


async def test_a_directory_that_vanishes_for_a_moment_is_no_failure(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PATIENCE_S", NEVER_S)
    monkeypatch.setattr(reload, "QUIET_S", 1e-9)  # what is not taken for absent is judged at the next look
    aside = worker.folder.with_name("aside")
    shutil.copytree(worker.folder, aside)
    (aside / "rules.yaml").write_text(OTHER_RULES)
    async with worker.running():
        shutil.rmtree(worker.folder)
        await worker.until_looked(5)
        aside.rename(worker.folder)
        await worker.until_switched()
    assert worker.failures == 0


async def test_a_directory_that_stays_away_is_reported_once_and_noticed_when_it_is_back(
    worker: Worker, logged: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PATIENCE_S", 0.3)
    before = worker.lane.rules
    async with worker.running():
        worker.folder.rename(worker.folder.with_name("aside"))
        await worker.until_failed()
        worker.folder.with_name("aside").rename(worker.folder)
        await worker.until_judged()
        assert worker.lane.rules is before
        worker.write(OTHER_RULES)
        await worker.until_switched()
    (line,) = said(logged, "rules_refused")
    assert "no such directory" in line["errors"][0]


async def test_touched_files_are_not_compiled_again(worker: Worker) -> None:
    async with worker.running():
        os.utime(worker.folder / "rules.yaml", (1, 1))
        await worker.until_judged()
    assert worker.compiled == 0


async def test_who_asks_is_answered_without_waiting_for_quiet(worker: Worker, logged: Log) -> None:
    async with worker.running():
        worker.reload.ask()

        async def answered() -> bool:
            return bool(said(logged, "rules_unchanged"))

        await eventually_async(answered)
    assert worker.compiled == 1
    assert worker.lane.switches == []


async def test_the_topic_of_a_new_channel_is_made_before_the_switch(worker: Worker) -> None:
    async with worker.running():
        worker.write(OTHER_RULES)
        await worker.until_switched()
        assert worker.ensured == [], "its topics are all there"
        worker.write(CHANNELS.replace("}}", "}, mail: {topic: mails, consent: none}}"), "channels.yaml")
        await worker.until_switched(2)
    assert worker.ensured == worker.lane.switches[1:]


async def test_other_source_topics_are_refused_with_what_to_do(worker: Worker, logged: Log) -> None:
    before = worker.lane.rules
    async with worker.running():
        worker.write(SOURCES.replace("clicks:", "taps:"), "sources.yaml")
        await worker.until_failed()
    (line,) = said(logged, "rules_refused")
    assert "sources" in line["errors"][0]
    assert "stop all workers" in line["hint"]
    assert worker.lane.rules is before
    assert worker.ensured == []


async def test_if_kafka_is_away_it_is_tried_again(
    worker: Worker, logged: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "RETRY_S", 0.05)
    worker.kafka_is_away = True
    async with worker.running():
        worker.write(CHANNELS.replace("topic: web", "topic: web2"), "channels.yaml")

        async def tried_twice() -> bool:
            return worker.compiled >= 2

        await eventually_async(tried_twice)
        assert worker.lane.switches == []
        worker.kafka_is_away = False
        await worker.until_switched()
    assert worker.failures == 1
    (line,) = said(logged, "rules_refused")
    assert line["next"].startswith("tried again in")


async def test_a_disk_that_hangs_is_said_once_and_the_change_is_taken_when_it_is_back(
    worker: Worker, logged: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "AT_MOST_S", 0.05)
    monkeypatch.setattr(reload, "RETRY_S", 0.05)
    look, answers = worker.directory.look, threading.Event()

    def hang() -> Signature:
        answers.wait()
        return look()

    monkeypatch.setattr(worker.directory, "look", hang)
    async with worker.running():
        await worker.until_failed()
        answers.set()
        worker.write(OTHER_RULES)
        await worker.until_switched()
    (line,) = said(logged, "rules_refused")
    assert line["errors"] == ["the rules' directory did not answer for 0.05 s"]


async def test_rules_compiled_aside_are_those_compiled_here(worker: Worker) -> None:
    rules = await compile_aside(worker.folder)
    assert rules == load_rules(worker.folder)
    assert rules.rules[1].content["text"].render({"event": {"name": "you"}}) == "Hello you"
    worker.write(BROKEN_RULES)
    with pytest.raises(RuleFileError) as here:
        load_rules(worker.folder)
    with pytest.raises(RuleFileError) as aside:
        await compile_aside(worker.folder)
    assert aside.value.diagnostics == here.value.diagnostics


async def test_a_reload_that_names_the_apps_own_topic_is_told_its_place(worker: Worker) -> None:
    """It was found out only by the topics, after all was compiled, and without file and line."""
    own = OwnTopics("shop", "shop.decisions")
    for topic in ("shop-customers-changelog", "shop-rules", "shop.decisions"):
        worker.write(CHANNELS.replace("topic: web", f"topic: {topic}"), "channels.yaml")
        with pytest.raises(RuleFileError) as refused:
            await compile_aside(worker.folder, own)
        (found,) = refused.value.diagnostics
        assert (found.code, Path(found.location.file).name) == ("E220", "channels.yaml")


async def test_a_compilation_that_fails_or_hangs_is_an_error_of_ours(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "AT_MOST_S", 0.0)
    with pytest.raises(StreamError, match="longer than"):
        await compile_aside(worker.folder)
    monkeypatch.setattr(compilation.sys, "executable", "/bin/false")
    monkeypatch.setattr(compilation, "AT_MOST_S", NEVER_S)
    with pytest.raises(StreamError, match="exit code 1"):
        await compile_aside(worker.folder)
    monkeypatch.setattr(compilation.sys, "executable", "/nowhere/python")
    with pytest.raises(StreamError, match="no process"):
        await compile_aside(worker.folder)
