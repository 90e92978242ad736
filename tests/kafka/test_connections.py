"""Connections to Kafka: cut at their end, and secrets that are read again."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from stream.kafka import connections
from stream.kafka.connection_refusals import SPEAKS_PLAINTEXT
from stream.kafka.contact import Contact
from stream.settings import Settings, load
from tests.kit.secure import certify, make_authority

TURNS = 100
CLIENTS = 5


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> Contact:
    fresh = Contact()
    monkeypatch.setattr(connections, "CONTACT", fresh)
    monkeypatch.setattr(connections, "_refused_at", {})
    return fresh


def settings_with(folder: Path, **given: str) -> Settings:
    make_authority(folder, "ca")
    tls = {"STREAM_SECURITY_PROTOCOL": "SSL", "STREAM_SSL_CAFILE": str(folder / "ca.pem")}
    return load(tls | given, env_file=None)


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_connection_with_a_request_in_flight_is_cut_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: Callable[..., None]
) -> None:
    """Over TLS a second worker that joined took a minute: each client waited for the brokers' farewell."""
    settings = settings_with(tmp_path)
    certify(tmp_path, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")

    done = threading.Event()

    def work_at_its_request(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        with context.wrap_socket(accepted, server_side=True):
            done.wait()  # and reads nothing meanwhile, as a broker

    async def run(port: int) -> None:
        connection = await connections.connect(
            "127.0.0.1", port, request_timeout_ms=3_600_000, **connections.security(settings)
        )
        answer = asyncio.ensure_future(connection.send(ApiVersionRequest()))
        closed = connection.close()
        for _ in range(TURNS):  # of the loop, which waits for nobody in them
            await asyncio.sleep(0)
        cut = closed.done()
        done.set()
        assert cut
        with pytest.raises(KafkaConnectionError):
            await answer

    async def nothing(self: object) -> None:
        pass

    monkeypatch.setattr(connections._Connection, "_do_version_lookup", nothing)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=work_at_its_request, args=(listening,))
        server.start()
        runner(run(listening.getsockname()[1]))
        server.join()


class Heard:
    """A connection of which only the answers count."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def _handle_frame(self, answer: bytes) -> None:
        if answer == b"nonsense":
            raise ValueError(answer)
        self.answers.append(answer)


def hearing(heard: Heard) -> tuple[connections._Answers, asyncio.Future[None]]:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return connections._Answers(cast("connections._Connection", heard), asyncio.Protocol(), ended), ended


ANSWERS = [b"one", b"", b"two" * 3, b"three"]
SENT = b"".join(connections.SIZE.pack(len(each)) + each for each in ANSWERS)


@pytest.mark.parametrize("size", range(1, len(SENT) + 1))
async def test_answers_are_whole_however_they_come(size: int) -> None:
    heard = Heard()
    answers, _ = hearing(heard)
    for at in range(0, len(SENT), size):
        answers.data_received(SENT[at : at + size])
    assert heard.answers == ANSWERS


@pytest.mark.parametrize(
    ("sent", "expected"), [(b"", 4), (b"\0", 4), (b"\0\0\0\5on", 5), (b"\x15\3\3\0\2", 0x15030300)]
)
async def test_what_ends_in_an_answer_says_what_was_expected(sent: bytes, expected: int) -> None:
    """So it is known that TLS is spoken there."""
    for lost in (False, True):
        answers, ended = hearing(heard := Heard())
        for at in range(len(sent)):
            answers.data_received(sent[at : at + 1])
        answers.connection_lost(None) if lost else answers.eof_received()
        error = ended.exception()
        assert isinstance(error, asyncio.IncompleteReadError)
        assert error.expected == expected
        assert heard.answers == []


async def test_after_an_answer_without_sense_nothing_is_heard() -> None:
    answers, ended = hearing(heard := Heard())
    both = connections.SIZE.pack(8) + b"nonsense" + connections.SIZE.pack(3) + b"one"
    answers.data_received(both)
    answers.data_received(both)
    assert isinstance(ended.exception(), ValueError)
    assert heard.answers == []


def test_secrets_are_read_again_when_their_files_have_changed(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("old\n")
    sasl = {
        "STREAM_SECURITY_PROTOCOL": "SASL_SSL",
        "STREAM_SASL_MECHANISM": "PLAIN",
        "STREAM_SASL_USERNAME": "me",
        "STREAM_SASL_PASSWORD_FILE": str(secret),
    }
    arguments = connections.security(settings_with(tmp_path, **sasl))
    secrets = connections._secrets_of(arguments)
    assert secrets is not None
    assert arguments["sasl_plain_password"] == "old"
    assert secrets.renew() == {}, "nothing has changed"
    connections._refused_at["127.0.0.1:1"] = 0
    secret.write_text("the next one\n")
    assert secrets.renew()["sasl_plain_password"] == "the next one"
    assert connections._refused_at == {}, "tried at once"
    secret.write_text("")
    assert secrets.renew()["sasl_plain_password"] == "the next one", "a renewal may be half done"
    secret.unlink()
    assert secrets.renew()["sasl_plain_password"] == "the next one"
    (tmp_path / "ca.pem").write_text((tmp_path / "ca.pem").read_text() + "\n# renewed\n")
    secret.write_text("the last one")
    renewed = secrets.renew()
    assert renewed["sasl_plain_password"] == "the last one"
    assert renewed["ssl_context"] is not arguments["ssl_context"]


def test_certificates_of_clients_that_are_gone_are_let_go(tmp_path: Path) -> None:
    """Over TLS each standby and each restore made one more client, and the worker kept what each had read."""
    settings, given = settings_with(tmp_path), []
    for _ in range(CLIENTS):
        arguments = connections.security(settings)
        secrets = connections._secrets_of(arguments)
        assert secrets is not None
        given += [weakref.ref(arguments["ssl_context"]), weakref.ref(secrets)]
    del arguments, secrets
    gc.collect()
    assert sum(each() is not None for each in given) == 0


async def test_a_broker_that_has_refused_is_not_asked_ten_times_a_second(
    contact: Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts are locked after some wrong passwords."""
    now, tried = [0.0], []

    async def refuse(self: connections._Connection) -> None:
        tried.append(now[0])
        raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")

    monkeypatch.setattr(connections, "refusal_of", lambda error: SPEAKS_PLAINTEXT)
    monkeypatch.setattr(connections._Connection, "connect", refuse)
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    for tenth in range(int(30 * connections.PAUSE_S)):
        now[0] = tenth / 10
        with pytest.raises((OSError, KafkaConnectionError)):
            await connections.connect("b", 1, security_protocol="SSL", ssl_context=None)
    assert len(tried) == contact.refusals["protocol",] == 3


@pytest.mark.parametrize("error", [*connections.NONSENSE, ConnectionResetError])
@pytest.mark.parametrize("nonsense", connections.NONSENSE)
async def test_an_answer_without_sense_is_no_end_of_a_client(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], nonsense: type[Exception]
) -> None:
    """Nor is one that comes when TLS has failed, and the same port is asked without it."""

    async def fail(self: AIOKafkaConnection) -> None:
        raise error if isinstance(self, connections._Connection) else nonsense

    monkeypatch.setattr(AIOKafkaConnection, "connect", fail)
    with pytest.raises((OSError, KafkaConnectionError)):
        await connections.connect("b", 1, security_protocol="SSL", ssl_context=None, request_timeout_ms=9)


@pytest.mark.parametrize("error", [MemoryError, TypeError])
async def test_a_mistake_of_ours_is_not_called_an_outage(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The worker waited for ever for a Kafka that was there."""

    async def fail(self: object) -> None:
        raise error

    monkeypatch.setattr(AIOKafkaConnection, "connect", fail)
    with pytest.raises(error):
        await connections.connect("b", 1, security_protocol="PLAINTEXT")
