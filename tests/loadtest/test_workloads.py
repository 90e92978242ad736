"""The load test's inputs: the workloads' bytes do not move and are as described, the rule sets compile."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import orjson
import pytest
from aiokafka.partitioner import DefaultPartitioner
from ruamel.yaml import YAML

from loadtest.report import Run, spreads
from loadtest.rulesets import FAMILIES, ref_rules, stage
from loadtest.workloads import (
    CLICKSTREAM,
    PARTITIONS,
    START_MS,
    TRANSACTIONS,
    LoadEvent,
    dense,
    wide,
)
from stream.errors import SettingsError
from stream.rules.compiler.rule_set import load_rules

RULES = Path(__file__).resolve().parents[2] / "loadtest" / "rules"
SAMPLE = 20_000


def digest(events: Iterable[LoadEvent]) -> str:
    whole = hashlib.sha256()
    for event in events:
        whole.update(repr(event).encode())
    return whole.hexdigest()[:16]


@pytest.fixture(scope="module")
def dense_sample() -> list[LoadEvent]:
    return list(islice(dense(), SAMPLE))


@pytest.fixture(scope="module")
def wide_sample() -> list[LoadEvent]:
    return list(islice(wide(), SAMPLE))


def parsed(events: list[LoadEvent], topic: str) -> list[dict]:
    return [orjson.loads(value) for name, _, _, value, _ in events if name == topic]


def number_of(event: dict) -> int:
    return int(event["customer_id"][1:])


# If these change, every published figure belongs to other events: change them only together.
def test_the_same_seed_gives_the_same_bytes(dense_sample, wide_sample):
    assert digest(dense_sample) == "d12be7e2c37c937f"
    assert digest(wide_sample) == "fbc9e3fc6cf64631"


def test_another_seed_gives_other_bytes():
    assert digest(islice(dense(2), 1000)) != digest(islice(dense(1), 1000))
    assert digest(islice(wide(2), 1000)) != digest(islice(wide(1), 1000))


@pytest.mark.parametrize("count", [1, 4096, 4097, 10_000])
def test_a_shorter_run_is_the_beginning_of_a_longer_one(count, wide_sample):
    assert list(wide(events=count)) == wide_sample[:count]


def test_an_empty_dense_run_is_heartbeats_only():
    assert {orjson.loads(value)["event"] for _, _, _, value, _ in dense(events=0)} == {"heartbeat"}


@pytest.mark.parametrize("sample", ["dense_sample", "wide_sample"])
def test_shares_of_the_events(sample, request):
    events = request.getfixturevalue(sample)
    names = Counter(orjson.loads(value)["event"] for _, _, _, value, _ in events)
    shares = {name: count / SAMPLE for name, count in names.items()}
    expected = {"page_view": 0.54, "product_view": 0.27, "add_to_cart": 0.09, "purchase": 0.1}
    assert shares == pytest.approx(expected, abs=0.015)
    assert sum(len(value) for _, _, _, value, _ in events) / SAMPLE == pytest.approx(200, abs=10)


@pytest.mark.parametrize("sample", ["dense_sample", "wide_sample"])
def test_fields_of_the_events(sample, request):
    events = request.getfixturevalue(sample)
    clicks, purchases = parsed(events, CLICKSTREAM), parsed(events, TRANSACTIONS)
    assert {tuple(each) for each in clicks} == {
        (
            *("event", "customer_id", "ts", "event_id", "page", "sku", "category"),
            *("device", "referrer", "session", "price"),
        )
    }
    assert {tuple(each) for each in purchases} == {
        ("event", "customer_id", "ts", "event_id", "amount", "currency", "items", "store", "channel")
    }
    assert {each["page"] for each in clicks} == {
        *("/home", "/shoes", "/shoes/run", "/bags", "/cart", "/checkout", "/help", "/account")
    }
    assert {each["category"] for each in clicks} == {f"cat{i}" for i in range(40)}
    assert {each["sku"] for each in clicks} == {f"p{i}" for i in range(2000)}
    assert {(each["device"], each["referrer"]) for each in clicks} == {
        (device, referrer)
        for device in ("ios", "android", "desktop")
        for referrer in ("google", "direct", "email", "fb")
    }
    assert {each["store"] for each in purchases} == {f"s{i}" for i in range(50)}
    assert {each["items"] for each in purchases} == {1, 2, 3, 4, 5}
    prices, amounts = [each["price"] for each in clicks], [each["amount"] for each in purchases]
    assert 0 <= min(prices) < 1
    assert 299 < max(prices) <= 300
    assert 0 <= min(amounts) < 2
    assert 198 < max(amounts) <= 200
    assert {(each["event"], each["currency"], each["channel"]) for each in purchases} == {
        ("purchase", "EUR", "web")
    }
    ids = [each["event_id"] for each in clicks + purchases]
    assert len(set(ids)) == len(ids)


def test_dense_customers_have_a_category_and_five_stores(dense_sample):
    clicks = parsed(dense_sample, CLICKSTREAM)
    favourite = sum(each["category"] == f"cat{number_of(each) % 40}" for each in clicks)
    assert favourite / len(clicks) == pytest.approx(0.5 + 0.5 / 40, abs=0.02)
    for each in parsed(dense_sample, TRANSACTIONS):
        assert (int(each["store"][1:]) - number_of(each) * 7) % 50 < 5
    assert len({key for _, _, key, _, _ in dense_sample}) == 2000


def test_wide_customers_have_no_habits(wide_sample):
    clicks = parsed(wide_sample, CLICKSTREAM)
    favourite = sum(each["category"] == f"cat{number_of(each) % 40}" for each in clicks)
    assert favourite / len(clicks) == pytest.approx(1 / 40, abs=0.01)
    near = [
        (int(each["store"][1:]) - number_of(each) * 7) % 50 < 5 for each in parsed(wide_sample, TRANSACTIONS)
    ]
    assert sum(near) / len(near) == pytest.approx(0.1, abs=0.03)
    assert max(number_of(each) for each in clicks) > 49_900


def test_event_times(dense_sample, wide_sample):
    assert [time_ms for *_, time_ms in dense_sample] == [START_MS + 270 * i for i in range(SAMPLE)]
    assert [time_ms for *_, time_ms in wide_sample] == [START_MS + i // 100 for i in range(SAMPLE)]
    assert all(orjson.loads(value)["ts"] == time_ms for _, _, _, value, time_ms in wide_sample)


def test_dense_ends_with_a_heartbeat_for_every_customer_and_topic():
    events = list(dense(events=500))
    heartbeats = events[500:]
    assert len(heartbeats) == 4000
    assert Counter((topic, key) for topic, _, key, _, _ in heartbeats) == {
        (topic, f"c{i:05d}".encode()): 1 for topic in (CLICKSTREAM, TRANSACTIONS) for i in range(2000)
    }
    assert {time_ms for *_, time_ms in heartbeats} == {events[499][4] + 7_200_000}
    bodies = [orjson.loads(value) for _, _, _, value, _ in heartbeats]
    assert {tuple(each) for each in bodies} == {("event", "customer_id", "ts", "event_id")}
    assert {each["event"] for each in bodies} == {"heartbeat"}
    assert len({each["event_id"] for each in bodies}) == 4000


def test_records_lie_where_kafkas_default_partitioner_puts_them(dense_sample):
    default, numbers = DefaultPartitioner(), list(range(PARTITIONS))
    for _, partition, key, value, _ in [*dense_sample[:2000], *islice(dense(events=1), 1, None)]:
        assert orjson.loads(value)["customer_id"].encode() == key
        assert default(key, numbers, numbers) == partition


@pytest.mark.parametrize("size", FAMILIES)
def test_ref_rules_have_the_families_sizes(size):
    files = ref_rules(size)
    families = ("interest", "spender", "checkout", "cart")
    names = {
        family: re.findall(rf"^  ({family}-\d+):$", files[f"{family}.yaml"], re.MULTILINE)
        for family in families
    }
    assert tuple(len(set(names[family])) for family in families) == FAMILIES[size]
    assert sum(FAMILIES[size]) == size


def test_ref_rules_are_the_references():
    files = {name: YAML(typ="safe").load(text).get("rules", {}) for name, text in ref_rules(300).items()}
    assert files["interest.yaml"]["interest-047"] == {
        "on": "product_view",
        "where": "event.category == 'cat7' && event.price > 220",
        "if": "traits.views_1h['cat7'] >= 5",
        "send": {"channel": "interest", "content": {"text": "interest-047"}},
        "limit": "1 per 1d",
    }
    assert files["spender.yaml"]["spender-099"]["where"] == "event.store == 's49'"
    assert files["spender.yaml"]["spender-099"]["if"] == "traits.spend_30d > 480"
    assert files["checkout.yaml"]["checkout-059"]["where"] == "event.page == '/checkout'"
    assert files["checkout.yaml"]["checkout-059"]["if"] == "traits.carts_30m['cat19'] >= 1"
    assert files["cart.yaml"]["cart-039"]["where"] == "event.category == 'cat39'"
    assert files["cart.yaml"]["cart-039"]["unless"] == {"on": "purchase", "within": "30m"}
    assert {rule["again"] for rule in files["cart.yaml"].values()} == {"keep"}


@pytest.mark.parametrize(
    ("rule_set", "rules"), [(str(RULES / "noop"), 1), (str(RULES / "demo"), 10), ("ref300", 300)]
)
def test_the_rule_sets_compile(rule_set, rules, tmp_path):
    compiled = load_rules(stage(rule_set, tmp_path))
    assert len(compiled.rules) == rules
    assert {source.topic for source in compiled.sources} == {CLICKSTREAM, TRANSACTIONS}


@pytest.mark.parametrize("rule_set", ["noop", "demo"])
def test_a_prefix_renames_every_topic_and_nothing_else(rule_set, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "prefixed").mkdir()
    plain = load_rules(stage(str(RULES / rule_set), tmp_path / "plain"))
    prefixed = load_rules(stage(str(RULES / rule_set), tmp_path / "prefixed", prefix="mine-"))
    for kind in ("sources", "channels"):
        names = {each.name: each.topic for each in getattr(plain, kind)}
        assert {each.name: each.topic for each in getattr(prefixed, kind)} == {
            name: f"mine-{topic}" for name, topic in names.items()
        }
    assert [(rule.name, rule.condition, rule.steps) for rule in prefixed.rules] == [
        (rule.name, rule.condition, rule.steps) for rule in plain.rules
    ]


@pytest.mark.parametrize("rule_set", ["ref301", "nowhere", "loadtest/README.md"])
def test_a_rule_set_that_is_not_there_is_said(rule_set, tmp_path):
    with pytest.raises(SettingsError, match=f"no rule set '{rule_set}'"):
        stage(rule_set, tmp_path)


def test_two_rule_sets_of_one_name_are_refused(tmp_path):
    stage("ref300", tmp_path)
    with pytest.raises(SettingsError, match="two rule sets are called 'ref300'"):
        stage("ref300", tmp_path)


def test_spreads_over_runs():
    def run(seconds: float) -> Run:
        return Run(
            rules="noop",
            events=200_000,
            seconds=seconds,
            cpu_seconds=seconds / 2,
            startup_seconds=1,
            startup_cpu_seconds=0.5,
            peak_memory_bytes=2**20,
            customers=7,
            triggers={"a": 2, "b": 3},
        )

    found = spreads([run(4), run(1), run(2)])
    rate = found["events_per_second"]
    assert (rate.minimum, rate.median, rate.maximum) == (50_000, 100_000, 200_000)
    cost = found["cpu_seconds_per_100k"]
    assert (cost.minimum, cost.median, cost.maximum) == (0.25, 0.5, 1.0)
    assert found["triggers"].median == 5
