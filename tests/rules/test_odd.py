"""Comparisons that are right, and hold of hardly anything, are warned of; what people mean so is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.check import check
from stream.expression import parse
from stream.rules.odd import odd


@pytest.mark.parametrize(
    ("source", "offset", "hint"),
    [
        ("event.price >= '50'", 15, "write 50;"),
        ("event.price < '49.90'", 14, "double(event.price) and 49.90"),
        ("event.price < '49,90'", 14, "write 49.90;"),
        ("'50' < event.price", 0, "double(event.price) and 50.0"),
        ("event.items.exists(i, i.price > '50')", 32, "double(i.price)"),
        ("event.sku == 'shoe-*'", 13, "startsWith"),
        ("event.sku == '%shoe%'", 13, "contains"),
        ("event.sku != 'shoe%'", 13, "startsWith"),
        ("event.sku in ['a', 'b*']", 19, "wildcards"),
        ("event.sku.startsWith('shoe%')", 21, "write 'shoe'"),
        ("event.sku.contains('*shoe*')", 19, "write 'shoe'"),
        ("event.coupon != 'null'", 16, "`null`"),
        ("now == timestamp('2026-12-24')", 0, "now.getDate("),
        ("timestamp(customer.birthday) == now", 32, "now.getDate("),
        ("timestamp('2026-12-24') == event_time", 27, "`>=` and `<`"),
        ("event.home == '{{ customer.city }}'", 14, "without quotes"),
        ("event.home == '${city}'", 14, "without quotes"),
        ("event.home == 'customer.city'", 14, "without quotes"),
        ("event.size == 's || m'", 14, "in ['a', 'b']"),
        ("traits.orders in [1-5]", 18, "traits.orders >= 1 && traits.orders <= 5"),
        ("event.size == ['s', 'm']", 14, "event.size in …"),
        ("event.size != ['s', 'm']", 14, "!(event.size in …)"),
    ],
)
def test_what_is_probably_meant_otherwise(source: str, offset: int, hint: str) -> None:
    """`event.price >= '50'` was `ok`, never held of a price, and of '9' in quotes it did."""
    (found,) = odd(parse(source))
    assert found.offset == offset
    assert hint in (found.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "event.sku == '4711' && event.zip in ['1010', '8010']",  # numbers that are names
        "event.day >= '2026-01-01' && event.time < '08:30' && event.month >= '02'",
        "event.version > '1.2.3'",
        "event.discount == '50%' || event.discount == '5 %' || event.stars == '*'",
        "traits.favourites == ['shoes', 'bags']",
        "event.tags == [] || event.tags == ['sale']",
        "event.host == 'shop.example' && event.path == 'events.html'",
        "event.name.contains('50%off*')",
        "'a' == 'a*'",
        "event.share.endsWith('50%') && event.path.contains('/*') && event_time == timestamp(event.first)",
    ],
)
def test_what_is_not(source: str) -> None:
    assert list(odd(parse(source))) == []


RULES = """\
sources:
  clicks: {event: event, customer: customer_id}
channels:
  web: {topic: web, consent: none}
rules:
  slip:
    on: view
    limit: 1 per 7d
    goal: {on: purchase, within: 3d}
    if: CONDITION
    send: {channel: web, content: {text: Hi}}
"""


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        (">-\n      event.a > 1   // big ones\n      && event.b > 2", 11),
        ("event.a > 1   // big ones\n      && event.b > 2", 10),
        ("event.a // 2 > 5", 10),
        ("event.url != 'http://a' && event.b // 10 >= 5", 10),
        (">-\n      event.a > 1\n      && event.b > 2 // the big ones", None),
        ("|-\n      event.a > 1   // big ones\n      && event.b > 2", None),
        ("event.url.startsWith('http://a')", None),
        (">-\n      event.url.startsWith('http://a')\n      && event.b > 2", None),
        ("event.a > 1 // not yet, && event.b > 2", None),
    ],
)
def test_a_comment_that_takes_the_rest_is_warned_of(tmp_path: Path, condition: str, line: int | None) -> None:
    """The second line was a part of the comment on the first, and those whom it left out were written to."""
    (tmp_path / "shop.yaml").write_text(RULES.replace("CONDITION", condition), encoding="utf-8")
    checked = check(tmp_path)
    assert checked.rules is not None
    found = [(each.code, each.location.line) for each in checked.diagnostics]
    assert found == ([] if line is None else [("W517", line)])
