"""Which checkpoint of a compacted changelog says what was known of a customer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.history.changelog import BEGINNING, Kept, checkpoint_of

MINUTE = 60_000


def kept(*offsets: int) -> list[Kept]:
    return [Kept(offset, offset * MINUTE, b"%d" % offset) for offset in offsets]


def found(
    customer: list[Kept], checkpoints: list[Kept], since: int | None = None
) -> tuple[int, int | None] | None:
    at = checkpoint_of(customer, checkpoints, since)
    return None if at is None else (at[0].offset, None if at[1] is None else at[1].offset)


def test_the_first_checkpoint_that_says_something_is_taken() -> None:
    assert found(kept(1, 4), kept(2, 5, 8)) == (2, 1)


def test_what_was_compacted_away_was_taken_for_nothing_known() -> None:
    """The customer's record before checkpoint 2 may be gone, for there is a newer one."""
    assert found(kept(4), kept(2, 5, 8)) == (5, 4)


def test_the_first_events_of_a_new_customer_were_denied() -> None:
    """Of two checkpoints that are left nothing after the first is compacted: there the customer was new."""
    assert found(kept(7), kept(2, 5, 8)) == (5, None)
    assert found(kept(1), [BEGINNING, *kept(2, 5)]) == (-1, None)


def test_with_a_time_the_last_checkpoint_until_then_is_taken() -> None:
    assert found(kept(1, 4), kept(2, 5, 8), since=6 * MINUTE) == (5, 4)
    assert found(kept(1, 4), kept(2, 5, 8), since=1 * MINUTE) == (2, 1)


def test_a_checkpoint_after_which_records_were_deleted_is_passed_over() -> None:
    at = checkpoint_of(kept(1), kept(2, 5), None, lambda checkpoint: checkpoint.offset > 2)
    assert at is not None
    assert at[0].offset == 5


def test_no_checkpoint_says_nothing() -> None:
    assert found(kept(4), kept(2)) is None
    assert found(kept(4), []) is None


@given(
    st.lists(st.sampled_from(["customer", "other", "checkpoint"]), max_size=30),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_however_it_is_compacted_the_state_is_that_of_the_checkpoint(
    log: list[str], kept_too: list[bool]
) -> None:
    """Compaction takes away any record after which there is a newer one of its key."""
    last = {what: offset for offset, what in enumerate(log)}
    # A cleaning takes all records of a key up to some offset, but for the newest.
    cleaned = kept_too.count(True)
    there = [
        (offset, what)
        for offset, what in enumerate(log)
        if offset >= cleaned or last_until(log, what, cleaned) == offset
    ]
    customer = kept(*(offset for offset, what in there if what == "customer"))
    checkpoints = kept(*(offset for offset, what in there if what == "checkpoint"))
    if (at := found(customer, checkpoints)) is not None:
        written = [offset for offset, what in enumerate(log[: at[0]]) if what == "customer"]
        assert at[1] == (written[-1] if written else None)
    elif -1 < last.get("customer", -1) < last.get("checkpoint", -1):
        raise AssertionError("the last checkpoint always says it")


def last_until(log: list[str], what: str, end: int) -> int | None:
    return max((offset for offset, each in enumerate(log[:end]) if each == what), default=None)
