"""What a text of a message can be, what one line is, and which shows nothing.

`text`: values as they are. `line`: a text without control characters, such as a subject: what an event says
cannot begin another header, or a second line. `html` and `json`: values are escaped (`escaping`).
Tested by tests/content/test_formats.py.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

# `html_line` is what `html` is in a field that is a line; nobody says it.
Format = Literal["text", "line", "html", "html_line", "json"]
FORMATS: tuple[Format, ...] = ("text", "line", "html", "json")  # those that rule files may say
LINES = frozenset({"subject", "title", "headline"})  # fields that are lines where nothing else is said
MAX_FIELDS = 64  # of content

# What moves a cursor or ends a line: C0, DEL, C1, and Unicode's separators of lines and paragraphs.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Embeddings, overrides and isolates: they turn around how all that follows is shown.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")

# A character that is seen. Not seen are spaces, controls, and what Unicode says is to be ignored in display;
# nor are the fillers of Hangul and of Braille, which pass for letters.
_SEEN = re.compile(
    "[^\\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)


@lru_cache(maxsize=1024)
def in_field(name: str, form: Format) -> Format:
    """The format of a field of content, where the channel says `form` for all that are not named."""
    if name.lower() not in LINES:
        return form
    return "line" if form == "text" else "html_line" if form == "html" else form


def is_line(form: Format) -> bool:
    return form in ("line", "html_line")


def is_markup(form: Format) -> bool:
    return form in ("html", "html_line")


def one_line(text: str) -> str:
    """The text on one line: a space for each run of control characters, and nothing that turns around."""
    if text.isprintable():  # nearly always
        return text.strip()
    return _BREAKS.sub(" ", _TURNS.sub("", text)).strip(" ")


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing of it."""
    return _SEEN.search(text) is None
