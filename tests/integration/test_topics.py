"""`stream topics` on a real Kafka: what is needed and missing, and making it."""

from __future__ import annotations

import asyncio
import json

import pytest

from stream.errors import TopologyError
from stream.topics import show as topics
from stream.topics.plan import Need
from tests.integration.shop import PARTITIONS, Shop
from tests.integration.test_doctor import settings_of
from tests.integration.test_worker import stream
from tests.kit.kafka import create_topics
from tests.kit.patience import eventually


def look(
    shop: Shop, partitions: int | None = None, *, create: bool = False, sources: bool = False
) -> tuple[dict[str, Need], dict[str, int]]:
    """What is needed, and how many partitions what there is has."""
    asked = topics.needs(settings_of(shop), partitions, offline=False, create=create, sources=sources)
    needs, there = asyncio.run(asked)
    return {need.name: need for need in needs}, dict(there or {})


def test_what_is_ours_is_made_and_what_is_the_teams_only_if_asked_for(shop: Shop) -> None:
    file, new = shop.rules / "shop.yaml", f"{shop.purchases}-new"
    file.write_text(file.read_text().replace(f"topic: {shop.purchases}", f"topic: {new}"))
    changelog = f"{shop.prefix}-customers-changelog"
    needs, there = look(shop)
    assert changelog not in there
    assert needs[new].partitions == PARTITIONS, "as the other source has"
    needs, there = look(shop, create=True)
    assert set(needs) - set(there) == {new}
    assert there[changelog] == PARTITIONS
    needs, there = look(shop, create=True, sources=True)
    assert there[new] == PARTITIONS
    assert set(needs) == set(there)
    assert look(shop, create=True, sources=True) == (needs, there), "again is fine"


def test_how_many_partitions_must_be_known(shop: Shop) -> None:
    file = shop.rules / "shop.yaml"
    file.write_text(file.read_text().replace(f"{shop.prefix}-", f"{shop.prefix}-dev-"))
    with pytest.raises(TopologyError, match="--partitions"):
        look(shop)
    _, there = look(shop, 3, create=True, sources=True)
    assert {count for name, count in there.items() if "-dev-" in name} == {3}

    def refused() -> str:
        """A broker may not have heard of them for a moment."""
        try:
            look(shop, 5)
        except TopologyError as error:
            return str(error)
        return ""

    assert "need 3 partitions, and --partitions asks for 5" in eventually(refused, "the new topics count")


def test_sources_that_differ_are_not_added_to(shop: Shop) -> None:
    other = f"{shop.purchases}-other"
    create_topics(shop.bootstrap, {other: PARTITIONS + 1})
    file = shop.rules / "shop.yaml"
    file.write_text(file.read_text().replace(f"topic: {shop.purchases}", f"topic: {other}"))
    with pytest.raises(TopologyError, match=f"{other} has {PARTITIONS + 1}"):
        look(shop, create=True)


def test_the_command_ends_with_1_while_something_is_missing(shop: Shop) -> None:
    given = {"broker": shop.bootstrap, "app_id": shop.prefix, "rules": str(shop.rules)}
    missing = stream("topics", "--json", **given)
    assert missing.returncode == 1, missing.stderr
    assert [each["name"] for each in json.loads(missing.stdout) if each["role"] == "changelog"]
    made = stream("topics", "--create", **given)
    assert made.returncode == 0, made.stderr
    assert "missing" not in made.stdout
    told = [line.partition(":")[0] for line in made.stderr.splitlines() if line.startswith("created ")]
    assert f"created {shop.prefix}-customers-changelog" in told
    assert not [each for each in told if each.endswith(tuple(shop.sources))]


def test_without_any_kafka(shop: Shop) -> None:
    nowhere = {"broker": "127.0.0.1:1", "rules": str(shop.rules)}
    commands = stream("topics", "--offline", "--partitions", "6", "--format", "commands", **nowhere)
    assert commands.returncode == 0, commands.stderr
    assert len(commands.stdout.splitlines()) == 8
    assert "--replication-factor 3" in commands.stdout
