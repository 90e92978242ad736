"""Why a Kafka that is there does not let a client in: told from an outage, with what mends it.

An outage passes by itself, a refusal does not. What each mistake looks like was seen on a real Kafka:
tests/integration/test_security.py has each.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from aiokafka.errors import (
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

Reason = Literal["password", "mechanism", "protocol", "authority", "host", "expired", "certificate"]
REASONS: tuple[str, ...] = get_args(Reason)

PROTOCOL = "STREAM_SECURITY_PROTOCOL"
TLS_ALERT = 0x1503  # the first two of four bytes that a client without TLS takes for a length
LARGEST_ANSWER = 0x1000_0000  # bytes; a longer one is no answer of a Kafka's
EXPIRED, NOT_YET = 10, 9  # OpenSSL's verify codes
HOSTS = frozenset({62, 64})  # names, addresses


@dataclass(frozen=True, slots=True)
class Refusal:
    """`message` says what is wrong, `hint` what mends it; neither has a secret in it."""

    reason: Reason
    message: str
    hint: str


NO_LOGIN = Refusal(
    "protocol",
    "it ends connections that do not log in",
    f"its listener may want SASL: {PROTOCOL}=SASL_SSL, or SASL_PLAINTEXT, and the settings of SASL",
)
SPEAKS_PLAINTEXT = Refusal(
    "protocol",
    "it speaks no TLS there",
    f"take the port of its TLS listener; or, without TLS, {PROTOCOL}=PLAINTEXT or SASL_PLAINTEXT",
)
_SPEAKS_TLS = Refusal(
    "protocol", "it speaks TLS there, and this client does not", f"set {PROTOCOL} to SSL or SASL_SSL"
)
_NO_KAFKA = Refusal("protocol", "what answers there is no Kafka", "see STREAM_BROKER: another port?")
_PASSWORD = Refusal(
    "password",
    "it does not take this user name and password",
    "see STREAM_SASL_USERNAME and STREAM_SASL_PASSWORD or its …_FILE; has the user been made for this "
    "STREAM_SASL_MECHANISM?",
)
_MECHANISM = Refusal(
    "mechanism",
    "its listener does not offer this STREAM_SASL_MECHANISM",
    "see `sasl.enabled.mechanisms` of its listener: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
)
_NO_SASL = Refusal(
    "protocol", "its listener has no SASL", f"set {PROTOCOL} to SSL or PLAINTEXT, or take another port"
)
_AUTHORITY = Refusal(
    "authority",
    "its certificate was signed by nobody whom this client trusts",
    "STREAM_SSL_CAFILE should have the certificate of the authority that signed it",
)
_HOST = Refusal(
    "host",
    "its certificate is for another host name",
    "use a name that is in the certificate (subjectAltName), in STREAM_BROKER and in its "
    "advertised.listeners; or have one made for this name",
)
_EXPIRED = Refusal("expired", "its certificate has expired", "renew it on that broker")
_NOT_YET = Refusal("expired", "its certificate is not valid yet", "compare `date` here and on that broker")
_CERTIFICATE = Refusal(
    "certificate",
    "it wants a client's certificate, and one that it trusts and that has not expired",
    "see STREAM_SSL_CERTFILE and STREAM_SSL_KEYFILE, and the truststore of its listener",
)
_VERSION = Refusal("protocol", "it speaks no version of TLS that this client does", "have it offer TLS 1.2")

_BY_TYPE: tuple[tuple[type[BaseException], Refusal], ...] = (
    (SaslAuthenticationFailed, _PASSWORD),
    (UnsupportedSaslMechanismError, _MECHANISM),
    (IllegalSaslStateError, _NO_SASL),
)


def refusal_of(error: BaseException) -> Refusal | None:
    """What a failure to connect says; None if it says nothing but that nobody is there."""
    for each in _chain(error):
        for kind, refusal in _BY_TYPE:
            if isinstance(each, kind):
                return refusal
        if isinstance(each, ssl.SSLCertVerificationError):
            return _of_certificate(each.verify_code)
        if isinstance(each, ssl.SSLError) and (found := _of_alert(each.reason or "")):
            return found
        if isinstance(each, asyncio.IncompleteReadError) and (each.expected or 0) > LARGEST_ANSWER:
            return _SPEAKS_TLS if each.expected >> 16 == TLS_ALERT else _NO_KAFKA  # type: ignore[operator]
    return None


def _of_certificate(code: int) -> Refusal:
    if code in HOSTS:
        return _HOST
    return {EXPIRED: _EXPIRED, NOT_YET: _NOT_YET}.get(code, _AUTHORITY)


def _of_alert(reason: str) -> Refusal | None:
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return _CERTIFICATE
    if "HANDSHAKE_FAILURE" in reason:
        return _CERTIFICATE
    if "PROTOCOL_VERSION" in reason or reason == "UNSUPPORTED_PROTOCOL":
        return _VERSION
    return SPEAKS_PLAINTEXT if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE") else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and not any(following is each for each in seen):
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__
