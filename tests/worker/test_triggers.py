"""The trigger stage: rules to what the runtime is told, and back from what it restores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from stream.clock import Clock
from stream.kafka._packed import unpack
from stream.rules.compiler.rule_set import load_rules
from stream.rules.model import RuleSet
from stream.runtime.stage import HandsOn, Holds, Paged, Performs
from stream.structs import Batch, WireRecord
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.engine.enginekit import DAY, MINUTE, T0, Rec, Rules, rec

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
    return unpack(partition.step(batch, CLOCK, 1000).records)


def test_what_it_asks_of_the_runtime_is_a_store_and_to_be_held_for_a_checkpoint() -> None:
    partition = stage_of(rules_of()).open(0)
    assert isinstance(partition, Paged)
    assert isinstance(partition, HandsOn)
    assert isinstance(partition, Holds)
    assert not isinstance(partition, Performs)


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


WAITING = """
sources: {clicks: {event: event, customer: customer_id, time: ts}}
channels: {web: {topic: web, consent: none}}
rules:
  cart: {on: add, wait: %s, key: event.sku, send: {channel: web, content: {text: %s}}}
  look: {on: view, wait: 3h, send: {channel: web, content: {text: Hi}}}
  for-ever:
    steps: [{on: add, as: begun}, {on: buy}]
    send: {channel: web, content: {text: Hi}}
"""


def waiting(folder: Path, wait: str = "1h", text: str = "Hi", without: str = "") -> RuleSet:
    folder.mkdir(exist_ok=True)
    lines = [
        line for line in (WAITING % (wait, text)).splitlines() if not line.startswith(f"  {without}: {{")
    ]
    (folder / "rules.yaml").write_text("\n".join(lines) if without else WAITING % (wait, text))
    return load_rules(folder)


def clicks(*said: tuple[str, str, str]) -> list[Rec]:
    return [
        Rec(offset, T0, orjson.dumps({"event": event, "customer_id": who, "sku": sku, "ts": T0 // 1000}))
        for offset, (event, who, sku) in enumerate(said)
    ]


async def test_a_rule_was_deleted_and_nobody_said_which_and_how_many_reminders_ended(tmp_path: Path) -> None:
    """The log said `removed: 1`."""
    stage = stage_of(waiting(tmp_path))
    one, two, copy = stage.open(0), stage.open(1), stage.open(2)
    for partition in (one, two):
        partition.resume({}, [])
    step(one, *clicks(("add", "a", "x"), ("add", "a", "y"), ("view", "a", ""), ("add", "b", "x")))
    step(two, *clicks(("add", "c", "x"), ("view", "c", "")))
    step(copy, *clicks(("add", "d", "x")))
    assert list(map(str, await stage.switch(waiting(tmp_path, text="Hello")))) == [], "the text is another"
    assert list(map(str, await stage.switch(waiting(tmp_path, wait="2h")))) == ["cart: 4"]
    assert list(map(str, await stage.switch(waiting(tmp_path, wait="4h")))) == ["cart: 0"], "they had ended"
    assert list(map(str, await stage.switch(waiting(tmp_path, wait="4h", without="look")))) == ["look: 2"]
    assert one.figures.timers + two.figures.timers == 0


async def test_what_may_wait_for_ever_has_no_count_and_the_log_does_not_make_one_up(tmp_path: Path) -> None:
    stage = stage_of(waiting(tmp_path))
    one = stage.open(0)
    one.resume({}, [])
    step(one, *clicks(("add", "a", "x")))
    gone = (tmp_path / "rules.yaml").read_text().partition("  for-ever:")[0]
    (tmp_path / "rules.yaml").write_text(gone)
    assert list(map(str, await stage.switch(load_rules(tmp_path)))) == ["for-ever: 0 or more"]


async def test_customers_on_disk_are_not_read_to_count_what_ends(tmp_path: Path) -> None:
    stage = stage_of(waiting(tmp_path))
    one = stage.open(0)
    stored: dict[bytes, bytes] = {}
    one.read_from(StoredIn(stored))
    one.resume({}, [])
    step(one, *clicks(("add", "a", "x"), ("add", "b", "x")))
    stored.update({key: value for key, value in one.take_changed(b"") if key})
    one.take_notes()
    assert one.evict(1, 100) == 1
    (ended,) = await stage.switch(waiting(tmp_path, without="cart"))
    assert (ended.rule, ended.instances, ended.exact) == ("cart", 1, False)
    assert str(ended) == "cart: 1 or more"


class StoredIn:
    def __init__(self, stored: dict[bytes, bytes]) -> None:
        self.stored = stored

    def get(self, key: bytes, /) -> bytes | None:
        return self.stored.get(key)

    def distrust(self) -> None:
        raise AssertionError


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
