"""Rules switched off and on under real workers on a real Kafka: on all of them, over restarts and kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.integration.shop import PARTITIONS, Shop
from tests.kit.kafka import consume_all, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker, short_session


def stream(shop: Shop, *arguments: str, code: int = 0) -> str:
    """What a command says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    command = [
        sys.executable,
        "-m",
        "stream",
        *arguments,
        "--broker",
        shop.bootstrap,
        "--app-id",
        shop.prefix,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def disable(shop: Shop, *more: str, rule: str = "every-view") -> str:
    return stream(shop, "disable", rule, "--because", "it says the wrong price", "--by", "on-call", *more)


def decisions(shop: Shop, rule: str = "every-view") -> list[dict[str, Any]]:
    found = [json.loads(record.value) for record in consume_all(shop.bootstrap, [f"{shop.prefix}-decided"])]
    return [each for each in found if each["rule"] == rule]


def view(shop: Shop, customers: int = PARTITIONS) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", shop.now()) for c in range(customers)])


def until_latest(shop: Shop, reason: str | None) -> None:
    """Views of a customer in each partition, until the last decision on each has this reason."""

    def done() -> bool:
        view(shop)
        time.sleep(0.5)  # between looks
        latest = {each["customer_id"]: each["reason"] for each in decisions(shop)}
        return [latest.get(f"c{customer}", "none yet") for customer in range(PARTITIONS)] == [
            reason
        ] * PARTITIONS

    eventually(done, f"all are judged with {reason}")


def seconds_between(time: str, line: dict[str, Any]) -> float:
    """From a time to that of a line in a log."""
    said = datetime.fromisoformat(line["timestamp"])
    return round((said - datetime.fromisoformat(time)).total_seconds(), 2)


class Load:
    """Some hundred views a second, until it is stopped."""

    def __init__(self, shop: Shop) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, args=(shop,))

    def _play(self, shop: Shop) -> None:
        while not self._stopped.wait(0.1):  # the pace of the load
            view(shop, 5 * PARTITIONS)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


@pytest.fixture
def start(shop: Shop) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def begin(name: str = "a") -> Worker:
        settings = {"clock": "wall", "decisions_topic": f"{shop.prefix}-decided"}
        settings["session_timeout"] = short_session()
        workers.append(shop.worker(name, **settings).start())
        return workers[-1].until_ready()

    yield begin
    for each in workers:
        if each.alive:
            each.kill()


def test_a_rule_is_off_on_all_workers_within_seconds_under_load_and_on_again(
    shop: Shop, start: Callable[..., Worker], record_property: Callable[[str, object], None]
) -> None:
    workers = [start("a"), start("b")]
    eventually(
        lambda: all(each.figures().get("stream_partitions_assigned", 1) for each in workers), "both work"
    )
    with Load(shop):
        eventually(lambda: len(decisions(shop)) > 100, "there is load")
        disable(shop)
        eventually(lambda: all(each.said("rule_disabled") for each in workers), "both have heard")
        until_latest(shop, "disabled")
    assert [each.said("rule_disabled")[0]["rule"] for each in workers] == ["every-view"] * 2
    assert all(each.figures()["stream_rules_disabled"] == 1 for each in workers)
    told = json.loads(stream(shop, "switches", "--json"))["off"]
    assert [(each["rule"], each["because"], each["by"], each["until"]) for each in told] == [
        ("every-view", "it says the wrong price", "on-call", None)
    ]
    seconds = [seconds_between(told[0]["since"], each.said("rule_disabled")[0]) for each in workers]
    record_property("seconds_until_workers_had_heard", seconds)
    print(f"the workers had heard {seconds} s after the switch")
    assert "on-call" in stream(shop, "switches")
    assert not any("wrong price" in each.log for each in workers), "what people write is not for logs"
    stream(shop, "enable", "every-view")
    until_latest(shop, None)
    assert "all rules are on" in stream(shop, "switches")
    shop_ids = Counter(each["trigger_id"] for each in shop.triggers())
    assert set(shop_ids.values()) == {1}


def test_a_restart_keeps_it_and_its_time_ends_it(shop: Shop, start: Callable[..., Worker]) -> None:
    worker = start()
    disable(shop)
    until_latest(shop, "disabled")
    assert worker.stop() == 0
    sent = len(shop.triggers())
    start()
    view(shop)
    until_latest(shop, "disabled")
    assert len(shop.triggers()) == sent
    disable(shop, "--for", "8s")
    until_latest(shop, None)
    assert json.loads(stream(shop, "switches", "--json")) == {"off": []}


def test_what_is_read_again_after_a_kill_is_judged_as_before(
    shop: Shop, start: Callable[..., Worker]
) -> None:
    """Killed while rules go off and on: each event has one decision, whatever the switches were by then."""
    worker = start()
    with Load(shop):
        for turn in range(3):
            eventually(lambda n=turn: len(decisions(shop)) > 100 * (n + 1), "there is load")
            if turn % 2:
                stream(shop, "enable", "every-view")
            else:
                disable(shop)
            time.sleep(0.3 * turn)  # it is killed before, while and after it takes the switch
            worker.kill()
            worker = start()
    worker.until_caught_up(shop.sources)
    until_latest(shop, "disabled")
    outcomes: dict[str, set[tuple[str, str | None]]] = {}
    for each in decisions(shop):
        outcomes.setdefault(each["trigger_id"], set()).add((each["outcome"], each["reason"]))
    assert {len(each) for each in outcomes.values()} == {1}, "no event was judged in two ways"
    sent = {trigger for trigger, each in outcomes.items() if each == {("sent", None)}}
    ids = Counter(each["trigger_id"] for each in shop.triggers() if each["rule"] == "every-view")
    assert set(ids) == sent
    assert set(ids.values()) == {1}


def test_a_rule_that_the_workers_do_not_have_is_refused(shop: Shop, start: Callable[..., Worker]) -> None:
    start()
    said = stream(shop, "disable", "every-veiw", "--because", "a slip", code=1)
    assert "did you mean `every-view`?" in said
    assert "every-view was on already" in stream(shop, "enable", "every-view")
    assert json.loads(stream(shop, "switches", "--json")) == {"off": []}
