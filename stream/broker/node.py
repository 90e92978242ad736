"""One node of the embedded Kafka on disk: its settings, its formatted folder, its command line.

Every node is broker and controller at once (KRaft with fixed voters) and listens on 127.0.0.1 only.
"""

from __future__ import annotations

import base64
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRefs = out
rootLogger.appenderRef.out.ref = out
"""


@dataclass(frozen=True, slots=True)
class KafkaNode:
    """`id` is Kafka's node.id, counted from 0; `folder` holds its settings, log and data."""

    id: int
    port: int
    controller_port: int
    folder: Path
    second: tuple[int, int] | None = (
        None  # another listener: its port, and the one that clients are advertised
    )

    @property
    def log(self) -> Path:
        """What the node prints."""
        return self.folder / "kafka.log"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def settings(self) -> Path:
        return self.folder / "server.properties"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What nodes run on: the JRE's `java`, the jars, and the class archive where there is one."""

    java: Path
    class_path: str
    archive: Path | None = None


def command(
    runtime: Runtime, node: KafkaNode, heap: str, *options: str, main: Sequence[str] = ()
) -> list[str]:
    """The command line of a node, or of another main class (with its arguments) in the same surroundings."""
    return [
        str(runtime.java),
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",  # dead, not half alive
        f"-XX:ErrorFile={node.folder / 'hs_err.log'}",
        "-XX:-UsePerfData",  # these two: nothing is left in /tmp by a node that was killed
        f"-Djava.io.tmpdir={node.folder}",
        f"-Dlog4j2.configurationFile={(node.folder / 'log4j2.properties').as_uri()}",
        *([f"-XX:AOTCache={runtime.archive}"] if runtime.archive else []),
        *options,
        "-cp",
        runtime.class_path,
        *(main or ("kafka.Kafka", str(node.settings))),
    ]


def write_settings(node: KafkaNode, nodes: Sequence[KafkaNode]) -> None:
    """Write what `node` reads at its start; they may change from one start to the next, ports included."""
    node.folder.mkdir(parents=True, exist_ok=True)
    (node.folder / "log4j2.properties").write_text(_LOG4J)
    lines = (f"{key}={value}\n" for key, value in properties(node, nodes).items())
    node.settings.write_text("".join(lines))


def format_data(node: KafkaNode, cluster_id: str, checkpoint: Path) -> None:
    """Make the node's data folder one of the cluster, as Kafka's storage tool does, unless it is already.

    `checkpoint` holds the feature levels that a new cluster starts with.
    """
    identity = node.data / "meta.properties"
    if identity.exists():
        return
    node.data.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint, node.data / checkpoint.name)
    # Last and in one step: a folder with an identity is complete.
    draft = node.data / "meta.properties.part"
    draft.write_text(f"version=1\ncluster.id={cluster_id}\nnode.id={node.id}\ndirectory.id={new_id()}\n")
    draft.replace(identity)


def new_id() -> str:
    """A UUID in Kafka's writing: 22 characters of URL-safe base64, not starting with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


def properties(node: KafkaNode, nodes: Sequence[KafkaNode]) -> dict[str, object]:
    """Kafka's settings of `node` in the cluster of `nodes`.

    What Kafka refuses, deletes or makes unasked is left to its own defaults (record sizes, retention, times
    ahead, topics made on demand): what works here works elsewhere. A topic that needs more says so itself.
    """
    replicas = min(3, len(nodes))
    in_sync = 2 if replicas == 3 else 1
    listeners = advertised = f"CLIENTS://127.0.0.1:{node.port}"
    if node.second is not None:
        listeners += f",SECOND://127.0.0.1:{node.second[0]}"
        advertised += f",SECOND://127.0.0.1:{node.second[1]}"
    return {
        "process.roles": "broker,controller",
        "node.id": node.id,
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": advertised,
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,SECOND:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(f"{each.id}@127.0.0.1:{each.controller_port}" for each in nodes),
        "log.dirs": node.data,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 4,
        # Small and quick, for temporary folders and two processor cores.
        "log.segment.bytes": 128 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
        "log.segment.delete.delay.ms": 1000,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "group.initial.rebalance.delay.ms": 0,
        # Fault tests wait for these.
        "broker.heartbeat.interval.ms": 1000,
        "broker.session.timeout.ms": 6000,
    }
