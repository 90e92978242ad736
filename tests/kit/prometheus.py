"""Prometheus for the tests: its two programs, found or fetched once, and a server that scrapes workers.

Debian's package is downloaded by apt, which checks its signature, and unpacked below the cache folder:
nothing is installed and nobody has to be root. Where that cannot be, what is on the PATH is used (2.42 or
later: what rules and dashboards are written for). Without either a test fails and says what to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from stream.broker.jars import cache_dir, locked
from tests.kit.kafka import free_port
from tests.kit.patience import eventually

LEAST = (2, 42)


class Tools(NamedTuple):
    promtool: Path
    prometheus: Path


class NoPrometheusError(AssertionError):
    """There is no Prometheus here, and none could be had."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Prometheus cannot be had: {reason}\nput `promtool` and `prometheus` (2.42 or later) on the "
            "PATH, or run this where apt-get reaches Debian's packages"
        )


@cache
def tools() -> Tools:
    """promtool and prometheus. Raises NoPrometheusError."""
    folder = cache_dir().parent / "prometheus"
    ours = Tools(*(folder / "package/usr/bin" / name for name in Tools._fields))
    try:
        with locked(folder, None):
            if not all(each.exists() for each in ours):
                _fetch(folder)
    except NoPrometheusError:
        found = [shutil.which(name) for name in Tools._fields]
        if not all(found):
            raise
        ours = Tools(*(Path(each) for each in found if each))
    if (version := _version(ours.promtool)) < LEAST:
        raise NoPrometheusError(f"there is only version {'.'.join(map(str, version))}")
    return ours


def _version(program: Path) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return tuple(map(int, found.groups())) if found else (0,)


def _fetch(folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoPrometheusError("this is no Debian")
    for old in folder.glob("*.deb"):
        old.unlink()
    ours = [f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}/cache", "-oAPT::Sandbox::User="]
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if _apt(folder, "download", "prometheus").returncode:  # the machine's lists are empty, or old
        for options in ([*ours, "update"], [*ours, "download", "prometheus"]):
            done = _apt(folder, *options)
            if done.returncode:
                raise NoPrometheusError(f"apt-get {options[-1]} ended with\n{done.stderr.strip()[-600:]}")
    (package,) = folder.glob("prometheus_*.deb")
    staging = folder / "unpacking"
    shutil.rmtree(staging, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-x", package, staging], check=True)
    shutil.rmtree(folder / "package", ignore_errors=True)
    staging.rename(folder / "package")
    package.unlink()


def _apt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["apt-get", "-q", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def promtool(*arguments: str | Path) -> None:
    """Run promtool; an AssertionError with what it says if it is not content."""
    done = subprocess.run([tools().promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


class Prometheus:
    """A running server; every answer is what its HTTP interface gives under `data`."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/"

    def get(self, path: str, **parameters: object) -> Any:
        """Raises AssertionError with Prometheus' own message, such as where a query does not parse."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self._url}{path}?{query}") as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant vector, as of now."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.get(
            "query_range", query=expression, start=start, end=end, step=step
        )["result"]
        return result


@contextmanager
def running(
    folder: Path, workers: Mapping[str, int], rules: Sequence[Path] = (), interval: str = "1s"
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these ports of this machine, by instance, and evaluates these rule files."""
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(each.resolve()) for each in rules],
        "scrape_configs": [
            {
                "job_name": "stream",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}}
                    for name, port in workers.items()
                ],
            }
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        str(tools().prometheus),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    log_file = folder / "prometheus.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"GOMAXPROCS": "2"})
    try:
        server = Prometheus(port)

        def ready() -> bool:
            assert process.poll() is None, log_file.read_text(errors="replace")
            try:
                return bool(server.get("status/buildinfo"))
            except OSError:
                return False

        eventually(ready, "Prometheus answers")
        yield server
    finally:
        process.terminate()
        process.wait()
