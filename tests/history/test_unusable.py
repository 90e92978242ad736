"""What is said of a line that is no event: what probably mends it, and nothing that is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream.authoring.replay import ReplayedRecord
from stream.cli.main import cli
from stream.history.unusable import likely_fix
from stream.rules.compiler.rule_set import check_rules
from stream.rules.model import RuleSet
from stream.structs import DeadLetter

RULES = """
sources:
  clicks: {event: event, customer: CUSTOMER, time: ts}
  till: {event: {is: purchase}, customer: card}
  people: {kind: profile, customer: customer_id}
channels: {web: {topic: web, consent: none}}
rules: {hi: {on: view, send: {channel: web, content: {text: Hi}}}}
"""
AT = "2026-03-02T10:00:00Z"


def rules_of(folder: Path, customer: str = "customer_id") -> RuleSet:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "shop.yaml").write_text(RULES.replace("CUSTOMER", customer))
    checked = check_rules(folder / "rules")
    assert checked.rules is not None, checked.diagnostics
    return checked.rules


def test_a_table_of_customers_was_refused_with_no_word_of_how_columns_are_called(tmp_path: Path) -> None:
    """A hotel's export, `Gast-Nr;E-Mail;Newsletter`: neither attributes nor consents, and what now?"""
    rules_of(tmp_path)
    (tmp_path / "people.csv").write_text("customer_id;E-Mail;Newsletter\nc1;ada@mail.example;ja\n")
    (tmp_path / "clicks.jsonl").write_text(f'{{"event": "view", "customer_id": "c1", "ts": "{AT}"}}\n')
    files = (f"people={tmp_path}/people.csv", f"clicks={tmp_path}/clicks.jsonl")
    done = CliRunner().invoke(cli, ["backtest", f"{tmp_path}/rules", *files])
    assert "columns of a table are called e.g. `attributes.email`" in done.output
    assert "ada" not in done.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"event": "view", "price": NaN}', "NaN and Infinity are no JSON: write null"),
        ('{"event": "view", "prices": [1, -Infinity]}', "NaN and Infinity are no JSON: write null"),
        ("{'event': 'view', 'name': 'Ada'}", "json.dumps(event) writes it"),
        ('{"event": "view", "new": True}', "json.dumps(event) writes it"),
        ('{"event": "Ada", }', "no JSON from character 16 on: trailing comma"),
        (
            '{"name": "Ada"} {"name": "Ben"}',
            "several objects on one line: jq -c . FILE writes each on its own",
        ),
        ('{"event": "Ada"},', "a comma behind the object: lines have none, and a list stands in [ ]"),
        ('{"event": "Ada",', "one JSON object a line, each whole on its line"),
        ('{"event": "Zo\xeb"}', "the file is not UTF-8: say --encoding cp1252, or iconv -f WINDOWS-1252"),
        ('{"says": "NaN"', "one JSON object a line, each whole on its line"),
    ],
)
def test_what_no_json_was_told_to_write_was_wrong(tmp_path: Path, line: str, said: str) -> None:
    """`NaN`, as pandas writes it, came with `jq -c .`, which refuses it."""
    record = ReplayedRecord(0, 0, line.encode("latin-1"))
    fix = likely_fix(DeadLetter("clicks", "json", record), rules_of(tmp_path).sources[0])
    assert said in fix
    assert "Ada" not in fix


@pytest.mark.parametrize(
    ("customer", "body", "said"),
    [
        ("customer_id", {"Customer ID": "c1"}, "there is `Customer ID`: rename it, or write `customer: "),
        ("customer_id", {"Customer ID": "c1"}, """`customer: "'Customer ID'"` into the source"""),
        ("customer_id", {"customerId": "c1"}, "`customer: customerId` into the source"),
        ("customer_id", {"customer": "c1"}, "`customer: customer` into the source"),
        ("user.id", {"user": {"ID": "c1"}}, "`customer: user.ID` into the source"),
    ],
)
def test_a_field_with_another_spelling_is_proposed_and_what_is_proposed_works(
    tmp_path: Path, customer: str, body: dict[str, Any], said: str
) -> None:
    """`Customer ID` stood in the file, and only `customer_id` was spoken of."""
    source = next(each for each in rules_of(tmp_path, customer).sources if each.name == "clicks")
    record = ReplayedRecord(0, 0, orjson.dumps(body))
    fix = likely_fix(DeadLetter("clicks", "customer", record), source)
    assert said in fix
    written = fix.rpartition("`customer: ")[2].partition("` into")[0]
    assert "clicks" in {each.name for each in rules_of(tmp_path, written).sources}
    (tmp_path / "events.jsonl").write_bytes(orjson.dumps({"event": "view", "ts": AT, **body}))
    done = CliRunner().invoke(cli, ["backtest", str(tmp_path / "rules"), str(tmp_path / "events.jsonl")])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("body", [{}, {"customer_id": None}, {"ada@mail.example": 1}, {"x": 1}])
def test_nothing_is_proposed_where_nothing_is_alike(tmp_path: Path, body: dict[str, Any]) -> None:
    source = rules_of(tmp_path).sources[0]
    fix = likely_fix(DeadLetter("clicks", "customer", ReplayedRecord(0, 0, orjson.dumps(body))), source)
    assert fix == "`customer_id` must be the customer's id, a text or a whole number"


@pytest.mark.parametrize("command", ["backtest rules FILE", "events infer FILE"])
@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        (
            "web.jsonl",
            [{"source": "web", "event": "view", "customer_id": "c1", "ts": AT}],
            "clicks=web.jsonl",
        ),
        ("web.json", [[{"source": {"a": 1}, "event": "view", "customer_id": "c1"}]], "clicks=web.json"),
        ("people.jsonl", [{"customer_id": "c1", "consents": {}}], "people=people.jsonl"),
        ("till.jsonl", [{"card": "c1", "amount": 5}], "till=till.jsonl"),
    ],
)
def test_a_file_of_one_source_came_without_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str, lines: list[Any], said: str
) -> None:
    rules_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"\n".join(map(orjson.dumps, lines)))
    done = CliRunner().invoke(cli, command.replace("FILE", name).split())
    assert done.exit_code == 1
    assert said in done.output + str(done.exception)


def test_a_plan_did_not_say_of_how_many_events_nobody_knows_the_customer_or_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    rows = ["event;Customer;ts;price", "view;;2026-03-02;12,50", "view;c2;;1,00", "view;c3;soon;7,25"]
    (tmp_path / "clicks.csv").write_text("\r\n".join(rows))
    done = CliRunner().invoke(cli, ["events", "infer", "clicks.csv"])
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == [
        "3 events of 1 name",
        "1 event of clicks: no customer in `customer_id`, first clicks.csv:2",
        "2 events of clicks: no customer in `customer_id`; there is `Customer`: rename it, or write "
        "`customer: Customer` into the source, first clicks.csv:3",
        "1 event of clicks: no time in `ts`, first clicks.csv:3",
        "1 event of clicks: what is in `ts` is no time: it must be ISO 8601, such as 2026-03-02T10:00:00Z, "
        "or seconds or milliseconds since 1970, first clicks.csv:4",
        "column `price` of clicks.csv has numbers with commas, first in line 2: its values are texts (write "
        "1049.90; a spreadsheet that is set to English does)",
    ]
    assert "# 1 event of clicks: no time in `ts`" in done.stdout
