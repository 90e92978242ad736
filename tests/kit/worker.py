"""Real worker processes for the tests: started, watched, stopped with real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.kit.kafka import committed, end_offsets
from tests.kit.patience import HANG_S, eventually, scaled

WORKER = (sys.executable, "-m", "stream", "worker")
LONG_SESSION_S = 85  # as long as Faust allows


def short_session() -> str:
    """`session_timeout` where another worker takes over: the shortest that Kafka allows, or what this machine
    needs to show a sign of life.
    """
    return f"{min(scaled(6), LONG_SESSION_S):.0f}"


class Worker:
    """One `stream worker` process on a rules directory; its log is kept in `log_file`."""

    def __init__(
        self,
        bootstrap: str,
        app_id: str,
        rules: Path,
        log_file: Path,
        command: Sequence[str] = WORKER,
        **settings: str,
    ) -> None:
        self._command = list(command)
        self.bootstrap = bootstrap
        self.app_id = app_id
        self.log_file = log_file
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("STREAM_")
        }
        self._environment |= {
            "STREAM_BROKER": bootstrap,
            "STREAM_APP_ID": app_id,
            "STREAM_RULES": str(rules),
            "STREAM_HTTP_HOST": "127.0.0.1",
            "STREAM_HTTP_PORT": "0",
            "STREAM_COMMIT_INTERVAL": "0.1",
            "STREAM_LOG_FORMAT": "json",
        } | {f"STREAM_{name.upper()}": value for name, value in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Worker:
        """Start the process; does not wait."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        return self

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a machine that dies."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM, as Kubernetes; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended; its exit code."""
        assert self.process is not None
        return self.process.wait()

    def until_ended(self, *, seconds: float = HANG_S) -> int:
        """Wait until it has ended by itself; its exit code. An AssertionError, with the end of its log, if it
        does not within so many quiet seconds.
        """
        try:
            eventually(lambda: not self.alive, "it ends", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-8000:]}") from error
        return self.wait()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def said(self, message: str) -> list[dict[str, Any]]:
        """The log's lines of one kind; of a line that is being written nothing."""
        whole = self.log.rpartition("\n")[0]
        lines = (orjson.loads(line) for line in whole.splitlines() if line.startswith("{"))
        return [line for line in lines if line["message"] == message]

    @property
    def port(self) -> int:
        """The port of metrics and health, as the log says (the last start counts); 0 before."""
        starts = self.said("starting")
        return int(starts[-1].get("port", 0)) if starts else 0

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; 0 where nobody answers. An answer that the worker was too slow for, and
        cut, is asked for again.
        """
        while port := self.port:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()
            except (OSError, HTTPException) as error:
                if isinstance(getattr(error, "reason", error), ConnectionRefusedError) or not self.alive:
                    break
        return 0, ""

    def figures(self) -> Mapping[str, float]:
        """The metrics by name, summed over labels."""
        figures: dict[str, float] = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                figures[sample.name] = figures.get(sample.name, 0) + sample.value
        return figures

    def until_ready(self) -> Worker:
        """Wait until the worker says so itself."""
        eventually(lambda: not self.alive or self.get("/ready")[0] == 200, "the worker is ready")
        assert self.alive, self.log
        return self

    def until_caught_up(self, topics: Sequence[str]) -> Worker:
        """Wait until everything that is in these topics now is committed by the worker's group."""
        ends = {tp: end for tp, end in (end_offsets(self.bootstrap, topics)).items() if end}

        def done() -> bool:
            if not self.alive:
                return True
            offsets = committed(self.bootstrap, self.app_id, topics)
            return all(offsets.get(tp, -1) >= end for tp, end in ends.items())

        eventually(done, f"all of {', '.join(topics)} is committed")
        assert self.alive, self.log
        return self

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive:
            self.kill()
