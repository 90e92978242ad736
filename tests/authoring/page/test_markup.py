"""No text from outside becomes markup, or turns the page around it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.authoring.page.markup import MOST_TEXT, Html, element, own


class Read(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text())
def test_a_text_stays_one_text(text: str) -> None:
    read = Read(element("p", text, title=text))
    assert [tag for tag, _ in read.tags] == ["p"]
    assert "".join(read.texts) == read.tags[0][1]["title"]


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", '" onload="x', "<!--", "&lt;b>", "'><img src=x>"]
)
def test_what_looks_like_markup_is_shown_as_it_is(text: str) -> None:
    read = Read(element("p", text, title=text))
    assert ("".join(read.texts), read.tags) == (text, [("p", {"title": text})])


@pytest.mark.parametrize("unseen", ["\x00", "\x1b[31m", "\r", "\u202e", "\u2066", "\u2069", "\ud83d", "\x9b"])
def test_what_steers_unseen_is_replaced(unseen: str) -> None:
    shown = own(f"a{unseen}b")
    assert unseen[0] not in shown
    assert shown.encode().startswith(b"<bdi>a\xef\xbf\xbd")


def test_languages_that_are_written_from_the_right_stay_as_they_are() -> None:
    assert own("שלום \u200fعربى") == "<bdi>שלום \u200fعربى</bdi>"


def test_long_texts_are_cut() -> None:
    assert len(own("x" * 10_000)) == MOST_TEXT + len("<bdi></bdi>")


def test_markup_is_kept_and_numbers_are_grouped() -> None:
    assert element("p", Html("<b>x</b>"), 12_345, None, ["a", "<"]) == "<p><b>x</b>12,345a&lt;</p>"
    assert element("p", class_="soft", aria_label="x", id=None) == '<p class="soft" aria-label="x"></p>'
