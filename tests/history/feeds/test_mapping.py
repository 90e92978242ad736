"""Mappings: read as strictly as rule files, and held against file, source and tracking plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream.errors import RuleFileError
from stream.history.feeds.feed import SourcesAlone, source_of, sources_alone
from stream.history.feeds.mapping import FieldMapping, hold, read_mapping

PAGE = Path(__file__).parents[3] / "docs" / "sending.md"
RULES = """
sources:
  shop: {event: event, customer: customer_id, time: ts, id: event_id}
  people: {kind: profile, customer: customer_id, attributes: {email: string}, consents: [marketing_email]}
events:
  purchase: {source: shop, fields: {amount: number, order.id: string}}
rules:
  broken: {on: nothing
"""


@pytest.fixture
def alone(tmp_path: Path) -> SourcesAlone:
    (tmp_path / "rules.yaml").write_text(RULES.partition("rules:")[0])
    return sources_alone(tmp_path)


def found(alone: SourcesAlone, source: str, text: str, columns: str = "") -> list[str]:
    known = [tuple(each.split(".")) for each in columns.split()] if columns else None
    return [
        f"{each.message} | {each.hint}"
        for each in hold(read_mapping(text), source_of(alone.rules, source), alone.plan, known)
    ]


def test_a_mapping_in_a_file_is_that_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "columns:\n  Id: customer_id\nconstants: {event: purchase}\nothers: keep\n"
    )
    one = read_mapping(str(tmp_path / "m.yaml"))
    other = read_mapping("{columns: {Id: customer_id}, constants: {event: purchase}, others: keep}")
    assert isinstance(one, FieldMapping)
    row = {"Id": "c1", "x": 1}
    assert (
        one.apply(dict(row)) == other.apply(dict(row)) == {"customer_id": "c1", "x": 1, "event": "purchase"}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{colums: {a: b}}", "did you mean `columns`"),
        ("{columns: [a]}", "must be a mapping"),
        ("{columns: {a: {field: b, tipe: text}}}", "did you mean `type`"),
        ("{columns: {a: {field: b, type: numbr}}}", "did you mean `number`"),
        ("{columns: {a: {field: b, format: x}}}", "goes with a time"),
        ("{columns: {a: {field: b, type: time, format: '%d.%m.%Y'}}}", "which zone"),
        (
            "{columns: {a: {field: b, type: time, format: '%d.%m.', zone: UTC}}}",
            "no form of a time|without a year",
        ),
        ("{columns: {a: {field: b, type: time, zone: Berlin}}}", "did you mean `Europe/Berlin`"),
        ("{columns: {a: 'b c'}}", "no field path"),
        ("{columns: {a: b, c: b}}", "filled twice"),
        ("{columns: {a: b.c, d: b}}", "filled twice"),
        ("{columns: {a: b}, columns: {c: d}}", "twice"),
        ("{columns: {a: b}", "not YAML"),
        ("{others: keep}", "has `columns`"),
        ("{columns: {a: b}, encoding: cp1522}", "did you mean `cp1252`"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RuleFileError, match=said) as raised:
        read_mapping(text)
    assert "--map:1:" in str(raised.value)


def test_a_mapping_that_is_not_there_is_said() -> None:
    with pytest.raises(RuleFileError, match=r"nowhere\.yaml"):
        read_mapping("nowhere.yaml")


@pytest.mark.parametrize(
    ("source", "text", "said"),
    [
        (
            "shop",
            "{columns: {Id: customer}, constants: {event: purchase}}",
            "the customer of the source `shop`",
        ),
        ("shop", "{columns: {Id: customer_id}}", "the event of the source `shop`"),
        ("shop", "{columns: {Id: customer_id}, constants: {event: purchse}}", "did you mean `purchase`"),
        (
            "shop",
            "{columns: {Id: customer_id, A: amonut}, constants: {event: purchase}}",
            "did you mean `amount`",
        ),
        (
            "shop",
            "{columns: {Id: customer_id, A: {field: amount, type: text}}, constants: {event: purchase}}",
            "`amount` is a number, and not a text",
        ),
        ("people", "{columns: {Id: customer_id, M: email}}", "an attribute is attributes.email"),
        ("people", "{columns: {Id: customer_id, M: attributes.emial}}", "did you mean `email`"),
        (
            "people",
            "{columns: {Id: customer_id, M: consents.marketing_mail.granted}}",
            "did you mean `marketing_email`",
        ),
        (
            "people",
            "{columns: {Id: customer_id, M: consents.marketing_email.grant}}",
            "did you mean `granted`",
        ),
        ("people", "{columns: {Id: customer_id, M: consents.marketing_email}}", "a consent has no"),
    ],
)
def test_what_fits_neither_source_nor_plan_is_said_before_anything_is_sent(
    alone: SourcesAlone, source: str, text: str, said: str
) -> None:
    assert any(said in each for each in found(alone, source, text)), found(alone, source, text)


def test_a_column_that_the_file_has_not_comes_with_what_was_meant(alone: SourcesAlone) -> None:
    text = "{columns: {Kunde: customer_id}, constants: {event: purchase}}"
    assert found(alone, "shop", text, "Kunden Datum") == [
        "the file has no column `Kunde` | did you mean `Kunden`?"
    ]
    assert not found(alone, "shop", text, "Kunde")


def test_rules_that_are_not_right_yet_keep_nobody_from_sending(tmp_path: Path) -> None:
    rules = "rules: {broken: {on: nothing, send: {channel: none}}}\n"
    (tmp_path / "rules.yaml").write_text(RULES.partition("rules:")[0] + rules)
    assert source_of(sources_alone(tmp_path).rules, "shop").topic == "shop"


def test_the_mappings_of_the_page_can_be_read(tmp_path: Path) -> None:
    blocks = re.findall(r"^```text\n((?:source|columns):.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for each in blocks:
        (tmp_path / "m.yaml").write_text(each)
        assert read_mapping(str(tmp_path / "m.yaml")).columns
