"""When a clock starts a rule, as a person finds out: by looking at one day after the other.

Reading: a customer has the clocks of all rules from when they are known; what is due by then is not theirs.
After a change of rules all who are known have those of the new ones, from the next event on. Another zone or
date sets a clock anew, unless it still says the time that it said; a day comes once for a rule and customer.
Reading: the day of a date each year is as it is written, first in the year after its own; once, that of a
time is the customer's. A time without a zone is the customer's, too.
Reading: after an outage one decision tells of all times that are too late by then.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from stream.rules.model import Occasion

from .records import EPOCH, look_up


class Due(NamedTuple):
    day: str
    at: int


def next_time(
    occasion: Occasion, attributes: dict[str, Any], zone: tzinfo, after: int, fired: str
) -> Due | None:
    """The first time after `after` of a later day than `fired`."""
    said = read(look_up(attributes, occasion.of), occasion) if occasion.of else None
    if occasion.of and said is None:
        return None
    if isinstance(said, datetime) and occasion.every is None:
        said = said if said.tzinfo else said.replace(tzinfo=zone)
        if occasion.minute is None:
            said = said.astimezone(UTC) - timedelta(milliseconds=occasion.before)
            day, at = said.isoformat(timespec="milliseconds"), ms(said)
            return Due(day, at) if at > after and day > fired else None
        said = said.astimezone(zone)
    if occasion.minute is None:
        return None  # a day is no time of day
    day_of = (EPOCH + timedelta(milliseconds=after)).astimezone(zone).date() - timedelta(days=3)
    for _ in range(2 * 366 + 10 if after > 0 else 70 * 366):  # 0: as of no time that is known
        if is_one(occasion, day_of, said) and day_of.isoformat() > fired:
            minutes = divmod(occasion.minute, 60)
            at = ms(datetime(*day_of.timetuple()[:3], *minutes, tzinfo=zone).astimezone(UTC))
            if at > after:
                return Due(day_of.isoformat(), at)
        day_of += timedelta(days=1)
    return None


def is_one(occasion: Occasion, day: date, said: date | None) -> bool:
    on = day + timedelta(days=occasion.before)
    last = on.day == monthrange(on.year, on.month)[1]
    match occasion.every:
        case "day":
            return True
        case "week":
            return day.weekday() in occasion.days
        case "month":
            return day.day in occasion.days or (last and any(each > day.day for each in occasion.days))
        case "year":
            assert said is not None
            same = on.day == said.day or (last and said.day > on.day)
            return on.year > said.year and on.month == said.month and same
    return said is not None and (on.year, on.month, on.day) == (said.year, said.month, said.day)


def read(said: Any, occasion: Occasion) -> date | None:
    """A date, or a time; None if it is none, as far as the worlds have such."""
    if isinstance(said, int) and not isinstance(said, bool):
        return EPOCH + timedelta(seconds=said)
    if not isinstance(said, str):
        return None
    if occasion.every == "year" and (found := re.fullmatch(r"(?:--)?(\d\d)-(\d\d)", said)):
        return date(4, int(found[1]), int(found[2]))
    try:
        return date.fromisoformat(said) if len(said) == len("2026-03-02") else datetime.fromisoformat(said)
    except ValueError:
        return None


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
