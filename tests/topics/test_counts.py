"""Which of the topics has the wrong number of partitions."""

from __future__ import annotations

import pytest

from stream.topics.counts import common, odd
from stream.topics.plan import CHANGELOG, CHANNEL, SOURCE, Need

NEEDS = [
    *(Need(name, SOURCE, 0, 3, {}, ()) for name in ("clicks", "orders", "people")),
    Need("web", CHANNEL, 0, 3, {}, ()),
    Need("state", CHANGELOG, 0, 3, {}, ()),
]


@pytest.mark.parametrize(
    ("counts", "wanted", "topics"),
    [
        ({}, None, None),
        ({"web": 4}, None, None),
        ({"clicks": 4, "orders": 4, "people": 4, "state": 4, "web": 9}, 4, None),
        ({"clicks": 6, "orders": 4, "people": 4, "state": 4}, 4, ["clicks"]),
        ({"clicks": 6, "orders": 6, "people": 4, "state": 4}, 4, ["clicks", "orders"]),
        ({"clicks": 6, "orders": 6, "people": 6, "state": 4}, 4, ["clicks", "orders", "people"]),
        ({"clicks": 4, "orders": 6, "people": 6, "state": 6}, 6, ["clicks"]),
        ({"clicks": 6, "orders": 4, "people": 4}, 4, ["clicks"]),
        ({"clicks": 6, "orders": 4}, 6, ["orders"]),
        ({"clicks": 4, "orders": 4, "state": 6}, 4, None),
        ({"state": 6}, 6, None),
    ],
)
def test_the_topic_that_was_changed_is_named_and_not_those_that_were_right(
    counts: dict[str, int], wanted: int | None, topics: list[str] | None
) -> None:
    found = odd(NEEDS, counts)
    assert common(NEEDS, counts) == wanted
    assert (found and found.topics) == topics
    if found is not None and topics is not None:
        assert f"make {' and '.join(topics)} anew with {wanted} " in found.mend
        assert all(f"{topic} has {counts[topic]}" in found.message for topic in counts)
