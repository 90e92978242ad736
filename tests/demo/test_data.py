"""The two data sets as events, what they hold and in which order; and the profiles that are made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import pytest

from stream.clock import iana_zone
from stream.demo.data import SHIFT_DAYS, DemoEvent, events, profile

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def history() -> list[DemoEvent]:
    return list(events())


@pytest.fixture(scope="module")
def clicks(history: list[DemoEvent]) -> list[DemoEvent]:
    return [event for event in history if event.topic == "clickstream"]


@pytest.fixture(scope="module")
def orders(history: list[DemoEvent]) -> list[DemoEvent]:
    return [event for event in history if event.topic == "transactions"]


@pytest.fixture(scope="module")
def profiles(history: list[DemoEvent]) -> dict[str, dict[str, Any]]:
    return {event.key.decode(): orjson.loads(event.value) for event in history if event.topic == "profiles"}


def test_every_line_of_both_files_is_an_event_and_every_customer_has_a_profile(
    history: list[DemoEvent],
) -> None:
    of_topic = Counter(event.topic for event in history)
    assert of_topic == {
        "profiles": 24_170,
        "clickstream": 31_106,
        "transactions": 69_659,
        "weather": 3_605,  # one for each day of a visit
    }
    assert len({event.key for event in history}) == 24_170


def test_profiles_come_before_all_events(history: list[DemoEvent]) -> None:
    assert {event.topic for event in history[:24_170]} == {"profiles"}
    assert history[24_169].time_ms < history[24_170].time_ms


def test_profiles_are_the_same_every_time() -> None:
    assert profile(b"user_0007") == {
        "attributes": {
            "email": "user_0007@mail.example",
            "push_token": "device-of-user_0007",
            "postal_address": {"street": "143 Example Street", "city": "Exampletown"},
            "phone": "+1 202 555 0142",
            "preferred_channel": "push",
        },
        "consents": {
            "marketing_email": {"granted": True, "at": "2022-11-15T12:00:00Z", "basis": "double opt-in"},
            "push": {"granted": True, "at": "2022-11-15T12:00:00Z", "basis": "app setting"},
            "marketing_post": {"granted": True, "at": "2022-11-15T12:00:00Z", "basis": "order form"},
            "marketing_phone": {"granted": False, "at": "2022-11-15T12:00:00Z"},
        },
    }


def test_shares_of_profiles_are_plausible(profiles: dict[str, dict[str, Any]]) -> None:
    def share(has: Callable[[dict[str, Any]], object]) -> float:
        return sum(1 for each in profiles.values() if has(each)) / len(profiles)

    granted = {
        purpose: share(lambda each, purpose=purpose: each["consents"].get(purpose, {}).get("granted"))
        for purpose in ("marketing_email", "push", "marketing_post", "marketing_phone")
    }
    assert granted == pytest.approx(
        {"marketing_email": 0.57, "push": 0.475, "marketing_post": 0.43, "marketing_phone": 0.19}, abs=0.01
    )
    has = {name: share(lambda each, name=name: name in each["attributes"]) for name in ("email", "timezone")}
    assert has == pytest.approx({"email": 0.95, "timezone": 0.30}, abs=0.01)
    assert 0.005 < share(lambda each: each["attributes"].get("do_not_contact")) < 0.02
    assert share(lambda each: "marketing_email" not in each["consents"]) > 0.04  # never asked


def test_some_expect_a_child_and_most_of_them_want_to_hear_of_it(profiles: dict[str, dict[str, Any]]) -> None:
    expecting = [each for each in profiles.values() if "due_date" in each["attributes"]]
    asking = [each for each in profiles.values() if "pregnancy" in each["consents"]]
    assert len(expecting) / len(profiles) == pytest.approx(0.08, abs=0.01)
    assert len(asking) / len(expecting) == pytest.approx(0.75, abs=0.03)
    for each in asking:
        assert each["consents"]["pregnancy"]["expires"] == each["attributes"]["due_date"]


def test_the_weather_is_there_before_its_day_begins_and_follows_the_seasons(history: list[DemoEvent]) -> None:
    days: dict[tuple[bytes, int], dict[str, Any]] = {}
    for event in history:
        day = event.key, event.time_ms // DAY_MS
        if event.topic == "weather":
            assert event.time_ms % DAY_MS == 0
            days[day] = orjson.loads(event.value)
        assert event.topic != "clickstream" or day in days
    by_month = Counter[str]()
    for each in days.values():
        by_month[each["ts"][:7]] += each["temperature"] >= 25
    assert by_month["2024-01"] == 0
    assert by_month["2024-06"] > 10


def test_addresses_are_examples(profiles: dict[str, dict[str, Any]]) -> None:
    for each in profiles.values():
        attributes = each["attributes"]
        assert attributes.get("email", ".example").endswith(".example")
        assert re.fullmatch(r"\+1 202 555 01\d\d", attributes.get("phone", "+1 202 555 0100"))
        assert attributes.get("postal_address", {}).get("city", "Exampletown") == "Exampletown"


def test_time_zones_are_known(profiles: dict[str, dict[str, Any]]) -> None:
    found = {each["attributes"]["timezone"] for each in profiles.values() if "timezone" in each["attributes"]}
    assert len(found) == 4
    assert all(iana_zone(each) for each in found)


def test_events_are_in_the_order_of_their_time(history: list[DemoEvent]) -> None:
    times = [event.time_ms for event in history]
    assert times == sorted(times)


def test_what_a_visitor_did_within_one_second_keeps_the_order_of_the_file(history: list[DemoEvent]) -> None:
    last: dict[bytes, str] = {}
    for event in history:
        if event.topic == "clickstream":
            event_id = orjson.loads(event.value)["event_id"]
            assert last.get(event.key, "") < event_id  # the file is in order for each user
            last[event.key] = event_id


def test_key_time_and_id_agree_with_the_record(history: list[DemoEvent]) -> None:
    ids = set()
    for event in history:
        value = orjson.loads(event.value)
        assert event.key == value["customer_id"].encode()
        assert datetime.fromisoformat(value["ts"]).timestamp() * 1000 == event.time_ms
        ids.add((event.topic, value.get("event_id", (value["customer_id"], value["ts"]))))
    assert len(ids) == len(history)


def test_events_are_those_of_the_files(history: list[DemoEvent]) -> None:
    by_id = {value.get("event_id"): value for value in (orjson.loads(event.value) for event in history)}
    assert by_id["click-00001"] == {
        "event": "home",
        "customer_id": "user_0000",
        "ts": "2024-03-13T10:21:14Z",
        "event_id": "click-00001",
        "session": "sess_000001",
        "platform": "desktop",
        "acquisition_channel": "email",
        "cohort": "2024-01",
        "lifecycle": "returning",
    }
    assert by_id["order-00003"] == {
        "customer_id": "cdnow-00002",
        "ts": "2023-01-12T19:57:39Z",
        "event_id": "order-00003",
        "amount": 77.0,
        "items": 5,
        "currency": "USD",
    }


def test_both_histories_end_on_one_day(clicks: list[DemoEvent], orders: list[DemoEvent]) -> None:
    assert max(each.time_ms for each in clicks) // DAY_MS == max(each.time_ms for each in orders) // DAY_MS


def test_purchases_are_moved_by_whole_days_and_keep_their_distances(orders: list[DemoEvent]) -> None:
    days = sorted({each.time_ms // DAY_MS for each in orders})
    first, last = (datetime.fromisoformat(day) for day in ("1997-01-01", "1998-06-30"))
    assert days[-1] - days[0] == (last - first).days
    assert SHIFT_DAYS == 9_496


def test_purchases_of_one_customer_and_day_stay_several_at_different_times(orders: list[DemoEvent]) -> None:
    days: dict[tuple[bytes, int], list[int]] = {}
    for each in orders:
        days.setdefault((each.key, each.time_ms // DAY_MS), []).append(each.time_ms)
    several = [times for times in days.values() if len(times) > 1]
    assert len(several) == 1_774
    assert all(len(set(times)) == len(times) for times in several)


def test_purchases_happen_between_eight_and_ten(orders: list[DemoEvent]) -> None:
    hours = Counter(each.time_ms % DAY_MS // 3_600_000 for each in orders)
    assert set(hours) == set(range(8, 22))
    assert max(hours.values()) < 1.1 * min(hours.values())


def test_the_two_shops_have_no_customer_in_common(clicks: list[DemoEvent], orders: list[DemoEvent]) -> None:
    assert not {each.key for each in clicks} & {each.key for each in orders}
