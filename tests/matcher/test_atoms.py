"""Atoms: which a condition has, and that what they leave out is false, neither true nor an error."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from stream.errors import ExpressionError
from stream.expression import evaluate, parse
from stream.matcher.atoms import LARGEST, Atom, Bound, OneOf, atoms, choose

A, B, KIND = ("a",), ("b",), ("kind",)
CONDITIONS: dict[str, list[Atom]] = {
    "event.a == 's' && event.b > 50": [OneOf(A, ("s",)), Bound(B, True, 50)],
    "event.a in ['s', 't']": [OneOf(A, ("s", "t"))],
    "1 == event.a": [OneOf(A, (1,))],
    "50 >= event.b": [Bound(B, False, 50)],
    "event.a && !event.b": [OneOf(A, (True,), truth=True), OneOf(B, (False,), truth=True)],
    "event.kind == 'x' && event.a > 1 || event.kind == 'y'": [OneOf(KIND, ("x", "y"))],
    "has(event.a) && event.a == null": [OneOf(A, (None,), guarded=True)],
    "event.a.b == 1": [OneOf(("a", "b"), (1,))],
    "event.a == event.b": [],
    "event.a == 's' || event.b > 50": [],
    "event.a != 's'": [],
    f"event.a == {LARGEST + 1}": [],
    "event.a in ['s', event.b]": [],
    "traits.views > 3": [],
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_the_atoms_of_a_condition(text: str) -> None:
    assert atoms(parse(text)) == CONDITIONS[text]


def excludes(atom: Atom, event: dict[str, Any]) -> bool:
    """Whether an index may leave out, by this atom, what asks for it."""
    value: Any = event
    for name in atom.path:
        if not isinstance(value, dict) or name not in value:
            return atom.guarded and value is event
        value = value[name]
    if isinstance(atom, Bound):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (value < atom.value if atom.above else value > atom.value)
    if atom.truth and not isinstance(value, bool):
        return False
    return not any(
        value == each and isinstance(value, bool) == isinstance(each, bool) for each in atom.values
    )


def test_what_an_atom_excludes_is_false() -> None:
    """On every event of a small world."""
    values: list[Any] = [..., None, True, False, 1, 1.0, 60, "s", "x", {"b": 1}]
    excluded = 0
    for text, event in product(CONDITIONS, product(values, repeat=3)):
        fields = {name: value for name, value in zip("ab", event, strict=False) if value is not ...}
        if event[2] is not ...:
            fields["kind"] = event[2]
        for atom in atoms(parse(text)):
            if excludes(atom, fields):
                excluded += 1
                assert evaluate(parse(text), {"event": fields}) is False, (
                    text,
                    fields,
                )
    assert excluded > 4_000


def test_an_event_that_lacks_the_field_is_not_excluded() -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse("event.a == 's'"), {"event": {}})
    assert not excludes(OneOf(A, ("s",)), {})


def test_of_several_atoms_the_one_that_leaves_fewest_to_try_is_chosen() -> None:
    texts = ["event.a == 's' && event.kind == 'x'", "event.a == 't'", "event.a == 'u'", "event.b > 1"]
    assert choose([*map(parse, texts), None]) == [
        OneOf(A, ("s",)),
        OneOf(A, ("t",)),
        OneOf(A, ("u",)),
        Bound(B, True, 1),
        None,
    ]
