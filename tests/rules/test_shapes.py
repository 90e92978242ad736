"""What a tracking plan says of values."""

from __future__ import annotations

import pytest

from stream.rules.shapes import ANYTHING, Shape, either, of_paths, type_of

NUMBER, TEXT = Shape("number"), Shape("string")
ORDER = of_paths(
    {("order", "total"): NUMBER, ("order", "id"): TEXT, ("items",): Shape("list"), ("any",): ANYTHING}
)


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("order", None),
        ("order.total", None),
        ("order.totals", 1),
        ("order.total.x", None),
        ("ordr.total", 0),
        ("items.x", None),
        ("any.x.y", None),
        ("", None),
    ],
)
def test_the_first_part_that_is_not_there(path: str, missing: int | None) -> None:
    assert ORDER.missing(path.split(".") if path else ()) == missing


def test_a_key_that_is_worked_out_may_be_any() -> None:
    assert ORDER.missing((None, "x")) is None
    assert ORDER.at((None, "x")) is ANYTHING


def test_what_lies_at_a_path() -> None:
    assert ORDER.at(("order", "total")) is NUMBER
    assert ORDER.at(("order",)).type == "object"
    assert ORDER.at(("order", "gone")) is ANYTHING


def test_either_has_the_fields_of_both() -> None:
    other = of_paths({("order", "total"): TEXT, ("order", "tax"): NUMBER})
    both = either((ORDER, other))
    assert both.at(("order", "total")).type == "any"
    assert both.at(("order", "tax")) is NUMBER
    assert both.at(("order", "id")) is TEXT
    assert both.missing(("nothing",)) == 0
    assert either((ORDER, ANYTHING)).missing(("nothing",)) is None
    assert either(()) is ANYTHING


def test_either_has_the_values_of_both_if_both_say_them() -> None:
    one, other = Shape("string", values=("a", "b")), Shape("string", values=("b", "c"))
    assert either((one, other)) == Shape("string", values=("a", "b", "c"))
    assert either((one, TEXT)) == TEXT


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        (1, "number"),
        (1.5, "number"),
        ("", "string"),
        ([], "list"),
        ({}, "object"),
        (None, "any"),
    ],
)
def test_the_type_of_a_value(value: object, kind: str) -> None:
    assert type_of(value) == kind
