"""`stream doctor` on a real Kafka: nothing amiss where nothing is, and each thing that is, with its fix."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from stream.doctor import run
from stream.doctor.findings import failed
from stream.settings import Settings, load
from stream.topics import show as topics
from tests.integration.shop import PARTITIONS, Shop
from tests.integration.test_worker import stream
from tests.kit.kafka import create_topics, end_offsets


def settings_of(shop: Shop, **settings: str) -> Settings:
    given = {"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules)}
    return load({}, given | settings, env_file=None)


def examine(shop: Shop, **settings: str) -> tuple[bool, list[dict[str, str]]]:
    """Whether it would end with 0, and the findings."""
    found = asyncio.run(run.examine(settings_of(shop, **settings)))
    return not failed(found), [asdict(each) for each in found]


def of(findings: list[dict[str, str]], check: str) -> list[tuple[str, str]]:
    return [(each["status"], each["message"]) for each in findings if each["check"] == check]


def test_nothing_is_amiss(shop: Shop) -> None:
    asyncio.run(topics.needs(settings_of(shop), None, offline=False, create=True, sources=False))
    before = end_offsets(shop.bootstrap, [*shop.sources, shop.web])
    fine, findings = examine(shop)
    assert fine, findings
    assert {each["status"] for each in findings if each["check"] not in ("rules", "cluster")} == {"ok"}
    checks = {each["check"] for each in findings}
    assert {"brokers", "release", "clock", "partitions", "permissions", "files", "memory"} <= checks
    assert {f"topic {name}" for name in (*shop.sources, shop.web, "decisions", "dead-letters")} <= checks
    assert of(findings, "release")[0][1].startswith("Kafka 4.")
    assert "ms" in of(findings, "clock")[0][1]
    assert of(findings, "partitions") == [("ok", f"{PARTITIONS} in each of 2 source topics")]
    assert end_offsets(shop.bootstrap, [*shop.sources, shop.web]) == before, "nothing was written"


def test_the_command_says_it_to_people_and_to_programs(shop: Shop) -> None:
    file = shop.rules / "shop.yaml"
    file.write_text(file.read_text().replace(f"topic: {shop.purchases}", f"topic: {shop.purchases}-none"))
    given = {"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules)}
    people, program = stream("doctor", **given), stream("doctor", "--json", **given)
    assert (people.returncode, program.returncode) == (1, 1)
    assert (people.stderr, program.stderr) == ("", "")
    body = json.loads(program.stdout)
    assert not body["ok"]
    (missing,) = [each for each in body["findings"] if each["status"] == "error"]
    assert missing["check"] == f"topic {shop.purchases}-none"
    assert f"fix: {missing['fix']}" in people.stdout
    assert people.stdout.splitlines()[-1].startswith("1 error, ")


def test_each_topic_that_is_not_as_it_must_be(shop: Shop) -> None:
    changelog, few = f"{shop.prefix}-customers-changelog", f"{shop.prefix}-few"
    create_topics(shop.bootstrap, {changelog: PARTITIONS}, {"cleanup.policy": "delete"})
    create_topics(shop.bootstrap, {few: PARTITIONS - 1}, {"min.insync.replicas": "2"})
    file = shop.rules / "shop.yaml"
    text = file.read_text().replace(f"topic: {shop.web}", f"topic: {few}")
    file.write_text(text.replace(f"topic: {shop.purchases}", f"topic: {shop.purchases}-none"))
    fine, findings = examine(shop)
    assert not fine
    assert of(findings, f"topic {shop.purchases}-none") == [("error", "the source topic does not exist")]
    assert [status for status, _ in of(findings, f"topic {changelog}")] == ["error", "warning"]
    assert "cleanup.policy is delete" in of(findings, f"topic {changelog}")[0][1]
    assert [
        message.partition(":")[0] for status, message in of(findings, f"topic {few}") if status == "error"
    ] == [
        f"{PARTITIONS - 1} partitions, and must have {PARTITIONS}",
        "1 copies are in sync, min.insync.replicas is 2",
        "min.insync.replicas 2 with 1 copies",
    ]
    assert all(each["fix"] for each in findings if each["status"] != "ok")


def test_sources_whose_partitions_differ(shop: Shop) -> None:
    other = f"{shop.purchases}-other"
    create_topics(shop.bootstrap, {other: PARTITIONS + 2})
    file = shop.rules / "shop.yaml"
    file.write_text(file.read_text().replace(f"topic: {shop.purchases}", f"topic: {other}"))
    fine, findings = examine(shop)
    assert not fine
    ((status, message),) = of(findings, "partitions")
    assert status == "error"
    assert f"{other} has {PARTITIONS + 2}" in message
    assert f"{shop.clicks} has {PARTITIONS}" in message


@pytest.mark.parametrize("amiss", ["rules", "brokers", "disk"])
def test_what_is_amiss_before_topics_can_be_looked_at(shop: Shop, amiss: str, tmp_path: Path) -> None:
    settings = {"store": "rocksdb", "data_dir": str(tmp_path / "data")}
    if amiss == "rules":
        (shop.rules / "shop.yaml").write_text("rules: {x: {on: view}}")
    elif amiss == "brokers":
        settings["broker"] = "127.0.0.1:1"
    else:
        settings["data_dir"] = "/proc/none"
    fine, findings = examine(shop, **settings)
    assert not fine
    assert [status for status, _ in of(findings, amiss)] == ["error"]
    assert of(findings, "memory"), "the rest is looked at all the same"
