"""The command line: what it offers, and what it calls wrong usage."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_group
from typer.testing import CliRunner

from stream.cli import trial
from stream.cli.main import MODULES, cli
from stream.demo.view import next_steps


@pytest.mark.parametrize(
    ("command", "flag"), [("worker", "--check"), ("doctor", "--json"), ("topics", "--format")]
)
def test_a_commands_own_flags_are_there_beside_those_of_the_settings(command: str, flag: str) -> None:
    """`stream worker --help` showed --no-check, and not what --check is for."""
    shown = CliRunner().invoke(cli, [command, "--help"], env={"COLUMNS": "200"}).output
    assert flag in shown
    assert "--http-port" in shown
    assert "--no-" not in shown


def test_help_called_every_number_a_str() -> None:
    shown = CliRunner().invoke(cli, ["worker", "--help"], env={"COLUMNS": "200"}).output
    flags = dict(re.findall(r"^  (--[a-z-]+) <(\S+)>", shown, re.MULTILINE))
    assert "str" not in flags.values()
    assert (
        flags.items()
        >= {
            "--session-timeout": "seconds",
            "--store-memory": "bytes",
            "--http-port": "number",
            "--rules": "path",
            "--store": "memory|rocksdb",
            "--log-level": "DEBUG|INFO|WARNING|ERROR|CRITICAL",
            "--sasl-mechanism": "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512",
            "--broker": "text",
        }.items()
    )


@pytest.mark.parametrize("arguments", [["--sources"], ["--offline"], ["--offline", "--create"]])
def test_topics_that_cannot_be_meant(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["topics", *arguments]).exit_code == 2


def test_every_command_that_is_listed_is_there_and_no_other() -> None:
    """Commands are imported by name when they are run: a module that lacks one would show up only then."""
    modules = [import_module(f"stream.cli.{name}") for name in set(MODULES.values())]
    assert {name for module in modules for name in get_group(module.commands).commands} == set(MODULES)
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    assert re.findall(r"^  (\w+)  +\w", shown.output.partition("Commands:")[2], re.MULTILINE) == list(MODULES)
    assert CliRunner().invoke(cli, ["nothing"]).exit_code == 2


@pytest.mark.parametrize(
    ("settings", "code", "kind"),
    [
        ({"STREAM_HTTP_PORT": "no"}, 2, "SettingsError"),
        ({"STREAM_RULES": "nowhere"}, 1, "RuleFileError"),
    ],
)
def test_a_worker_that_cannot_start_says_so_in_one_object_of_its_log(
    settings: dict[str, str], code: int, kind: str
) -> None:
    """Whatever read the log could not read the only line that mattered."""
    env = {"STREAM_LOG_FORMAT": "json", **settings}
    command = [sys.executable, "-m", "stream", "worker"]
    ended = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["message"], line["error"], line["level"]) for line in lines] == [
        ("cannot_start", kind, "critical")
    ]
    assert lines[0]["errors"]


def test_ten_thousand_findings_are_no_line_of_twenty_megabytes(tmp_path: Path) -> None:
    rules = "".join(f"  r{number}: {{on: x, nonsense: 1}}\n" for number in range(2000))
    (tmp_path / "rules.yaml").write_text("rules:\n" + rules)
    ended = subprocess.run(
        [sys.executable, "-m", "stream", "worker", "--rules", str(tmp_path), "--log-format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = map(json.loads, ended.stderr.splitlines())
    assert len(line["errors"]) == 50
    assert line["more"] > 1900
    assert len(ended.stderr) < 20_000


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_what_a_backtest_writes_is_for_nobody_else(tmp_path: Path) -> None:
    """Decisions about customers were written for every user of the machine."""
    (tmp_path / "rules.yaml").write_text(
        "sources: {clicks: {event: event, customer: c}}\nchannels: {web: {topic: web, consent: none}}\n"
        "rules: {hello: {on: view, send: {channel: web, content: {text: hello}}}}\n"
    )
    (tmp_path / "events.jsonl").write_text('{"event": "view", "c": "c1", "time": "2026-03-02T10:00:00Z"}\n')
    arguments = ["backtest", str(tmp_path), str(tmp_path / "events.jsonl"), "--out", str(tmp_path / "out")]
    ended = CliRunner().invoke(cli, arguments)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600, ended.output


@pytest.mark.parametrize("command", ["backtest", "explain", "events"])
def test_a_file_in_an_old_encoding_is_read_once_it_is_said(tmp_path: Path, command: str) -> None:
    (tmp_path / "rules.yaml").write_text(
        "sources: {clicks: {event: event, customer: c, time: time}}\n"
        "channels: {web: {topic: web, consent: none}}\n"
        "rules: {hello: {on: Käse, send: {channel: web, content: {text: hello}}}}\n"
    )
    events = tmp_path / "events.csv"
    events.write_bytes("event,c,time\nKäse,c1,2026-03-02T10:00:00Z\n".encode("cp1252"))
    arguments = {
        "backtest": ["backtest", str(tmp_path), str(events), "--json"],
        "explain": ["explain", str(tmp_path), str(events), "--customer", "c1", "--json"],
        "events": ["events", "infer", str(events), "--rules", str(tmp_path), "--json"],
    }[command]
    refused = CliRunner().invoke(cli, arguments)
    assert "say --encoding cp1252" in str(getattr(refused.exception, "hint", ""))
    read = CliRunner().invoke(cli, [*arguments, "--encoding", "windows-1252"])
    assert (read.exit_code, "which rule `hello` asks for" in read.output) == (0, False)
    wrong = CliRunner().invoke(cli, [*arguments, "--encoding", "cp1522"], env={"COLUMNS": "200"})
    assert (wrong.exit_code, "did you mean `cp1252`?" in wrong.output) == (2, True)


@pytest.mark.parametrize(
    ("found", "called", "typed"),
    [
        ("/usr/bin/stream", "/usr/bin/stream", "stream"),
        (None, ".venv/bin/stream", ".venv/bin/stream"),
        (None, "/src/stream/__main__.py", "python -m stream"),
    ],
)
def test_the_demo_named_commands_that_no_path_had(
    monkeypatch: pytest.MonkeyPatch, found: str | None, called: str, typed: str
) -> None:
    """After `make demo` the shell knew no `stream`: it lies in .venv."""
    monkeypatch.setattr("shutil.which", lambda _: found)
    monkeypatch.setattr(sys, "argv", [called, "demo"])
    out = io.StringIO()
    Console(file=out, width=80).print(next_steps("127.0.0.1:9464", "rules", trial.program()), soft_wrap=True)
    commands = re.findall(r"^     (.*)$", out.getvalue(), re.MULTILINE)
    assert {each.partition(f"{typed} ")[0] for each in commands if not each.startswith("curl")} == {""}
    assert len(commands) > 5


def test_a_customer_or_a_rule_that_is_not_there_is_said_and_no_empty_story_told(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(
        '{"source": "clickstream", "event": "home", "customer_id": "c1"}\n'
    )
    command = [
        sys.executable,
        "-m",
        "stream",
        "explain",
        "rules",
        str(tmp_path / "events.jsonl"),
        "--customer",
    ]
    nobody = subprocess.run([*command, "C1"], capture_output=True, text=True, check=False)
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "none of 1 record is of that customer" in nobody.stderr
    norule = subprocess.run(
        [*command, "c1", "--rule", "hot-dya"], capture_output=True, text=True, check=False
    )
    assert norule.returncode == 1
    assert "did you mean `hot-day`?" in norule.stderr


def test_explain_tells_programs_and_people_and_writes_a_page(tmp_path: Path) -> None:
    event = '{"source": "clickstream", "event": "home", "customer_id": "c1", "ts": "2026-03-02T10:00:00Z"}\n'
    (tmp_path / "events.jsonl").write_text(event)
    command = [sys.executable, "-m", "stream", "explain", "rules", str(tmp_path / "events.jsonl")]
    command += ["--customer", "c1", "--html", str(tmp_path / "why.html"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["moments"][0]["event"] == "home"
    assert (tmp_path / "why.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "why.html").stat().st_mode & 0o077 == 0


def test_an_editor_without_pygls_is_told_what_to_install(tmp_path: Path) -> None:
    without = "import sys; sys.modules['pygls'] = None; sys.argv = ['stream', 'lsp']\n"
    without += "from stream.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""  # the protocol's
    assert "pip install 'stream-triggers[lsp]'" in done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_without_arrows_had_half_of_an_explanation_and_a_traceback(
    tmp_path: Path, encoding: str
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text(
        '{"source": "clickstream", "event": "home", "customer_id": "c1", "ts": "2026-03-02T10:00:00Z"}\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "stream", "explain", "rules", str(events), "--customer", "c1"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u2718" in done.stdout
