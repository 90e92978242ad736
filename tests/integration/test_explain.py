"""`stream explain kafka:` beside a live worker: what it says is what the worker did."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from stream.rules.compiler.rule_set import load_rules
from tests.integration.shop import MINUTE, START, Shop
from tests.kit.kafka import consume_all, delete_records, end_offsets, produce
from tests.kit.patience import eventually

CUSTOMERS = 12


def run(
    shop: Shop, customer: str, *arguments: str, app: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream", "explain", str(shop.rules), "kafka:", "--json"]
    return subprocess.run(
        [*command, "--customer", customer, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"STREAM_BROKER": shop.bootstrap, "STREAM_APP_ID": app or shop.prefix},
        cwd=shop.folder,
    )


def explained(shop: Shop, customer: str, *arguments: str) -> dict[str, Any]:
    done = run(shop, customer, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_what_a_worker_knew_is_where_an_explanation_begins(shop: Shop) -> None:
    """Kafka had deleted the events of before: views were counted from nothing, and limits were free again."""
    for turn in range(3):
        at = START + turn * MINUTE
        produce(shop.bootstrap, shop.clicks, [shop.click(n, "view", at) for n in range(CUSTOMERS)])
        produce(shop.bootstrap, shop.purchases, [shop.purchase(n, 60.0, at + 1) for n in range(CUSTOMERS)])
        with shop.worker(f"before{turn}") as worker:
            worker.until_caught_up(shop.sources)
            assert worker.stop() == 0, worker.log
    delete_records(shop.bootstrap, end_offsets(shop.bootstrap, shop.sources))
    at = START + 10 * MINUTE
    produce(shop.bootstrap, shop.clicks, [shop.click(n, "cart", at) for n in range(CUSTOMERS)])
    produce(shop.bootstrap, shop.clicks, [shop.click(n, "view", at + 1) for n in range(CUSTOMERS)])
    produce(shop.bootstrap, shop.purchases, [shop.purchase(1, 10.0, at + 2)])
    with shop.worker("after") as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    lived = [json.loads(each.value) for each in consume_all(shop.bootstrap, ["decisions"])]
    revision = load_rules(shop.rules).revision
    for customer in ("c0", "c1", "c7"):
        told = explained(shop, customer, "--from-changelog")
        known = told["before"]
        assert known["values"] == {"traits.spend": 180.0, "traits.views": 3}
        assert known["place"].startswith(f"{shop.prefix}-customers-changelog/")
        decided = [each for moment in told["moments"] for each in moment["decisions"]]
        own = [
            (each["trigger_id"], each["outcome"], each["reason"])
            for each in lived
            if (each["customer_id"], each["revision"]) == (customer, revision)
            and each["at"] >= "2026-01-01T00:10:00"
        ]
        assert sorted((each["trigger_id"], each["outcome"], each["reason"]) for each in decided) == sorted(
            own
        )
        limited = next(each["because"] for each in decided if each["reason"] == "limit")
        assert limited == f"limit: 1 per 365d was used up, also by what was sent before {known['at']}"
        assert next(each["what"] for moment in told["moments"] for each in moment["instances"]) == "began"


def test_an_app_without_workers_knows_nothing_and_that_is_said(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", START)])
    done = run(shop, "c1", "--from-changelog", app="nobodys")
    assert done.returncode == 1
    assert "Kafka has no topic nobodys-customers-changelog" in done.stderr
    assert "STREAM_APP_ID" in done.stderr


def test_somebody_of_whom_nothing_is_known_is_not_taken_for_somebody_without_events(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(n, "view", START) for n in range(4)])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    done = run(shop, "c5", "--from-changelog")
    assert done.returncode == 1
    assert f"{shop.prefix}-customers-changelog says nothing of that customer" in done.stderr
    assert "c5" not in done.stderr


def test_the_first_events_of_a_new_customer_were_denied(shop: Shop) -> None:
    """The first checkpoint comes after them, and what lies before it was dropped without a word."""
    produce(shop.bootstrap, shop.clicks, [shop.click(n, "view", START) for n in range(4)])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    told = explained(shop, "c2", "--from-changelog")
    assert told["before"] is None
    assert told["rules"]["every-view"]["sent"] == 1
    assert [each["event"] for each in told["moments"]] == ["view"]


def test_rules_that_are_not_the_workers_were_played_over_what_they_knew_without_a_word(shop: Shop) -> None:
    produce(shop.bootstrap, shop.clicks, [shop.click(n, "view", START) for n in range(4)])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    assert "revision" not in run(shop, "c2", "--from-changelog").stderr
    rules = shop.rules / "shop.yaml"
    rules.write_text(rules.read_text().replace("spend >= 100", "spend >= 200"))
    done = run(shop, "c2", "--from-changelog")
    assert done.returncode == 0
    assert "the workers' rules are revision " in done.stderr


def live(shop: Shop, customer: str, *arguments: str) -> list[tuple[str, str, str | None, str | None]]:
    """Of each decision of `every-view` what is explained, what the worker decided, and why not the same."""
    told = explained(shop, customer, "--rule", "every-view", *arguments)
    decided = [each for moment in told["moments"] for each in moment["decisions"]]
    return [
        (each["outcome"], each["live"]["outcome"], each["live"]["reason"], each["live"]["why"])
        for each in decided
        if each["rule"] == "every-view"
    ]


def test_what_a_worker_decided_otherwise_is_shown_beside_what_is_explained(shop: Shop) -> None:
    """What came an hour late was explained as sent: the worker had called it stale, and nobody was told."""
    rules = shop.rules / "shop.yaml"
    rules.write_text(rules.read_text() + "policy: {stale_after: 15m}\n")
    now = shop.now()
    produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", now - 60 * MINUTE)])
    with shop.worker(clock="wall") as worker:
        worker.until_caught_up(shop.sources)
        produce(shop.bootstrap, shop.clicks, [shop.click(1, "view", shop.now())])
        worker.until_caught_up(shop.sources)
        switch = [sys.executable, "-m", "stream", "disable", "every-view", "--because", "wrong", "--app-id"]
        subprocess.run([*switch, shop.prefix, "--broker", shop.bootstrap], check=True, capture_output=True)
        eventually(lambda: worker.said("rule_disabled"), "the worker has heard")

        def is_off() -> bool:
            produce(shop.bootstrap, shop.clicks, [shop.click(2, "view", shop.now())])
            worker.until_caught_up(shop.sources)
            return ("sent", "suppressed", "disabled") in [each[:3] for each in live(shop, "c2")]

        eventually(is_off, "it is off in each partition")
        assert worker.stop() == 0, worker.log
    late, in_time = live(shop, "c1")
    assert late[:3] == ("sent", "suppressed", "stale")
    assert late[3] is not None
    assert late[3].startswith("it came late: it was decided 1h")
    assert in_time == ("sent", "sent", None, None)
    off = next(why for *_, reason, why in live(shop, "c2") if reason == "disabled")
    assert off == "the rule was switched off then, with `stream disable`"


def test_decisions_of_other_rules_and_of_another_app_are_said_to_be_that(shop: Shop) -> None:
    whose = 7_002  # whom no other test's app knows
    produce(shop.bootstrap, shop.clicks, [shop.click(n, "view", START) for n in (1, whose)])
    with shop.worker() as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    revision = load_rules(shop.rules).revision
    rules = shop.rules / "shop.yaml"
    rules.write_text(rules.read_text().replace("    on: view\n    send", "    on: [view, look]\n    send"))
    told = explained(shop, f"c{whose}", "--from-changelog")
    (decision,) = [each for moment in told["moments"] for each in moment["decisions"]]
    assert (decision["live"]["agrees"], decision["live"]["revision"]) == (True, revision)
    rules.write_text(rules.read_text().replace("on: [view, look]", "on: look"))
    told = explained(shop, f"c{whose}", "--from-changelog")
    (only,) = told["live"]["only"]
    assert (only["rule"], only["why"]) == ("every-view", f"the rules were others, revision {revision}")
    done = run(shop, f"c{whose}", app="nobodys")
    assert f"set STREAM_APP_ID={shop.prefix}" in json.loads(done.stdout)["live"]["hint"]
