"""`stream test --watch`, as a process: it runs again at each change, whatever is in the files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.patience import eventually

RULES = """
sources: {clicks: {event: event, customer: user}}
channels: {web: {topic: web, consent: none}}
rules: {hi: {on: view, send: {channel: web, content: {text: Hi}}}}
tests:
  - {name: greets, events: [{at: 0m, event: view}], expect: [{content: {text: TEXT}}]}
"""


class Watching:
    def __init__(self, process: subprocess.Popen[bytes], shown: Path) -> None:
        self.process, self.shown = process, shown

    def waits(self, times: int) -> str:
        """What has been shown, once it waits for the so manieth time."""

        def there() -> bool:
            assert self.process.poll() is None, self.shown.read_text()
            return self.shown.read_text().count("waiting for a change") == times

        eventually(there)
        return self.shown.read_text()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait()


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[Watching]:
    shown = folder.with_suffix(".out")
    with shown.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "stream", "test", str(folder), "--watch", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            yield Watching(process, shown)
        finally:
            process.kill()
            process.wait()


def test_it_runs_again_when_a_file_changes_and_ends_as_the_last_run_did(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "shop.yaml").write_text(RULES.replace("TEXT", "Hi"))
    with watching(rules) as watched:
        assert "1 passed" in watched.waits(1)
        new = rules / ".shop.yaml.tmp"  # as editors write
        new.write_text(RULES.replace("TEXT", "Bye"))
        new.replace(rules / "shop.yaml")
        text = watched.waits(2)
        assert "FAILED greets" in text
        assert "\x1b[" not in text, "a screen is cleared on terminals only"
        (rules / "more.yaml").write_text("rules: {broken: [")
        assert "more.yaml:1:" in watched.waits(3)
        (rules / "more.yaml").unlink()
        assert watched.waits(4).count("FAILED greets") == 2
        assert watched.interrupt() == 1


def test_it_begins_with_what_does_not_parse_or_has_no_tests(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "shop.yaml").write_text("rules: [")
    with watching(rules) as watched:
        assert "shop.yaml:1:" in watched.waits(1)
        (rules / "shop.yaml").write_text(RULES.partition("tests:")[0])
        assert "error: no tests in" in watched.waits(2)
        (rules / "shop.yaml").write_text(RULES.replace("TEXT", "Hi"))
        assert "1 passed" in watched.waits(3)
        assert watched.interrupt() == 0


def test_a_history_is_watched_too(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    text = RULES.replace("TEXT", "Hi").replace("name: greets,", "name: greets, history: past.jsonl,")
    (rules / "shop.yaml").write_text(text)
    with watching(rules) as watched:
        assert "`history` leads nowhere" in watched.waits(1)
        (rules / "past.jsonl").write_text(
            '{"event": "home", "user": "c1", "timestamp": "2026-01-01T00:00:00Z"}'
        )
        assert "1 passed" in watched.waits(2)
        assert watched.interrupt() == 0


def test_json_is_for_one_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stream", "test", str(tmp_path), "--watch", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--watch" in done.stderr
