"""HTML and SVG as values: what is not markup already is escaped, so that no text of a rule or an event is
ever read as a tag.

Besides `<`, `>`, `&` and quotes, what steers a terminal or a page without being seen becomes U+FFFD:
control characters, halves of surrogate pairs, and the marks that turn the direction of writing for more
than their own text (names and texts stand in `<bdi>`, which keeps the rest of the line as it is).
Tested by tests/authoring/page/test_markup.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

# Control characters but tab and line feed, direction overrides and isolates, halves of pairs, noncharacters.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
MOST_TEXT = 300  # characters of one text


class Html(str):
    """Text that is markup: it is not escaped again."""

    __slots__ = ()


Child = str | int | Iterable["Child"] | None


def element(name: str, *children: Child, **attributes: str | float | None) -> Html:
    """`<name key="…">children</name>`; of attributes `class_` is `class`, and None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[Child]) -> Html:
    return Html("".join(map(_markup, children)))


def own(text: str | None) -> Html:
    """A name or text from outside: shortened, and with a direction of its own."""
    text = text or ""
    return element("bdi", text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…")


def _markup(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return _escaped(child)
    return f"{child:,}" if isinstance(child, int) else joined(child)


def _escaped(text: str) -> str:
    return escape(_UNSEEN.sub("\ufffd", text))
