"""Quiet hours in the customer's own time: when it is quiet, and when that is over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stream.cel.times import zone
from stream.decisions import quiet
from stream.rules.model import Quiet

NIGHT = Quiet(21 * 60, 8 * 60)
NOON = Quiet(12 * 60, 14 * 60)
NIGHTLY = Quiet(60, 150)  # 01:00-02:30: where clocks are changed
EVENING = Quiet(22 * 60, 24 * 60)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "place", "at", "end"),
    [
        (NIGHT, "UTC", "2026-03-02T20:59:59.999", None),
        (NIGHT, "UTC", "2026-03-02T21:00:00", "2026-03-03T08:00:00"),
        (NIGHT, "UTC", "2026-03-03T07:59:59.999", "2026-03-03T08:00:00"),
        (NIGHT, "UTC", "2026-03-03T08:00:00", None),
        (NIGHT, "America/New_York", "2026-03-03T01:59:00", None),  # 20:59 there
        (NIGHT, "America/New_York", "2026-03-03T02:00:00", "2026-03-03T13:00:00"),
        (NIGHT, "Asia/Kathmandu", "2026-03-03T15:14:00", None),  # 20:59 there
        (NIGHT, "Asia/Kathmandu", "2026-03-03T15:15:00", "2026-03-04T02:15:00"),
        (NOON, "UTC", "2026-03-03T12:00:00", "2026-03-03T14:00:00"),
        (NOON, "UTC", "2026-03-03T11:59:59", None),
        (NOON, "UTC", "2026-03-03T14:00:00", None),
        (EVENING, "UTC", "2026-03-03T23:00:00", "2026-03-04T00:00:00"),
        (EVENING, "UTC", "2026-03-04T00:00:00", None),
        # Berlin, clocks forward on 2026-03-29: 02:30 is leapt over; forward from 02:00 it would be 03:30
        (NIGHTLY, "Europe/Berlin", "2026-03-29T00:30:00", "2026-03-29T01:30:00"),
        # and back on 2026-10-25: 02:30 comes twice, the second time at 01:30 UTC
        (NIGHTLY, "Europe/Berlin", "2026-10-24T23:30:00", "2026-10-25T01:30:00"),
        # a night of nine hours of darkness and one more by the clock
        (NIGHT, "Europe/Berlin", "2026-03-28T20:30:00", "2026-03-29T06:00:00"),
    ],
)
def test_when_it_is_quiet_and_until_when(hours: Quiet, place: str, at: str, end: str | None) -> None:
    assert quiet.ends_at(hours, zone(place), ms(at)) == (end and ms(end))


def test_every_end_is_a_moment_that_is_not_quiet() -> None:
    """Judged again at the end, it must not be put off once more."""
    for place in ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"):
        for hours in (NIGHT, NOON, NIGHTLY, EVENING, Quiet(150, 60)):
            for at in range(ms("2026-01-01T00:00:00"), ms("2027-01-01T00:00:00"), 7 * 3_600_000):
                end = quiet.ends_at(hours, zone(place), at)
                assert end is None or (end > at and quiet.ends_at(hours, zone(place), end) is None)
