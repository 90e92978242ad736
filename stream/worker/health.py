"""Health: `/live`, `/ready` and `/metrics` over HTTP, from a thread of their own.

A busy event loop is no reason to be killed, so nothing here touches it: the thread needs the interpreter lock
for a moment, and that changes hands every 5 ms, or when the engine has finished its batch. Whether the worker
is alive is for the runtime to say, in `verdict`.

Clients without pause take no time from the events: requests are taken `PACE` seconds apart, and what
`/metrics` says is made once and shared for fifty times as long as that took, a second at most.

Each answer ends its connection. A client that trickles or never reads is cut after `DEADLINE` seconds, and
when `CONNECTIONS` are open at once the oldest is cut for the new one: a probe always finds a place.
Tested by tests/worker/test_health.py and tests/attacks/test_http.py.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Any

import structlog

from stream.errors import SettingsError
from stream.telemetry.metrics import CONTENT_TYPE, Metrics

DEADLINE = 5.0  # seconds from the connection to its end
CONNECTIONS = 32
PACE = 0.01  # seconds between two requests, at least
SHARE = 0.02  # of the time, that `/metrics` may take
OLDEST = 1.0  # seconds, of what it says

log = structlog.stdlib.get_logger("stream.health")


@dataclass(frozen=True, slots=True)
class Health:
    """`live` is false only when a restart would help; `ready`: partitions are assigned and recovered.

    `reasons` say what is amiss, for people; they name topics and partitions, never customers.
    """

    live: bool
    ready: bool
    reasons: tuple[str, ...] = ()


class HealthServer:
    """Serves `metrics` and the `verdict` at `host`:`port` between `start` and `stop`; port 0 is any free one.

    `verdict` is called in the server's threads, so it must only look at what may be looked at from there.
    """

    def __init__(self, metrics: Metrics, verdict: Callable[[], Health], host: str, port: int) -> None:
        self._metrics = metrics
        self._verdict = verdict
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Raises SettingsError if the address cannot be listened on."""
        host, port = self._address
        try:
            self._server = _Server(self._address, self._metrics, self._verdict)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "no such address"
            raise SettingsError(
                f"metrics and health cannot be served on {host}:{port}: {reason}",
                hint="choose a free port with STREAM_HTTP_PORT (0: any), or an address of this machine "
                "with STREAM_HTTP_HOST",
            ) from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on; before the start the one asked for."""
        return int(self._server.server_address[1]) if self._server else self._address[1]

    def stop(self) -> None:
        """Ends the thread and closes the port. May be called again."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.cut(0)
        self._server = self._thread = None

    def __enter__(self) -> HealthServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Shared:
    """An answer that takes long to make, for all who ask at about the same time."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._lock = Lock()
        self._answer = b""
        self._until = 0.0

    def __call__(self) -> bytes:
        with self._lock:
            if (began := monotonic()) >= self._until:
                self._answer = self._make()
                made = monotonic()
                self._until = made + min((made - began) / SHARE, OLDEST)
            return self._answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], metrics: Metrics, verdict: Callable[[], Health]) -> None:
        self.exposition = _Shared(metrics.exposition)
        self.verdict = verdict
        self._next = 0.0  # when the next request may be taken
        self._open: dict[socket.socket, float] = {}  # with the time of its deadline, oldest first
        self._lock = Lock()
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service for our name and may wait long for it.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        now = monotonic()
        if now < self._next:
            sleep(self._next - now)
        self._next = max(now, self._next) + PACE
        self.cut(CONNECTIONS - 1)
        with self._lock:
            self._open[request] = monotonic() + DEADLINE
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called by the serving thread after every request and five times a second."""
        now = monotonic()
        with self._lock:
            kept = sum(deadline > now for deadline in self._open.values())
        self.cut(kept)

    def cut(self, keep: int) -> None:
        """Ends the oldest connections until `keep` are left; their threads see the end of their stream."""
        with self._lock:
            for connection in list(self._open)[: max(len(self._open) - keep, 0)]:
                del self._open[connection]
                _shut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("health_request_failed")


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster: there is nothing left to end


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "stream"
    sys_version = ""
    timeout = DEADLINE
    # In one piece: each system call hands the interpreter over, and a busy worker gives it back late.
    wbufsize = 1 << 16

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            return  # the client left, or was cut: its loss, and none of ours

    def finish(self) -> None:
        try:
            super().finish()
        except (ConnectionError, TimeoutError):
            return  # as above: what was left to send is nobody's any more

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/live":
                self._answer_health("live")
            case "/ready":
                self._answer_health("ready")
            case "/metrics":
                self._answer(HTTPStatus.OK, self.server.exposition(), CONTENT_TYPE)
            case "/":
                self._answer_json(HTTPStatus.OK, {"paths": ["/live", "/ready", "/metrics"]})
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def _answer_health(self, question: str) -> None:
        try:
            health = self.server.verdict()
        except Exception:
            # A fault of ours, which says nothing about the worker: seen in the log, and by whoever asks.
            log.exception("health_verdict_failed")
            self._answer_health_as(HTTPStatus.INTERNAL_SERVER_ERROR, "unknown", ("the verdict failed",))
            return
        if health.live if question == "live" else health.ready:
            self._answer_health_as(HTTPStatus.OK, "ok", ())
        else:
            self._answer_health_as(HTTPStatus.SERVICE_UNAVAILABLE, f"not {question}", health.reasons)

    def _answer_health_as(self, code: HTTPStatus, status: str, reasons: tuple[str, ...]) -> None:
        self._answer_json(code, {"status": status, "reasons": reasons})

    def _answer_json(self, code: HTTPStatus, body: dict[str, Any]) -> None:
        self._answer(code, json.dumps(body).encode() + b"\n", "application/json")

    def _answer(self, code: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Also called by the base class: for a request that is none, and for methods that are not served."""
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._answer_json(status, {"status": status.phrase.lower(), "reasons": []})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """No access log: probes come every few seconds."""
