"""Attributes that stand one level too deep are said, wherever attributes are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.test_misspelt import SHOP, warnings

_ATTRIBUTES = (
    "{email: a@b.c, status: gold, home: {country: DE}, language: de, first_name: Ada, deceased: false}"
)
_MESSAGE = "`attributes` stands within `attributes`: no condition finds there what is `customer.NAME`"


@pytest.mark.parametrize(
    ("right", "nested", "finding"),
    [
        (
            _ATTRIBUTES,
            f"{{attributes: {_ATTRIBUTES}}}",
            f"{_MESSAGE} (put what is in it (email, status, home) one level higher) [W513]",
        ),
        (
            "{at: 0m, source: people, attributes: {illness: none}}",
            "{at: 0m, source: people, attributes: {illness: none, attributes: {illness: flu}}}",
            f"{_MESSAGE} (put what is in it (illness) one level higher) [W513]",
        ),
        (
            "{at: 0m, source: people, attributes: {illness: none}}",
            "{at: 0m, source: people, attributes: {illness: none, consents: [marketing_email]}}",
            "`consents` among the attributes grants nothing (put it beside `attributes`) [W513]",
        ),
    ],
)
def test_attributes_within_attributes_of_a_test_are_warned_of(
    tmp_path: Path, right: str, nested: str, finding: str
) -> None:
    """The test's customer had an object called `attributes`, and no rule found anything in it."""
    assert SHOP.count(right) == 1
    found = warnings(tmp_path, SHOP.replace(right, nested))
    assert [each.partition(" warning: ")[2] for each in found if "within" in each or "among" in each] == [
        finding
    ]


@pytest.mark.parametrize("name", ["attributes", "attributes.illness"])
def test_attributes_within_those_of_a_source_are_warned_of(tmp_path: Path, name: str) -> None:
    people, also = (
        "people: {kind: profile, customer: customer_id",
        "also: {kind: profile, customer: customer_id}",
    )
    text = SHOP.replace(f"{people}}}", f"{people}, attributes: {{{name}: object}}}}\n  {also}")
    (found,) = [each for each in warnings(tmp_path, text) if "within" in each]
    assert found.startswith(f"4:{text.splitlines()[3].index(f'{name}: object') + 1}: warning: {_MESSAGE}")


def test_an_event_may_have_attributes_within_attributes(tmp_path: Path) -> None:
    text = SHOP.replace("event: app_start}", "event: app_start, attributes: {attributes: {a: 1}}}")
    assert warnings(tmp_path, text) == []
