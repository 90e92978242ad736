"""`stream new`: what it makes is right at once, whatever was answered; and nothing is written over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from stream.authoring.first_rules import Answers, files_of, make
from stream.cli.main import cli
from stream.errors import StreamError

VIEWED = {
    "type": "Product Viewed",
    "userId": "c1",
    "timestamp": "2026-03-02T10:00:00Z",
    "messageId": "e1",
    "properties": {"sku": "s1"},
}
ORDERED = VIEWED | {"type": "Order Completed", "messageId": "e9", "properties": {"amount": 12.5}}
SEGMENTS = [VIEWED | {"messageId": f"e{n}"} for n in range(6)] + [ORDERED]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


def written(name: str) -> Any:
    return yaml.safe_load(Path(name).read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--channel", "email", "--consent", "marketing_email", "--timezone", "Europe/Berlin"],
        ["--event", 'Viewed: "it" #1 🛍', "--goal", "no"],
        ["--event", "3", "--event-field", "properties.'event name'", "--customer-field", "user.id"],
        ["--event-field", "none", "--event", "sale", "--time-field", "none", "--id-field", "none"],
        ["--source", "shop", "--topic", "shop.web.events"],
    ],
)
def test_check_and_test_pass_at_once(arguments: list[str]) -> None:
    made = run("new", "rules", "--yes", *arguments)
    assert made.exit_code == 0, made.output
    checked = run("check", "rules", "--strict")
    assert checked.exit_code == 0, checked.output
    tested = run("test", "rules")
    assert (tested.exit_code, "1 passed" in tested.output) == (0, True), tested.output
    for path in Path("rules").glob("*.yaml"):
        assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert json.loads(Path("rules/schema.json").read_text())["$schema"]


def test_past_events_say_what_their_fields_are_called_and_what_happens_most() -> None:
    Path("past.jsonl").write_text("\n".join(map(json.dumps, SEGMENTS)))
    made = run("new", "rules", "--yes", "--from", "past.jsonl")
    assert made.exit_code == 0, f"{made.output}{made.exception}"
    assert run("check", "rules", "--strict").exit_code == 0
    assert run("test", "rules").exit_code == 0
    source = written("rules/sources.yaml")["sources"]["clickstream"]
    assert (source["event"], source["customer"], source["time"], source["id"]) == (
        "type", "userId", "timestamp", "messageId",
    )  # fmt: skip
    rule = written("rules/third-product-viewed.yaml")["rules"]["third-product-viewed"]
    on = True  # to YAML 1.1, `on` is a yes
    assert (rule[on], rule["goal"][on]) == (
        "Product Viewed",
        "Order Completed",
    )
    assert written("rules/events.yaml")["events"]["Order Completed"] == {
        "fields": {"properties.amount": "number"}
    }


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("nr;umsatz\n1;2\n", [], "--customer-field; there are: nr, umsatz"),
        ("customer_id;umsatz\n1;2\n", [], "--event"),
        ("", [], "one JSON object a line"),
        ('{"event": "view", "customer_id": "c1"}', ["--event", "veiw"], "did you mean `view`"),
    ],
)
def test_past_events_that_do_not_say_enough(content: str, arguments: list[str], said: str) -> None:
    Path("past").write_text(content)
    ended = run("new", "rules", "--yes", "--from", "past", *arguments)
    assert (ended.exit_code, said in str(ended.exception)) == (1, True), ended.exception
    assert not Path("rules").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--timezone", "Berlin"], "did you mean `Europe/Berlin`"),
        (["--channel", "E-Mail"], "no name of a definition"),
        (["--customer-field", "a b"], "no field path"),
        (["--example", "shpo"], "did you mean `shop`"),
    ],
)
def test_what_a_rule_file_could_not_say(arguments: list[str], said: str) -> None:
    ended = run("new", "rules", "--yes", *arguments)
    assert (ended.exit_code, said in str(ended.exception)) == (1, True), ended.exception
    assert not Path("rules").exists()


@pytest.mark.parametrize("there", ["policy.yaml", "mine.yml", ".github/workflows/rules.yml"])
def test_nothing_is_written_over_or_beside_rules_that_are_there(there: str) -> None:
    path = Path("rules", there)
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    ended = run("new", "rules", "--yes")
    assert ended.exit_code == 1
    assert f"in the way: {path}" in str(ended.exception)
    assert [each for each in Path("rules").rglob("*") if each.is_file()] == [path]


def test_a_file_of_that_name_is_in_the_way() -> None:
    Path("rules").write_text("")
    with pytest.raises(StreamError, match="in the way: rules"):
        make(Path("rules"), files_of(Answers()))


def test_in_a_repository_its_workflow_lies_where_github_looks() -> None:
    Path(".git").mkdir()
    assert run("new", "marketing/rules", "--yes").exit_code == 0
    steps = written(".github/workflows/rules.yml")["jobs"]["rules"]["steps"]
    commands = [each["run"] for each in steps if "run" in each]
    assert "stream check marketing/rules --format github" in commands
    for each in commands[1:]:
        done = subprocess.run(
            [sys.executable, "-m", *each.split()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert Path("rules.xml").exists()


def test_an_example_brand_is_copied_whole() -> None:
    assert run("new", "brand", "--example", "shop").exit_code == 0
    assert run("check", "brand", "--strict").exit_code == 0
    assert run("test", "brand").exit_code == 0
    assert run("new", "other", "--example", "shop", "--channel", "web").exit_code == 2


def test_where_nobody_can_be_asked_it_does_not_wait() -> None:
    assert run("new", "rules").exit_code == 2
