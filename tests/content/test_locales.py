"""Money and dates as customers write them: by locale and zone, by nothing of the machine's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.cel.times import zone
from stream.content import locales
from stream.content.locales import (
    Region,
    exact_locale,
    find_locale,
    money,
    read_moment,
    read_shift,
    show_moment,
    wrong_format,
)
from stream.events._times import parse_time

AT = "2026-03-02T23:30:00Z"  # the third of March in Berlin


def plain(text: str) -> str:
    """With spaces at which lines may break."""
    return text.replace("\xa0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        (1234.5, "EUR", "en", "€1,234.50"),
        (1234.5, "EUR", "de", "1.234,50 €"),
        (1234.5, "EUR", "de_AT", "€ 1.234,50"),
        (1234.5, "EUR", "fr", "1 234,50 €"),
        (1234, "JPY", "ja", "¥1,234"),
        ("19.90", "USD", "en", "$19.90"),
        (19.9, "USD", "en_CA", "US$19.90"),
        (-5, "GBP", "en_GB", "-£5.00"),
        (-0.0, "EUR", "en", "€0.00"),
        (0.1 + 0.2, "EUR", "en", "€0.30"),
        (999_999_999_999_999, "EUR", "en", "€999,999,999,999,999.00"),
    ],
)
def test_amounts(amount: object, currency: str, locale: str, text: str) -> None:
    found = find_locale(locale)
    assert found is not None
    # ja has a yen sign of its own width
    assert plain(money(amount, currency, found)).replace("￥", "¥") == text


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (1, "EURO"),
        (1, 5),
        (1, None),
        (True, "EUR"),
        (None, "EUR"),
        ("", "EUR"),
        ("1,5", "EUR"),
        ("1e5", "EUR"),
        ("9" * 5000, "EUR"),
        (1e300, "EUR"),
        (10**15, "EUR"),
        (float("nan"), "EUR"),
        (float("inf"), "EUR"),
        ([1], "EUR"),
    ],
)
def test_what_is_no_amount_or_no_currency(amount: object, currency: object) -> None:
    with pytest.raises(ValueError, match=r"amount|currency"):
        money(amount, currency, Region().locale_of({}))


def test_zero_looks_the_same_with_and_without_a_sign() -> None:
    """They are equal, so what was remembered for one was shown for the other."""
    english = Region().locale_of({})
    for amount in (0.0, -0.0, 0, "-0.00", "0"):
        locales._money.cache_clear()
        assert money(amount, "EUR", english) == "€0.00"


@pytest.mark.parametrize(
    ("form", "locale", "place", "text"),
    [
        ("short", "de", "Europe/Berlin", "03.03.26"),
        ("medium", "de", "Europe/Berlin", "03.03.2026"),
        ("long", "de", "Europe/Berlin", "3. März 2026"),
        ("full", "de", "Europe/Berlin", "Dienstag, 3. März 2026"),
        ("full", "de", "America/New_York", "Montag, 2. März 2026"),
        ("long", "en", "Europe/Berlin", "March 3, 2026"),
        ("time", "de", "Europe/Berlin", "00:30"),
        ("time", "en", "America/New_York", "6:30 PM"),
        ("%d.%m.%Y %H:%M:%S", "de", "Asia/Kolkata", "03.03.2026 05:00:00"),
        ("%A, %-d. %B", "fr", "Europe/Paris", "mardi, 3. mars"),
        ("%a %b %e %y %-m %m %j", "en", "UTC", "Mon Mar  2 26 3 03 061"),
        ("%-I:%M %p, %I, %-H, 100%%", "en", "UTC", "11:30 PM, 11, 23, 100%"),
    ],
)
def test_moments(form: str, locale: str, place: str, text: str) -> None:
    assert plain(show_moment(AT, form, Region().locale_of({"locale": locale}), zone(place))) == text


def test_a_day_is_the_same_day_everywhere() -> None:
    """A parcel that comes on the fifth does not come on the fourth for who reads that in New York."""
    english = Region().locale_of({})
    for where in (zone("America/New_York"), zone("Pacific/Auckland"), None):
        assert show_moment("2026-03-05", "long", english, where) == "March 5, 2026"
        assert show_moment("20260305", "%d", english, where) == "05"
        with pytest.raises(ValueError, match="hour"):
            show_moment("2026-03-05", "%d %H", english, where)
        with pytest.raises(ValueError, match="hour"):
            show_moment("2026-03-05", "time", english, where)


def test_without_a_zone_no_moment_is_shown() -> None:
    with pytest.raises(ValueError, match="time zone"):
        show_moment(AT, "long", Region().locale_of({}), None)


@pytest.mark.parametrize(
    "value", ["", "now", "today", "tomorrow", "2026-13-01", "x" * 100, -1, True, None, 1e300]
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        show_moment(value, "long", Region().locale_of({}), UTC)


def test_the_last_moment_has_no_day_further_east() -> None:
    with pytest.raises(ValueError, match="out of range"):
        show_moment("9999-12-31T23:59:59Z", "long", Region().locale_of({}), zone("Asia/Tokyo"))


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)).map(datetime.isoformat)
    | st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.timezones()).map(datetime.isoformat)
    | st.integers(-5, 1 << 50)
    | st.floats(0, 1e16)
    | st.text("0123456789-T:Z+. ", max_size=25)
    | st.sampled_from(["2026-03-02 10:00:00 UTC", "Mon, 2 Mar 2026 10:00:00 +0100", 20_260_302, "20260302"])
    | st.integers(10**15, 10**19).map(str)
)
def test_times_are_read_as_those_of_events_are(value: Any) -> None:
    expected = parse_time(value)
    try:
        found = read_moment(value)
    except ValueError:
        assert expected is None
        return
    if not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    assert (found - datetime(1970, 1, 1, tzinfo=UTC)) // locales._MILLISECOND == expected


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ("long", None),
        ("time", None),
        ("%d.%m.", None),
        ("100%%", None),
        ("lang", "neither a style nor a pattern"),
        ("", "neither a style nor a pattern"),
        ("%Q", "a pattern with `%Q`, which means nothing"),
        ("%d %", "a pattern with `%`, which means nothing"),
        ("%-", "a pattern with `%-`, which means nothing"),
        ("%100d", "a pattern with `%1`, which means nothing"),
        ("%d" * 51, "longer than 100 characters"),
    ],
)
def test_formats(form: str, wrong: str | None) -> None:
    assert wrong_format(form) == wrong


@pytest.mark.parametrize(
    ("own", "policy", "locale"),
    [
        ("de-AT", "fr", "de_AT"),
        ("de_AT", "fr", "de_AT"),
        ("DE", "fr", "de"),
        ("zh-TW", None, "zh_Hant_TW"),
        ("de-XX", "fr", "de"),
        ("tlh", "fr", "fr"),
        ("../../etc/passwd", "fr", "fr"),
        ("x" * 10_000, "fr", "fr"),
        (5, "fr", "fr"),
        (None, "fr", "fr"),
        (None, None, "en"),
        ("\ud800", None, "en"),
    ],
)
def test_the_locale_is_the_customers_else_the_policys_else_english(
    own: object, policy: str | None, locale: str
) -> None:
    assert str(Region(locale=policy).locale_of({"locale": own})) == locale


def test_days_are_dates() -> None:
    assert read_moment("2026-03-05") == date(2026, 3, 5)


def test_days_are_added_on_the_clock_of_the_place() -> None:
    """Three days later is the same hour, though the night in between had one hour less."""
    evening = "2026-03-27T22:30:00Z"  # half past eleven in Berlin, before summer time
    english = exact_locale("en")
    assert english is not None

    def shown(plus: str, minus: str = "") -> str:
        shift = (read_shift(plus), read_shift(minus))
        return show_moment(evening, "%d.%m. %H:%M", english, zone("Europe/Berlin"), shift)

    assert shown("3d") == "30.03. 23:30"
    assert shown("72h") == "31.03. 00:30"
    assert shown("1w1d2h30m") == "05.04. 02:00"
    assert shown("", "1w") == "20.03. 23:30"


@pytest.mark.parametrize("text", ["d", "3", "3d1w", "-3d", "3 d", "99999d", "1s", 3, None])
def test_what_is_no_duration_is_not_added(text: object) -> None:
    with pytest.raises(ValueError, match="no duration"):
        read_shift(text)


@pytest.mark.parametrize("currency", ["eur", "Eur", "EUR"])
def test_an_amount_in_a_payment_services_small_letters_was_not_sent(currency: str) -> None:
    assert money(12, currency, Region().locale_of({})) == "€12.00"
