"""The measured thing: a real `stream worker` process, and what Linux and its own metrics say about it."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from prometheus_client.parser import text_string_to_metric_families

from stream.errors import StreamError

PROJECT = Path(__file__).resolve().parent.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 30
COMMAND = (sys.executable, "-m", "stream", "worker")
HTTP_SECONDS = 10
LOG_LINES = 15


@dataclass(frozen=True, slots=True)
class Reading:
    """The worker's own counts: events applied, customers in its state."""

    events: int
    customers: int


class Worker:
    """One worker process with a consumer group of its own. A context manager: it ends with the block.

    `directory` takes the log and is its working directory, so that no `.env` file of somebody's is read.
    """

    def __init__(
        self,
        directory: Path,
        rules: Path,
        app_id: str,
        settings: Mapping[str, str],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.app_id = app_id
        self._log = directory / f"{app_id}.log"
        self.port = _free_port()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))),
            "TMPDIR": str(directory),  # what a killed worker leaves behind goes with the directory
            "STREAM_APP_ID": app_id,
            "STREAM_RULES": str(rules),
            "STREAM_CLOCK": "event",
            "STREAM_HTTP_HOST": "127.0.0.1",
            "STREAM_HTTP_PORT": str(self.port),
            **settings,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise StreamError, with the end of its log, if the worker has ended."""
        code = self._process.poll()
        if code is not None:
            raise StreamError(
                f"{self.app_id} ended with {code}", hint=f"its last words:\n{self.last_words()}"
            )

    def last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def stuck(self, what: str, patience: float) -> StreamError:
        """The error of a worker that did `what`, for so many seconds."""
        return StreamError(
            f"{self.app_id} {what} in {patience:.0f} s", hint=f"its last words:\n{self.last_words()}"
        )

    async def stop(self, fine: int = 0) -> None:
        """End it as an operator would. Raises StreamError if it does not go, or not with exit code `fine`."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise StreamError(
                f"{self.app_id} did not end within {STOP_SECONDS} s of SIGTERM",
                hint=f"its last words:\n{self.last_words()}",
            ) from None
        if code != fine:
            raise StreamError(
                f"{self.app_id}, told to end, ended with {code}", hint=f"its last words:\n{self.last_words()}"
            )

    async def ready(self) -> bool:
        """Whether /ready says 200; False where nobody answers yet."""
        answer = await asyncio.to_thread(self._get, "/ready")
        return answer is not None and answer[0] == http.client.OK

    async def reading(self) -> Reading:
        """What /metrics says; zeros where nobody answers yet."""
        totals = await self.totals()
        return Reading(int(totals["stream_events_total"]), int(totals["stream_customers"]))

    async def totals(self) -> Counter[str]:
        """Each of its metrics by the sample's name, over all labels; nothing where nobody answers yet."""
        answer = await asyncio.to_thread(self._get, "/metrics")
        found: Counter[str] = Counter()
        for family in text_string_to_metric_families(answer[1] if answer else ""):
            for sample in family.samples:
                found[sample.name] += sample.value  # type: ignore[assignment]  # as many numbers are no integers
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all its threads since it was started, in steps of a clock tick (10 ms)."""
        self.check()
        # The second field is the command in parentheses, in which anything may stand: count from its end.
        fields = (
            Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def peak_memory(self) -> int:
        """The most memory that was resident at a time (VmHWM), in bytes."""
        self.check()
        for line in Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise StreamError("this kernel does not tell a process's peak memory (VmHWM)")

    def _get(self, path: str) -> tuple[int, str] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HTTP_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionError:
            return None  # not listening yet, or gone, which `check` tells
        except TimeoutError:
            raise StreamError(f"{self.app_id} does not answer {path} within {HTTP_SECONDS} s") from None
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
