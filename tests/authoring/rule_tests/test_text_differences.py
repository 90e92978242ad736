"""Texts that differ, so that one sees where."""

from __future__ import annotations

from stream.authoring.rule_tests.text_differences import WIDTH, differences


def shown(expected: str, sent: str) -> list[str]:
    return list(differences(expected, sent))


def test_a_short_text_is_shown_with_a_mark_where_it_begins_to_differ() -> None:
    assert shown("Still shoes?", "Still bags?") == ['- "Still shoes?"', '+ "Still bags?"', "^        ^"]
    assert shown("Hi", "Hi ") == ['- "Hi"', '+ "Hi "', "^    ^"]
    assert shown("", "x") == ['- ""', '+ "x"', "^  ^"]


def test_of_a_long_text_the_part_that_differs_is_shown() -> None:
    long = "word " * 200
    lines = shown(long + "cat" + long, long + "dog" + long)
    assert all(len(line) <= WIDTH + 4 for line in lines)
    assert "cat" in lines[0]
    assert "dog" in lines[1]
    assert lines[0][lines[2].index("^", 1)] == "c"
    assert lines[1][lines[2].index("^", 1)] == "d"
    assert lines[0].startswith("- …")
    assert lines[0].endswith("…")


def test_wide_letters_do_not_shift_the_mark() -> None:
    lines = shown("日本a", "日本b")
    assert lines[2] == "^ " + " " * 5 + "^"


def test_of_texts_of_several_lines_those_that_differ_are_shown() -> None:
    expected = "Dear Ada,\n\nyour cart waits.\n\nBye"
    assert shown(expected, expected.replace("waits", "misses you")) == [
        "  … 2 lines the same",
        '- "your cart waits."',
        '+ "your cart misses you."',
        "^            ^",
        "  … 2 lines the same",
    ]
    assert shown("a\nb\nc", "a\nc") == ["  … 1 line the same", '- "b"', "  … 1 line the same"]
    assert shown("a\nc", "a\nb\nc") == ["  … 1 line the same", '+ "b"', "  … 1 line the same"]
    many = shown("\n".join(map(str, range(100))), "\n".join(map(str, range(100, 200))))
    assert len(many) == 21
    assert many[-1] == "  …"


def test_nothing_moves_the_terminals_cursor() -> None:
    assert shown("\x1b[2J", "\u200fx")[:2] == ['- "\\u001b[2J"', '+ "\\u200fx"']
