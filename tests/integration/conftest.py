"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.shop import PARTITIONS, Shop
from tests.kit import secure
from tests.kit.kafka import create_topics


@pytest.fixture
def shop(kafka: str, prefix: str, tmp_path: Path) -> Shop:
    shop = Shop(kafka, prefix, tmp_path)
    create_topics(kafka, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
    return shop


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[secure.SecureKafka]:
    """A Kafka with TLS and SASL, for the whole run; what a test changes there it changes back."""
    with secure.running(tmp_path_factory.mktemp("secure")) as kafka:
        yield kafka


@pytest.fixture
def secure_shop(secure_kafka: secure.SecureKafka, prefix: str, tmp_path: Path) -> Shop:
    """A shop whose workers come by TLS and SASL."""
    shop = Shop(secure_kafka.plain, prefix, tmp_path, secure_kafka.login())
    create_topics(secure_kafka.plain, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
    return shop
