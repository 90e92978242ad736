"""A rule set's definitions as plain data, by which its decisions can be read later."""

from __future__ import annotations

import json
from pathlib import Path

from stream.rules.compiler.rule_set import load_rules
from stream.rules.definitions import definitions

RULES = Path(__file__).parents[2] / "rules"


def test_what_a_rule_said_can_be_read_from_its_revision(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(
        "sources: {clicks: {event: event, customer: customer_id}}\n"
        "traits: {views: {function: count, of: view, where: event.price > 5}}\n"
        "channels: {web: {topic: triggers.web, consent: none}}\n"
        "rules:\n"
        "  seen:\n"
        "    steps:\n"
        "      - {on: view, where: event.price > 5, as: first}\n"
        "      - {on: cart, where: event.sku == first.sku}\n"
        "    if: traits.views > 1\n"
        "    holdout: 10%\n"
        "    send:\n"
        "      channel: web\n"
        "      variants: [{name: a, share: 100%, content: {text: 'Hello {{ event.sku }}'}}]\n"
    )
    rules = load_rules(tmp_path)
    said = definitions(rules)
    assert said["revision"] == rules.revision
    rule = said["rules"]["seen"]
    del rule["stable_id"]
    assert rule == {
        "steps": [
            {"on": ["view"], "where": "event.price > 5", "name": "first"},
            {"on": ["cart"], "compares": "event.sku == first.sku"},
        ],
        "channels": ["web"],
        "condition": "traits.views > 1",
        "variants": [{"name": "a", "share": 10_000, "content": {"text": "Hello {{ event.sku }}"}}],
        "holdout": 1_000,
    }
    assert said["traits"]["views"]["where"] == "event.price > 5"
    assert said["channels"] == {"web": {"topic": "triggers.web"}}


def test_the_example_rules_have_a_form_that_json_can_carry() -> None:
    said = definitions(load_rules(RULES))
    assert json.loads(json.dumps(said)) == said
