"""What a worker says of an assignment that lacks sources: deleted, grown, or read by others alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from stream.errors import TopologyError
from stream.runtime.restore import REJOINS, _say_why


@pytest.fixture
def logged() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as lines:
        yield lines  # type: ignore[misc]


def test_partitions_added_to_one_source_are_not_taken_for_a_deletion(logged: list[dict[str, object]]) -> None:
    _say_why({"orders"}, {"clicks": 8, "orders": 6}, 1)
    (line,) = logged
    assert line["event"] == "sources_differ_in_partitions"
    assert line["finding"] == "partitions were added to clicks: now 8, orders has 6"
    assert "docs/upgrade.md" in str(line["hint"])


def test_a_source_that_is_gone_is_named(logged: list[dict[str, object]]) -> None:
    _say_why({"orders"}, {"clicks": 8, "orders": 0}, 1)
    assert [(each["event"], each["missing"]) for each in logged] == [("waits_for_topics", ["orders"])]


def test_a_worker_among_others_that_read_less_ends_instead_of_resting_for_ever(
    logged: list[dict[str, object]],
) -> None:
    _say_why({"orders"}, {"clicks": 8, "orders": 8}, REJOINS)
    assert logged == []
    with pytest.raises(TopologyError, match="another worker of this group reads other topics: orders"):
        _say_why({"orders"}, {"clicks": 8, "orders": 8}, REJOINS + 1)
