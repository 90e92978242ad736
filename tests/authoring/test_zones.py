"""Time zones that cannot be read, and what was meant."""

from __future__ import annotations

import json

import pytest

from stream.authoring.replay import ReplayedRecord
from stream.authoring.zones import MOST, UnreadableZones
from stream.hints import did_you_mean_zone


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Berlim", "Europe/Berlin"),
        ("Europe/Berlim", "Europe/Berlin"),
        ("Europe-Berlin", "Europe/Berlin"),
        ("sommertid", None),
        ("", None),
    ],
)
def test_a_zone_without_its_continent_is_found(written: str, meant: str | None) -> None:
    assert did_you_mean_zone(written) == (meant and f"did you mean `{meant}`?")


def profile(value: object) -> ReplayedRecord:
    return ReplayedRecord(0, 0, json.dumps({"id": "c", "attributes": {"timezone": value}}).encode())


def test_what_cannot_be_read_is_counted_and_no_more_than_is_of_use() -> None:
    zones = UnreadableZones()
    readable = [profile(each) for each in ("Europe/Berlin", "+02:00", "utc", None)]
    others = [ReplayedRecord(0, 0, each) for each in (None, b"{", b"[]", b'{"attributes": 3}')]
    zones.look("crm", [*readable, *others, profile("Berlin"), profile("Berlin"), profile(7)])
    assert list(zones.described()) == [
        {"source": "crm", "value": "Berlin", "count": 2, "meant": "did you mean `Europe/Berlin`?"},
        {"source": "crm", "value": "7", "count": 1, "meant": None},
    ]
    zones.look("crm", [profile(f"zone {number}") for number in range(2 * MOST)])
    assert len(zones.counts) == MOST
