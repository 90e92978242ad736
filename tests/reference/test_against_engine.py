"""The engine against the reference model, on generated worlds.

`STREAM_HISTORIES` says how many worlds are tried (10,000 by default, about two minutes); a failing one is
shrunk, printed as a person reads it, and can be played again with the line that hypothesis prints. Each run
has other worlds; pytest's summary says by which `--hypothesis-seed` a test's are tried once more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

from stream.engine import PartitionState
from stream.runtime.partition_store import StoredPartition
from stream.runtime.rocksdb import DiskStores
from stream.settings import load
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage

from .histories import History, histories
from .player import (
    Player,
    Portion,
    Snapshot,
    assert_ids_stand_for_causes,
    assert_same,
    expected_of,
    order_of,
    restart,
    without_ids,
)
from .rulesets import Dice, strings

# Ten thousand worlds take two minutes; a busy machine may take several times that.
pytestmark = pytest.mark.timeout(900)

WORLDS = int(os.environ.get("STREAM_HISTORIES", "10000"))


def worlds(share: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """So many per cent of the worlds."""
    return settings(
        max_examples=max(1, WORLDS * share // 100),
        deadline=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def portion(faces: bytes) -> Portion:
    dice = Dice(faces)
    take = [dice.pick((1, 0, 2, 3, 10, 60)) for _ in range(4)]
    return Portion(tuple(take), limit=dice.pick((1, 2, 3, 7, 5000)), drain=dice.chance(2))


def first_positions(history: History, snapshot: Snapshot) -> dict[str, int]:
    """Where each source stood when the rules changed last before a snapshot."""
    changes = history.changes[: len(history.changes) - len(snapshot.changes)]
    judged = order_of(history)[: changes[-1].after] if changes else []
    return {source: offset + 1 for source, offset in judged}


SAYS_NOTHING = re.compile(rb'\s*(?:null|"")?\s*')


def after_deletions(history: History, snapshot: Snapshot) -> dict[str, int]:
    """Where each source stood when it last said of somebody, perhaps unknown, that they are gone."""
    return {
        source.name: 1 + record.offset
        for source in history.rules.sources
        if source.kind != "event"
        for record in history.records[source.name]
        if record.offset < snapshot.positions.get(source.name, 0)
        and SAYS_NOTHING.fullmatch(record.value or b"")
    }


EVERYTHING = Portion((1000, 1000, 1000, 1000), 5000, drain=True)
PORTIONS = strings(6, 0, 12).map(lambda each: [portion(faces) for faces in each])
ANY_WORLD = st.one_of(histories(), histories(live=True))


def played(history: History) -> Player:
    player = Player(history)
    player.play()
    player.durable()
    return player


@worlds(25)
@given(ANY_WORLD)
def test_all_in_one_call_is_what_the_model_says(history: History) -> None:
    assert_same(expected_of(history), played(history))


@worlds(20)
@given(ANY_WORLD, PORTIONS)
def test_cut_up_in_any_way_it_is_still_what_the_model_says(history: History, portions: list[Portion]) -> None:
    note(f"portions {portions}")
    player = Player(history)
    player.play(portions)
    assert_same(expected_of(history), player)
    assert player.durable() == played(history).states


@worlds(10)
@given(ANY_WORLD, PORTIONS, PORTIONS)
def test_a_rebalance_that_drops_what_is_at_hand_changes_nothing(
    history: History, before: list[Portion], after: list[Portion]
) -> None:
    note(f"portions {before}, then dropped, then {after}")
    player = Player(history)
    for each in before:
        player.call(each)
    player.state.forget_pending()
    player.read_from(player.positions)
    player.dead_letters.clear()
    player.play(after)
    expected, whole = expected_of(history), played(history)
    assert player.decisions == whole.decisions
    assert without_ids(player.decisions) == without_ids(expected.decisions)
    assert +player.events == +expected.events
    assert player.durable() == whole.states


@worlds(30)
@given(histories(changes=(0, 0, 1)), PORTIONS, PORTIONS, PORTIONS, st.binary(min_size=4, max_size=4))
def test_after_a_crash_it_goes_on_as_if_there_had_been_none(
    history: History, before: list[Portion], lost: list[Portion], after: list[Portion], back: bytes
) -> None:
    """Some calls, a commit, calls whose state is lost, a crash; a new owner reads on, or from earlier.

    Not from before a change of rules: what fitted none is not remembered, and new ones would judge it. Nor
    from before a deletion: of somebody who was not known then it leaves no trace, and who is now would lose.
    """
    note(f"portions {before}, commit, {lost}, crash, {after}; read again from {list(back)}/255 of the way")
    whole, first = played(history), Player(history)
    for each in before:
        first.call(each)
        if each.drain:
            first.durable()  # a commit in between, so that the last one has only what changed since
    first.change_if_due()  # else the second one, reading again, would fire by the old rules what is due
    snapshot = first.snapshot()
    for each in lost:
        first.call(each)
    judged, deleted = first_positions(history, snapshot), after_deletions(history, snapshot)
    positions = {
        name: max(snapshot.positions.get(name, 0) * face // 255, judged.get(name, 0), deleted.get(name, 0))
        for name, face in zip(history.records, back, strict=True)
    }
    second = restart(history, snapshot, positions)
    second.play(after)
    assert first.decisions == whole.decisions[: len(first.decisions)]
    assert second.decisions == whole.decisions[snapshot.decided :]
    assert without_ids(whole.decisions) == without_ids(expected_of(history).decisions)
    if not history.changes:  # else whoever was not seen since has parts that the rules do not know
        assert second.durable() == whole.states


@worlds(15)
@given(histories(changes=(1, 2, 2)), PORTIONS, PORTIONS, PORTIONS)
def test_a_new_worker_may_come_with_new_rules(
    history: History, before: list[Portion], lost: list[Portion], after: list[Portion]
) -> None:
    """The first change is a restart, from what was durable at its point; what came after that is lost."""
    note(f"portions {before}, up to the change, commit, {lost}, crash, {after}")
    change, *later = history.changes
    history = replace(history, changes=(replace(change, restart=True, off=None), *later))
    first = Player(history)
    first.play_until_change(before)
    snapshot = first.snapshot()
    for each in lost:
        first.call(each)
    expected = expected_of(history)
    assume(not expected.looks_back)
    second = restart(history, replace(snapshot, rules=change.rules, changes=later), snapshot.positions)
    second.play(after)
    decisions = first.decisions[: snapshot.decided] + second.decisions
    assert without_ids(decisions) == without_ids(expected.decisions)
    assert_ids_stand_for_causes(expected.decisions, decisions)
    assert second.result.watermark == expected.watermark
    assert second.result.next_deadline == expected.next_deadline
    assert second.state.customers.timers == expected.timers


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> DiskStores:
    folder = str(tmp_path_factory.mktemp("stores"))
    memory = {"STREAM_STORE_MEMORY": str(8 << 20)}
    return DiskStores(
        load({"STREAM_DATA_DIR": folder, "STREAM_STORE": "rocksdb", **memory}, env_file=None), "customers"
    )


def state_of(stored: StoredPartition) -> PartitionState:
    assert isinstance(stored.partition, TriggerPartition)
    return stored.partition.state


@worlds(5)
@given(ANY_WORLD, PORTIONS, strings(24, 1, 1))
def test_a_store_on_disk_changes_nothing(
    stores: DiskStores, history: History, portions: list[Portion], faces: list[bytes]
) -> None:
    """However few customers stay in memory, and however often it is opened again."""
    history = replace(history, changes=(), off={})
    in_memory = played(history)
    player, dice, offset = Player(history), Dice(faces[0]), 0
    stage = TriggerStage(player.rules, "app", Metrics())
    stored = StoredPartition(stage, 0, stores.open(0, "log"), "log")
    stored.begin_anew()
    try:
        player.state = state_of(stored)
        coming = iter(portions)
        while any(player.waiting.values()):
            player.call(next(coming, EVERYTHING))
            changed = stored.take_changed(b"")
            player.states.update(changed)
            offset += len(changed)
            on_the_way = dice.chance(2)
            if on_the_way:  # and the engine goes on meanwhile
                player.call(next(coming, EVERYTHING))
            list(stored.committing(changed, offset, keep=dice.pick((0, 1, 2))))
            if not on_the_way and dice.chance(2):
                stored.close()
                stored = StoredPartition(stage, 0, stores.open(0, "log"), "log")
                assert stored.position == offset or not offset
                player.state = state_of(stored)
                player.read_from(dict(player.positions))
        player.play()
        player.durable()
    finally:
        stored.close()
    assert without_ids(player.decisions) == without_ids(in_memory.decisions)
    assert player.states == in_memory.states
