"""Switches at a partition: they change at a checkpoint, and whatever is read again is judged as it was."""

from __future__ import annotations

from collections.abc import Sequence

from stream.clock import LATEST
from stream.structs import Batch, Switches, WireRecord
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.engine.enginekit import MINUTE, T0, Rules, rec
from tests.worker.test_triggers import CLOCK, ENDED, Kept, outcomes, stage_of, step

OFF = Switches("topic", 1, {"hello": LATEST})
ON = Switches("topic", 2, {})


def opened() -> tuple[TriggerStage, TriggerPartition]:
    stage = stage_of(Rules().rule("hello", "view").build())
    partition = stage.open(0)
    partition.resume({}, [])
    return stage, partition


def checkpoint(partition: TriggerPartition) -> list[Kept]:
    """All that a checkpoint writes; it is not acknowledged yet."""
    return [Kept(n, key, value) for n, (key, value) in enumerate(partition.take_changed(b"k"))]


def heir_of(stage: TriggerStage, changelog: Sequence[Kept], tail: Sequence[WireRecord]) -> TriggerPartition:
    """The next owner, of what was durable."""
    found = [
        stage.read_written(each.topic, Kept(n, each.key, each.value, each.headers))
        for n, each in enumerate(tail)
    ]
    heir = stage.open(0)
    heir.load(changelog)
    heir.ready()
    heir.resume({}, [each for each in found if each is not None])
    return heir


def told(records: Sequence[WireRecord]) -> list[str]:
    return [outcome for _, outcome, _ in outcomes(records)]


def test_a_switch_is_in_force_from_a_checkpoint_on_and_nothing_is_judged_until_it_is_durable() -> None:
    stage, partition = opened()
    stage.switches = OFF
    assert told(step(partition, rec(0, 0, "view"))) == ["sent"], "until then it is as it was"
    assert not partition.held
    checkpoint(partition)
    assert partition.held
    partition.checkpointed()
    assert not partition.held
    assert told(step(partition, rec(1, MINUTE, "view"))) == ["suppressed"]


def test_a_partition_asks_for_the_checkpoint_that_it_needs_and_for_no_other() -> None:
    stage, partition = opened()
    asks: list[bool] = []

    def ask(n: int) -> None:
        asks.append(partition.step(Batch(0, {"clicks": [rec(n, n, "x")]}, ENDED), CLOCK, 100).checkpoint)

    ask(0)
    stage.switches = OFF
    ask(1)
    checkpoint(partition)
    partition.checkpointed()
    ask(2)
    assert asks == [False, True, False]


def test_what_was_sent_before_the_switch_was_not_sent_again_nor_taken_back_after_a_crash() -> None:
    """The dead owner had judged 0 by the old switches; its decision is lost, or is there."""
    stage, first = opened()
    durable = checkpoint(first)
    stage.switches = OFF
    written = step(first, rec(0, 0, "view"))
    for tail in ([], written[:1], written):
        heir = heir_of(stage, durable, tail)
        again = step(heir, rec(0, 0, "view"))
        if tail:
            assert told(again) == ["sent"]
            assert not heir.is_behind, "not while it recovers"
            checkpoint(heir)
            assert not heir.held
            heir.recovered()
        assert heir.is_behind
        checkpoint(heir)
        heir.checkpointed()
        assert told(step(heir, rec(1, 1, "view"))) == ["suppressed"]


def test_what_was_held_back_by_a_switch_was_sent_after_a_crash_though_it_had_been_enabled_since() -> None:
    """Its decision `suppressed` was not durable; that of a later event was."""
    stage, first = opened()
    stage.switches = OFF
    durable = checkpoint(first)
    first.checkpointed()
    lost, kept = step(first, rec(0, 0, "view")), step(first, rec(1, 1, "view"))
    assert told(lost) == told(kept) == ["suppressed"]
    stage.switches = ON
    heir = heir_of(stage, durable, kept)
    assert told(step(heir, rec(0, 0, "view"), rec(1, 1, "view"))) == ["suppressed"] * 2
    heir.recovered()
    checkpoint(heir)
    heir.checkpointed()
    assert told(step(heir, rec(2, 2, "view"))) == ["sent"]


def test_a_switch_that_was_not_durable_when_its_worker_died_had_judged_nothing() -> None:
    stage, first = opened()
    durable = checkpoint(first)
    written = step(first, rec(0, 0, "view"))
    stage.switches = OFF
    checkpoint(first)
    assert first.held, "and so there is no step before the changelog has it"
    heir = heir_of(stage, durable, written)
    assert told(step(heir, rec(0, 0, "view"))) == ["sent"]


def test_the_next_owner_judges_by_the_switches_of_the_checkpoint() -> None:
    stage, first = opened()
    stage.switches = OFF
    durable = checkpoint(first)
    stage.switches = Switches("topic", 0, {})  # what a worker knew that has heard of nothing since
    heir = heir_of(stage, durable, [])
    assert told(step(heir, rec(0, 0, "view"))) == ["suppressed"]
    assert not heir.is_behind, "what is known is older"


def test_a_topic_that_was_made_anew_counts_though_it_is_shorter() -> None:
    stage, partition = opened()
    stage.switches = OFF
    checkpoint(partition)
    partition.checkpointed()
    stage.switches = Switches("another", 0, {})
    assert partition.is_behind
    checkpoint(partition)
    partition.checkpointed()
    assert told(step(partition, rec(0, 0, "view"))) == ["sent"]


def test_a_switch_ended_when_its_time_was_over_without_anybody_doing_anything() -> None:
    stage, partition = opened()
    stage.switches = Switches("topic", 1, {"hello": T0 + MINUTE})
    checkpoint(partition)
    partition.checkpointed()
    assert told(step(partition, rec(0, MINUTE - 1, "view"), rec(1, MINUTE, "view"))) == ["suppressed", "sent"]


def test_who_uses_no_switches_has_the_same_record_in_the_changelog_as_before() -> None:
    stage, partition = opened()
    stage.switches = Switches("topic", 0, {})
    step(partition, rec(0, 0, "view"))
    assert not partition.is_behind
    assert b"topic" not in (checkpoint(partition)[-1].value or b"")
