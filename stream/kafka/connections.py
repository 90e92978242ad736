"""Connections to Kafka as all clients here make them, in place of aiokafka 0.14's own.

    made      with secrets that are read again when their files have changed: a password or a certificate that
              was renewed is used at the next connection
    read      each answer is there when its last byte has come. aiokafka reads in a task, which waits for the
              size and for what follows: two turns of the event loop more for each
    told      each answer, each failure and each refusal is told to `contact`; what a refusal leaves open is
              asked of the broker
    spared    a broker that has refused is left alone for `PAUSE_S`, or ten attempts a second would lock the
              user out
    cut       at the end, at once. aiokafka ends TLS politely: it waits half a minute for a farewell that a
              broker which works at a request does not send, and a rebalance waits with it

Whoever makes a client asks `security` for its arguments; so this module is there wherever one is made, and
`quick_requests` with it.
Tested by tests/integration/test_security.py.
"""

from __future__ import annotations

import asyncio
import functools
import struct
import time
import weakref
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import aiokafka.client
import structlog
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from stream.errors import BrokerError, SettingsError
from stream.kafka.connection_refusals import NO_LOGIN, SPEAKS_PLAINTEXT, Refusal, refusal_of
from stream.kafka.contact import CONTACT
from stream.kafka.quick_requests import install as _quick
from stream.settings import Settings, shown

log = structlog.get_logger("stream.kafka")

PAUSE_S = 5.0
SIZE = struct.Struct(">i")  # of an answer
HEADER = struct.Struct(">ihhih")  # of a request, after its size; the client's name follows
CORRELATION = struct.Struct(">i")  # the header of an answer
# What aiokafka raises over an answer that makes no sense; and uvloop, where a transport was closed meanwhile.
NONSENSE = (AssertionError, KeyError, OverflowError, RuntimeError, ValueError)


class _Secrets:
    """What has become of the security of a client's `settings` since it was made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = self._stamps()
        self._renewed: Mapping[str, Any] = {}  # what a client was made with is the client's alone

    def _stamps(self) -> Mapping[Path, tuple[int, int, int] | None]:
        return {path: _stamp(path) for path in self._settings.secret_files()}

    def renew(self) -> Mapping[str, Any]:
        """What is to be used in place of what a client was made with, once files have changed. Those that
        cannot be used leave all as it was: a renewal may be half done.
        """
        if (stamps := self._stamps()) != self._seen:
            try:
                self._renewed = self._settings.kafka_security()
            except SettingsError as error:
                log.warning(
                    "secrets_not_renewed", reason=error.message, next="goes on with those from before"
                )
            else:
                log.info("secrets_renewed")
                _refused_at.clear()
            self._seen = stamps
        return self._renewed


class _Password(str):
    """A password that knows where the next one comes from."""

    secrets: _Secrets


_BY_CONTEXT: WeakKeyDictionary[Any, _Secrets] = WeakKeyDictionary()
_refused_at: dict[str, float] = {}  # by address


def security(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for aiokafka's clients; with the password in plain text, so do not log them."""
    secrets = _Secrets(settings)
    arguments = settings.kafka_security()
    if context := arguments.get("ssl_context"):
        _BY_CONTEXT[context] = secrets
    if password := arguments.get("sasl_plain_password"):
        arguments["sasl_plain_password"] = known = _Password(password)
        known.secrets = secrets
    return arguments


def unreachable(settings: Settings, error: BaseException) -> BrokerError:
    """What to tell people of a client that cannot start: that Kafka refuses it, or that none answers."""
    if (refused := CONTACT.refusal()) is not None:
        address, refusal = refused
        return BrokerError(f"Kafka refuses {address}: {refusal.message}", hint=refusal.hint)
    return BrokerError(
        f"no Kafka answers at {shown(settings.broker)} ({type(error).__name__})",
        hint="is it running, and is STREAM_BROKER right? `stream broker` starts one for trying out",
    )


def lost(settings: Settings, client: Any, error: BaseException) -> BrokerError:
    """What to tell people of a connected `client` that reaches no broker (any more)."""
    told = {f"{each.host}:{each.port}" for each in client.cluster.brokers()}
    if CONTACT.refusal() is not None:
        return unreachable(settings, error)
    if told.isdisjoint(settings.broker.split(",")):
        return BrokerError(
            f"Kafka answers at {shown(settings.broker)}, and says that its brokers are at "
            f"{', '.join(sorted(told))}, where none can be reached from here",
            hint="the brokers' advertised.listeners must be addresses that clients can reach",
        )
    return BrokerError(
        f"Kafka at {shown(settings.broker)} went away ({type(error).__name__})",
        hint="try again when it is back",
    )


class Question:
    """What is asked with `ask`, for as long as it likes. In place of both a request and the future of its
    answer, as which aiokafka's connection knows it; no task wakes up for the answer.
    """

    class Header(NamedTuple):
        correlation_id: int

    @property
    def RESPONSE_TYPE(self) -> Question:  # noqa: N802  # aiokafka's name
        return self

    def parse_response_header(self, answer: BytesIO) -> Header:
        return self.Header(*CORRELATION.unpack(answer.read(CORRELATION.size)))

    def decode(self, answer: BytesIO) -> Any:
        """Read the answer."""
        raise NotImplementedError

    def done(self) -> bool:
        """Whether the answer is of no interest any more."""
        raise NotImplementedError

    def set_result(self, answer: Any) -> None:
        """Here is what `decode` made of it; called by what comes from the network."""
        raise NotImplementedError

    def set_exception(self, error: BaseException) -> None:
        """There is none: the connection is closed."""
        raise NotImplementedError


class _Answers(asyncio.Protocol):
    """Reads a connection's answers, in place of aiokafka's protocol `before`, which still knows how it is
    with the connection. What ends the reading is the exception of `ended`.
    """

    def __init__(
        self, connection: _Connection, before: asyncio.Protocol, ended: asyncio.Future[None]
    ) -> None:
        self._connection = weakref.ref(connection)  # aiokafka closes one that nobody uses any more
        self._before = before
        self._ended = ended
        self._parts: list[bytes] = []  # of an answer that is not whole yet
        self._here = 0  # bytes of them
        self._wanted = SIZE.size

    def data_received(self, data: bytes) -> None:
        if self._parts:
            self._parts.append(data)
            self._here += len(data)
            if self._here < self._wanted:
                return
            data = b"".join(self._parts)
        at = self._take(data)
        self._parts = [data[at:]] if at < len(data) else []
        self._here = len(data) - at

    def _take(self, data: bytes) -> int:
        """Hand on what is whole; where the rest begins."""
        at, self._wanted = 0, SIZE.size
        while (begin := at + SIZE.size) <= len(data) and not self._ended.done():
            (size,) = SIZE.unpack_from(data, at)
            if begin + size > len(data):
                self._wanted = SIZE.size + size
                break
            at = begin + max(size, 0)
            if (connection := self._connection()) is not None:
                try:
                    connection._handle_frame(data[begin:at])
                except Exception as error:  # whatever it is, it ends this connection, as aiokafka has it
                    self._end(error)
        return at

    def eof_received(self) -> bool | None:
        kept = self._before.eof_received()
        self._end(self._in_the_middle())
        return kept

    def connection_lost(self, exc: Exception | None) -> None:
        self._before.connection_lost(exc)
        self._end(exc or self._in_the_middle())

    def pause_writing(self) -> None:
        self._before.pause_writing()

    def resume_writing(self) -> None:
        self._before.resume_writing()

    def _in_the_middle(self) -> asyncio.IncompleteReadError:
        """As aiokafka's reader has it: what was expected says what answers there (`connection_refusals`)."""
        expected = self._wanted - SIZE.size or SIZE.size
        return asyncio.IncompleteReadError(b"".join(self._parts), expected)

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    """Tells of its answers, and ends at once."""

    admitted = False  # past TLS and SASL
    answered = False  # and asked for something after it

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def _create_reader_task(self) -> asyncio.Future[None]:
        ended: asyncio.Future[None] = self._loop.create_future()
        ended.add_done_callback(functools.partial(self._on_read_task_error, weakref.ref(self)))
        self._writer.transport.set_protocol(_Answers(self, self._protocol, ended))
        return ended

    def _handle_frame(self, resp: bytes) -> None:
        if self.answered:
            CONTACT.heard()
        elif self.admitted:  # one that wants a login answers nothing but the first question
            self.answered = True
            _refused_at.pop(self.address, None)
            CONTACT.accepted(self.address)
        super()._handle_frame(resp)

    def speaks(self, kind: tuple[int, int]) -> bool:
        """Whether it is open, to a broker that knows a request; `kind`: its key and version."""
        key, version = kind
        first, last = self._versions.get(key, (0, -1))
        return bool(self.connected() and first <= version <= last)

    @property
    def request_timeout(self) -> float:
        """Seconds."""
        return float(self._request_timeout)

    def ask(self, kind: tuple[int, int], body: bytes, question: Question) -> None:
        """Send a request that is encoded but for its header. Raises KafkaConnectionError if it is closed."""
        if self._writer is None:
            raise KafkaConnectionError(f"no connection to {self.address}")
        self._write(kind, body, question, question)

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """As aiokafka's, which takes 40 µs for the header and the time-out."""
        if self._writer is None or not expect_response:
            return super().send(request, expect_response)
        prepared = request.prepare(self._versions)
        if prepared.FLEXIBLE_VERSION:  # has another header; none is asked for often
            return super().send(request)
        answer = self._loop.create_future()
        self._write((prepared.API_KEY, prepared.API_VERSION), prepared.encode(), prepared, answer)
        return self._in_time(answer)

    def _write(self, kind: tuple[int, int], body: bytes, request: Any, answer: Any) -> None:
        correlation, client = self._next_correlation_id(), self._client_id.encode()
        size = HEADER.size - SIZE.size + len(client) + len(body)
        self._writer.write(HEADER.pack(size, *kind, correlation, len(client)) + client + body)
        self._requests.append((correlation, request, answer))

    async def _in_time(self, answer: asyncio.Future[Any]) -> Any:
        timer = self._loop.call_later(self._request_timeout, _expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()

    def close(self, reason: CloseReason | None = None, exc: BaseException | None = None) -> Any:
        writer = self._writer
        at_the_first = self.admitted and not self.answered and self._requests and isinstance(exc, EOFError)
        if at_the_first and "SASL" not in self._security_protocol:
            _note_refusal(self.address, NO_LOGIN)
        if reason in (CloseReason.CONNECTION_BROKEN, CloseReason.CONNECTION_TIMEOUT):
            CONTACT.cut()
        closed = super().close(reason, exc)
        if writer is not None:
            writer.transport.abort()
        return closed


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


async def connect(host: str, port: int, **options: Any) -> AIOKafkaConnection:
    """aiokafka's `create_conn`. Raises OSError, TimeoutError and KafkaError, and nothing else."""
    address = f"{host}:{port}"
    secrets = _secrets_of(options)
    if secrets is not None:
        options |= secrets.renew()
    if time.monotonic() < _refused_at.get(address, float("-inf")) + PAUSE_S:
        raise KafkaConnectionError(f"{address} has refused this client")
    connection = _Connection(host, port, **options)
    try:
        await connection.connect()
    except (OSError, KafkaError, *NONSENSE) as error:
        refusal = refusal_of(error)
        if refusal is None and await _speaks_plaintext(error, host, port, options):
            refusal = SPEAKS_PLAINTEXT
        expected = error if isinstance(error, OSError | KafkaError) else None
        failure = expected or KafkaConnectionError(f"{address} does not answer as a Kafka does")
        if refusal is not None:
            _note_refusal(address, refusal)
        CONTACT.unreachable(address)
        raise failure from (None if expected else error)
    connection.admitted = True
    return connection


def _secrets_of(options: Mapping[str, Any]) -> _Secrets | None:
    if isinstance(password := options.get("sasl_plain_password"), _Password):
        return password.secrets
    context = options.get("ssl_context")
    return _BY_CONTEXT.get(context) if context is not None else None


def _note_refusal(address: str, refusal: Refusal) -> None:
    _refused_at[address] = time.monotonic()
    CONTACT.refused(address, refusal)


async def _speaks_plaintext(error: Exception, host: str, port: int, options: Mapping[str, Any]) -> bool:
    """Whether a connection that was cut in TLS's first exchange goes to a listener without TLS."""
    if "SSL" not in options["security_protocol"] or isinstance(error, ConnectionRefusedError):
        return False
    if not isinstance(error, ConnectionError | EOFError):
        return False
    plain = AIOKafkaConnection(host, port, request_timeout_ms=options["request_timeout_ms"])
    try:
        await plain.connect()
    except (OSError, KafkaError, *NONSENSE):
        return False
    plain.close()
    return True


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


_install: Callable[..., Any] = connect
aiokafka.client.create_conn = _install
_quick()
