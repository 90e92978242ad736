"""`every` and `date`: what is understood, and what to write in place of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import Checked, check_rules
from stream.rules.model import LAST_DAY, Occasion

BASE = """
sources:
  clicks: {event: event, customer: c}
  profiles: {kind: profile, customer: c}
channels:
  email: {topic: e, consent: none, address: customer.email}
  web: {topic: w, consent: none, address: event.session}
policy: {timezone: Europe/Berlin}
rules:
  r:
    BEGIN
    send: {channel: email, content: {text: Hello}}
    limit: 1 per 1d
    goal: {on: purchase, within: 1d}
"""


def checked(tmp_path: Path, begin: str, base: str = BASE) -> Checked:
    (tmp_path / "a.yaml").write_text(base.replace("BEGIN", begin))
    return check_rules(tmp_path)


def hints(tmp_path: Path, begin: str, base: str = BASE) -> str:
    found = checked(tmp_path, begin, base)
    return "\n".join(f"{each.severity}: {each.message} ({each.hint})" for each in found.diagnostics)


@pytest.mark.parametrize(
    ("begin", "occasion"),
    [
        ('every: {day: "18:30"}', Occasion("day", 18 * 60 + 30)),
        ('every: {week: monday, at: "09:00"}', Occasion("week", 540, (0,))),
        ('every: {week: [sunday, tuesday], at: "09:00"}', Occasion("week", 540, (1, 6))),
        ('every: {month: 25, at: "08:00"}', Occasion("month", 480, (25,))),
        ('every: {month: [last, 1], at: "00:00"}', Occasion("month", 0, (1, LAST_DAY))),
        ('every: {year: customer.birthday, at: "09:00"}', Occasion("year", 540, (), ("birthday",))),
        (
            'every: {year: customer.family.wedding, before: 2w, at: "09:00"}',
            Occasion("year", 540, (), ("family", "wedding"), 14),
        ),
        ('date: {of: customer.ends, before: 2d, at: "10:00"}', Occasion(None, 600, (), ("ends",), 2)),
        ("date: {of: customer.visit, before: 2h}", Occasion(None, None, (), ("visit",), 7_200_000)),
        ("every: {day: 09:00}", Occasion("day", 540)),  # YAML 1.2 takes it for a text
    ],
)
def test_what_is_understood(tmp_path: Path, begin: str, occasion: Occasion) -> None:
    found = checked(tmp_path, begin)
    assert [str(each) for each in found.diagnostics if "never used" not in each.message] == []
    assert found.rules is not None
    [rule] = found.rules.rules
    assert rule.occasion == occasion
    assert rule.timed
    assert "every" in found.rules.dump() or "once" in found.rules.dump()


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        ('schedule: "0 9 * * 1"', 'write e.g. `every: {week: monday, at: "09:00"}`'),
        ('every: "0 9 * * 1"', 'write `every: {week: monday, at: "09:00"}`'),
        ('every: "30 18 * * *"', 'write `every: {day: "18:30"}`'),
        ('every: "0 8 25 * *"', 'write `every: {month: 25, at: "08:00"}`'),
        ("every: day", 'write `every: {day: "09:00"}`'),
        ("every: Mondays", 'write `every: {week: monday, at: "09:00"}`'),
        ("every: 7d", "write e.g. `every: {week: monday"),
        ('every: {at: "08:00"}', 'each day: `{day: "08:00"}`'),
        ("every: {week: monday}", "`every` needs `at`"),
        ("every: {week: mon, at: '09:00'}", "unknown day of the week `mon`"),
        ("every: {week: Monday, at: '09:00'}", "monday"),
        ("every: {week: monday, at: '9:00'}", 'write "09:00"'),
        ("every: {week: monday, at: 6pm}", 'write "18:00"'),
        ("every: {day: '09:00', at: '09:00'}", "`day` says the time already"),
        ("every: {day: '09:00', week: monday}", "has `day` and `week`"),
        ("every: {week: monday, before: 1d, at: '09:00'}", "`before` goes with `year` only"),
        ("every: {month: 32, at: '09:00'}", "write 1 to 31, or last"),
        ("every: {month: [1, 1], at: '09:00'}", "the day 1 stands twice"),
        ("every: {month: [], at: '09:00'}", "`month` must have 1 to 31 days"),
        ("every: {year: birthday, at: '09:00'}", "write customer.birthday"),
        ("every: {year: event.birthday, at: '09:00'}", "must be an attribute"),
        ("every: {year: 12-24, at: '09:00'}", "must be"),
        ("every: {year: customer.b, before: 12h, at: '09:00'}", "must be whole days"),
        ("every: {year: customer.b, before: 400d, at: '09:00'}", "from 1 to 366 whole days"),
        ("date: {before: 2d}", "`date` needs `of`"),
        ("date: {of: customer.a, before: 2h, at: '09:00'}", "must be whole days"),
        ("date: 2026-03-09", "`date` must be a mapping"),
        ("every: {day: '09:00'}\n    on: a", "has `on` and `every`"),
        ("every: {day: '09:00'}\n    date: {of: customer.a}", "has `every` and `date`"),
        ("every: {day: '09:00'}\n    where: event.x == 1", "ask it of the customer, in `if`"),
        ("every: {day: '09:00'}\n    unless: {on: a, within: 1h}", "`unless` has no place here"),
        ("every: {day: '09:00'}\n    wait: 1h", "say in `at` and `before`"),
        ("every: {day: '09:00'}\n    again: keep", "`again` has no place here"),
        ("every: {day: '09:00'}\n    key: event.sku", "a customer has one clock for each rule"),
        (
            "every: {day: '09:00'}\n    if: event.x == 1",
            "`event` is not visible here: a clock starts the rule",
        ),
        ("every: {day: '09:00'}\n    if: event_time < now", "`event_time` is not visible here"),
    ],
)
def test_what_to_write_instead(tmp_path: Path, begin: str, expected: str) -> None:
    said = hints(tmp_path, begin)
    assert expected in said
    assert "error: " in said


def test_texts_see_no_event(tmp_path: Path) -> None:
    base = BASE.replace("text: Hello", 'text: "{{ event.sku }}"')
    assert "`event` is not visible here" in hints(tmp_path, 'every: {day: "09:00"}', base)


def test_nothing_can_be_sent_to_a_field_of_the_event(tmp_path: Path) -> None:
    base = BASE.replace("channel: email", "channel: [email, web]")
    assert "channel `web` sends to a field of the event, and a clock has none" in hints(
        tmp_path, 'every: {day: "09:00"}', base
    )


def test_without_a_time_zone_some_are_never_told(tmp_path: Path) -> None:
    base = BASE.replace("policy: {timezone: Europe/Berlin}", "")
    assert "warning: rule `r` never begins for customers without a time zone" in hints(
        tmp_path, 'every: {day: "09:00"}', base
    )


def test_another_time_is_another_rule_and_another_text_is_not(tmp_path: Path) -> None:
    def stable_id(begin: str, base: str = BASE) -> str:
        found = checked(tmp_path, begin, base)
        assert found.rules is not None
        return found.rules.rules[0].stable_id

    daily = stable_id('every: {day: "09:00"}')
    assert stable_id('every: {day: "09:01"}') != daily
    assert stable_id('every: {day: "09:00"}', BASE.replace("Hello", "Hi")) == daily


@pytest.mark.parametrize(
    ("start", "at", "after"),
    [
        ("2026-03-02T10:00", "monday 10:00", 0),  # a Monday
        ("2026-03-02T10:00", "monday 09:59", 7 * 1440 - 1),
        ("2026-03-02T10:00", "tuesday 00:00", 14 * 60),
        ("2026-03-27T10:00", "monday 10:00", 3 * 1440 - 60),  # the clocks go forward in between
    ],
)
def test_tests_say_days_of_the_week(tmp_path: Path, start: str, at: str, after: int) -> None:
    test = f"  - {{name: x, start: {start}, events: [{{at: {at}, event: a}}], expect: []}}"
    found = checked(tmp_path, "on: a", f"{BASE}tests:\n{test}\n")
    [read] = found.tests
    assert read.events[0].at == after * 60_000


def test_a_day_and_time_that_the_clocks_leap_over_is_no_time(tmp_path: Path) -> None:
    test = "  - {name: x, start: 2026-03-27T10:00, events: [{at: sunday 02:30, event: a}], expect: []}"
    assert "not on the clocks of Europe/Berlin" in hints(tmp_path, "on: a", f"{BASE}tests:\n{test}\n")
