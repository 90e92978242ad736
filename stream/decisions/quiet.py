"""Quiet hours: whether it is quiet where the customer is, and when it ends. Pure functions of time and zone.

Tested by tests/decisions/test_quiet.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from stream.decisions.calendar import local_time, ms_of
from stream.rules.model import Quiet


def ends_at(quiet: Quiet, where: tzinfo, at: int) -> int | None:
    """When the quiet hours that `at` (ms) lies in are over, in ms; None outside of them.

    Of an end that the clocks pass twice or leap over, the later moment counts.
    """
    local = local_time(at, where)
    minute = local.hour * 60 + local.minute
    before_midnight = quiet.start <= minute and (quiet.start > quiet.end or minute < quiet.end)
    after_midnight = quiet.start > quiet.end and minute < quiet.end
    if not before_midnight and not after_midnight:
        return None
    day = local.date() + timedelta(days=1 if before_midnight and quiet.start > quiet.end else 0)
    end = datetime(day.year, day.month, day.day, tzinfo=where) + timedelta(minutes=quiet.end)
    return max(ms_of(end.replace(fold=fold)) for fold in (0, 1))
