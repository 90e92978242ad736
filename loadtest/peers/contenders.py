"""Who is measured: a worker, and the two peers with what it takes to build and start them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from loadtest.rulesets import RefRule
from loadtest.worker import COMMAND
from stream import __version__
from stream.errors import SettingsError

HERE = Path(__file__).resolve().parent
JAVA_AT_LEAST = 17
# The collector without threads and write barriers of its own, and so much room that it seldom works.
JAVA_OPTIONS = "-XX:+UseSerialGC -Xms2g -Xmx2g -Xmn1g -XX:-UsePerfData"
OTHER_OPTIONS = "PEER_JAVA_OPTIONS"  # the variable by which somebody tries others
OPENED = (
    "java.base/java.lang",
    "java.base/java.util",
    "java.base/java.util.concurrent",
)  # which Flink looks into
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)


class Name(StrEnum):
    """As the command line and the topics know them."""

    WORKER = "worker"
    FLINK = "flink"
    STREAMS = "streams"


@dataclass(frozen=True, slots=True)
class Contender:
    """`command` takes its settings from the environment, as a worker does."""

    name: Name
    title: str
    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    stopped: int = 0  # the exit code after SIGTERM


def contenders(names: Sequence[Name], parallelism: int, console: Console) -> list[Contender]:
    """Build what has to be built. Raises SettingsError where Java or Maven is missing, or does not build."""
    found = []
    if set(names) - {Name.WORKER}:
        java = _java()
        versions = build(console)
    for name in names:
        if name is Name.WORKER:
            found.append(Contender(name, f"a worker, {__version__}", COMMAND))
            continue
        main = {Name.FLINK: "peers.flink.FlinkPeer", Name.STREAMS: "peers.streams.StreamsPeer"}[name]
        title = {Name.FLINK: "Flink", Name.STREAMS: "Kafka Streams"}[name]
        target = HERE / name / "target"
        opened = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED]
        path = f"{target / f'{name}-1.jar'}:{target / 'lib'}/*"
        options = shlex.split(os.environ.get(OTHER_OPTIONS, JAVA_OPTIONS))
        command = [java, *options, *LOGGING, *opened, "-cp", path, main]
        found.append(
            Contender(
                name,
                f"{title} {versions[name]}",
                command,
                {"PEER_PARALLELISM": str(parallelism)},
                stopped=128 + signal.SIGTERM,  # a JVM's, when its shutdown hooks are done
            )
        )
    return found


def build(console: Console) -> dict[Name, str]:
    """`mvn package`, unless what it made is newer than the sources; the peers' versions."""
    pom = (HERE / "pom.xml").read_text(encoding="utf-8")
    versions = {name: version(pom, prop) for name, prop in ((Name.FLINK, "flink"), (Name.STREAMS, "kafka"))}
    sources = [*HERE.rglob("pom.xml"), *HERE.glob("*/src/**/*.java")]
    jars = [HERE / name / "target" / f"{name}-1.jar" for name in versions]
    if all(jar.exists() for jar in jars):
        newest = max(path.stat().st_mtime for path in sources)
        if min(jar.stat().st_mtime for jar in jars) > newest:
            return versions
    maven = shutil.which("mvn")
    if maven is None:
        raise SettingsError("there is no Maven (mvn) to build the peers with", hint="apt-get install maven")
    console.print("building the peers (their libraries are fetched the first time: minutes)")
    # `clean`, because Maven leaves a jar alone whose content is the same, however old it is.
    ran = subprocess.run(
        [maven, "--quiet", "--batch-mode", "--no-transfer-progress", "clean", "package"],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SettingsError("Maven did not build the peers", hint=f"its last words:\n{ran.stdout[-2000:]}")
    return versions


def version(pom: str, prop: str) -> str:
    """The version that a Maven project has as the property `PROP.version`."""
    found = re.search(rf"<{prop}\.version>(.+)</{prop}\.version>", pom)
    assert found is not None  # it is our file
    return found[1]


def table_of(rules: Sequence[RefRule]) -> str:
    """Generated rules as the peers read them: a line for each, cells between tabs."""
    return "".join(f"{rule.family}\t{rule.name}\t{rule.key}\t{rule.above}\t{rule.least}\n" for rule in rules)


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise SettingsError(
            f"there is no Java ({JAVA_AT_LEAST} or newer) to run the peers with",
            hint="apt-get install openjdk-17-jdk-headless",
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    if java_release(said) < JAVA_AT_LEAST:
        raise SettingsError(f"the peers need Java {JAVA_AT_LEAST}, here is: {said.partition(chr(10))[0]}")
    return java


def java_release(said: str) -> int:
    """The release, of what `java -version` says; 8 and older say 1.8."""
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0
