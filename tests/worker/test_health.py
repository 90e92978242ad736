"""Health: what is answered, by a thread that nothing in the worker can starve."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog

from stream.errors import SettingsError
from stream.telemetry.metrics import CONTENT_TYPE, Metrics
from stream.worker import health
from stream.worker.health import Health, HealthServer
from tests.kit.patience import Deadline, eventually

WELL = Health(live=True, ready=True)


@pytest.fixture
def verdict() -> list[Health]:
    """The verdict in force: tests replace its one element."""
    return [WELL]


@pytest.fixture
def server(verdict: list[Health]) -> Iterator[HealthServer]:
    with HealthServer(Metrics(), lambda: verdict[0], "127.0.0.1", 0) as server:
        yield server


@pytest.fixture(autouse=True)
def _without_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is cut for being slow, but where a test is about it."""
    monkeypatch.setattr(health, "DEADLINE", 3600.0)
    monkeypatch.setattr(health._Handler, "timeout", None)


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize(
    ("health", "live", "ready"),
    [
        (WELL, (200, "ok", []), (200, "ok", [])),
        (Health(True, False, ("restoring",)), (200, "ok", []), (503, "not ready", ["restoring"])),
        (Health(False, True, ("stuck",)), (503, "not live", ["stuck"]), (200, "ok", [])),
        (Health(False, False, ("a", "b")), (503, "not live", ["a", "b"]), (503, "not ready", ["a", "b"])),
    ],
)
def test_probes(
    server: HealthServer,
    verdict: list[Health],
    health: Health,
    live: tuple[int, str, list[str]],
    ready: tuple[int, str, list[str]],
) -> None:
    verdict[0] = health
    for path, (code, status, reasons) in (("/live", live), ("/ready", ready), ("/ready?verbose", ready)):
        answered, headers, body = ask(server, path)
        assert answered == code
        assert headers["Content-Type"] == "application/json"
        assert headers["Cache-Control"] == "no-store"
        assert json.loads(body) == {"status": status, "reasons": reasons}


def test_metrics_are_those_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "OLDEST", 0.0)
    metrics = Metrics()
    with HealthServer(metrics, lambda: WELL, "127.0.0.1", 0) as server:
        assert b"stream_rules_reload_failures_total 0.0" in ask(server, "/metrics")[2]
        metrics.rules.count_reload_failure()
        code, headers, body = ask(server, "/metrics?x=1")
    assert code == 200
    assert headers["Content-Type"] == CONTENT_TYPE
    assert b"stream_rules_reload_failures_total 1.0" in body


def test_the_index_names_the_paths(server: HealthServer) -> None:
    code, _, body = ask(server, "/")
    assert code == 200
    assert json.loads(body) == {"paths": ["/live", "/ready", "/metrics"]}


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/", "/other"])
def test_head_is_get_without_the_body(server: HealthServer, path: str) -> None:
    got, asked = ask(server, path), ask(server, path, "HEAD")
    assert asked[0] == got[0]
    with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(b"\r\n\r\n")
    assert asked[1]["Content-Type"] == got[1]["Content-Type"]
    if path != "/metrics":  # the process' own figures move in between
        assert int(asked[1]["Content-Length"]) == len(got[2])


@pytest.mark.parametrize("path", ["/other", "/live/", "/../etc/passwd", "/metrics.json"])
def test_nothing_else_is_there(server: HealthServer, path: str) -> None:
    code, _, body = ask(server, path)
    assert code == 404
    assert json.loads(body) == {"status": "not found", "reasons": []}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_can_be_done(server: HealthServer, method: str) -> None:
    code, headers, _ = ask(server, "/live", method)
    assert code == 405
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\n\n", b"GET /live HTTP/9.9\r\n\r\n", b"G" * 70_000])
def test_what_is_no_request_is_refused(server: HealthServer, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass  # what it did not read of a request that is too long
    assert b" 200 " not in answer
    assert ask(server, "/live")[0] == 200


def test_the_answers_say_nothing_of_what_serves_them(server: HealthServer) -> None:
    assert ask(server, "/live")[1]["Server"].strip() == "stream"


def test_a_verdict_that_fails_is_told_and_logged() -> None:
    def broken() -> Health:
        raise RuntimeError("no idea")

    with (
        structlog.testing.capture_logs() as logs,
        HealthServer(Metrics(), broken, "127.0.0.1", 0) as server,
    ):
        code, _, body = ask(server, "/live")
        assert code == 500
        assert json.loads(body)["status"] == "unknown"
        assert ask(server, "/metrics")[0] == 200
    assert [each["event"] for each in logs] == ["health_verdict_failed"]


def test_a_taken_port_is_told_with_the_setting_that_mends_it(server: HealthServer) -> None:
    second = HealthServer(Metrics(), lambda: WELL, "127.0.0.1", server.port)
    with pytest.raises(SettingsError, match=f"127.0.0.1:{server.port}: Address already in use") as caught:
        second.start()
    assert "STREAM_HTTP_PORT" in (caught.value.hint or "")
    second.stop()
    assert ask(server, "/live")[0] == 200


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 70 + ".b"])
def test_an_address_that_is_not_this_machines_is_told(host: str) -> None:
    with pytest.raises(SettingsError, match="cannot be served") as caught:
        HealthServer(Metrics(), lambda: WELL, host, 0).start()
    assert "STREAM_HTTP_HOST" in (caught.value.hint or "")


def test_the_port_is_free_after_the_end_and_no_thread_is_left() -> None:
    before = threading.active_count()
    server = HealthServer(Metrics(), lambda: WELL, "127.0.0.1", 0)
    server.start()
    port = server.port
    idle = socket.create_connection(("127.0.0.1", port))
    assert ask(server, "/live")[0] == 200
    server.stop()
    assert idle.recv(1) == b""
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    eventually(lambda: threading.active_count() == before)
    idle.close()
    with HealthServer(Metrics(), lambda: WELL, "127.0.0.1", port) as again:
        assert ask(again, "/live")[0] == 200


class Asker(threading.Thread):
    """Asks, and notes what was answered."""

    def __init__(self, server: HealthServer) -> None:
        super().__init__(daemon=True)
        self.answers: list[int] = []
        self.server = server

    def run(self) -> None:
        self.answers += [ask(self.server, path)[0] for path in ("/live", "/metrics")]


def spin_until_answered(server: HealthServer) -> None:
    """Pure Python and nothing else, until somebody who asks meanwhile has the answers."""
    asker, deadline = Asker(server), Deadline()
    asker.start()
    while not asker.answers:
        assert not deadline.passed, "nobody was answered"
        sum(range(1000))
    assert asker.answers == [200, 200]


def test_a_busy_interpreter_does_not_keep_the_answer_waiting(server: HealthServer) -> None:
    spin_until_answered(server)


async def test_a_blocked_event_loop_does_not_keep_the_answer_waiting(server: HealthServer) -> None:
    async def block() -> None:
        spin_until_answered(server)

    await asyncio.create_task(block())


def answering() -> int:
    """How many threads the server has for its connections."""
    return sum("process_request" in thread.name for thread in threading.enumerate())


def test_silent_clients_do_not_keep_a_probe_out(server: HealthServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(health.CONNECTIONS + 10)]
    try:
        assert ask(server, "/live")[0] == 200
        assert silent[0].recv(1) == b""  # the oldest was cut for it
        eventually(lambda: answering() <= health.CONNECTIONS + 1, "the threads of those that were cut end")
    finally:
        for connection in silent:
            connection.close()


def test_a_client_that_trickles_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "DEADLINE", 0.3)
    with (
        structlog.testing.capture_logs() as logs,
        HealthServer(Metrics(), lambda: WELL, "127.0.0.1", 0) as server,
        closing(socket.create_connection(("127.0.0.1", server.port))) as connection,
    ):

        def trickle() -> bool:
            try:
                connection.sendall(b"G")
            except OSError:
                return True
            return False

        eventually(trickle, "it is cut")
        monkeypatch.setattr(health, "DEADLINE", 3600.0)
        assert ask(server, "/live")[0] == 200
    assert logs == []
