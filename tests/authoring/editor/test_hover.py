"""What is said of the thing at a place."""

from __future__ import annotations

import pytest

from stream.authoring.editor import pages
from stream.authoring.editor.hover import hover
from stream.authoring.editor.names import KnownNames
from stream.diagnostics import Code
from tests.authoring.editor.test_completion import RULE, names
from tests.kit.editor import at_cursor

__all__ = ["names"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            RULE + "if: traits.vi|ews[event.sku] > 3\n",
            "Trait: `count` (how often), over 1d, one value for each `sku`",
        ),
        (RULE + "if: traits.rhythm.si|nce > 3.0\n", "`traits.rhythm.since`: double"),
        (RULE + "if: segments.ke|en\n", "Segment: `traits.rhythm.mean > 3.0`"),
        (RULE + "if: event.s|ku == 'x'\n", "`event.sku`: string"),
        (RULE + "if: event.cur|rency == 'x'\n", "One of: `EUR`, `USD`."),
        (RULE + "if: event.sku.st|artsWith('x')\n", "string.startsWith(string) → bool"),
        (RULE + "if: no|w > event_time\n", "`now`: timestamp"),
        (RULE + "if: ha|s(event.x)\n", "Whether a field is there."),
        (RULE + 'send: {content: {s: "{{ event.sku | mo¦ney }}"}}\n', "an amount in the customer's locale"),
        (RULE + 'send: {content: {s: "{{ traits.rhy|thm.mean }}"}}\n', "gap"),
        ("rules:\n  a:\n    on: product|_view\n", "Event `product_view`: A product was looked at"),
        ("rules:\n  a:\n    on: product|_view\n", "`order.id` (string)"),
        (RULE + "send: {channel: em|ail}\n", "Channel `email`: to the topic `t`"),
        (RULE + "dis|closes: []\n", "sources of `kind: context`"),
        (RULE + "allow: [W5|05]\n", "**W505 no goal**"),
        ("rules:\n  loo|ked:\n    on: x\n", "- sends to `email`"),
        (
            "tests:\n  - events:\n      - {source: cli|cks}\n",
            "Source `clicks`: events, from the topic `clicks`",
        ),
        ("traits:\n  t:\n    function: ga|p\n", "the time between two occurrences"),
        ("traits:\n  t:\n    of: product_view\n    field: sk|u\n", "`sku`: string"),
        ("tra|its: {}\n", "What is known about a customer"),
    ],
)
def test_what_stands_there_is_explained(names: KnownNames, text: str, said: str) -> None:
    text, place = at_cursor(text)
    offset = sum(len(line) + 1 for line in text.split("\n")[: place["line"]]) + place["character"]
    found = hover(text, offset, names)
    assert found is not None
    assert said in found.markdown


@pytest.mark.parametrize(
    "text",
    [
        RULE + 'send: {content: {s: "traits.vi|ews"}}\n',
        RULE + "if: event.sku == 'tra|its'\n",
        "rules: # tra|its\n",
    ],
)
def test_words_that_are_no_code_are_not(names: KnownNames, text: str) -> None:
    text, place = at_cursor(text)
    offset = sum(len(line) + 1 for line in text.split("\n")[: place["line"]]) + place["character"]
    assert hover(text, offset, names) is None


def test_every_code_has_its_part_of_the_page_and_an_address() -> None:
    assert set(pages.parts()) == {each.value for each in Code}
    assert pages.address("E101").endswith("/diagnostics.md#e101-unknown-key")
