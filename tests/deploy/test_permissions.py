"""The permissions of the chart's KafkaUser, on a Kafka that enforces them: a worker needs no others."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from stream.broker import node
from stream.broker.cluster import EmbeddedKafka
from tests.deploy.charts import LEAST, Chart, find
from tests.kit.kafka import committed, consume_all, create_topics, free_port, produce
from tests.kit.patience import eventually
from tests.kit.worker import Worker

USER, PASSWORD = "stream", "let-me-in"
LOGIN = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_username": USER,
    "sasl_password": PASSWORD,
}
TYPES = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
LITERAL = ALLOW = 3
RULES = """
sources: {shop: {event: event, customer: customer_id, id: event_id}}
channels: {web: {topic: triggers.web, consent: none}}
rules:
  welcome: {on: login, send: {channel: web, content: {banner: Hello}}}
"""


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[EmbeddedKafka, str]]:
    """A Kafka where everybody is a superuser but those who come to its second address, which is told, too."""
    plain = node.properties
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    login = f'{module} required user_{USER}="{PASSWORD}";'

    def properties(*arguments: Any) -> dict[str, object]:
        return plain(*arguments) | {
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,SECOND:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listener.name.second.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.second.plain.sasl.jaas.config": login,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    monkeypatch.setattr(node, "properties", properties)
    port = free_port()
    with EmbeddedKafka(second=(port, port)) as kafka:
        yield kafka, f"127.0.0.1:{port}"


async def grant(bootstrap: str, acls: list[dict[str, Any]]) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        for acl in acls:
            for operation in acl["operations"]:
                request = CreateAclsRequest(
                    TYPES[acl["resource"]["type"]],
                    acl["resource"]["name"],
                    LITERAL,
                    f"User:{USER}",
                    "*",
                    OPERATIONS[operation],
                    ALLOW,
                )
                response = await client._send_request(request)
                assert not response.creation_responses[0][0], response
    finally:
        await client.close()


def event(customer: str) -> tuple[int, bytes, bytes, None, tuple[()]]:
    value = {"event": "login", "customer_id": customer, "event_id": f"e-{customer}"}
    return (0, customer.encode(), json.dumps(value).encode(), None, ())


def until_committed(bootstrap: str, end: int) -> None:
    expected = {TopicPartition("shop", 0): end}
    eventually(lambda: committed(bootstrap, "stream", ["shop"]) == expected, "all is committed")


def declare(chart: Chart, kafka: EmbeddedKafka, folder: Path) -> list[dict[str, Any]]:
    """Make the topics that the chart declares, and the rules; returns the permissions that it grants."""
    values = {
        "strimzi": {"enabled": True, "cluster": "main"},
        "topics": {"sources": ["shop"], "channels": ["triggers.web"]},
    }
    manifests = chart.render(LEAST, values)
    topics = [each["spec"] for each in manifests if each["kind"] == "KafkaTopic"]
    for each in topics:
        config = {key: str(value) for key, value in each["config"].items() if key != "min.insync.replicas"}
        create_topics(kafka.bootstrap, {each["topicName"]: 1}, config)
    create_topics(kafka.bootstrap, {"shop": 1})
    (folder / "rules").mkdir()
    (folder / "rules" / "shop.yaml").write_text(RULES)
    acls: list[dict[str, Any]] = find(manifests, "KafkaUser")["spec"]["authorization"]["acls"]
    return acls


def test_a_worker_needs_no_other_permissions(
    chart: Chart, guarded: tuple[EmbeddedKafka, str], tmp_path: Path
) -> None:
    """It works, is killed, and another one takes over: reads what the first one wrote, and goes on."""
    kafka, address = guarded
    asyncio.run(grant(kafka.bootstrap, declare(chart, kafka, tmp_path)))
    until_allowed(address, tmp_path)
    for number, customer in enumerate(("c1", "c2")):
        worker = Worker(
            address,
            "stream",
            tmp_path / "rules",
            tmp_path / f"worker-{number}.log",
            instance_id="stream-0",
            **LOGIN,
        )
        with worker:
            worker.until_ready()
            produce(kafka.bootstrap, "shop", [event(customer), (0, b"x", b"no event", None, ())])
            until_committed(kafka.bootstrap, 2 * (number + 1))
            worker.kill()
    sent = consume_all(kafka.bootstrap, ["triggers.web"])
    assert [record.key for record in sent] == [b"c1", b"c2"]
    assert len(consume_all(kafka.bootstrap, ["dead-letters"])) == 2


def refusals(address: str, folder: Path) -> list[str]:
    """What `stream doctor` finds that the user may not do."""
    settings = {"broker": address, "rules": str(folder / "rules"), **LOGIN}
    environment = {f"STREAM_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "stream", "doctor", "--json"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert PASSWORD not in done.stdout + done.stderr
    return [each["message"] for each in findings if each["check"] == "permissions" and each["status"] != "ok"]


def until_allowed(address: str, folder: Path) -> None:
    """Wait until all that was granted is in force: a broker learns of it later than it is acknowledged."""
    eventually(lambda: not refusals(address, folder), "nothing is refused any more")


def test_doctor_says_what_is_not_allowed_until_it_is(
    chart: Chart, guarded: tuple[EmbeddedKafka, str], tmp_path: Path
) -> None:
    kafka, address = guarded
    acls = declare(chart, kafka, tmp_path)
    late = [acl for acl in acls if acl["resource"]["name"] in ("triggers.web", "stream")]
    assert len(late) >= 2, "a topic and the group"
    asyncio.run(grant(kafka.bootstrap, [acl for acl in acls if acl not in late]))

    def only_those() -> bool:
        told = refusals(address, tmp_path)
        assert any("triggers.web" in each for each in told), told
        assert any("group stream" in each for each in told), told
        assert not any("shop" in each for each in told), told
        return True

    eventually(only_those, "what was granted is in force, and it alone")
    asyncio.run(grant(kafka.bootstrap, late))
    until_allowed(address, tmp_path)
