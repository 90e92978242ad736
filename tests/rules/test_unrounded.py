"""A text that shows a sum or a mean as it is computed is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

SHOP = """\
sources:
  shop: {event: name, customer: customer_id}
traits:
  spent: {function: sum, of: order, field: total}
  by_shop: {function: mean, of: order, field: total, per: shop}
  rhythm: {function: gap, of: order}
  largest: {function: max, of: order, field: total}
  orders: {function: count, of: order}
channels:
  web: {topic: web, consent: none, format: {data: json}}
policy: {allow: [W501, W505, W510]}
rules:
  thanks:
    on: order
    send: {channel: web, content: {FIELD: "TEXT"}}
"""


def warnings(folder: Path, text: str, field: str) -> list[str]:
    (folder / "a.yaml").write_text(SHOP.replace("TEXT", text).replace("FIELD", field))
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    return [str(each).removeprefix(f"{folder / 'a.yaml'}:") for each in checked.diagnostics]


@pytest.mark.parametrize(
    ("shown", "hint"),
    [
        ("{{ traits.spent }}", "{{ traits.spent | round: 2 }}"),
        ("{{- traits.spent | default: 0 -}}", "{{ traits.spent | default: 0 | round: 2 }}"),
        ("{{ traits.spent | times: 1.1 }}", "{{ traits.spent | times: 1.1 | round: 2 }}"),
        ("{{ traits.by_shop[event.shop] }}", "{{ traits.by_shop[event.shop] | round: 2 }}"),
        ("{{ traits.rhythm.mean }}", "{{ traits.rhythm.mean | round: 2 }}"),
    ],
)
def test_a_sum_of_decimals_was_sent_as_125_53999999999999(tmp_path: Path, shown: str, hint: str) -> None:
    (found,) = warnings(tmp_path, f"In all {shown} €", "text")
    assert found.startswith(f"15:{50 + shown.index('traits')}: warning: `traits.")
    assert found.endswith(f"(write {hint}, or | money: 'EUR') [W404]")


@pytest.mark.parametrize(
    ("shown", "field"),
    [
        (
            "{{ traits.spent | round: 2 }}{{ traits.spent | money: 'EUR' }}{{ traits.rhythm.mean | ceil }}",
            "text",
        ),
        ("{{ traits.largest }} {{ traits.orders }} {{ event.total }}", "text"),
        ("{% if traits.spent > 5 %}x{% endif %}", "text"),
        ("[{{ traits.spent }}]", "data"),
    ],
)
def test_what_is_rounded_or_read_by_a_program_is_not_warned_of(
    tmp_path: Path, shown: str, field: str
) -> None:
    assert warnings(tmp_path, shown, field) == []
