"""What the cases of `make bench` send: as many as is said, to the right partitions, when it is due."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import orjson
import pytest
from aiokafka.partitioner import DefaultPartitioner

from loadtest.cases.bursts import by_phase, lost
from loadtest.cases.catch_up import sent_by_the_engine
from loadtest.cases.table import CASES
from loadtest.cases.worlds import FAN_OUT, LOUD, WAITS_MS, events, planned, rule_files, steady
from loadtest.micro.engine import FAR, batches, compile_rules
from stream.clock import Clock
from stream.engine import PartitionState, process

NOW_MS = 1_796_000_000_000


@pytest.mark.parametrize("name", ["wide", "partitions-64", "customers-1m", "hot-catch-up"])
def test_records_lie_where_kafkas_default_partitioner_puts_them(name: str) -> None:
    case = CASES[name]
    default, numbers = DefaultPartitioner(), list(range(case.partitions))
    for _, partition, key, value, _ in islice(events(case, 0.01), 500):
        assert default(key, numbers, numbers) == partition
        assert orjson.loads(value)["customer_id"].encode() == key


def test_many_are_each_there_once_and_a_fifth_again() -> None:
    found = Counter(key for _, _, key, _, _ in events(CASES["customers-1m"], 0.005))
    assert Counter(found.values()) == {1: 4_000, 2: 1_000}


def test_a_state_is_kept_of_each_of_many_customers() -> None:
    """Ten million customers of whom one in ten has a state would be a million."""
    rules = compile_rules(rule_files("many"))
    state, clock = PartitionState(rules), Clock(wall=lambda: FAR, by_event_time=True)
    for batch in batches(events(CASES["customers-1m"], 0.002)):
        process(batch, rules, state, clock, limit=1 << 30)
    assert len(state.customers) == 2_000


def test_half_of_all_events_are_one_customers() -> None:
    found = Counter(key for _, _, key, _, _ in events(CASES["hot-catch-up"], 0.01))
    assert found[LOUD.encode()] * 2 == found.total() == 10_000


def test_the_engine_alone_says_what_must_be_sent(tmp_path) -> None:
    case = CASES["hot-catch-up"]
    for name, text in rule_files(case.rules).items():
        (tmp_path / name).write_text(text)
    purchases = sum(b'"purchase"' in value for _, _, _, value, _ in events(case, 0.001))
    assert sent_by_the_engine(events(case, 0.001), tmp_path) == purchases == 100


def test_a_steady_world_has_its_rate() -> None:
    found = list(steady(CASES["keep-2000"], 0.5))
    assert [each.at for each in found] == [number / 2000 for number in range(1000)]
    times = [orjson.loads(each.value)["ts"] for each in found]
    assert times[-1] - times[0] == 499  # of event time as well


@pytest.mark.parametrize("name", ["burst-timers", "burst-rules", "burst-hot"])
def test_a_burst_comes_after_its_calm_and_others_send_all_the_time(name: str) -> None:
    plan = planned(CASES[name], 0.01, warm=2)
    due = list(plan.due(NOW_MS))
    assert [each.at for each in due] == sorted(each.at for each in due)
    kinds: dict[str, list[float]] = {}
    for each in due:
        kinds.setdefault(orjson.loads(each.value)["event_id"][0], []).append(each.at)
    assert (plan.calm, plan.took) == (10, 10)
    spans = {"w": (0, 2), "c": (2, 12), "b": (12, 22)}
    for letter, (begin, end) in spans.items():
        assert len(kinds[letter]) == 1_000 * (end - begin)
        assert begin <= min(kinds[letter]) <= max(kinds[letter]) < end
    assert len(kinds.get("x", [])) == {"burst-timers": 0, "burst-rules": 10, "burst-hot": 10_000}[name]
    assert min(kinds.get("x", [12])) == 12
    assert len(kinds.get("y", [])) == (12_000 if name == "burst-hot" else 0)


def test_timers_end_evenly_within_the_burst() -> None:
    plan = planned(CASES["burst-timers"], 0.001, warm=2)
    carts = list(plan.before(NOW_MS))
    assert len({key for _, _, key, _, _ in carts}) == 1_000
    ends = [time_ms + WAITS_MS - NOW_MS for *_, time_ms in carts]
    assert (ends[0], ends[500], ends[-1]) == (12_000, 17_000, 21_990)
    assert [plan.timer_at(number) * 1000 for number in (0, 500)] == [12_000, 17_000]


def test_what_is_lost_in_a_burst_is_said() -> None:
    plan = planned(CASES["burst-rules"], 0.01, warm=0)
    due = list(plan.due(NOW_MS))
    right = {orjson.loads(each.value)["event_id"]: [NOW_MS + round(each.at * 1000) + 7] for each in due}
    for id_ in right:
        if id_[0] == "x":
            right[id_] *= FAN_OUT
    assert lost(plan, due, right) == []
    assert lost(plan, due, right | {"b5": []}) == ["1 triggers of 25,000 are missing"]
    assert lost(plan, due, right | {"b5": right["b5"] * 2}) == ["1 triggers too many"]
    found = by_phase(plan, due, right, NOW_MS)
    assert {name: len(each) for name, each in found.items()} == {
        "calm": 10_000,
        "burst": 10_000,
        "own": 5_000,
    }
    assert found["burst"].ms(99) == pytest.approx(7, abs=0.6)
