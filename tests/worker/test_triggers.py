"""The trigger stage: rules to what the runtime is told, and back from what it restores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from stream.clock import Clock
from stream.rules.model import RuleSet
from stream.runtime.stage import HandsOn, Paged, Performs
from stream.structs import Batch, WireRecord
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.engine.enginekit import DAY, MINUTE, T0, Rules, rec

CLOCK = Clock(lambda: T0 + DAY, by_event_time=True)
ENDED = frozenset({"clicks", "orders", "profiles"})


class Kept(NamedTuple):
    """A record as it is read back from its topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = -1


def rules_of(*more: str) -> RuleSet:
    rules = Rules().rule("hello", "view", limit=(1, DAY))
    for name in more:
        rules.rule(name, "view")
    return rules.build()


def stage_of(rules: RuleSet) -> TriggerStage:
    return TriggerStage(rules, "app", Metrics())


def outcomes(records: Iterable[WireRecord]) -> list[tuple[str, str, str]]:
    bodies = [orjson.loads(each.value or b"") for each in records if each.topic == "decisions"]
    return [(each["rule"], each["outcome"], each["revision"]) for each in bodies]


def step(partition: TriggerPartition, *records: object) -> Sequence[WireRecord]:
    batch = Batch(0, {"clicks": list(records)}, ENDED)  # type: ignore[arg-type]
    return partition.step(batch, CLOCK, 1000).records


def test_what_it_asks_of_the_runtime_is_a_store_and_nothing_else() -> None:
    partition = stage_of(rules_of()).open(0)
    assert isinstance(partition, Paged)
    assert not isinstance(partition, HandsOn | Performs)


def test_outputs_are_those_of_the_rules_in_force() -> None:
    stage = stage_of(rules_of())
    topics = {channel.topic for channel in stage.rules.channels}
    assert set(stage.outputs) == topics | {"decisions", "dead-letters"}
    assert set(stage.sources.values()) == {source.topic for source in stage.rules.sources}


def test_a_step_says_how_far_it_came_and_what_is_to_be_written() -> None:
    partition = stage_of(rules_of()).open(0)
    batch = Batch(0, {"clicks": [rec(0, 0, "view"), rec(1, MINUTE, "nothing")]}, ENDED)
    done = partition.step(batch, CLOCK, 1000)
    assert dict(done.positions) == {"clicks": 2}
    assert done.watermark == T0 + MINUTE
    assert [each.topic for each in done.records][-1] == "decisions"
    assert not done.more
    assert not done.checkpoint


async def test_all_partitions_go_over_to_other_rules_and_keep_what_they_know() -> None:
    stage = stage_of(rules_of())
    one, two = stage.open(0), stage.open(1)
    step(one, rec(0, 0, "view"))
    new = rules_of("also")
    await stage.switch(new)
    assert one.state.rules is two.state.rules is new
    after = outcomes(step(one, rec(1, MINUTE, "view")))
    assert {(rule, outcome) for rule, outcome, _ in after} == {("hello", "suppressed"), ("also", "sent")}
    assert {revision for *_, revision in after} == {new.revision}


def test_what_is_taken_and_loaded_again_is_the_same_partition_with_its_checkpoint() -> None:
    stage = stage_of(rules_of())
    first = stage.open(0)
    step(first, rec(0, 0, "view"))
    changed = first.take_changed(b"how far")
    assert changed[-1][0] == b"", "the checkpoint comes last"
    second = stage.open(0)
    second.load([Kept(offset, key, value) for offset, (key, value) in enumerate(changed)])
    second.ready()
    second.resume({}, [])
    assert second.checkpoint == b"how far"
    assert second.figures.keys == 1
    assert outcomes(step(second, rec(1, MINUTE, "view")))[0][:2] == ("hello", "suppressed"), "its limit"


def test_offsets_of_a_topic_made_anew_are_not_taken_for_those_applied() -> None:
    stage = stage_of(rules_of("also"))
    partition = stage.open(0)
    step(partition, rec(0, 0, "view"), rec(1, 1, "view"))
    assert outcomes(step(partition, rec(1, MINUTE, "view"))) == [], "it was applied"
    partition.resume({"clicks": 2}, [])
    assert [rule for rule, *_ in outcomes(step(partition, rec(0, MINUTE, "view")))] == ["also", "hello"]


def test_what_a_former_owner_wrote_is_decided_the_same_again() -> None:
    stage = stage_of(rules_of())
    written = step(stage.open(0), rec(0, 0, "view"))
    found = [
        stage.read_written(each.topic, Kept(offset, each.key, each.value, each.headers))
        for offset, each in enumerate(written)
    ]
    assert {each.identity for each in found if each is not None} == {stage.identity(each) for each in written}
    heir = stage.open(0)
    heir.resume({}, [each for each in found if each is not None])
    again = step(heir, rec(0, 0, "view"))
    assert {stage.identity(each) for each in again} <= {stage.identity(each) for each in written}
    heir.recovered()
    assert outcomes(step(heir, rec(1, MINUTE, "view")))[0][:2] == ("hello", "suppressed")


def test_anothers_records_are_not_recovered() -> None:
    stage = stage_of(rules_of())
    trigger = step(stage.open(0), rec(0, 0, "view"))[0]
    other = TriggerStage(stage.rules, "another", Metrics())
    assert other.read_written(trigger.topic, Kept(0, trigger.key, trigger.value, trigger.headers)) is None
