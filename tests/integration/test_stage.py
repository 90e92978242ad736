"""A stage that knows no rules, on a real Kafka: killed, restored, rebalanced, stood by for."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from tests.kit.kafka import consume_all, create_topics, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker, short_session

PARTITIONS = 4
KEYS = [b"key-%02d" % number for number in range(20)]
ROUNDS = 3
PER_ROUND = 50  # of each key
SLOW = 2.0  # longer than the stage's time-out


class Web:
    """The server that is posted to. It is slow at times, and answers what it was sent."""

    def __init__(self) -> None:
        self.posted: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                web.posted.append(self.path)
                if len(web.posted) % 10 == 0:
                    time.sleep(SLOW)  # the stage does not wait for so long, and asks again
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.path.encode())

            def log_message(self, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                """A worker that was killed waits for no answer."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    web = Web()
    monkeypatch.setenv("POST_TO", web.address)
    yield web
    web.server.shutdown()
    web.server.server_close()


class Counts:
    """Topics and workers of the counting stage."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self.bootstrap, self.prefix, self.folder = bootstrap, prefix, folder
        create_topics(
            bootstrap, {self.topic(name): PARTITIONS for name in ("in", "counts", "mail", "answers")}
        )
        create_topics(bootstrap, {self.topic("counts-changelog"): PARTITIONS}, {"cleanup.policy": "compact"})
        self.produced = 0

    def topic(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def worker(self, name: str) -> Worker:
        command = (sys.executable, "-m", "tests.kit.counting")
        return Worker(
            self.bootstrap,
            self.prefix,
            self.folder,
            self.folder / f"{name}.log",
            command,
            instance_id=name,
            standby_replicas="1",
            session_timeout=short_session(),
        )

    def produce(self) -> None:
        self.produced += PER_ROUND
        records = [(number % PARTITIONS, key, b"", None, ()) for number, key in enumerate(KEYS)]
        produce(self.bootstrap, self.topic("in"), records * PER_ROUND)

    def read(self, name: str) -> list[ConsumerRecord[bytes, bytes]]:
        return consume_all(self.bootstrap, [self.topic(name)])

    def by_key(self, name: str) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = defaultdict(list)
        for record in self.read(name):
            found[record.key or b""].append(record.value or b"")
        return found


@pytest.fixture
def counts(kafka: str, prefix: str, tmp_path: Path, web: Web) -> Counts:
    return Counts(kafka, prefix, tmp_path)


def assert_mail_is_durable(counts: Counts) -> None:
    """Whatever was handed on by now, the changelog had before."""
    mail = counts.by_key("mail")
    durable = {
        record.key: orjson.loads(record.value or b"")["count"]
        for record in counts.read("counts-changelog")
        if record.key
    }
    ahead = {key: values for key, values in mail.items() if max(map(int, values)) > durable.get(key, 0)}
    assert ahead == {}


def test_a_stage_that_is_killed_restored_rebalanced_and_stood_by_for_does_everything_once(
    counts: Counts, web: Web
) -> None:
    with counts.worker("a") as a, counts.worker("b") as b:
        for turn in range(ROUNDS):
            before = len(counts.read("counts"))
            counts.produce()
            eventually(lambda before=before: len(counts.read("counts")) > before, "the workers work")
            if turn % 3 == 0:
                a.kill()  # its partitions go to b, which stands by
                assert_mail_is_durable(counts)
                a.start()
            elif turn % 3 == 1:
                assert b.stop() == 0
                b.start()
            else:
                a.signal(signal.SIGKILL)
                b.kill()  # both: what they knew comes from the changelog
                a.wait()
                a.start()
                b.start()
        a.until_caught_up([counts.topic("in")])
        expected = [b"%d" % number for number in range(1, ROUNDS * PER_ROUND + 1)]
        fifths = {f"/{key.decode()}/{n}".encode() for key in KEYS for n in range(5, len(expected) + 1, 5)}

        def answered() -> bool:
            return {value for values in counts.by_key("answers").values() for value in values} == fifths

        eventually(answered, "each post was answered")
        thirds = {(key, n) for key in KEYS for n in expected[2::3]}

        def handed_on() -> bool:
            return {(record.key, record.value) for record in counts.read("mail")} == thirds

        eventually(handed_on, "all is handed on")
        assert counts.by_key("counts") == dict.fromkeys(KEYS, expected), "each once, in order"
        assert {record.partition for record in counts.read("mail")} == {0}
        assert fifths <= {path.encode() for path in web.posted}
        assert b.alive
        assert a.stop() == 0
        assert b.stop() == 0


def test_a_standby_takes_over_without_reading_the_changelog_anew(counts: Counts) -> None:
    with counts.worker("a") as a, counts.worker("b") as b:
        counts.produce()
        a.until_caught_up([counts.topic("in")])
        eventually(lambda: b.said("standby_caught_up"), "b has all that a wrote of a's partitions")
        changelog = len(counts.read("counts-changelog"))
        a.kill()
        counts.produce()
        b.until_caught_up([counts.topic("in")])
        restored = b.said("restored")[-1]
        assert restored["partitions"] == PARTITIONS
        assert restored["records"] < changelog / 4, "less than one partition of four has"
        expected = [b"%d" % number for number in range(1, 2 * PER_ROUND + 1)]
        assert counts.by_key("counts") == dict.fromkeys(KEYS, expected)
