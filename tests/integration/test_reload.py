"""Rules that change under a real worker on a real Kafka: its knowledge stays, no event is lost or doubled."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stream.rules.compiler.rule_set import load_rules
from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.kit.kafka import consume_all, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker


def edit(shop: Shop, old: str, new: str) -> None:
    """Change the rule file, as an editor does: by a rename."""
    path = shop.rules / "shop.yaml"
    text = path.read_text()
    assert old in text
    draft = path.with_name(".shop.yaml.swp")
    draft.write_text(text.replace(old, new))
    draft.replace(path)


def until_said(worker: Worker, message: str, times: int = 1) -> list[dict[str, Any]]:
    def done() -> bool:
        assert worker.alive, worker.log
        return len(worker.said(message)) >= times

    eventually(done, f"the worker says {message} {times} times")
    return worker.said(message)


def of_rule(shop: Shop, rule: str) -> list[dict[str, object]]:
    return [trigger for trigger in shop.triggers() if trigger["rule"] == rule]


def revisions(shop: Shop) -> set[object]:
    """By which rules something was judged."""
    return {trigger["revision"] for trigger in shop.triggers()}


def compilations(shop: Shop) -> list[int]:
    """The processes that compile this shop's rules."""
    wanted = {"tests.integration.hangs", str(shop.rules)}
    return [p.pid for p in psutil.process_iter(["cmdline"]) if wanted <= set(p.info["cmdline"] or [])]


@pytest.fixture
def worker(shop: Shop) -> Iterator[Worker]:
    with shop.worker() as worker:
        yield worker.until_ready()


def test_limits_traits_and_open_reminders_survive_a_change_of_another_rule(
    shop: Shop, worker: Worker
) -> None:
    customers = range(PARTITIONS)
    produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 150, START) for c in customers])
    produce(
        shop.bootstrap,
        shop.clicks,
        [shop.click(c, event, START + MINUTE) for event in ("view", "cart") for c in customers],
    )
    worker.until_caught_up(shop.sources)
    edit(shop, "every-view:\n    on: view\n", "every-view:\n    priority: 7\n    on: view\n")
    (line,) = until_said(worker, "rules_reloaded")
    assert [line[each] for each in ("added", "removed", "changed", "unchanged")] == [0, 0, 1, 2]
    # Kept: one view and the spend (traits), one welcome a year (limit), carts of which nothing came (timers).
    produce(shop.bootstrap, shop.clicks, [shop.click(c, "view", START + 2 * MINUTE) for c in customers])
    produce(shop.bootstrap, shop.clicks, [shop.click(c, "other", START + 90 * MINUTE) for c in customers])
    produce(shop.bootstrap, shop.purchases, [shop.purchase(c, 1, START + 90 * MINUTE) for c in customers])
    worker.until_caught_up(shop.sources)
    eventually(lambda: len(of_rule(shop, "cart-left")) == PARTITIONS, "the reminders came")
    for customer in customers:
        assert shop.views_of(customer) == ["1", "2"]
    seconds = [each for each in of_rule(shop, "every-view") if each["content"]["views"] == "2"]  # type: ignore[index]
    assert {float(each["content"]["spend"]) for each in seconds} == {150.0}  # type: ignore[index]
    assert {each["revision"] for each in seconds} == {line["new"]}
    assert len(of_rule(shop, "big-spender")) == PARTITIONS
    decisions = [json.loads(record.value) for record in consume_all(shop.bootstrap, ["decisions"])]
    limited = [d for d in decisions if d["rule"] == "big-spender" and d["revision"] == line["new"]]
    assert {(d["outcome"], d["reason"]) for d in limited} == {("suppressed", "limit")}


def test_reloads_under_load_lose_and_repeat_nothing(shop: Shop, worker: Worker) -> None:
    customers, each = 8, 20
    rounds = 0
    revision = load_rules(shop.rules).revision
    lines: list[dict[str, Any]] = []
    done = threading.Event()

    def play() -> None:
        nonlocal rounds
        last = False
        while not last:
            last = done.is_set()  # one round more, for the last rules
            at = START + rounds * each * MINUTE
            views = [shop.click(c, "view", at + n * MINUTE) for n in range(each) for c in range(customers)]
            produce(shop.bootstrap, shop.clicks, views)
            rounds += 1

    player = threading.Thread(target=play)
    player.start()
    try:
        for reload in range(1, 4):
            of_newest = lines[-1]["new"] if reload > 1 else revision
            eventually(lambda of=of_newest: of in revisions(shop), "events are judged by the rules in force")
            edit(shop, f"Welcome back{'!' * (reload - 1)}", f"Welcome back{'!' * reload}")
            lines = until_said(worker, "rules_reloaded", reload)
    finally:
        done.set()
        player.join()
    worker.until_caught_up(shop.sources)
    views: dict[str, list[str]] = {}
    for trigger in of_rule(shop, "every-view"):
        views.setdefault(trigger["customer_id"], []).append(trigger["content"]["views"])  # type: ignore[arg-type, index]
    expected = [str(n) for n in range(1, rounds * each + 1)]
    assert views == {f"c{customer}": expected for customer in range(customers)}
    assert worker.figures()["stream_repeats_total"] == 0
    in_order = [lines[0]["old"], *(line["new"] for line in lines)]
    by_partition: dict[int, list[int]] = {}
    for record in consume_all(shop.bootstrap, [shop.web]):
        place = in_order.index(json.loads(record.value)["revision"])
        by_partition.setdefault(record.partition, []).append(place)
    for places in by_partition.values():
        assert places == sorted(places), "none goes back to rules that it has left"
    assert revisions(shop) == set(in_order), "there were events before, between and after the reloads"


def test_a_broken_file_changes_nothing_and_mended_it_is_taken(shop: Shop, worker: Worker) -> None:
    edit(shop, "on: view\n    send", "on: view\n    sned")
    (line,) = until_said(worker, "rules_refused")
    assert "shop.yaml:" in line["errors"][0]  # type: ignore[index]
    assert worker.get("/ready")[0] == 200
    assert worker.figures()["stream_rules_reload_failures_total"] == 1
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", START)])
    worker.until_caught_up([shop.clicks])
    assert shop.views_of(1) == ["1"], "judged by the rules in force"
    # Mended, and with a channel whose topic is not there yet.
    edit(shop, "on: view\n    sned", "on: view\n    send")
    channel = f"web: {{topic: {shop.web}, consent: none}}"
    edit(shop, channel, channel + f"\n  mail: {{topic: {shop.prefix}-mail, consent: none}}")
    edit(shop, 'send: {channel: web, content: {text: "Still', 'send: {channel: mail, content: {text: "Still')
    until_said(worker, "rules_reloaded")
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "cart", START + MINUTE)])
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "other", START + 90 * MINUTE)])
    produce(shop.bootstrap, shop.purchases, [shop.purchase(5, 1, START + 90 * MINUTE)])
    worker.until_caught_up(shop.sources)
    mails = eventually(lambda: consume_all(shop.bootstrap, [f"{shop.prefix}-mail"]), "the reminder came")
    assert [json.loads(record.value)["rule"] for record in mails] == ["cart-left"]
    assert worker.figures()["stream_rules_reload_failures_total"] == 1
    assert worker.stop() == 0, worker.log


def test_sighup_reloads_at_once_and_other_sources_are_refused(shop: Shop, worker: Worker) -> None:
    worker.signal(signal.SIGHUP)
    until_said(worker, "rules_unchanged")
    edit(shop, f"clicks: {{topic: {shop.clicks}", f"taps: {{topic: {shop.clicks}")
    (line,) = until_said(worker, "rules_refused")
    assert "restart" in str(line["hint"])
    assert worker.get("/ready")[0] == 200


def test_of_a_compilation_that_is_under_way_when_the_worker_stops_nothing_stays_behind(shop: Shop) -> None:
    command = (sys.executable, "-m", "tests.integration.broken", "compilation-hangs", "worker")
    with shop.worker(command=command) as worker:
        worker.until_ready()
        worker.signal(signal.SIGHUP)
        eventually(lambda: compilations(shop), "it compiles")
        assert worker.stop() == 0, worker.log
        eventually(lambda: not compilations(shop), "the compilation has ended, too")


def test_a_config_map_that_is_turned_over_is_taken_by_a_worker(shop: Shop, tmp_path: Path) -> None:
    """As the kubelet writes it: a hidden folder for each version, `..data` turned over by a rename."""
    text = (shop.rules / "shop.yaml").read_text()
    mount = tmp_path / "mount"

    def version(name: str, rules: str) -> None:
        (mount / name).mkdir(parents=True)
        (mount / name / "shop.yaml").write_text(rules)
        (mount / "..data_tmp").symlink_to(name)
        (mount / "..data_tmp").replace(mount / "..data")

    version("..2026_11_22_10_00_00.1", text)
    (mount / "shop.yaml").symlink_to("..data/shop.yaml")
    shop.rules = mount
    with shop.worker() as worker:
        worker.until_ready()
        version("..2026_11_22_10_05_00.2", text.replace("Welcome back", "Good to see you"))
        (line,) = until_said(worker, "rules_reloaded")
        assert line["changed"] == 1
        assert worker.figures()["stream_rules_reload_failures_total"] == 0
