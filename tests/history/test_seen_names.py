"""Names that the rules ask for, and that the past does not have: a file whose names are others was a table of
zeros, without a word.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.main import cli

RULES = """
sources:
  clicks: {event: event, customer: user}
  till: {event: {is: sale}, customer: user}
channels: {web: {topic: web, consent: none}}
traits: {views: {function: count, of: [view, page_view]}}
rules:
  left:
    on: cart
    unless: {on: [purchased, sale], within: 1d}
    if: traits.views >= 0
    send: {channel: web, content: {text: Hi}}
    limit: 1 per 1d
    goals: [{on: purchase, within: 3d}, {on: view, within: 1d}]
"""
PAST = [
    {"event": "view", "user": "a", "timestamp": "2026-03-02T10:00:00Z"},
    {"event": "cart", "user": "a", "timestamp": "2026-03-02T10:01:00Z"},
    {"event": "purchase", "user": "a", "timestamp": "2026-03-02T10:02:00Z"},
]


def played(folder: Path, past: list[dict[str, object]], *, rules: str = RULES) -> dict[str, object]:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "r.yaml").write_text(rules)
    (folder / "past.jsonl").write_text("".join(json.dumps(each) + "\n" for each in past))
    done = CliRunner().invoke(
        cli,
        ["backtest", str(folder / "rules"), str(folder / "past.jsonl"), "--json", "--until", "2026-04-01"],
    )
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_everybody_was_reminded_as_unless_waited_for_a_name_that_nobody_sends(tmp_path: Path) -> None:
    found, past = played(tmp_path, PAST), tmp_path / "past.jsonl"
    assert found["absent_events"] == ["page_view", "purchased", "sale"]
    assert found["notes"] == [
        f"no `page_view` came, which traits.views asks for (did you mean `view`? First {past}:1)",
        "no `purchased` came, which `unless` of rule left asks for "
        f"(did you mean `purchase`? First {past}:3)",
        "no `sale` came, which `unless` of rule left asks for",
    ]


def test_what_a_source_names_itself_has_come_with_its_records(tmp_path: Path) -> None:
    sale = {"source": "till", "user": "a", "timestamp": "2026-03-02T10:03:00Z"}
    assert played(tmp_path, [*PAST, sale])["absent_events"] == ["page_view", "purchased"]


def test_a_part_of_the_past_does_not_fill_the_screen(tmp_path: Path) -> None:
    names = ", ".join(f"event_{number}" for number in range(99))
    rules = RULES.replace("of: [view, page_view]", f"of: [view, {names}]").replace("purchased, sale", "sale")
    found = played(tmp_path, PAST, rules=rules)
    assert isinstance(found["notes"], list)
    assert len(found["notes"]) == 11
    assert found["notes"][-1] == "nor did 90 more events that are asked for: --json has their names"


@pytest.mark.parametrize("value", ["49.90", [1], True, {"sum": 1}])
def test_the_worth_of_a_goal_was_nought_as_the_shop_sends_texts(tmp_path: Path, value: object) -> None:
    rules = RULES.replace("{on: purchase, within: 3d}", "{on: purchase, within: 3d, value: order.total}")
    orders = [{**PAST[2], "order": {"total": each}} for each in (5, 5.5, None, value, value)]
    found = played(tmp_path, [*PAST, *orders], rules=rules)
    assert found["goal_values"] == [
        {"rule": "left", "path": "order.total", "count": 2, "first": f"{tmp_path / 'past.jsonl'}:7"}
    ]
    assert (
        "2 × `value` of the goal of rule left counts nothing: `order.total` is there, and is no number"
        in str(found["notes"])
    )


SHOP = """
sources: {shop: {event: event, customer: customer, time: ts}}
channels: {web: {topic: triggers.web, consent: none}}
rules:
  thanks: {on: purchase, where: event.amount > 5, send: {channel: web, content: {text: Hi}}, limit: 1 per 1d}
"""


def notes(folder: Path, **event: object) -> str:
    (folder / "rules").mkdir()
    (folder / "rules" / "a.yaml").write_text(SHOP)
    line = {"customer": "c1", "ts": "2026-03-02T10:00:00Z", **event}
    (folder / "events.jsonl").write_text(f"{json.dumps(line)}\n" * 3 + "no JSON\n")
    done = CliRunner().invoke(cli, ["backtest", str(folder / "rules"), str(folder / "events.jsonl")])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_events_that_are_called_otherwise_were_zeros_without_a_word(tmp_path: Path) -> None:
    said = notes(tmp_path, event="Purchase", amount=50)
    assert "no `purchase` came, which rule thanks asks for (did you mean `Purchase`? First " in said
    assert said.count("`purchase`") == 1


def test_fields_that_are_called_otherwise_were_missing_and_no_more(tmp_path: Path) -> None:
    said = notes(tmp_path, event="purchase", totalAmount=50, Amount=50)
    assert "there is no `event.amount`, first " in said
    assert "events.jsonl:1 (did you mean `Amount`? First " in said
    assert "no `purchase` came" not in said


def test_fields_within_objects_and_attributes_that_are_called_otherwise_were_not_found(
    tmp_path: Path,
) -> None:
    where = "event.order.amount > 5 && customer.age > 18"
    rules = SHOP.replace("event.amount > 5", where.partition(" && ")[0]).replace(
        "limit:", f"if: {where.rpartition(' && ')[2]}, limit:"
    )
    rules = rules.replace("sources: {", "sources: {people: {kind: profile, customer: id}, ")
    people = {"source": "people", "id": "c1", "attributes": {"Age": 30}}
    bought = {"event": "purchase", "customer": "c1", "ts": "2026-03-02T10:00:00Z"}
    past = [people, {**bought, "order": {"amont": 9}}, {**bought, "order": {"amount": 9}}]
    said = str(played(tmp_path, [{"source": "shop", **each} for each in past], rules=rules)["notes"])
    assert "there is no `customer.age`, first " in said
    assert f"(did you mean `Age`? First {tmp_path / 'past.jsonl'}:1)" in said


CONSENTS = """
sources: {people: {kind: profile, customer: id}, shop: {event: event, customer: id, time: ts}}
channels: {mail: {topic: mail, consent: marketing_email, address: customer.email}}
rules: {hi: {on: view, send: {channel: mail, content: {text: Hi}}, limit: 1 per 1d}}
"""


def test_nobody_got_anything_as_the_consent_was_misspelt_in_the_data(tmp_path: Path) -> None:
    """And the report said `consent 2`, as of people who had not consented."""

    def person(number: int, *purposes: str) -> dict[str, object]:
        given = {each: {"granted": True, "at": "2026-03-01T10:00:00Z"} for each in purposes}
        who = {"source": "people", "id": f"c{number}", "timestamp": "2026-03-01T10:00:00Z"}
        return {**who, "attributes": {}, "consents": given}

    view = {"source": "shop", "event": "view", "id": "c1", "ts": "2026-03-02T10:00:00Z"}
    past = tmp_path / "past.jsonl"
    people = [person(1, "marketing_emial", "ads"), person(2, "marketing_sms", "a@mail.example")]
    assert played(tmp_path, [*people, view], rules=CONSENTS)["notes"] == [
        f"no channel asks for the consent `marketing_emial`, first {past}:1 (if it is `marketing_email`, "
        "rename it, or write `consent: marketing_emial` into the channel)",
        f"no channel asks for the consents `ads`, `marketing_sms`, first {past}:1",
    ]
    assert played(tmp_path, [person(1, "marketing_email"), view], rules=CONSENTS)["notes"] == []
