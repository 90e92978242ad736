"""One trial: a shop of its own on a real Kafka, events coming while something goes wrong, and the verdict."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from aiokafka.errors import KafkaError

from stream.rules.compiler.rule_set import load_rules
from tests.faults.oracle import Verdict, expect, judge
from tests.faults.workload import PARTITIONS, RULES, Customers, Produced
from tests.kit.kafka import committed, consume_all, create_topics, produce
from tests.kit.patience import clock, eventually
from tests.kit.worker import WORKER, Worker, short_session

CHUNK = 40
EVERY_S = 0.1


class Trial:
    """A context manager: the workers that still run end with it. `settings`: of all its workers."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        folder: Path,
        customers: Customers,
        replication: int = 1,
        **settings: str,
    ) -> None:
        self.bootstrap, self.prefix, self.folder, self.customers = bootstrap, prefix, folder, customers
        self.clicks = f"{prefix}-clicks"
        self.rules = folder / "rules"
        self.rules.mkdir(parents=True)
        self.write_rules(RULES)
        topics = [self.clicks, f"{prefix}-web", f"{prefix}-push"]
        create_topics(bootstrap, dict.fromkeys(topics, PARTITIONS), replicas=replication)
        self._settings = {"clock": "event", "session_timeout": short_session()} | settings
        self._workers: list[Worker] = []
        self.recovery: list[float] = []
        self.loaded: list[tuple[float, float]] = []
        self.expected_rules = load_rules(self.rules)
        self._sampler = _Commits(bootstrap, prefix, self.clicks, 15.0 if replication > 1 else 2.0)

    def __enter__(self) -> Trial:
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampler.stop()
        for worker in self._workers:
            if worker.alive:
                worker.kill()

    def write_rules(self, text: str) -> None:
        """By a rename: a worker never sees half of them."""
        draft = self.rules / ".shop.yaml"
        draft.write_text(text.replace("PREFIX", self.prefix))
        draft.replace(self.rules / "shop.yaml")

    def worker(self, name: str = "a", command: Sequence[str] = WORKER, **settings: str) -> Worker:
        """A worker, not started. Each has a disk of its own."""
        disk = {"data_dir": str(self.folder / f"{name}-data")}
        worker = Worker(
            self.bootstrap,
            self.prefix,
            self.rules,
            self.folder / f"{name}.log",
            command,
            **(disk | self._settings | settings),
        )
        self._workers.append(worker)
        return worker

    def start(self, *workers: Worker) -> None:
        """Start, and wait until they are ready."""
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.until_ready()

    def restart(self, worker: Worker) -> None:
        """Start one that was killed, and measure how long it is until the next trigger."""
        before, began = self.told(), time.monotonic()
        worker.start()
        self.produce(self.customers.events(CHUNK))
        eventually(lambda: self.told() > before, "a trigger after the restart")
        self.recovery.append(time.monotonic() - began)

    def until_told(self) -> None:
        """Wait until there is a trigger more than now."""
        before = self.told()
        eventually(lambda: self.told() > before, "a trigger more")

    def told(self) -> int:
        return len(consume_all(self.bootstrap, [f"{self.prefix}-web", f"{self.prefix}-push"]))

    def produce(self, events: Iterable[Produced]) -> None:
        """Into the source's topic, now."""
        now = int(time.time() * 1000)
        records = [(each.partition, each.key, each.value, now, ()) for each in events]
        produce(self.bootstrap, self.clicks, records)

    def load(self, rounds: int = 1) -> _Load:
        """Events beside what is done in the block: as long as that takes, and so many rounds at least."""
        return _Load(self, rounds)

    def verdict(self) -> Verdict:
        """Let everything come to its end, and judge."""
        self.produce(self.customers.last())
        alive = [worker for worker in self._workers if worker.alive]
        assert alive, "no worker is left: " + self._workers[-1].log[-2000:]
        alive[0].until_caught_up([self.clicks])
        for worker in alive:
            assert worker.stop() == 0, worker.log[-2000:]
        expected = expect(self.expected_rules, consume_all(self.bootstrap, [self.clicks]))
        verdict = judge(self.bootstrap, self.prefix, expected, self.loaded)
        verdict.recovery = self.recovery
        verdict.commits_back = self._sampler.stop()
        return verdict


class _Load:
    def __init__(self, trial: Trial, rounds: int) -> None:
        self._trial, self._rounds = trial, rounds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failed: BaseException | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    def _run(self) -> None:
        began = time.time()
        try:
            while self._rounds > 0 or not self._over.is_set():
                self._rounds -= 1
                with suppress(KafkaError):  # it is away: these events never happened
                    self._trial.produce(self._trial.customers.events(CHUNK))
                time.sleep(EVERY_S)  # the pace of who writes
        except BaseException as error:
            self._failed = error
        self._trial.loaded.append((1000 * began, 1000 * time.time()))


class _Commits(threading.Thread):
    """Looks at the group's offsets all the time: they must never go back.

    `settles`: for so many quiet seconds they may seem to. A coordinator that has just come up answers from
    what it knows to be on all replicas, which is less than was acknowledged.
    """

    def __init__(self, bootstrap: str, group: str, topic: str, settles: float) -> None:
        super().__init__(daemon=True)
        self._settles = settles
        self._look: Callable[[], dict[object, int]] = lambda: dict(committed(bootstrap, group, [topic]))
        self._over = threading.Event()
        self._back = 0

    def run(self) -> None:
        known: dict[object, int] = {}
        suspected: dict[object, float] = {}
        while not self._over.wait(0.3):  # the pace of the looks
            try:
                found = self._look()
            except KafkaError:
                continue
            now = clock()
            lower = {tp: now for tp, offset in found.items() if offset < known.get(tp, 0)}
            suspected = {tp: suspected.get(tp, now) for tp in lower}
            for tp, since in list(suspected.items()):
                if now > since + self._settles:
                    self._back += 1
                    del suspected[tp], known[tp]
            known = {tp: max(found.get(tp, 0), known.get(tp, 0)) for tp in found.keys() | known.keys()}

    def stop(self) -> int:
        """How often one went back."""
        self._over.set()
        if self.is_alive():
            self.join()
        return self._back
