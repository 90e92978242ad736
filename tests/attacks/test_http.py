"""What reaches the port of metrics and health: clients without pause, requests that are none."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from stream.telemetry.metrics import Metrics
from stream.worker import health
from stream.worker.health import Health, HealthServer

WELL = Health(live=True, ready=True)


class Counted(Metrics):
    """Counts how often its exposition was made, and says so in it."""

    made = 0

    def exposition(self) -> bytes:
        self.made += 1
        return b"made %d\n" % self.made


@pytest.fixture
def metrics() -> Counted:
    return Counted()


@pytest.fixture
def server(metrics: Counted, monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthServer]:
    monkeypatch.setattr(health, "DEADLINE", 3600.0)
    with HealthServer(metrics, lambda: WELL, "127.0.0.1", 0) as server:
        yield server


def ask(server: HealthServer, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def raw(server: HealthServer, sent: bytes) -> bytes:
    """All that is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(sent)
        with suppress(OSError):  # it may have cut us before
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_clients_without_pause_share_one_answer_of_the_metrics(
    server: HealthServer, metrics: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight of them made a trigger's latency twenty times what it is."""
    monkeypatch.setattr(health, "SHARE", 1e-9)  # however little this one takes, it is old after `OLDEST` only
    monkeypatch.setattr(health, "OLDEST", 3600.0)
    answers: list[bytes] = []

    def scrape() -> None:
        answers.extend(ask(server, "/metrics")[1] for _ in range(5))

    clients = [threading.Thread(target=scrape) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answers == [b"made 1\n"] * 40
    assert metrics.made == 1


def test_an_answer_that_is_old_is_made_anew(server: HealthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "OLDEST", 0.0)
    assert [ask(server, "/metrics")[1] for _ in range(3)] == [b"made 1\n", b"made 2\n", b"made 3\n"]


def test_requests_are_taken_at_a_pace(server: HealthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: the interpreter is the events'."""
    slept: list[float] = []
    monkeypatch.setattr(health, "sleep", slept.append)
    monkeypatch.setattr(health, "monotonic", lambda: 1000.0)  # they all come at once
    for _ in range(4):
        assert ask(server, "/live")[0] == 200
    assert slept == pytest.approx([health.PACE, 2 * health.PACE, 3 * health.PACE])


NOT_REQUESTS: dict[str, bytes] = {
    "nothing": b"",
    "binary": bytes(range(256)),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "a line without end": b"GET /" + b"a" * 100_000,
    "a long path": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n\r\n",
    "ten thousand headers": b"GET /live HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
    "a large header": b"GET /live HTTP/1.1\r\na: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "a version that is none": b"GET /live HTTP/9.9\r\n\r\n",
    "another method": b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
    "a method with a newline": b"GE\nT /live HTTP/1.1\r\n\r\n",
    "a header in the path": b"GET /live\r\nX: y HTTP/1.1\r\n\r\n",
    "a proxy's request": b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
    "half a request": b"GET /live HTTP/1.1\r\nHost: ",
    "not ASCII": "GET /líve HTTP/1.1\r\n\r\n".encode(),
}


@pytest.mark.parametrize("sent", NOT_REQUESTS.values(), ids=NOT_REQUESTS)
def test_what_is_no_request_is_answered_or_cut_and_the_next_one_is_served(
    server: HealthServer, sent: bytes
) -> None:
    try:
        answer = raw(server, sent)
    except ConnectionError:
        answer = b""  # cut while it was still sending
    assert not answer or answer.startswith((b"HTTP/1.0 4", b"HTTP/1.0 5", b"HTTP/1.0 200", b"{"))
    assert b"Traceback" not in answer
    assert ask(server, "/live")[0] == 200


def test_more_connections_than_there_is_room_for_keep_no_probe_out(server: HealthServer) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3 * health.CONNECTIONS)]
    try:
        assert ask(server, "/live")[0] == 200
    finally:
        for each in held:
            each.close()
