"""A thousand customers withdraw their consent in a race: nothing goes out to them after that.

After what? Between two topics of a partition the order is that of event times, among what has been read.
Where all of it lies in the topics already, this is event time itself, and the oracle goes by it. Where events
and withdrawals arrive while the worker works, either may be read first. The place that a withdrawal took
shows in the customer's decisions, which lie in the order in which they were made: once one says `consent`,
none may say `sent`. In both, what waits when the withdrawal comes, for half an hour or for the end of quiet
hours, must not go.
"""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from stream.decisions.wire import APP, DECISIONS
from tests.integration.shop import MINUTE, PARTITIONS, START, Shop
from tests.kit.kafka import Produced, consume_all, create_topics, produce
from tests.kit.worker import Worker

RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer_id, time: ts, id: event_id}
  profiles: {topic: PREFIX-profiles, kind: profile, customer: customer_id, time: ts}
channels:
  mail: {topic: PREFIX-mail, consent: marketing}
  calm: {topic: PREFIX-calm, consent: marketing, quiet: "00:00-01:00"}
policy: {timezone: UTC}
rules:
  every-view: {on: view, send: {channel: mail, content: {text: Hi}}}
  cart-left: {on: cart, unless: {on: purchase, within: 30m}, send: {channel: mail, content: {text: Hi}}}
  cart-later: {on: cart, send: {channel: calm, content: {text: Hi}}}
"""
CUSTOMERS = 1_000
VIEWS = 6
SECOND = 1_000
CONSENTED = START
CARTS = START + SECOND
VIEWED = START + 10 * SECOND  # and so on, ten seconds apart
END = START + 120 * MINUTE


class Race:
    """Who does what, when: everybody puts something into the cart, looks around, and withdraws in between."""

    def __init__(self, shop: Shop, seed: int) -> None:
        dice = random.Random(seed)
        self.shop, self.profiles = shop, f"{shop.prefix}-profiles"
        between = range(CARTS + 1, VIEWED + 10 * SECOND * VIEWS)
        # Ends on 7: no view is at the same time.
        self.withdrawn = {n: dice.choice(between) // 10 * 10 + 7 for n in range(CUSTOMERS)}
        moments = [(CARTS, "cart", n) for n in self.withdrawn]
        moments += [(VIEWED + turn * 10 * SECOND, "view", n) for turn in range(VIEWS) for n in self.withdrawn]
        self.clicks = [shop.click(n, event, at) for at, event, n in moments]
        self.withdrawals = [
            self.consent(n, at, granted=False)
            for n, at in sorted(self.withdrawn.items(), key=lambda item: item[1])
        ]

    def consent(self, customer: int, at: int, *, granted: bool) -> Produced:
        said = {"marketing": {"granted": granted, "at": at}}
        body = {"customer_id": f"c{customer}", "ts": at, "consents": said}
        return customer % PARTITIONS, f"c{customer}".encode(), json.dumps(body).encode(), at, ()

    def all_consent(self) -> None:
        given = [self.consent(n, CONSENTED, granted=True) for n in self.withdrawn]
        produce(self.shop.bootstrap, self.profiles, given)

    def end(self) -> None:
        """Time goes on, until nothing waits any more."""
        produce(
            self.shop.bootstrap, self.shop.clicks, [self.shop.click(n, "x", END) for n in range(PARTITIONS)]
        )
        last = [self.consent(n, END, granted=False) for n in range(PARTITIONS)]
        produce(self.shop.bootstrap, self.profiles, last)

    def until_over(self, worker: Worker) -> None:
        worker.until_caught_up([self.shop.clicks, self.profiles])

    def triggers(self) -> list[dict[str, Any]]:
        topics = [f"{self.shop.prefix}-mail", f"{self.shop.prefix}-calm"]
        return [json.loads(record.value or b"") for record in consume_all(self.shop.bootstrap, topics)]

    def decisions(self) -> dict[str, list[dict[str, Any]]]:
        """By customer, in the order in which they were made."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in consume_all(self.shop.bootstrap, [DECISIONS]):
            if dict(record.headers).get(APP) == self.shop.prefix.encode():
                decision = json.loads(record.value or b"")
                found[decision["customer_id"]].append(decision)
        return found

    def assert_nothing_that_waited_went(self) -> None:
        decisions = self.decisions()
        assert len(decisions) == CUSTOMERS
        for of_customer in decisions.values():
            for rule in ("cart-left", "cart-later"):
                *_, last = [each for each in of_customer if each["rule"] == rule]
                assert (last["outcome"], last["reason"]) == ("suppressed", "consent")


@pytest.fixture
def race(kafka: str, shop: Shop) -> Race:
    (shop.rules / "shop.yaml").write_text(RULES.replace("PREFIX", shop.prefix))
    names = ("profiles", "mail", "calm")
    create_topics(kafka, {f"{shop.prefix}-{name}": PARTITIONS for name in names})
    return Race(shop, seed=7)


def test_a_backlog_of_withdrawals_is_worked_off_in_the_order_of_time(race: Race) -> None:
    race.all_consent()
    produce(race.shop.bootstrap, race.shop.clicks, race.clicks)
    produce(race.shop.bootstrap, race.profiles, race.withdrawals)
    race.end()
    with race.shop.worker() as worker:
        race.until_over(worker.until_ready())
    expected = {
        (f"c{n}", VIEWED + turn * 10 * SECOND)
        for n, at in race.withdrawn.items()
        for turn in range(VIEWS)
        if VIEWED + turn * 10 * SECOND < at
    }
    assert len(expected) > CUSTOMERS
    sent = [(each["customer_id"], ms(each["event"]["time"])) for each in race.triggers()]
    assert sorted(sent) == sorted(expected), "all before, none after"
    race.assert_nothing_that_waited_went()


def test_whoever_withdraws_while_the_worker_works_hears_nothing_more(race: Race) -> None:
    race.all_consent()
    with race.shop.worker() as worker:
        worker.until_ready()
        first = 2 * CUSTOMERS  # all carts, and a view of each
        produce(race.shop.bootstrap, race.shop.clicks, race.clicks[:first])
        race.until_over(worker)
        runners = [
            threading.Thread(target=run, args=(race.shop.bootstrap, topic, records))
            for topic, records in (
                (race.shop.clicks, race.clicks[first:]),
                (race.profiles, race.withdrawals),
            )
        ]
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join()
        race.until_over(worker)
        produce(
            race.shop.bootstrap, race.shop.clicks, [race.shop.click(n, "view", END) for n in race.withdrawn]
        )
        race.end()
        race.until_over(worker)
    withdrawn = 0
    for of_customer in race.decisions().values():
        views = [each for each in of_customer if each["rule"] == "every-view"]
        assert len(views) == VIEWS + 1
        said = [each["reason"] or each["outcome"] for each in views]
        assert said[0] == "sent"
        assert said[-1] == "consent", "long after"
        assert said == sorted(said, reverse=True), "nothing is sent once it was refused"
        withdrawn += said.count("consent")
    assert CUSTOMERS <= withdrawn <= CUSTOMERS * (VIEWS + 1)
    refused = {each["trigger_id"] for many in race.decisions().values() for each in many if each["reason"]}
    assert not refused & {each["trigger_id"] for each in race.triggers()}
    race.assert_nothing_that_waited_went()


def run(bootstrap: str, topic: str, records: list[Produced]) -> None:
    """In pieces, as fast as they are taken."""
    for piece in pieces(records):
        produce(bootstrap, topic, piece)


def pieces(records: list[Produced]) -> Iterable[list[Produced]]:
    size = max(1, len(records) // 10)
    return (records[at : at + size] for at in range(0, len(records), size))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
