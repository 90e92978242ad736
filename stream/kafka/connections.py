"""Connections to Kafka as all clients here make them, in place of aiokafka 0.14's own.

    made      with secrets that are read again when their files have changed: a password or a certificate that
              was renewed is used at the next connection
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

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
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


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    """Tells of its answers, and ends at once."""

    admitted = False  # past TLS and SASL
    answered = False  # and asked for something after it

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def _handle_frame(self, resp: bytes) -> None:
        if self.answered:
            CONTACT.heard()
        elif self.admitted:  # one that wants a login answers nothing but the first question
            self.answered = True
            _refused_at.pop(self.address, None)
            CONTACT.accepted(self.address)
        super()._handle_frame(resp)

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
