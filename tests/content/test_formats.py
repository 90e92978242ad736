"""What one line is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.content.formats import Format, in_field, one_line


@given(st.text())
def test_a_line_has_no_control_characters(text: str) -> None:
    line = one_line(text)
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Zl", "Zp"}
    assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert one_line(line) == line
    assert [char for char in text if char.isalnum()] == [char for char in line if char.isalnum()]


@pytest.mark.parametrize(
    ("name", "said", "form"),
    [
        ("subject", "text", "line"),
        ("Title", "text", "line"),
        ("headline", "html", "html_line"),
        ("headline", "json", "json"),
        ("body", "text", "text"),
        ("body", "html", "html"),
        ("subjects", "text", "text"),
    ],
)
def test_fields_that_are_lines_where_nothing_else_is_said(name: str, said: Format, form: Format) -> None:
    assert in_field(name, said) == form
