"""Fixtures of the integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.shop import PARTITIONS, Shop
from tests.kit.kafka import create_topics


@pytest.fixture
def shop(kafka: str, prefix: str, tmp_path: Path) -> Shop:
    shop = Shop(kafka, prefix, tmp_path)
    create_topics(kafka, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
    return shop
