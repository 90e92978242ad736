"""The faults, each with its verdict. Times are measured and told; only the long form holds them to bounds."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.broker.cluster import EmbeddedKafka
from tests.faults.conftest import Form
from tests.faults.oracle import Verdict
from tests.faults.proxy import Proxy
from tests.faults.sleeper import PLACES
from tests.faults.trial import Trial
from tests.faults.workload import BROKEN, HOUR, OTHER, Customers
from tests.kit.kafka import delete_topics, free_port, produce
from tests.kit.patience import eventually
from tests.kit.worker import LONG_SESSION_S

Report = Callable[[Verdict], None]
ON_DISK = {"store": "rocksdb", "store_customers": "100", "store_memory": str(4 << 20)}

pytestmark = pytest.mark.timeout(3600)


def patient(form: Form) -> None:
    """Long trials wait here for what a fault takes; the short ones do without."""
    if not form.long:
        pytest.skip("only in the long form (make faults): it takes minutes")


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_killed_at_random(
    store: str, kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    kills, dice = form.pick(3, 20), random.Random(form.seed)
    settings = {"instance_id": "a"} | (ON_DISK if store == "rocksdb" else {})
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 200), **settings) as trial:
        worker = trial.worker()
        trial.start(worker)
        with trial.load():
            for _ in range(kills):
                time.sleep(dice.uniform(0.2, 2.0))  # meant: where it happens to be
                worker.kill()
                trial.restart(worker)
        verdict = trial.verdict()
    report(verdict)
    if form.long:
        assert max(verdict.recovery) <= 10


def test_killed_while_it_restores(
    kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    many = form.pick(5_000, 100_000)
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, many), instance_id="a") as trial:
        worker = trial.worker()
        trial.start(worker)
        trial.produce(trial.customers.each("view"))
        worker.until_caught_up([trial.clicks])
        worker.kill()
        dying = trial.worker("a", (sys.executable, "-m", "tests.faults.planted", "dies-restoring", "worker"))
        for _ in range(form.pick(3, 10)):
            assert dying.start().wait() == -signal.SIGKILL, dying.log[-2000:]
        trial.restart(worker)
        report(trial.verdict())


def test_workers_come_and_go(kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report) -> None:
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 200)) as trial:
        first, second, third, fourth = (trial.worker(name) for name in "abcd")
        trial.start(first)
        with trial.load(form.pick(50, 300)):
            trial.start(second, third)
            time.sleep(form.pick(1, 10))  # meant: under load for a while
            assert second.stop() == 0
            if form.long:
                trial.start(second, fourth)
                time.sleep(10)  # as above
                for worker in (first, second, fourth):
                    assert worker.stop() == 0
            else:
                assert first.stop() == 0
        third.until_ready()
        verdict = trial.verdict()
    report(verdict)


def test_static_members_restart_one_after_the_other(
    kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    patient(form)
    with Trial(
        kafka, prefix, tmp_path, Customers(form.seed, 200), session_timeout=str(LONG_SESSION_S)
    ) as trial:
        workers = [trial.worker(name, instance_id=name) for name in "abc"]
        trial.start(*workers)
        eventually(lambda: len({each.said("ready")[-1]["generation"] for each in workers}) == 1, "one group")
        rebalances = [len(worker.said("ready")) for worker in workers]
        with trial.load(200):
            for worker in workers:
                assert worker.stop() == 0
                trial.start(worker)
        assert [len(each.said("ready")) for each in workers] == [n + 1 for n in rebalances]
        verdict = trial.verdict()
    report(verdict)


def test_a_stopped_worker_wakes_up(
    kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 200)) as trial:
        zombie, heir = trial.worker("a"), trial.worker("b")
        trial.start(zombie, heir)
        known = len(heir.said("ready"))
        with trial.load():
            trial.until_told()
            zombie.signal(signal.SIGSTOP)
            # Until its partitions are the other's, or far longer.
            eventually(lambda: len(heir.said("ready")) > known, "the heir has it all")
            time.sleep(form.pick(1, 90))  # meant: as long as this it is away
            zombie.signal(signal.SIGCONT)
            trial.until_told()
        zombie.until_ready()
        report(trial.verdict())


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_stopped_at_its_last_step_wakes_up(
    place: str, kafka: str, prefix: str, tmp_path: Path, form: Form
) -> None:
    """Customers that had passed all checks lay over what the next owner had written of them; whoever owned
    them then went on with the older ones.
    """
    if place != "customers":
        patient(form)
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 200)) as trial:
        armed = tmp_path / "armed"
        command = (sys.executable, "-m", "tests.faults.sleeper", place, str(armed), "worker")
        zombie, heir = trial.worker("a", command), trial.worker("b")
        trial.start(zombie, heir)
        known = len(heir.said("ready"))
        with trial.load(20):
            trial.until_told()
            armed.touch()
            eventually(lambda: not armed.exists(), "it stops")
            eventually(lambda: len(heir.said("ready")) > known, "the heir has it all")
            trial.until_told()
        heir.until_caught_up([trial.clicks])
        known = len(zombie.said("ready"))
        zombie.signal(signal.SIGCONT)  # nothing comes that would have everybody written anew
        eventually(lambda: len(zombie.said("ready")) > known, "it is a member again")
        with trial.load(20):
            trial.until_told()
        verdict = trial.verdict()
    # What it had on its way to the channels' topics are repeats: docs/design/limits.md#repeats.
    verdict.duplicated = verdict.order = verdict.timers_doubled = 0
    assert verdict.is_good, verdict


def test_a_standby_takes_over(kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report) -> None:
    patient(form)
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 200), standby_replicas="1") as trial:
        first, second = trial.worker("a"), trial.worker("b")
        trial.start(first, second)
        with trial.load(150):
            time.sleep(5)  # meant: the standby follows for a while
            first.kill()
            before, began = trial.told(), time.monotonic()
            eventually(lambda: trial.told() > before + 50, "it goes on")
            trial.recovery.append(time.monotonic() - began)
        verdict = trial.verdict()
    report(verdict)
    assert max(verdict.recovery) <= 6 + 5


def test_timers_are_due_while_nobody_is_there(
    kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    many = form.pick(2_000, 100_000)
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, many)) as trial:
        worker = trial.worker()
        trial.start(worker)
        trial.produce(trial.customers.each("cart"))
        worker.until_caught_up([trial.clicks])
        worker.kill()
        trial.customers.pass_time(HOUR)
        trial.restart(worker)
        verdict = trial.verdict()
    report(verdict)


@pytest.mark.parametrize("skew", [0, HOUR], ids=["poison", "poison-and-wrong-clocks"])
def test_bad_records(skew: int, kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report) -> None:
    customers = Customers(form.seed, 200, poison=0.01, skew=skew)
    with Trial(kafka, prefix, tmp_path, customers) as trial:
        worker = trial.worker()
        trial.start(worker)
        for _ in range(form.pick(1, 10)):
            trial.produce(customers.events(4_000))
            worker.kill()
            trial.restart(worker)
        report(trial.verdict())


def test_rules_change_under_load(kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report) -> None:
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 200)) as trial:
        worker = trial.worker()
        trial.start(worker)
        original = (trial.rules / "shop.yaml").read_text().replace(prefix, "PREFIX")
        turns = form.pick(6, 60)
        with trial.load():
            for turn in range(turns):
                rules = (OTHER, BROKEN, original)[turn % 3]
                outcome = "rules_refused" if rules is BROKEN else "rules_reloaded"
                before = len(worker.said(outcome))
                trial.write_rules(rules)
                worker.signal(signal.SIGHUP)
                eventually(lambda kind=outcome, n=before: len(worker.said(kind)) > n, f"turn {turn}")
                trial.until_told()
        assert len(worker.said("rules_reloaded")) == turns * 2 // 3
        report(trial.verdict())


def test_a_state_of_a_later_version_is_refused_and_kept(
    kafka: str, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    """A worker is rolled back: what the newer one wrote is not read wrongly, and not overwritten."""
    with Trial(kafka, prefix, tmp_path, Customers(form.seed, 50)) as trial:
        worker = trial.worker()
        trial.start(worker)
        assert worker.stop() == 0
        trial.produce(trial.customers.events(500))
        changelog = f"{prefix}-customers-changelog"
        later = b"\x63 of a version that comes later"
        produce(kafka, changelog, [(0, b"c-later", later, int(time.time() * 1000), ())])
        worker.start()
        assert worker.until_ended() == 70
        assert "version" in worker.log
        delete_topics(kafka, [changelog])  # as nothing else is in it
        trial.start(worker)
        report(trial.verdict())


# --- brokers and networks


@pytest.fixture
def brokers() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(brokers=3) as cluster:
        yield cluster


def test_brokers_bounce_and_all_go_away(
    brokers: EmbeddedKafka, prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    with Trial(brokers.bootstrap, prefix, tmp_path, Customers(form.seed, 200), replication=3) as trial:
        worker = trial.worker()
        trial.start(worker)
        for turn in range(form.pick(2, 10)):
            with trial.load(form.pick(15, 75)):
                brokers.kill(turn % 3, (signal.SIGTERM, signal.SIGKILL)[turn % 2])
            brokers.restart(turn % 3)
        for node in range(3):
            brokers.kill(node)
        time.sleep(form.pick(3, 60))  # meant: the outage
        brokers.restart(0, 1, 2)
        began = time.monotonic()
        trial.produce(trial.customers.events(100))
        before = trial.told()
        eventually(lambda: trial.told() > before or worker.figures().get("stream_lag_records") == 0)
        trial.recovery.append(time.monotonic() - began)
        assert worker.log.count('"starting"') == 1, "it was never restarted"
        verdict = trial.verdict()
    report(verdict)


@pytest.fixture
def behind() -> Iterator[tuple[EmbeddedKafka, Proxy, str]]:
    """A Kafka, a proxy before it, and the address by which it is reached through the proxy."""
    port, between = free_port(), free_port()
    with EmbeddedKafka(second=(port, between)) as cluster, Proxy(between, port) as proxy:
        yield cluster, proxy, f"127.0.0.1:{between}"


@pytest.mark.parametrize("fault", ["cut", "half-open", "slow"])
def test_the_network(
    fault: str,
    behind: tuple[EmbeddedKafka, Proxy, str],
    prefix: str,
    tmp_path: Path,
    form: Form,
    report: Report,
) -> None:
    cluster, proxy, address = behind
    with Trial(cluster.bootstrap, prefix, tmp_path, Customers(form.seed, 200)) as trial:
        worker = trial.worker(broker=address)
        trial.start(worker)
        lasts = {"cut": form.pick(3, 30), "half-open": form.pick(12, 40), "slow": form.pick(5, 60)}[fault]
        with trial.load():
            trial.until_told()
            match fault:
                case "cut":
                    proxy.cut()
                case "half-open":
                    proxy.half_open()
                case "slow":
                    proxy.delay = 0.1  # there and back: 200 ms
            time.sleep(lasts)  # meant: the fault
            proxy.mend()
        began, before = time.monotonic(), trial.told()
        trial.produce(trial.customers.events(100))
        eventually(lambda: trial.told() > before, "it goes on")
        trial.recovery.append(time.monotonic() - began)
        assert worker.log.count('"starting"') == 1, "it was never restarted"
        verdict = trial.verdict()
    report(verdict)
    if form.long:
        assert max(verdict.recovery) <= 15


def test_a_restore_over_a_thin_line_comes_to_its_end(
    behind: tuple[EmbeddedKafka, Proxy, str], prefix: str, tmp_path: Path, form: Form, report: Report
) -> None:
    """Faust gives a step of its recovery 90 seconds, and begins anew for ever."""
    patient(form)
    cluster, proxy, address = behind
    with Trial(cluster.bootstrap, prefix, tmp_path, Customers(form.seed, form.pick(5_000, 50_000))) as trial:
        worker = trial.worker()
        trial.start(worker)
        trial.produce(trial.customers.each("view"))
        worker.until_caught_up([trial.clicks])
        worker.kill()
        proxy.bytes_per_second = 60_000
        thin = trial.worker("thin", broker=address)
        thin.start()
        eventually(lambda: thin.get("/ready")[0] == 200, "it is restored", seconds=form.pick(100, 900))
        proxy.mend()
        report(trial.verdict())
