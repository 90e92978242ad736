"""`stream send` without a Kafka: what it shows, what it refuses, and what it ends with."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from stream.cli.main import cli

RULES = """
sources:
  shop: {event: event, customer: customer_id, time: ts, id: event_id}
  till: {event: {is: purchase}, customer: card, time: ts, id: no, dedupe: 1d}
"""
GOOD = '{"event": "a", "customer_id": "c1", "ts": 1772445600, "event_id": "e1"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES)
    (tmp_path / "feed.jsonl").write_text(GOOD)
    (tmp_path / "feed.csv").write_text("Karte;Datum;Bon\n7;02.03.2026;1\n8;irgendwann;2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def send(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["send", *arguments], input=given)


MAPPING = (
    "{columns: {Karte: {field: card, type: text}, Bon: no, "
    "Datum: {field: ts, type: time, format: '%d.%m.%Y', zone: UTC}}}"
)


@pytest.mark.usefixtures("folder")
def test_a_dry_run_shows_the_records_and_what_would_be_left_out() -> None:
    ended = send("feed.csv", "--source", "till", "--map", MAPPING, "--dry-run")
    assert ended.exit_code == 1
    assert '"card": "7"' in ended.stdout
    assert "feed.csv:2, key 7" in ended.stdout
    assert "1 record would be sent to till" in ended.stdout
    assert "`Datum` is no time of the form %d.%m.%Y, first feed.csv:3" in ended.stderr
    assert "irgendwann" not in ended.output


@pytest.mark.usefixtures("folder")
def test_a_dry_run_in_which_all_is_well_ends_with_0_also_from_standard_input() -> None:
    assert send("feed.jsonl", "--source", "shop", "--dry-run").exit_code == 0
    assert send("shop=feed.jsonl", "--dry-run").exit_code == 0
    ended = send("-", "--source", "shop", "--dry-run", "--show", "0", given=GOOD)
    assert (ended.exit_code, ended.stdout) == (0, "1 record would be sent to shop\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["feed.jsonl"], "of which source"),
        (["feed.jsonl", "--source", "shp"], "did you mean `shop`"),
        (["nowhere", "--source", "shop"], "No such file"),
        (["till=feed.jsonl", "--source", "shop"], "two sources"),
        (["feed.jsonl", "--source", "shop", "--rules", "nowhere"], "no such directory"),
        (["feed.jsonl", "--source", "shop", "--from-line", "9", "--dry-run"], "no row in it from 9 on"),
        (["feed.csv", "--source", "till", "--map", "{columns: {Kartr: card}}"], "did you mean `Karte`"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], said: str) -> None:
    ended = send(*arguments)
    assert ended.exit_code == 1
    assert said in str(ended.exception)


@pytest.mark.usefixtures("folder")
def test_no_kafka_is_said_and_nothing_was_sent() -> None:
    ended = send("feed.jsonl", "--source", "shop", "--broker", "127.0.0.1:1")
    assert "no Kafka answers at 127.0.0.1:1" in str(ended.exception)
    assert "sent" not in ended.stdout
