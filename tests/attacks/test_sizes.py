"""Whatever is made fits where it goes: what outsiders make large is cut, refused or evicted, and counted.

Each of these ended the worker, and ended it again at each start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream.clock import Clock
from stream.decisions.wire import DEAD_LETTERS, DECISIONS
from stream.kafka._packed import unpack
from stream.rules.compiler.rule_set import load_rules
from stream.structs import MOST_BYTES, Batch, WireRecord
from stream.telemetry.metrics import Metrics
from stream.worker.triggers import TriggerPartition, TriggerStage
from tests.attacks.sizes import LARGE, RULES
from tests.engine.enginekit import HOUR, T0, Rec

CHANGELOG = "app-customers-changelog"
SMALL = 100_000


class Shop:
    """A partition of the trigger stage, as a worker runs it; topics take `most` bytes."""

    def __init__(self, folder: Path, most: int, rules: str = RULES) -> None:
        (folder / "shop.yaml").write_text(rules.replace("PREFIX", "shop"))
        topics = ("shop-web", "shop-mail", DECISIONS, DEAD_LETTERS, CHANGELOG)
        self.most = most
        self.metrics = Metrics()
        rule_set = load_rules(folder)
        self.metrics.work.declare(["clicks"], [], ["web", "mail"])
        self.stage = TriggerStage(rule_set, "app", self.metrics, None, dict.fromkeys(topics, most))
        self.partition = TriggerPartition(self.stage, 0)
        self.wall, self.offset = T0, 0
        self.clock = Clock(lambda: self.wall)
        self.written: list[WireRecord] = []

    def play(self, events: Sequence[Mapping[str, Any] | bytes], **more: Any) -> None:
        records = []
        for event in events:
            self.offset += 1
            body = {"id": f"e{self.offset}", "customer": "c1", "ts": T0 + self.offset}
            value = event if isinstance(event, bytes) else orjson.dumps(body | dict(event))
            records.append(Rec(self.offset, T0 + self.offset, value, **more))
        step = self.partition.step(Batch(0, {"clicks": records}, frozenset({"clicks"})), self.clock, 5000)
        self.written += unpack(step.records)
        while step.more:
            step = self.partition.step(Batch(0, {}, frozenset({"clicks"})), self.clock, 5000)
            self.written += unpack(step.records)

    def pass_time(self) -> None:
        """Two hours without an event: all timers fire."""
        self.wall += 2 * HOUR
        self.play([])

    def checkpoint(self) -> list[WireRecord]:
        changed = self.partition.take_changed(b"marks")
        records = [WireRecord(CHANGELOG, key, value, ()) for key, value in changed]
        self.written += records
        return records

    def bodies(self, topic: str) -> list[dict[str, Any]]:
        return [orjson.loads(each.value or b"") for each in self.written if each.topic == topic]

    def reasons(self) -> list[str]:
        return [each["reason"] for each in self.bodies(DECISIONS) if each["reason"]]

    def evicted(self) -> float:
        value = self.metrics.registry.get_sample_value(
            "stream_event_errors_total", {"source": "clicks", "reason": "evicted"}
        )
        return value or 0.0

    def assert_all_fits(self) -> None:
        too_large = [(each.topic, each.size) for each in self.written if each.size > self.most]
        assert too_large == []


@pytest.mark.parametrize("most", [MOST_BYTES, SMALL])
@pytest.mark.parametrize("attack", LARGE)
def test_what_is_made_of_large_events_fits_where_it_goes(attack: str, most: int, tmp_path: Path) -> None:
    shop = Shop(tmp_path, most)
    shop.play(LARGE[attack])
    state = shop.checkpoint()
    shop.assert_all_fits()
    heir = Shop(tmp_path, most)
    heir.partition.load([Rec(n, 0, each.value, each.key) for n, each in enumerate(state)])
    heir.partition.ready()
    for each in (shop, heir):
        each.pass_time()
        each.checkpoint()
        each.assert_all_fits()
    assert heir.bodies("shop-web") == [
        each for each in shop.bodies("shop-web") if each["at"] > "2026-03-02T10:20"
    ], "the heir goes on as its former owner would have"


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("an address of a megabyte", {"address", "size"}),
        ("an address that is a large object", {"address", "size"}),
        ("a session of a megabyte in a text", {"content", "size"}),
    ],
)
def test_a_message_that_cannot_be_made_is_suppressed_and_uses_nothing_up(
    attack: str, reason: set[str], tmp_path: Path
) -> None:
    shop = Shop(tmp_path, SMALL)
    shop.play(LARGE[attack])
    assert set(shop.reasons()) <= reason
    assert len(shop.reasons()) == 1
    shop.play([{"event": "bug", "session": "short"}])
    assert len(shop.bodies("shop-web")) == 1, "the limit has room"


def test_a_message_larger_than_its_topic_takes_is_suppressed_for_its_size(tmp_path: Path) -> None:
    shop = Shop(tmp_path, SMALL)
    shop.play([{"event": "bug", "session": "s" * 60_000}])
    assert shop.reasons() == ["size"]
    larger = Shop(tmp_path, MOST_BYTES)
    larger.play([{"event": "bug", "session": "s" * 60_000}])
    assert larger.reasons() == []


def test_an_over_long_event_id_is_a_hash_and_still_tells_events_apart(tmp_path: Path) -> None:
    shop = Shop(tmp_path, MOST_BYTES)
    ids = ["x" * 256, "x" * 257, "x" * 258, "x" * 257]
    shop.play([{"event": "view", "sku": "s", "id": each} for each in ids])
    first, second, third, again = shop.bodies("shop-web")
    assert first["event"]["id"] == "x" * 256
    assert second["event"]["id"].startswith("blake2b:")
    assert len({each["trigger_id"] for each in (first, second, third)}) == 3
    assert second["trigger_id"] == again["trigger_id"]


@pytest.mark.parametrize("attack", [each for each in LARGE if "kB" in each or "traits" in each])
def test_what_makes_room_in_a_customer_is_counted(attack: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, MOST_BYTES)
    shop.play(LARGE[attack])
    shop.checkpoint()
    shop.play([{"event": "other"}])
    assert shop.evicted() >= 1 or "60 kB" in attack


def test_the_newest_stays_when_a_customer_makes_room(tmp_path: Path) -> None:
    shop = Shop(tmp_path, SMALL)
    shop.play(LARGE["1,100 long values in three traits"])
    state = shop.partition.state
    newest, oldest = f"{1099}{'s' * 995}", f"{0}{'s' * 995}"
    assert state.trait("c1", "by_sku", shop.wall, newest) == 1
    assert state.trait("c1", "by_sku", shop.wall, oldest) == 0


def test_small_fields_of_an_event_that_is_too_large_to_be_kept_are_kept(tmp_path: Path) -> None:
    shop = Shop(tmp_path, MOST_BYTES)
    shop.play([{"event": "cart", "session": "s" * 600_000, "sku": "shoe", "n": 1}])
    shop.pass_time()
    assert [each["content"]["text"] for each in shop.bodies("shop-web")] == ["none shoe"]


def test_a_state_that_an_earlier_release_wrote_is_cut_when_it_is_written_next(tmp_path: Path) -> None:
    earlier = Shop(tmp_path, MOST_BYTES)
    earlier.partition.state.customers.most_bytes = 1 << 30
    earlier.play(LARGE["1,100 long values in three traits"])
    (customer, _) = earlier.checkpoint()
    assert len(customer.value or b"") > SMALL
    shop = Shop(tmp_path, SMALL)
    shop.partition.load([Rec(0, 0, customer.value, customer.key)])
    shop.partition.ready()
    assert shop.checkpoint()[1:] == [], "it is not touched before it changes"
    shop.offset = earlier.offset
    shop.play([{"event": "view", "sku": "new", "page": 1}])
    shop.checkpoint()
    shop.play([{"event": "other"}])
    shop.assert_all_fits()
    assert shop.evicted() >= 1


@pytest.mark.parametrize(
    "letter",
    [
        (b"{" * 1_500_000, None, ()),
        (b"{" * 60_000, None, ()),
        (b"no", b"k" * 900_000, ()),
        (b"no", None, (("h", b"v" * 900_000),)),
        (b"no", b"k" * 600_000, tuple((f"h{n}", b"v" * 1000) for n in range(600))),
        (None, b"k" * 900_000, ()),
    ],
    ids=["value", "value that is written whole", "key", "header", "key and headers", "key without value"],
)
@pytest.mark.parametrize("most", [MOST_BYTES, SMALL, SMALL // 10])
def test_a_bad_record_of_any_size_becomes_a_dead_letter_that_fits(
    letter: tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]], most: int, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, most)
    value, key, headers = letter
    record = Rec(1, T0, value, key, headers)
    step = shop.partition.step(Batch(0, {"clicks": [record]}, frozenset({"clicks"})), shop.clock, 10)
    shop.written += unpack(step.records)
    (dead,) = shop.written
    shop.assert_all_fits()
    assert dict(dead.headers)["offset"] == b"1"
    assert dict(dead.headers)["source"] == b"clicks"
    assert (dead.value or b"")[:2] == (value or b"")[:2]


def test_a_profile_as_large_as_it_may_be_fits_a_changelog_that_takes_little(tmp_path: Path) -> None:
    """A hundred grounds of a kilobyte each: the consents stay, what they were given on makes room."""
    profiles = "  profiles: {topic: PREFIX-profiles, kind: profile, customer: customer}\n"
    rules = RULES.replace("traits:", profiles + "traits:")
    shop = Shop(tmp_path, SMALL, rules)
    said = {"at": "2026-01-01T00:00:00Z", "basis": "ü" * 1024}
    consents = {f"p{n}": {**said, "granted": n % 2 == 0} for n in range(100)}
    profile = orjson.dumps({"customer": "c1", "consents": consents})
    batch = Batch(0, {"profiles": [Rec(1, T0, profile)]}, frozenset({"clicks", "profiles"}))
    shop.partition.step(batch, shop.clock, 10)
    (customer, _) = shop.checkpoint()
    shop.assert_all_fits()
    heir = Shop(tmp_path, SMALL, rules)
    heir.partition.load([Rec(1, 0, customer.value, customer.key)])
    known = heir.partition.state.customers.get("c1")
    assert known is not None
    assert known.consents is not None
    assert [known.consents[f"p{n}"].granted for n in range(4)] == [True, False, True, False]
