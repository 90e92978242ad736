"""Money and dates as a customer writes them: amounts, moments and calendar days to text, by locale and zone.

The words and forms are those of the Unicode CLDR, which Babel carries. Pure functions: the machine's clock,
zone and language play no part. Babel reads a locale's data from its package at first use (5 to 25 ms, once)
and keeps it: all 1,147 of them are 210 MB. A formatted amount takes 25 µs, a day 10 µs; those that come again
are remembered.
Tested by tests/content/test_locales.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_currency, list_currencies

from stream.clock import iana_zone, time_zone
from stream.moments import DAY, MOST, Moment, from_number, from_text

DEFAULT_LOCALE = "en"
STYLES = ("short", "medium", "long", "full")
TIME = "time"
MAX_FORMAT = 100  # characters

_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|[0-9]{3}))?", re.ASCII)
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_SHIFT = re.compile(r"(?=[0-9])" + "".join(f"(?:([0-9]{{1,4}}){unit})?" for unit in "wdhm"), re.ASCII)
_DIRECTIVE = re.compile(r"%(-?.|$)", re.DOTALL)
_MOST = 10**15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Region(NamedTuple):
    """What holds for customers who do not say: an IANA time zone, a locale's name. None: not known."""

    timezone: str | None = None
    locale: str | None = None

    def zone_of(self, attributes: Mapping[str, Any]) -> tzinfo | None:
        """The customer's own time zone (attribute `timezone`), else this one; None if neither is known."""
        found = time_zone(attributes.get("timezone"))
        return found or (iana_zone(self.timezone) if self.timezone is not None else None)

    def locale_of(self, attributes: Mapping[str, Any]) -> Locale:
        """The customer's own locale (attribute `locale`, e.g. `de-AT`), else this one, else English."""
        own = attributes.get("locale")
        found = find_locale(own) if isinstance(own, str) else None
        if found is None and self.locale is not None:
            found = find_locale(self.locale)
        return found or _english()


@lru_cache(maxsize=2048)
def find_locale(name: str) -> Locale | None:
    """The locale of a name, or of its language where there is none for its country; None if neither is."""
    parts = name.split("-" if "-" in name else "_")
    tried = (exact_locale("_".join(parts[:count])) for count in range(len(parts), 0, -1))
    return next((each for each in tried if each is not None), None)


def exact_locale(name: str) -> Locale | None:
    """The locale of just this name."""
    if not _LOCALE.fullmatch(name):
        return None
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None


@lru_cache(maxsize=1)
def _english() -> Locale:
    return Locale.parse(DEFAULT_LOCALE)


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """The ISO 4217 codes that there are, or have been."""
    return frozenset(list_currencies())


def money(amount: object, currency: object, locale: Locale) -> str:
    """`€1,234.50` or `1.234,50 €`. `amount`: a number, or a text such as `12.50`. ValueError if it is not a
    number, or the currency does not exist; `eur` is EUR, as payment services write it.
    """
    if not isinstance(currency, str) or (currency := currency.upper()) not in currencies():
        raise ValueError("no currency")
    # `+ 0` makes a negative zero one without a sign: the two are equal, so they must look alike.
    return _money(_amount(amount) + 0, currency, locale)


def _amount(value: object) -> Decimal:
    if type(value) is float or type(value) is int:
        if not -_MOST < value < _MOST:  # not a number is neither
            raise ValueError("an amount that is too large")
        return Decimal(repr(value))
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return Decimal(value)
    raise ValueError("no amount")


@lru_cache(maxsize=4096)
def _money(amount: Decimal, currency: str, locale: Locale) -> str:
    return format_currency(amount, currency, locale=locale)


def read_moment(value: object) -> datetime | date:
    """A moment in UTC, of the forms that events' times may have; what says no hour is a calendar day.

    ISO 8601 (UTC unless it says otherwise), or what `moments` reads. ValueError if it is none, or not of the
    years 1970 to 9999.
    """
    if isinstance(value, str) and len(value) <= MOST and (moment := _of_iso(value)) is not None:
        return moment
    read: Moment | None = None
    if isinstance(value, str):
        read = from_text(value)
    elif type(value) is int or type(value) is float:
        read = from_number(value)
    if read is None:
        raise ValueError("no time")
    found = _EPOCH + read.at * _MILLISECOND
    return found.date() if read.lasts == DAY else found


def _of_iso(text: str) -> datetime | date | None:
    try:
        if "T" in text or "t" in text or " " in text:
            moment = datetime.fromisoformat(text)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment if moment >= _EPOCH else None
        day = date.fromisoformat(text) if len(text) <= len("2026-03-05") else None
    except (ValueError, OverflowError):
        return None
    return day if day is not None and day.year >= _EPOCH.year else None


def wrong_format(form: str) -> str | None:
    """What is wrong with a format of `date`, in words; None: nothing."""
    if form in STYLES or form == TIME:
        return None
    if len(form) > MAX_FORMAT:
        return f"longer than {MAX_FORMAT} characters"
    if "%" not in form:
        return "neither a style nor a pattern"
    for each in _DIRECTIVE.finditer(form):
        if each[1] not in _PARTS:
            return f"a pattern with `{each[0]}`, which means nothing"
    return None


def has_hour(form: str) -> bool:
    """Whether a format that is none of the wrong ones shows more than the day."""
    return form == TIME or any(each[1] in _OF_THE_CLOCK for each in _DIRECTIVE.finditer(form))


class Shift(NamedTuple):
    """How far to move a moment: days of the calendar, and time as a stop watch takes it."""

    days: int = 0
    time: timedelta = timedelta(0)


def read_shift(text: object) -> Shift:
    """`1w2d`, `3d`, `2h30m`, as rule files write durations; empty: not at all. ValueError if it is none."""
    if text == "":
        return Shift()
    found = _SHIFT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("no duration")
    weeks, days, hours, minutes = (int(each or 0) for each in found.groups())
    return Shift(weeks * 7 + days, timedelta(hours=hours, minutes=minutes))


def show_moment(
    value: object,
    form: object,
    locale: Locale,
    zone: tzinfo | None,
    shift: tuple[Shift, Shift] = (Shift(), Shift()),
) -> str:
    """A moment as the clock and calendar of `zone` show it. `form`: one of `STYLES` (the day), `time`, or a
    pattern such as `%d. %B`, whose names are the locale's. `shift`: what is added first, and taken away.

    A calendar day is the same in every zone; it has no hour. ValueError where the value is not a time, the
    form is not a format, or a zone is needed and None.
    """
    if not isinstance(form, str) or wrong_format(form):
        raise ValueError("no format of a date")
    moment = read_moment(value)
    days, time = shift[0].days - shift[1].days, shift[0].time - shift[1].time
    try:
        if isinstance(moment, datetime):
            if zone is None:
                raise ValueError("no time zone")
            moment = (moment + time).astimezone(zone)
        elif time:
            raise ValueError("a day without an hour")
        moment += timedelta(days)  # on the clock of the zone: three days later is the same hour
    except OverflowError:
        raise ValueError("a time out of range") from None
    if isinstance(moment, datetime):
        if form == TIME:
            return format_time(moment.replace(tzinfo=UTC), "short", locale=locale)
    elif has_hour(form):
        raise ValueError("a day without an hour")
    if form in STYLES:
        return _day(date(moment.year, moment.month, moment.day), form, locale)
    return _DIRECTIVE.sub(lambda found: _PARTS[found[1]](moment, locale), form)


@lru_cache(maxsize=4096)
def _day(day: date, style: str, locale: Locale) -> str:
    return format_date(day, style, locale=locale)


def _name_of_month(width: str) -> Any:
    return lambda moment, locale: locale.months["format"][width][moment.month]


def _name_of_day(width: str) -> Any:
    return lambda moment, locale: locale.days["format"][width][moment.weekday()]


def _half_of_day(moment: datetime, locale: Locale) -> str:
    periods = locale.day_periods["format"]["abbreviated"]
    return str(periods["am" if moment.hour < 12 else "pm"])


# What a pattern may say, as in strftime of C; `-` leaves out the leading zero.
_PARTS: Mapping[str, Any] = {
    "Y": lambda moment, _: f"{moment.year:04}",
    "y": lambda moment, _: f"{moment.year % 100:02}",
    "m": lambda moment, _: f"{moment.month:02}",
    "-m": lambda moment, _: f"{moment.month}",
    "B": _name_of_month("wide"),
    "b": _name_of_month("abbreviated"),
    "d": lambda moment, _: f"{moment.day:02}",
    "-d": lambda moment, _: f"{moment.day}",
    "e": lambda moment, _: f"{moment.day:2}",
    "j": lambda moment, _: f"{moment.timetuple().tm_yday:03}",
    "A": _name_of_day("wide"),
    "a": _name_of_day("abbreviated"),
    "H": lambda moment, _: f"{moment.hour:02}",
    "-H": lambda moment, _: f"{moment.hour}",
    "I": lambda moment, _: f"{moment.hour % 12 or 12:02}",
    "-I": lambda moment, _: f"{moment.hour % 12 or 12}",
    "M": lambda moment, _: f"{moment.minute:02}",
    "S": lambda moment, _: f"{moment.second:02}",
    "p": _half_of_day,
    "%": lambda moment, _: "%",
}
_OF_THE_CLOCK = frozenset({"H", "-H", "I", "-I", "M", "S", "p"})
