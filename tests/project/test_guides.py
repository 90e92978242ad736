"""The guides: what they tell somebody to type, set or look for exists.

Of docs, the rules' pages, deploy's and loadtest's, README, ARCHITECTURE and CONTRIBUTING. Links and files are
looked at in test_documents, in every page.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from stream import engine
from stream.cel import cost, grammar, strings
from stream.cli.main import cli
from stream.content import renderer as rendering
from stream.content import template as content
from stream.matcher import _source as _decode
from stream.rules import files as rulefiles
from stream.settings import NOT_OURS, PREFIX, SECRETS, Settings
from stream.telemetry.metrics import Metrics
from stream.worker import health

ROOT = Path(__file__).parents[2]
NAMES = (
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/**/*.md"),
    *("deploy/**/README.md", "rules/**/*.md", "loadtest/README.md"),
)
PAGES = {str(path.relative_to(ROOT)): path.read_text("utf-8") for name in NAMES for path in ROOT.glob(name)}
each_page = pytest.mark.parametrize("name", sorted(PAGES))

CHART = ROOT / "deploy" / "chart"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
FREE_VALUES = {"settings", "files", "requests", "limits", "podLabels", "podAnnotations", "nodeSelector"}
CODE = {name for name in PAGES if name == "ARCHITECTURE.md" or name.startswith("docs/design/")}
FILE = re.compile(r"\.(py|pyx|pxd|pyi|md|ya?ml|json|csv|sh)$")

NO_METRICS = {"stream_wait_empty"}  # a setting of Faust's
NOT_LOGGED = {"trigger_id", "runbook_url"}  # fields of a record and of an alert

BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(`+)(.+?)\1")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(text: str) -> str:
    """Without blocks of code."""
    return BLOCK.sub("", text)


def blocks(text: str, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(text) if language in languages]


def spans(text: str) -> list[str]:
    """What stands between backticks outside of blocks."""
    return [span.strip().replace("\\|", "|") for _, span in SPAN.findall(prose(text))]


def lines(text: str) -> list[str]:
    """What a reader may type: lines of shell blocks, and spans. A line that goes on is one."""
    typed = [
        line.strip()
        for block in blocks(text, "sh", "console", "")
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip()
    ]
    return [*typed, *re.findall(r"^    (\S.*)$", prose(text), re.MULTILINE), *spans(text)]


# --- links


def anchors(text: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(
            " ", "-"
        )
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


# --- commands


GROUP: Any = typer.main.get_command(cli)
COMMANDS = {name: GROUP.get_command(None, name) for name in GROUP.list_commands(None)}
TYPED = re.compile(r"(?:^|-- |[|;] |&& |\$ |bin/)stream ([a-z-]+)(.*)")


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands `stream …` and their flags."""
    for line in lines(text):
        for command, rest in TYPED.findall(line):
            arguments = re.split(r" [|#;&<>]|, ", rest)[0]
            yield command, re.findall(r"(?<![\w-])--[a-z][a-z-]*", arguments)


@each_page
def test_every_command_and_flag_exists(name: str) -> None:
    for command, flags in calls(PAGES[name]):
        assert command in COMMANDS, f"{name}: stream {command}"
        inner = getattr(COMMANDS[command], "commands", {}).values()  # `stream events infer`
        known = {
            "--help",
            *(flag for one in (COMMANDS[command], *inner) for each in one.params for flag in each.opts),
        }
        assert set(flags) <= known, f"{name}: stream {command} {sorted(set(flags) - known)}"


@each_page
def test_every_target_of_make_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {found for line in lines(PAGES[name]) for found in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= targets, name


@pytest.mark.parametrize("name", ["docs/deploy.md", "docs/upgrade.md"])
def test_rules_in_subfolders_were_left_out_of_the_config_map(name: str, tmp_path: Path) -> None:
    """`--from-file=rules/` takes the files of one folder, and says nothing of those below it."""
    (listing,) = re.findall(r"^rules\(\) \{.*\}$", PAGES[name], re.MULTILINE)
    (tmp_path / "rules" / "team").mkdir(parents=True)
    for file in ("a.yaml", "team/b.yml", "team/notes.txt"):
        (tmp_path / "rules" / file).touch()
    done = subprocess.run(["sh", "-c", f"{listing}\nrules"], cwd=tmp_path, capture_output=True, check=True)
    assert sorted(done.stdout.decode().split()) == [
        "--from-file=rules-a.yaml=rules/a.yaml",
        "--from-file=rules-team-b.yml=rules/team/b.yml",
    ]


# --- settings and metrics


@each_page
def test_every_setting_exists(name: str) -> None:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    known |= {f"{PREFIX}{secret.upper()}_FILE" for secret in SECRETS} | NOT_OURS
    for found, more in re.findall(r"\b(STREAM_[A-Z0-9_]*)(…?)", PAGES[name]):
        assert found in known or (more and any(each.startswith(found) for each in known)), f"{name}: {found}"


@each_page
def test_every_metric_exists(name: str) -> None:
    known = {each.name for each in Metrics().registry.described}
    histograms = {each.name for each in Metrics().registry.described if each.type == "histogram"}
    known |= {f"{each}_{part}" for each in histograms for part in ("bucket", "count", "sum")}
    found = set(re.findall(r"(?<![\w:/-])stream_[a-z_]+(?![\w(…:*])", PAGES[name]))
    assert found <= known | NO_METRICS, f"{name}: {sorted(found - known - NO_METRICS)}"


@each_page
def test_every_alert_exists(name: str) -> None:
    known = set(re.findall(r"alert: (\w+)", (CHART / "files/prometheus/alerts.yaml").read_text("utf-8")))
    found = set(re.findall(r"\bStream[A-Z][a-z]\w+", PAGES[name])) - {"StreamApp", "StreamError"}
    assert found <= known, f"{name}: {sorted(found - known)}"


# --- lines of the log


LOGGED = re.compile(r"""\blog\.(?:debug|info|warning|error)\(\s*"(\w+)\"""")
PLAIN = re.compile(r"[a-z]+(?:_[a-z]+)+")


@pytest.mark.parametrize(
    "name", ["docs/deploy.md", "docs/recovery.md", "docs/upgrade.md", "docs/runbooks.md"]
)
def test_every_line_of_the_log_exists(name: str) -> None:
    known = {
        line for path in (ROOT / "stream").rglob("*.py") for line in LOGGED.findall(path.read_text("utf-8"))
    }
    keys = (ROOT / "rules/schema.json").read_text("utf-8")
    for span in spans(PAGES[name]):
        if PLAIN.fullmatch(span) and not span.startswith(("stream_", "process_")) and f'"{span}"' not in keys:
            assert span in known | NOT_LOGGED, f"{name}: {span}"


# --- values of the chart


def has_value(path: str) -> bool:
    found: Any = VALUES
    for key in path.replace("\\.", "\0").split("."):
        if not isinstance(found, dict) or key.replace("\0", ".") not in found:
            return False
        found = found[key]
        if key in FREE_VALUES:
            return True
    return True


def values_named(text: str) -> Iterator[str]:
    for line in lines(text):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # an apostrophe: no command
            continue
        for flag, value in pairwise(words):
            if flag in ("--set", "--set-string", "--set-file", "--set-json"):
                yield value.partition("=")[0]
    for span in spans(text):
        value = span.partition("=")[0]
        is_path = re.fullmatch(r"[a-z]\w*(\.[A-Za-z]\w*)+", value) and not FILE.search(value)
        if is_path and value.partition(".")[0] in VALUES:
            yield value


@pytest.mark.parametrize("name", sorted(set(PAGES) - CODE))
def test_every_value_of_the_chart_exists(name: str) -> None:
    for path in values_named(PAGES[name]):
        assert has_value(path), f"{name}: {path}"


@each_page
def test_every_file_of_values_is_one(name: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    for block in blocks(PAGES[name], "yaml"):
        if block.startswith("# values"):
            jsonschema.validate(yaml.safe_load(block), schema)


def test_something_is_looked_at() -> None:
    """A pattern that finds nothing would find no mistake either."""
    everything = "\n".join(PAGES.values())
    assert len(list(calls(everything))) > 30
    assert len(set(values_named(everything))) > 15
    assert {f"docs/{name}.md" for name in ("deploy", "sizing", "upgrade", "recovery", "security")} <= set(
        PAGES
    )
    assert "# values" in "".join(blocks(everything, "yaml"))


# --- bounds


def test_the_bounds_of_the_security_model_are_those_of_the_code() -> None:
    text = PAGES["docs/security.md"]
    for said in (
        f"{_decode.MAX_EVENT_BYTES >> 20} MiB, 1,024 levels",
        f"| {_decode.MAX_CUSTOMER_ID} characters |",
        f"| 1 MB, {rulefiles.MAX_DEPTH} levels, {rulefiles.MAX_NODES:,} nodes with aliases resolved, "
        f"{rulefiles.MAX_ALIASES} aliases;",
        f"| {grammar.MAX_LENGTH:,} characters, {grammar.MAX_DEPTH} levels, {cost.MAX_STEPS:,} steps for "
        f"all conditions of an event; patterns of {strings.MAX_PATTERN:,} characters, "
        f"of {strings.MAX_FOREIGN_PATTERN} if they",
        f"| {content.MAX_TEMPLATE_BYTES >> 10} KiB as written, {rendering.MAX_OUTPUT >> 10} KiB as rendered, "
        f"{rendering.BUDGET:,} steps, {rendering.MAX_ROUNDS:,} rounds of loops, "
        f"{rendering.EVENT_BUDGET:,} steps for all texts",
        f"| ends with the event that passes {engine.MAX_WORK:,} units",
        f"| {health.CONNECTIONS} connections, {health.DEADLINE:.0f} s each",
    ):
        assert said in text
    assert rulefiles.MAX_BYTES == 1_000_000
