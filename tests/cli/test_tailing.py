"""`stream tail` without a Kafka: what it calls wrong usage."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.main import cli

RULES = "sources: {shop: {event: event, customer: customer_id}}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--once"], 2, "goes with --since"),
        (["--since", "gestern"], 2, "neither a time"),
        (["shopp"], 1, "did you mean `shop`"),
        (["--broker", "127.0.0.1:1"], 1, "no Kafka answers"),
    ],
)
def test_what_cannot_be_shown_is_said(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    ended = CliRunner().invoke(cli, ["tail", "--rules", str(tmp_path), *arguments])
    assert (ended.exit_code, said in f"{ended.output}{ended.exception}") == (code, True)
