"""Quiet hours: whether it is quiet where the customer is, and when it ends. Pure functions of time and zone.

Tested by tests/unit/test_quiet.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from stream.program import Policy, Quiet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def zone_of(attributes: Mapping[str, Any], policy: Policy) -> tzinfo | None:
    """The customer's own time zone (attribute `timezone`), else the policy's; None if neither is known."""
    return policy.region.zone_of(attributes)


def ends_at(quiet: Quiet, where: tzinfo, at: int) -> int | None:
    """When the quiet hours that `at` (ms) lies in are over, in ms; None outside of them.

    Of an end that the clocks pass twice or leap over, the later moment counts.
    """
    local = (_EPOCH + at * _MILLISECOND).astimezone(where)
    minute = local.hour * 60 + local.minute
    before_midnight = quiet.start <= minute and (quiet.start > quiet.end or minute < quiet.end)
    after_midnight = quiet.start > quiet.end and minute < quiet.end
    if not before_midnight and not after_midnight:
        return None
    day = local.date() + timedelta(days=1 if before_midnight and quiet.start > quiet.end else 0)
    end = datetime(day.year, day.month, day.day, tzinfo=where) + timedelta(minutes=quiet.end)
    return max((end.replace(fold=fold).astimezone(UTC) - _EPOCH) // _MILLISECOND for fold in (0, 1))
