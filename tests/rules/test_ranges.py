"""Numbers that a call can give: a comparison that they decide by themselves is said, any other is not.

A rule for December never fired, one for Sundays never did, and `ok: 9 rules` was all that was said.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream.cel import times
from stream.expression import parse
from stream.rules import ranges
from stream.rules.scope import TraitShape, check, rule_scope

TRAITS = {
    "orders": TraitShape("count", per=False),
    "views": TraitShape("count", per=True),
    "spend": TraitShape("sum", per=False),
}
IF = rule_scope(TRAITS, ())


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("now.getMonth() == 12", "`getMonth` is 0 to 11: `== 12` never holds", "December is 11"),
        ("12 == now.getMonth()", "`getMonth` is 0 to 11: `== 12` never holds", "December is 11"),
        ("now.getMonth('UTC') != 12", "`getMonth` is 0 to 11: `!= 12` always holds", "December is 11"),
        ("now.getMonth() < 12", "`getMonth` is 0 to 11: `< 12` always holds", "December is 11"),
        ("now.getMonth() > 11", "`getMonth` is 0 to 11: `> 11` never holds", "December is 11"),
        ("11 < now.getMonth()", "`getMonth` is 0 to 11: `> 11` never holds", "December is 11"),
        ("now.getMonth() in [10, 11, 12]", "`getMonth` is 0 to 11: `12` is never found", "December is 11"),
        ("event_time.getDayOfWeek() == 7", "`getDayOfWeek` is 0 to 6: `== 7` never holds", "Sunday is 0"),
        ("now.getDayOfMonth() == 31", "`getDayOfMonth` is 0 to 30: `== 31` never holds", "getDate()"),
        ("now.getDayOfYear() == 366", "`getDayOfYear` is 0 to 365: `== 366` never holds", "January 1 is 0"),
        ("now.getDate() == 0", "`getDate` is 1 to 31: `== 0` never holds", "the first of a month is 1"),
        ("now.getHours() == 24", "`getHours` is 0 to 23: `== 24` never holds", "midnight is 0"),
        ("now.getHours() >= 24", "`getHours` is 0 to 23: `>= 24` never holds", "midnight is 0"),
        ("now.getHours() <= 24", "`getHours` is 0 to 23: `<= 24` always holds", "midnight is 0"),
        ("now.getHours() < 0", "`getHours` is 0 to 23: `< 0` never holds", "midnight is 0"),
        ("now.getMinutes() == 60", "`getMinutes` is 0 to 59: `== 60` never holds", "a new hour is 0"),
        ("now.getSeconds() > 59", "`getSeconds` is 0 to 59: `> 59` never holds", "a new minute is 0"),
        ("now.getMilliseconds() > 999", "`getMilliseconds` is 0 to 999: `> 999` never holds", "is 0"),
        ("now.getFullYear() == 26", "`getFullYear` is 100 to 9999: `== 26` never holds", "four digits"),
        ("timestamp(event.t).getMonth() == 12", "`getMonth` is 0 to 11: `== 12` never holds", "is 11"),
        ("(now - duration('1d')).getHours() == 24", "`getHours` is 0 to 23: `== 24` never holds", "is 0"),
        ("traits.orders % 3 == 3", "`% 3` is -2 to 2: `== 3` never holds", "leaves 0"),
        (
            "customer.status.lowerAscii() == 'Gold'",
            "`lowerAscii` leaves no capitals: `'Gold'` is never found",
            "write 'gold'",
        ),
        (
            "'gold' == customer.status.upperAscii()",
            "`upperAscii` leaves no small letters: `'gold'` is never found",
            "write 'GOLD'",
        ),
        (
            "event.store.lowerAscii() in ['Wien']",
            "`lowerAscii` leaves no capitals: `'Wien'` is never found",
            "write 'wien'",
        ),
        (
            "event.store.lowerAscii().startsWith('W')",
            "`lowerAscii` leaves no capitals: `'W'` is never found",
            "write 'w'",
        ),
        ("size(event.items) < 0", "`size` is 0 or more: `< 0` never holds", "what is empty has 0"),
        ("event.items.size() > -1", "`size` is 0 or more: `> -1` always holds", "what is empty has 0"),
        ("size(event.items) == 2.5", "`size` is 0 or more: `== 2.5` never holds", "what is empty has 0"),
        ("event.name.indexOf('x') < -1", "`indexOf` is -1 or more: `< -1` never holds", "-1 where"),
        ("traits.orders < 0", "`traits.orders` is 0 or more: `< 0` never holds", "what is empty has 0"),
        (
            "traits.views['a'] == -1",
            "`traits.views` is 0 or more: `== -1` never holds",
            "what is empty has 0",
        ),
    ],
)
def test_a_comparison_with_what_a_call_never_gives_is_said(source: str, message: str, hint: str) -> None:
    (found,) = ranges.decided(parse(source), IF.counts)
    assert found.message == message
    assert hint in (found.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "now.getMonth() == 11",
        "now.getMonth() in [0, 11]",
        "now.getHours() >= 22 && now.getHours() < 24",  # to the end of the day
        "24 > now.getHours()",
        "now.getHours() >= 0 && now.getHours() <= 6",
        "now.getHours() <= 23",
        "now.getDate() == 31 && now.getDate() >= 1",
        "now.getHours() > 8.5",
        "now.getFullYear() >= 1900",
        "now.getMonth() == event.month",
        "(now - timestamp(event.t)).getHours() >= 48",  # of a span of time: all its hours
        "duration(event.d).getMinutes() == 90",
        "size(event.items) > 0 && size(event.items) != 0",
        "event.name.indexOf('x') > -1 && event.name.indexOf('x') == -1",
        "traits.orders == 3.0 && traits.orders > 0 && traits.spend < -5",  # who gives back more
        "event.list.exists(traits, traits.orders < 0)",
        "event.list.exists(now, now.getMonth() == 12)",
    ],
)
def test_any_other_comparison_is_not(source: str) -> None:
    assert check(parse(source), IF) == []
    assert list(ranges.decided(parse(source), IF.counts)) == []


def test_the_ranges_are_those_of_the_functions() -> None:
    """Every hour of a leap year, and its last moment."""
    hours = [datetime(2028, 1, 1, tzinfo=UTC) + timedelta(hours=each) for each in range(366 * 24)]
    moments = [*hours, datetime(2028, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)]
    assert ranges.OF_TIMES.keys() == times.ACCESSORS
    for name, given in ranges.OF_TIMES.items():
        found = {times.part_of(name, times.from_datetime(each)) for each in moments}
        if name != "getFullYear":
            assert (min(found), max(found)) == (given.low, given.high), name


def test_the_page_on_conditions_has_them() -> None:
    page = (Path(__file__).parents[2] / "rules/docs/conditions.md").read_text(encoding="utf-8")
    for name, given in ranges.OF_TIMES.items():
        (row,) = (line for line in page.splitlines() if line.startswith("| ") and f"`t.{name}()`" in line)
        assert name == "getFullYear" or f"| {given} |" in row


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("event.t.getMonth() == 11", "`getMonth` does not fit a field", "write timestamp(event.t)"),
        (
            "customer.birthday.getDate('UTC') == 1",
            "`getDate` does not fit a field and a text",
            "write timestamp(customer.birthday)",
        ),
        (
            "now - event.seen > duration('7d')",
            "`-` does not fit a time and a field",
            "write timestamp(event.seen)",
        ),
        (
            "event.seen + duration('7d') < now",
            "`+` does not fit a field and a duration",
            "write timestamp(event.seen)",
        ),
        ("event.seen['at'] > now", "`>` compares a field with a time", 'write timestamp(event.seen["at"])'),
        (
            "now - timestamp(event.seen) > event.span",
            "`>` compares a duration with a field",
            "write duration(event.span)",
        ),
        ("now > '2026-01-31'", "`>` compares a time with a text", "write timestamp('2026-01-31')"),
        ("event_time - '7d' > now", "`-` does not fit a time and a text", "write duration('7d')"),
    ],
)
def test_a_field_is_no_time_before_it_is_read_as_one(source: str, message: str, hint: str) -> None:
    """`now - event.created_at > duration('7d')` was `ok`, and an error at every event."""
    (found,) = check(parse(source), IF)
    assert (found.message, found.hint) == (message, hint)
    assert found.code is None


@pytest.mark.parametrize(
    "source",
    [
        "now - timestamp(event.seen) > duration(event.span)",
        "event.items.exists(now, now.x > 1)",
        "event.a - event.b > 5 && event.a + event.b == 'xy'",
        "event.seen == null || event.seen > '2026-01-31'",
        "(has(event.seen) ? timestamp(event.seen) : now) < now",
    ],
)
def test_what_is_read_as_a_time_fits(source: str) -> None:
    assert check(parse(source), IF) == []
