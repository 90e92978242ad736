"""The workflow of deploy/github does what its page says: read as YAML, and its steps run, with the program in
place of the image, and in place of GitHub a folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from stream.cli.main import cli
from tests.authoring.against.againstkit import RULES, placed

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "deploy/github/rules.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]
ON = WORKFLOW[True]  # YAML 1.1 takes `on` for a boolean; GitHub does not


def steps(job: str) -> Iterator[dict[str, Any]]:
    yield from JOBS[job]["steps"]


def test_it_takes_no_more_rights_than_it_needs() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "compare": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert not [step for step in steps("comment") if "uses" in step], "who may write runs nothing of others"


def test_a_fork_gets_no_secret_and_cannot_write() -> None:
    assert list(ON) == ["pull_request"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in JOBS["comment"]["if"]
    assert all(step["with"]["persist-credentials"] is False for step in steps("compare") if "uses" in step)


def test_actions_are_pinned_to_a_commit_with_its_version() -> None:
    uses = re.findall(r"uses: (.*)", (ROOT / "deploy/github/rules.yml").read_text(encoding="utf-8"))
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} +# v[\d.]+", each) for each in uses)


def test_nothing_from_outside_is_pasted_into_a_script() -> None:
    assert not [step["name"] for job in JOBS for step in steps(job) if "${{" in step.get("run", "")]


def test_its_commands_and_flags_exist() -> None:
    group: Any = typer.main.get_command(cli)
    called = [
        line.split()
        for step in steps("compare")
        for line in step.get("run", "").splitlines()
        if line.startswith("stream ")
    ]
    assert [line[1] for line in called] == ["check", "test", "backtest"]
    for _, name, *words in called:
        known = {flag for parameter in group.get_command(None, name).params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


DOCKER = """#!{python}
import os, subprocess, sys
command, image = sys.argv[1], sys.argv.index(os.environ["IMAGE"])
assert command == "run" and {{"--network", "--read-only"}} <= set(sys.argv[:image])
sys.exit(subprocess.call([sys.executable, "-m", "stream", *sys.argv[image + 1 :]]))
"""
CURL = """#!/bin/sh
while [ "$1" != --output ]; do shift; done
cp "$3" "$2"
"""
GH = """#!{python}
import pathlib, sys
with open("calls", "a") as calls:
    calls.write(" ".join(word for word in sys.argv[1:] if "/" in word or word in ("PATCH", "POST")) + "\\n")
if "--jq" in sys.argv:
    assert "github-actions[bot]" in sys.argv[-1]
    print(pathlib.Path("comments").read_text(), end="")
"""


class Runner:
    """Runs steps one after the other, as far as these need it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.outputs = folder, folder / "outputs"
        tools = folder / "tools"
        tools.mkdir()
        for name, script in (("docker", DOCKER), ("gh", GH), ("curl", CURL)):
            (tools / name).write_text(
                script.format(python=sys.executable) if "{python}" in script else script
            )
            (tools / name).chmod(0o755)
        self.files = {
            name: str(folder / name.lower())
            for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")
        }
        path = f"{tools}:{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            **WORKFLOW["env"],
            **self.files,
            "PATH": path,
            "PYTHONPATH": str(ROOT),
        }

    def run(self, step: dict[str, Any], **environment: str) -> None:
        added = Path(self.files["GITHUB_PATH"])
        more = added.read_text().split() if added.exists() else []
        path = ":".join([*more, self.environment["PATH"]])
        subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**self.environment, **environment, "PATH": path},
            check=True,
            capture_output=True,
        )

    def text(self, name: str) -> str:
        path = Path(self.files[name])
        return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A checkout of what a pull request would be merged to, whose parent is live."""
    placed(tmp_path, RULES, RULES.replace("text: Hello", "text: Hi"))
    new = tmp_path / "checkout"
    for name in ("live", "new"):
        (new / "rules").mkdir(parents=True, exist_ok=True)
        (new / "rules" / "all.yaml").write_text((tmp_path / name / "all.yaml").read_text() + TESTS)
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", name]):
            git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.example", *command]
            subprocess.run(git, cwd=new, check=True)
    runner_folder = tmp_path / "runner"
    runner_folder.mkdir()
    new.rename(runner_folder / "new")
    return Runner(runner_folder)


TESTS = """
policy: {allow: [W505, W510]}
tests:
  - name: a greeting
    rule: viewed
    customer: {id: c7}
    start: 2026-05-01T08:00:00Z
    events: [{at: 1m, event: view}]
    until: 1h
    expect: [{at: 1m, rule: viewed, channel: web}]
"""


def test_its_steps_compare_the_two_and_write_one_comment(runner: Runner, tmp_path: Path) -> None:
    for step in steps("compare"):
        if "run" in step:
            runner.run(step, URL=str(tmp_path / "events.jsonl"))
    assert "there=yes" in runner.text("GITHUB_OUTPUT")
    (markdown,) = re.findall(r"markdown<<(\S+)\n(.*?)\n\1\n", runner.text("GITHUB_OUTPUT"), re.DOTALL)
    assert "**This change changes 3 messages; it affects 3 customers" in markdown[1]
    assert markdown[1] in runner.text("GITHUB_STEP_SUMMARY")
    assert "c1" not in markdown[1]
    (step,) = steps("comment")
    for before in ("", "17\n18\n"):
        (runner.folder / "comments").write_text(before)
        runner.run(step, MARKDOWN=markdown[1], GH_REPO="shop/rules", NUMBER="7", GH_TOKEN="none")
    assert (runner.folder / "calls").read_text().splitlines() == [
        "repos/shop/rules/issues/7/comments",
        "POST repos/shop/rules/issues/7/comments",
        "repos/shop/rules/issues/7/comments",
        "PATCH repos/shop/rules/issues/comments/17",
    ]
    assert (runner.folder / "comment.md").read_text().endswith(markdown[1] + "\n")


def test_without_a_secret_it_only_checks_and_tests(runner: Runner) -> None:
    for step in steps("compare"):
        if "run" in step and step.get("id") != "compare":
            runner.run(step, URL="")
    assert runner.text("GITHUB_OUTPUT") == ""
    assert "this comes from a fork" in runner.text("GITHUB_STEP_SUMMARY")
