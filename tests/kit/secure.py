"""A Kafka with a listener for each way to come to it safely, and for each mistake that can be made there.

    plain     no security: for the kit itself
    safe      SASL_SSL, with SCRAM-SHA-512 and PLAIN
    mutual    SSL, and the client must have a certificate
    expired   SASL_SSL, with a certificate that has run out
    lost      no security, and clients are told to go on to an address where nobody is

Certificates are made by openssl, for two days, in a folder of the run.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.protocol.admin import CreateAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from stream.broker import node
from stream.broker.cluster import EmbeddedKafka
from tests.kit.kafka import _admin, _run, free_port

USER, PASSWORD = "stream", "let-me-in"
GUEST = "guest"  # may do what is granted to it; all others may do everything
LISTENERS = ("safe", "mutual", "expired", "lost")
TYPES = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
LITERAL = ALLOW = 3
SCRAM_SHA_512, ITERATIONS, SALT = 2, 4096, b"a salt of sixteen bytes"

_TEXT = CompactString("utf-8")


class _ScramResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", _TEXT), ("error_code", Int16), ("error_message", _TEXT), ("tags", TaggedFields)
            ),
        ),
        ("tags", TaggedFields),
    )


class _ScramStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _ScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", _TEXT), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("name", _TEXT),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Scram(Request[_ScramStruct]):  # type: ignore[misc]
    API_KEY = 51

    def __init__(self, user: str, password: str) -> None:
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), SALT, ITERATIONS)
        self._upsertion = (user, SCRAM_SHA_512, ITERATIONS, SALT, salted, {})

    def build(self, request_struct_class: type[_ScramStruct]) -> _ScramStruct:
        return request_struct_class([], [self._upsertion], {})


@dataclass(frozen=True, slots=True)
class SecureKafka:
    """`addresses` by the listeners' names; `folder` holds ca.pem, other-ca.pem, client.pem and client.key."""

    kafka: EmbeddedKafka
    addresses: Mapping[str, str]
    folder: Path

    @property
    def plain(self) -> str:
        return self.kafka.bootstrap

    def login(self, **other: str) -> dict[str, str]:
        """The settings of a client that is let in at `safe`, but for `other`."""
        return {
            "broker": self.addresses["safe"],
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "ssl_cafile": str(self.folder / "ca.pem"),
        } | other

    def login_as_guest(self) -> dict[str, str]:
        """The settings of a client that may do what is granted to it."""
        return self.login(sasl_username=GUEST, sasl_mechanism="PLAIN")

    def grant(self, resources: Mapping[tuple[str, str], Sequence[str]]) -> None:
        """Allow the guest operations by (`topic` or `group`, name)."""
        _run(_grant(self.plain, resources))

    def set_password(self, password: str) -> None:
        """Change the user's, for connections that are made from now on."""
        _run(_set_password(self.plain, password))


async def _grant(bootstrap: str, resources: Mapping[tuple[str, str], Sequence[str]]) -> None:
    async with _admin(bootstrap) as admin:
        for (kind, name), operations in resources.items():
            for operation in operations:
                answer = await admin._send_request(
                    CreateAclsRequest(
                        TYPES[kind], name, LITERAL, f"User:{GUEST}", "*", OPERATIONS[operation], ALLOW
                    )
                )
                assert not answer.creation_responses[0][0], answer


async def _set_password(bootstrap: str, password: str) -> None:
    async with _admin(bootstrap) as admin:
        answer = await admin._send_request(_Scram(USER, password))
        assert not answer.results[0][1], answer


@contextmanager
def running(folder: Path) -> Iterator[SecureKafka]:
    """Start one with one broker, and end it."""
    for name in ("ca", "other-ca"):
        make_authority(folder, name)
    for name in ("server", "client"):
        certify(folder, name)
    certify(folder, "expired", days=-1)
    ports = {name: free_port() for name in LISTENERS}
    usual = node.properties

    def properties(*arguments: Any) -> dict[str, object]:
        return _with_listeners(usual(*arguments), ports, folder)

    kafka = EmbeddedKafka()
    with pytest.MonkeyPatch.context() as patch:  # for the start alone, or each later Kafka would listen there
        patch.setattr(node, "properties", properties)
        kafka.start()
    try:
        secure = SecureKafka(kafka, {name: f"127.0.0.1:{port}" for name, port in ports.items()}, folder)
        secure.set_password(PASSWORD)
        yield secure
    finally:
        kafka.stop()


def certify(folder: Path, name: str, days: int = 2, authority: str = "ca") -> None:
    """Make NAME.key and NAME.pem, for 127.0.0.1, and both in NAME-both.pem, as Kafka wants them."""
    request = ("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key")
    _openssl(folder, *request, "-out", f"{name}.csr", "-addext", "subjectAltName=IP:127.0.0.1")
    signed = ("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key")
    _openssl(folder, *signed, "-copy_extensions", "copy", "-days", str(days), "-out", f"{name}.pem.part")
    (folder / f"{name}.pem.part").replace(folder / f"{name}.pem")
    both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
    (folder / f"{name}-both.pem").write_text(both)


def make_authority(folder: Path, name: str) -> None:
    """Make NAME.key and NAME.pem, which sign others."""
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    _openssl(folder, *request, "-keyout", f"{name}.key", "-out", f"{name}.pem")


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _with_listeners(usual: dict[str, object], ports: Mapping[str, int], folder: Path) -> dict[str, object]:
    protocols = {"safe": "SASL_SSL", "mutual": "SSL", "expired": "SASL_SSL", "lost": "PLAINTEXT"}
    told = ports | {"lost": 1}  # where nobody listens
    module = "org.apache.kafka.common.security"
    users = " ".join(f'user_{user}="{PASSWORD}"' for user in (USER, GUEST))
    plain = f"{module}.plain.PlainLoginModule required {users};"
    mine: dict[str, object] = {
        "listeners": "".join(f",{name.upper()}://127.0.0.1:{port}" for name, port in ports.items()),
        "advertised.listeners": "".join(f",{name.upper()}://127.0.0.1:{port}" for name, port in told.items()),
        "listener.security.protocol.map": "".join(f",{n.upper()}:{kind}" for n, kind in protocols.items()),
    }
    every = {name: f"{usual[name]}{more}" for name, more in mine.items()}
    every["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    every["super.users"] = f"User:ANONYMOUS;User:{USER};User:CN=client"
    for name in ("safe", "mutual", "expired"):
        own = f"listener.name.{name}."
        every |= {
            f"{own}ssl.keystore.type": "PEM",
            f"{own}ssl.keystore.location": folder
            / f"{'expired' if name == 'expired' else 'server'}-both.pem",
            f"{own}ssl.truststore.type": "PEM",
            f"{own}ssl.truststore.location": folder / "ca.pem",
            f"{own}ssl.client.auth": "required" if name == "mutual" else "none",
        }
        if name != "mutual":
            every |= {
                f"{own}sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
                f"{own}plain.sasl.jaas.config": plain,
                f"{own}scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
            }
    return usual | every
