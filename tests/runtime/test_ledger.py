"""The lane's bookkeeping: what may be committed, what is full, what has ended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import InternalError, TopologyError
from stream.runtime.ledger import BYTES_IN_FLIGHT, Ledger, Reach, TopicPartition

CLICKS = TopicPartition("clickstream", 0)
PURCHASES = TopicPartition("transactions", 0)


def test_offsets_in_work_are_not_committed() -> None:
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 10, 10)
    ledger.hand_out(CLICKS, 10, 20)
    assert ledger.committable() == []
    ledger.finish(CLICKS, 10)
    assert ledger.committable() == [CLICKS]
    assert ledger.take_committable(CLICKS) == 10
    assert ledger.take_committable(CLICKS) is None
    assert ledger.in_flight(CLICKS) == 10


def test_a_position_within_a_lot_can_be_committed() -> None:
    """One topic may be waited for in the middle of another's lot: what is applied is applied."""
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 10, 10)
    ledger.finish(CLICKS, 4)
    assert ledger.take_committable(CLICKS) == 4
    assert ledger.in_flight(CLICKS) == 10, "a lot leaves only as a whole"


def test_a_worker_that_starts_in_the_middle_of_a_topic_commits_what_it_reads() -> None:
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 3, 1003)
    ledger.finish(CLICKS, 1003)
    assert ledger.take_committable(CLICKS) == 1003


@pytest.mark.parametrize("position", [5, 21])
def test_a_position_that_moves_back_or_past_what_was_read_is_our_bug_and_said(position: int) -> None:
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 20, 20)
    ledger.finish(CLICKS, 10)
    with pytest.raises(InternalError, match="clickstream/0"):
        ledger.finish(CLICKS, position)


def test_a_partition_is_full_until_enough_of_it_is_durable() -> None:
    ledger = Ledger(limit=15)
    ledger.hand_out(CLICKS, 10, 10)
    assert ledger.full() == set()
    ledger.hand_out(CLICKS, 10, 20)
    assert ledger.full() == {CLICKS}
    ledger.finish(CLICKS, 10)
    assert ledger.full() == set()


def test_a_topic_has_ended_only_when_what_was_read_has_arrived() -> None:
    ledger = Ledger(limit=100)
    assert not ledger.ended(CLICKS), "never heard of"
    ledger.reached({CLICKS: Reach(position=0, end=0)})
    assert ledger.ended(CLICKS), "empty"
    ledger.hand_out(CLICKS, 5, 5)
    ledger.reached({CLICKS: Reach(position=5, end=5)})
    assert not ledger.ended(CLICKS), "on its way to the lane"
    ledger.arrive(CLICKS)
    assert ledger.ended(CLICKS)
    ledger.reached({CLICKS: Reach(position=5, end=6)})
    assert not ledger.ended(CLICKS), "there is more"
    assert not ledger.ended(PURCHASES)


def test_lag_counts_what_is_not_durable() -> None:
    ledger = Ledger(limit=100)
    ledger.reached({CLICKS: Reach(position=0, end=50)})
    assert ledger.lag(CLICKS) == 50
    ledger.hand_out(CLICKS, 20, 20)
    ledger.reached({CLICKS: Reach(position=20, end=50)})
    assert ledger.lag(CLICKS) == 50
    ledger.finish(CLICKS, 20)
    assert ledger.lag(CLICKS) == 30


def test_a_topic_that_ends_in_what_is_no_record_has_no_lag() -> None:
    """A transaction's marker, what was aborted or compacted: the lag stayed at 1 for ever."""
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 20, 20)
    ledger.reached({CLICKS: Reach(position=25, end=25)})
    assert ledger.lag(CLICKS) == 20
    ledger.finish(CLICKS, 20)
    assert ledger.take_committable(CLICKS) == 20
    ledger.reached({CLICKS: Reach(position=25, end=25)})
    assert ledger.lag(CLICKS) == 0
    assert ledger.take_committable(CLICKS) == 25
    ledger.hand_out(CLICKS, 1, 26)
    ledger.reached({CLICKS: Reach(position=26, end=26)})
    assert ledger.lag(CLICKS) == 1
    ledger.finish(CLICKS, 26)
    assert ledger.take_committable(CLICKS) == 26


def test_a_partition_is_full_of_a_few_large_records_too() -> None:
    """Ten thousand records of a megabyte, a kilobyte each in Kafka, were in flight."""
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 3, 3, size=BYTES_IN_FLIGHT // 2)
    assert ledger.is_filling(CLICKS)
    assert ledger.full() == set()
    ledger.hand_out(CLICKS, 3, 6, size=BYTES_IN_FLIGHT // 2)
    assert ledger.full() == {CLICKS}
    ledger.finish(CLICKS, 3)
    assert ledger.full() == set()
    ledger.finish(CLICKS, 6)
    assert not ledger.is_filling(CLICKS)


def test_after_a_rebalance_nothing_old_is_committed() -> None:
    ledger = Ledger(limit=100)
    ledger.hand_out(CLICKS, 10, 10)
    ledger.hand_out(PURCHASES, 10, 10)
    ledger.finish(CLICKS, 10)
    ledger.forget([CLICKS])
    assert ledger.committable() == []
    assert ledger.in_flight(PURCHASES) == 10
    ledger.forget()
    assert ledger.in_flight(PURCHASES) == 0
    ledger.finish(CLICKS, 10)  # a checkpoint that ends late: its partition is no longer here
    assert ledger.committable() == []


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_commits_only_grow_and_never_pass_what_is_durable(steps: list[tuple[int, int]]) -> None:
    ledger = Ledger(limit=100)
    handed = durable = committed = 0
    for size, advance in steps:
        handed += size
        ledger.hand_out(CLICKS, size, handed)
        durable = min(durable + advance, handed)
        ledger.finish(CLICKS, durable)
        offset = ledger.take_committable(CLICKS)
        if offset is not None:
            assert committed <= offset == durable
            committed = offset
        assert ledger.in_flight(CLICKS) >= handed - durable


def test_offsets_that_go_back_are_an_error() -> None:
    """A topic was deleted and made anew below a running worker: its records were taken for applied ones."""
    ledger = Ledger(limit=10)
    ledger.hand_out(CLICKS, 2, 12)
    with pytest.raises(TopologyError, match="went back from 12 to 3") as caught:
        ledger.hand_out(CLICKS, 3, 3)
    assert "made anew" in (caught.value.hint or "")


def test_what_a_former_owner_made_durable_and_did_not_commit_is_committed() -> None:
    """It was killed between the two: the group showed a lag until something new came, perhaps for days."""
    ledger = Ledger(limit=10)
    ledger.resume(CLICKS, 7, 5)
    assert ledger.take_committable(CLICKS) == 7
    assert ledger.committable() == []
    ledger.hand_out(CLICKS, 2, 9)
    ledger.finish(CLICKS, 9)
    assert ledger.take_committable(CLICKS) == 9


@pytest.mark.parametrize(("committed", "told"), [(7, None), (None, 7), (12, 7)])
def test_the_group_is_told_only_what_it_does_not_know(committed: int | None, told: int | None) -> None:
    ledger = Ledger(limit=10)
    ledger.resume(CLICKS, 7, committed)
    assert ledger.take_committable(CLICKS) == told


def test_the_oldest_in_flight_is_that_of_the_first_lot_that_is_not_durable() -> None:
    ledger = Ledger(100)
    assert ledger.oldest(CLICKS) is None
    ledger.hand_out(CLICKS, 10, 10, appended_at=1_000)
    ledger.hand_out(CLICKS, 10, 20, appended_at=2_000)
    ledger.finish(CLICKS, 9)
    assert ledger.oldest(CLICKS) == 1_000
    ledger.finish(CLICKS, 10)
    assert ledger.oldest(CLICKS) == 2_000
    ledger.finish(CLICKS, 20)
    assert ledger.oldest(CLICKS) is None


def test_what_is_handed_out_waits_for_its_commit() -> None:
    ledger = Ledger(100)
    assert not ledger.uncommitted()
    ledger.hand_out(CLICKS, 10, 10)
    assert ledger.uncommitted()
    ledger.finish(CLICKS, 10)
    assert ledger.uncommitted()
    assert ledger.take_committable(CLICKS) == 10
    assert not ledger.uncommitted()
