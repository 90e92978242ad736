"""What a client may do, on a Kafka that enforces it: each permission that lacks is named, with its remedy."""

from __future__ import annotations

import asyncio

import pytest

from stream.doctor import run
from stream.errors import StreamError
from stream.settings import Settings, load
from stream.worker import app
from tests.integration.shop import PARTITIONS, Shop
from tests.kit.kafka import create_topics, end_offsets
from tests.kit.patience import eventually
from tests.kit.secure import SecureKafka

READ = ("Describe", "DescribeConfigs", "Read")
Rights = dict[tuple[str, str], tuple[str, ...]]


def rights(shop: Shop) -> Rights:
    """All that docs/security.md lists."""
    own = (f"{shop.prefix}-customers-changelog", f"{shop.prefix}-rules")
    ours = (shop.web, "decisions", "dead-letters", *own)
    return (
        {("group", shop.prefix): ("Read",)}
        | {("topic", name): READ for name in (*shop.sources, f"{shop.prefix}-switches")}
        | {("topic", name): (*READ, "Write") for name in ours}
    )


def settings_of(kafka: SecureKafka, shop: Shop) -> Settings:
    return load({}, kafka.login_as_guest() | {"app_id": shop.prefix, "rules": str(shop.rules)}, None)


def refusals(settings: Settings) -> list[tuple[str, str | None]]:
    """What the doctor finds that is not allowed, and how to mend it."""
    found = asyncio.run(run.examine(settings))
    return [(each.message, each.fix) for each in found if each.check == "permissions" and each.status != "ok"]


def checked(settings: Settings) -> str:
    """What `stream worker --check` says, nothing if all is well."""
    try:
        asyncio.run(app.check(settings))
    except StreamError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("kind", "which", "operation"),
    [
        ("group", "", "Read"),
        ("topic", "-clicks", "Read"),
        ("topic", "-web", "Write"),
        ("topic", "-web", "Read"),
        ("topic", "-customers-changelog", "Read"),
        ("topic", "-customers-changelog", "Write"),
    ],
)
def test_a_permission_that_lacks_is_named_before_the_worker_needs_it(
    secure_kafka: SecureKafka, secure_shop: Shop, kind: str, which: str, operation: str
) -> None:
    """Doctor and `--check` said that all was well."""
    name = f"{secure_shop.prefix}{which}"
    own = dict.fromkeys((f"{secure_shop.prefix}-{each}" for each in ("rules", "switches")), 1)
    own[f"{secure_shop.prefix}-customers-changelog"] = PARTITIONS
    create_topics(secure_kafka.plain, own, {"cleanup.policy": "compact"})
    granted = rights(secure_shop)
    granted[kind, name] = tuple(each for each in granted[kind, name] if each != operation)
    secure_kafka.grant(granted)
    settings = settings_of(secure_kafka, secure_shop)
    what = f"{kind} {name}"

    def it_alone() -> bool:
        found = refusals(settings)
        assert [message.partition(":")[0] for message, _ in found] == [what], found
        return True

    eventually(it_alone, "what was granted is in force, and it alone")
    ((message, fix),) = refusals(settings)
    assert operation in message
    assert fix == f"grant {operation} on {what} to this client" or kind == "group"
    assert f"{what}: " in checked(settings)
    assert operation in checked(settings)
    secure_kafka.grant({(kind, name): (operation,)})
    eventually(lambda: not checked(settings), "it is allowed now")
    assert refusals(settings) == []


@pytest.fixture(autouse=True, scope="module")
def shared_topics(secure_kafka: SecureKafka) -> None:
    """Those of all apps, which a guest may not make."""
    missing = {"decisions", "dead-letters"} - {
        tp.topic for tp in end_offsets(secure_kafka.plain, ["decisions", "dead-letters"])
    }
    create_topics(secure_kafka.plain, dict.fromkeys(missing, PARTITIONS))
