"""TLS and SASL on a real Kafka: what workers do over them, and what each mistake is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiokafka import AIOKafkaConsumer

from stream.errors import BrokerError
from stream.kafka import connections
from stream.kafka.contact import Contact
from stream.settings import load
from stream.topics.ensure import admin_client
from tests.integration import test_membership, test_worker
from tests.integration.shop import MINUTE, START, Shop
from tests.integration.test_takeover import views
from tests.integration.test_worker import stream
from tests.kit.kafka import produce
from tests.kit.patience import eventually
from tests.kit.secure import PASSWORD, SecureKafka

TESTS = (
    test_worker.test_each_kind_of_bad_record_is_set_aside_with_its_reason_and_the_worker_lives,
    test_worker.test_offsets_of_a_kept_partition_are_committed_after_a_rebalance,
    test_membership.test_a_rolling_restart_of_static_members_moves_no_partition,
)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.__name__)
def test_over_tls_and_sasl(secure_shop: Shop, test: Callable[[Shop], None]) -> None:
    """What works in plaintext does here: a second worker took a minute to join."""
    test(secure_shop)


def without_tls(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if not name.startswith("ssl_")}


def mistake(kafka: SecureKafka, name: str) -> dict[str, str]:
    """The settings of a client that makes it."""
    good, safe, mutual = kafka.login(), kafka.addresses["safe"], kafka.addresses["mutual"]
    ca = {"security_protocol": "SSL", "ssl_cafile": good["ssl_cafile"]}
    mistakes: dict[str, dict[str, str]] = {
        "a wrong password": good | {"sasl_password": "guessed"},
        "a user whom nobody made": good | {"sasl_username": "nobody"},
        "a wrong password with PLAIN": good | {"sasl_password": "guessed", "sasl_mechanism": "PLAIN"},
        "a mechanism that is not offered": good | {"sasl_mechanism": "SCRAM-SHA-256"},
        "plaintext to a port with TLS": {"broker": safe},
        "SASL without TLS to a port with TLS": without_tls(good) | {"security_protocol": "SASL_PLAINTEXT"},
        "TLS to a port without": {"broker": kafka.plain, **ca},
        "TLS without SASL": {"broker": safe, **ca},
        "SASL to a port without": without_tls(good)
        | {"broker": kafka.plain, "security_protocol": "SASL_PLAINTEXT"},
        "an unknown authority": good | {"ssl_cafile": str(kafka.folder / "other-ca.pem")},
        "another host name": good | {"broker": safe.replace("127.0.0.1", "localhost")},
        "an expired certificate": good | {"broker": kafka.addresses["expired"]},
        "no client's certificate": {"broker": mutual, **ca},
        "an expired client's certificate": {
            "broker": mutual,
            **ca,
            "ssl_certfile": str(kafka.folder / "expired.pem"),
            "ssl_keyfile": str(kafka.folder / "expired.key"),
        },
    }
    return mistakes[name]


async def connect(settings: Mapping[str, str]) -> None:
    async with admin_client(load({}, settings, env_file=None)) as client:
        await client.describe_cluster()


@pytest.fixture
def contact(monkeypatch: pytest.MonkeyPatch) -> Contact:
    """As of a process that has just begun."""
    fresh = Contact()
    monkeypatch.setattr(connections, "CONTACT", fresh)
    monkeypatch.setattr(connections, "_refused_at", {})
    return fresh


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("name", "reason", "message", "remedy"),
    [
        ("a wrong password", "password", "user name and password", "STREAM_SASL_PASSWORD"),
        ("a user whom nobody made", "password", "user name and password", "STREAM_SASL_USERNAME"),
        ("a wrong password with PLAIN", "password", "user name and password", "STREAM_SASL_PASSWORD"),
        ("a mechanism that is not offered", "mechanism", "does not offer", "sasl.enabled.mechanisms"),
        ("plaintext to a port with TLS", "protocol", "speaks TLS", "STREAM_SECURITY_PROTOCOL"),
        ("SASL without TLS to a port with TLS", "protocol", "speaks TLS", "STREAM_SECURITY_PROTOCOL"),
        ("TLS to a port without", "protocol", "speaks no TLS", "STREAM_SECURITY_PROTOCOL"),
        ("TLS without SASL", "protocol", "do not log in", "SASL_SSL"),
        ("SASL to a port without", "protocol", "has no SASL", "STREAM_SECURITY_PROTOCOL"),
        ("an unknown authority", "authority", "nobody whom this client trusts", "STREAM_SSL_CAFILE"),
        ("another host name", "host", "another host name", "subjectAltName"),
        ("an expired certificate", "expired", "has expired", "renew it"),
        ("no client's certificate", "certificate", "client's certificate", "STREAM_SSL_CERTFILE"),
        ("an expired client's certificate", "certificate", "has not expired", "STREAM_SSL_CERTFILE"),
    ],
)
def test_a_mistake_is_told_from_an_outage_with_what_mends_it(
    secure_kafka: SecureKafka,
    contact: Contact,
    runner: Callable[[Any], None],
    name: str,
    reason: str,
    message: str,
    remedy: str,
) -> None:
    """All of them read "no Kafka answers: is it running?"."""
    with pytest.raises(BrokerError) as error:
        runner(connect(mistake(secure_kafka, name)))
    assert message in error.value.message
    assert "refuses 127.0.0.1" in error.value.message or "refuses localhost" in error.value.message
    assert remedy in str(error.value.hint)
    assert contact.refusals[reason,] > 0
    assert PASSWORD not in str(error.value)


def test_a_client_with_a_certificate_is_let_in(secure_kafka: SecureKafka, contact: Contact) -> None:
    good = mistake(secure_kafka, "no client's certificate") | {
        "ssl_certfile": str(secure_kafka.folder / "client.pem"),
        "ssl_keyfile": str(secure_kafka.folder / "client.key"),
    }
    asyncio.run(connect(good))
    assert sum(contact.refusals.values()) == 0


def test_a_kafka_that_tells_clients_a_wrong_address(secure_kafka: SecureKafka, contact: Contact) -> None:
    """It ended in a traceback."""
    with pytest.raises(BrokerError) as error:
        asyncio.run(connect({"broker": secure_kafka.addresses["lost"]}))
    assert "127.0.0.1:1" in error.value.message
    assert "advertised.listeners" in str(error.value.hint)


def test_the_commands_say_it_without_a_line_of_the_log(secure_shop: Shop) -> None:
    given = {"app_id": secure_shop.prefix, "rules": str(secure_shop.rules), **secure_shop.login}
    refused = stream("worker", "--check", **given | {"sasl_password": "guessed"})
    away = stream("worker", "--check", **given | {"broker": "127.0.0.1:1"})
    for ended, message in ((refused, "error: Kafka refuses"), (away, "error: no Kafka answers")):
        assert (ended.returncode, ended.stdout) == (1, "")
        lines = [line for line in ended.stderr.splitlines() if "rule" not in line]
        assert lines[0].startswith(message), ended.stderr
        assert len(lines) == 2, ended.stderr


def test_a_password_that_was_renewed_is_used_without_a_restart(
    secure_kafka: SecureKafka, secure_shop: Shop, tmp_path: Path
) -> None:
    """The worker waited for ever, and every figure was green."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secure_shop.login = {k: v for k, v in secure_kafka.login().items() if k != "sasl_password"}
    with secure_shop.worker(sasl_password_file=str(secret)) as worker:
        worker.until_ready()
        produce(secure_shop.bootstrap, secure_shop.clicks, views(secure_shop, 8, 1))
        worker.until_caught_up(secure_shop.sources)
        secure_kafka.set_password("the-next-one")
        try:
            secure_kafka.kafka.restart(0)  # or it would keep the connections that it has
            eventually(lambda: worker.said("kafka_refuses"), "it says that it is refused")
            eventually(lambda: worker.figures()["stream_kafka_refusals_total"] > 1, "it tries again")
            (refused,) = worker.said("kafka_refuses")
            assert "STREAM_SASL_PASSWORD" in refused["hint"]
            secret.write_text("the-next-one")
            eventually(lambda: worker.said("kafka_accepts"), "it is let in with the new one")
            produce(secure_shop.bootstrap, secure_shop.clicks, views(secure_shop, 8, 1, START + MINUTE))
            worker.until_caught_up(secure_shop.sources)
            assert worker.stop() == 0
        finally:
            secure_kafka.set_password(PASSWORD)
    assert "the-next-one" not in worker.log
    assert len(worker.said("starting")) == 1, "nobody restarted it"


async def _join(bootstrap: str, group: str, topic: str, joined: Callable[[], Any]) -> None:
    """Be a member of the group of another kind, until `joined` has returned."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group)
    await consumer.start()
    try:
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=100)
        await asyncio.to_thread(joined)
    finally:
        await consumer.stop()


def test_another_program_in_the_group_is_called_that(secure_kafka: SecureKafka, secure_shop: Shop) -> None:
    """The worker ended with `reason=`, and nothing behind it."""

    def start_worker() -> None:
        with secure_shop.worker() as worker:
            assert worker.until_ended() == 70
            (failed,) = worker.said("failed")
            assert f"the group {secure_shop.prefix} has members of another kind" in failed["reason"]
            assert "STREAM_APP_ID" in failed["reason"]

    asyncio.run(_join(secure_kafka.plain, secure_shop.prefix, secure_shop.clicks, start_worker))
