"""What stands at a place of a text that is being typed: the keys above it, and what is around it."""

from __future__ import annotations

import pytest

from stream.authoring.editor.around import Surroundings, around, seen_at
from stream.authoring.editor.names import KnownNames
from stream.authoring.editor.places import Spot, place_at
from stream.authoring.editor.roles import role_of
from tests.kit.editor import at_cursor

HALF = "rules:\n  a:\n    on: cart\n"


def at(text: str) -> tuple[str, Spot]:
    text, place = at_cursor(text)
    lines = text.split("\n")
    offset = sum(len(line) + 1 for line in lines[: place["line"]]) + place["character"]
    return text, place_at(text, offset)


def definition(text: str) -> tuple[Spot, Surroundings]:
    text, place = at(text)
    return place, around(text, place, KnownNames())


@pytest.mark.parametrize(
    ("text", "path", "written"),
    [
        ("rules:\n  a:\n    on: pur|chase\n", "rules a on", "purchase"),
        ("rules:\n  a:\n    on: [home, pur|chase]\n", "rules a on 1", "purchase"),
        ("rules:\n  a:\n    on: [home,\n         |]\n", "rules a on 1", ""),
        ("rules:\n  a:\n    if: |\n    limit: 3\n", "rules a if", ""),
        ("rules:\n  a:\n    if: x >|\n", "rules a if", "x >"),
        ("rules:\n  a:\n    if: x > |\n    limit: 3", "rules a if", "x > "),
        ("rules:\n  a:\n    if: >-\n      x &&\n      y|\n    on: z\n", "rules a if", "      x &&\n      y"),
        ('rules:\n  a:\n    if: "x \\"y\\" |z"\n    on: z\n', "rules a if", 'x  "y " z'),
        ("rules:\n  a:\n    if: x &&\n      y|\n    on: z\n", "rules a if", "x &&\n      y"),
        ("segments:\n  a: 'x == ''|'\n", "segments a", "x ==  '"),
        ("rules:\n  a:\n    send: {channel: |, content: {s: x}}\n", "rules a send channel", ""),
        ('rules:\n  a:\n    send: {content: {s: "Hi {{ |\n    on: x\n', "rules a send content s", "Hi {{ "),
        ("tests:\n- name: x\n  expect:\n  - {rule: |}\n", "tests 0 expect 0 rule", ""),
        ("tests:\n  - name: x\n  - rule: a|\n", "tests 0 rule", "a"),
        ("oops: [\nrules:\n  : :\n  a:\n    if: traits.|\n", "rules a if", "traits."),
        ("rules:\n  a: &x\n    if: *|\n", "rules a if", "*"),
    ],
)
def test_a_value_and_the_keys_above_it(text: str, path: str, written: str) -> None:
    text, place = at(text)
    assert " ".join(map(str, place.path)) == path
    assert place.written(text) == written


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("|", ""),
        ("ru|", ""),
        ("rules:\n  |", "rules"),
        ("rules:\n  a:\n    |\n    on: x\n", "rules a"),
        ("rules:\n  a:\n    li|\n    on: x\n", "rules a"),
        ("rules:\n  a: {on: x}\n|\n", ""),
        ("rules:\n  a:\n    unless: {on: x, |\n    if: y\n", "rules a unless"),
        ("rules:\n  a:\n    unless: {|}\n", "rules a unless"),
        ("tests:\n  - name: x\n    expect:\n      - at: 3m\n        ru|\n", "tests 0 expect 0"),
        ("rules:\n  a:\n    steps:\n      - on: x\n      - wh|ere: y\n", "rules a steps 1"),
    ],
)
def test_a_key_and_what_is_around_it(text: str, path: str) -> None:
    _, place = at(text)
    assert (" ".join(map(str, place.path)), place.kind) in [(path, "key"), (path, "bare")]


def test_in_a_comment_there_is_nothing() -> None:
    assert at("rules:\n  # a|\n")[1].kind == "comment"
    assert at("rules:\n  a: {on: x}  # b|\n")[1].kind == "comment"


@pytest.mark.parametrize(
    ("text", "on", "steps"),
    [
        (HALF + "    if: x >|\n", ("cart",), {}),
        (HALF + "    unless: {on: [home, buy], where: |\n    if: x\n", ("home", "buy"), {}),
        ("traits:\n  a: {of: buy, where: ev|}\n", ("buy",), None),
        (
            "rules:\n  a:\n    steps:\n      - {on: cart, as: c}\n      - {on: buy, where: c.|}\n"
            "      - {on: z, as: d}\n",
            ("buy",),
            {"c": ("cart",)},
        ),
        (
            "rules:\n  a:\n    steps:\n      - {on: cart, as: c}\n      - {on: buy}\n    if: c.|\n",
            ("buy",),
            {"c": ("cart",)},
        ),
    ],
)
def test_a_condition_sees_its_event_and_earlier_steps(text: str, on: tuple[str, ...], steps: object) -> None:
    place, found = definition(text)
    seen = seen_at(place, found)
    assert (seen.on, seen.steps) == (on, steps)
    role = role_of(place.path)
    assert role is not None
    assert role.kind == "cel"


def test_what_stands_there_already_is_known_though_the_rest_is_half_typed() -> None:
    place, found = definition(HALF + "    li|\n    if: x\n")
    assert found.keys(place.path) == {"on", "if"}
    place, found = definition(HALF + "    unless: {on: x, wi|\n    if: y\n")
    assert found.keys(place.path) == {"on"}


def test_names_that_authors_choose_are_no_keys() -> None:
    role = role_of(("rules", "where", "if"))
    assert role is not None
    assert role.sees == "rule"
    assert role_of(("rules", "a", "send", "content", "where")) == role_of(
        ("rules", "b", "send", "content", "x")
    )
    assert role_of(("tests", 0, "events", 0, "price")) is None
