"""The page about findings, docs/diagnostics.md, of which the wheel has a copy: what is said of a code.

Tested by tests/authoring/editor/test_hover.py.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_NAME = "diagnostics.md"
_PLACES = (Path(__file__).parent / "pages" / _NAME, Path(__file__).parents[3] / "docs" / _NAME)
_PART = re.compile(
    r"^### (?P<code>[EW]\d{3}) (?P<title>[^\n]+)\n(?P<body>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL
)


@cache
def _page() -> Path:
    return next(each for each in _PLACES if each.exists())


@cache
def address(code: str) -> str:
    """Where the part about a code is, for a browser or an editor."""
    title = re.search(rf"^### ({code} [^\n]+)", _page().read_text("utf-8"), re.MULTILINE)
    anchor = re.sub(r"[^\w-]", "", title[1].lower().replace(" ", "-")) if title else ""
    return f"{_page().as_uri()}#{anchor}"


@cache
def parts() -> dict[str, str]:
    """What the page says of each code, as Markdown."""
    page = _page().read_text("utf-8")
    return {
        each["code"]: f"**{each['code']} {each['title']}**\n\n{each['body'].strip()}"
        for each in _PART.finditer(page)
    }
