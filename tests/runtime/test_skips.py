"""What an operator has put aside: what the log says of it."""

from __future__ import annotations

from types import SimpleNamespace

import structlog
from faust.types import TP

from stream.runtime.skips import Skips
from stream.structs import Unread

CLICKS = TP("clicks", 3)


def test_an_operator_could_not_see_which_skips_are_in_force() -> None:
    skips = Skips({("clicks", 3): [range(7, 8), range(10, 13)], ("clicks", 4): [range(7, 8)]})
    with structlog.testing.capture_logs() as logs:
        skips.say({CLICKS: 8, TP("orders", 3): 0})
        skips.say({CLICKS: 8})  # after the next rebalance
    assert [(each["event"], each["partition"], each["offset"]) for each in logs] == [
        ("skip_is_behind", 3, "7"),
        ("skips", 3, "10-12"),
    ]


def test_a_record_that_is_skipped_is_said_when_it_is_passed() -> None:
    skips = Skips({("clicks", 3): [range(7, 8)]})
    records = [SimpleNamespace(offset=n, timestamp=0, key=b"k", value=b"v", headers=()) for n in (6, 7, 8)]
    with structlog.testing.capture_logs() as logs:
        found = skips.put_aside(CLICKS, list(records))
    assert [isinstance(each, Unread) for each in found] == [False, True, False]
    assert [(each["event"], each["topic"], each["offset"]) for each in logs] == [("skipped", "clicks", 7)]
