"""STREAM_SKIP of what is not there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition

from stream.errors import SettingsError
from stream.rules.model import Source
from stream.settings import Settings, load
from stream.topics import skips
from stream.topics.skips import not_there_yet, refuse_strangers

SOURCES = [Source("clicks", "shop-clickstream", ("id",)), Source("orders", "orders", ("id",))]


def skipping(places: str) -> Settings:
    return load({}, {"skip": places}, env_file=None)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ("clicks/0/5", "the topic of source clicks is shop-clickstream"),
        ("shop-clickstraem/0/5", "did you mean `shop-clickstream`?"),
        ("web/0/5", "web is no source's topic"),
        ("orders/8/5", "orders/8: its partitions are 0 to 7"),
        ("orders/7/5,orders/9/5", "orders/9"),
    ],
)
def test_a_skip_of_what_no_worker_reads_was_taken_and_skipped_nothing(places: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        refuse_strangers(skipping(places), SOURCES, 8)
    assert words in raised.value.message


def test_what_is_there_is_taken() -> None:
    refuse_strangers(skipping("orders/7/5, shop-clickstream/0/1-9"), SOURCES, 8)
    refuse_strangers(skipping("orders/70/5"), SOURCES)  # not known yet


async def test_a_skip_beyond_the_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def reader(*_: Any) -> Any:
        yield None

    async def span(_: Any, tps: list[TopicPartition]) -> Any:
        return dict.fromkeys(tps, 0), dict.fromkeys(tps, 100)

    monkeypatch.setattr(skips, "reader", reader)
    monkeypatch.setattr(skips, "span", span)
    assert await not_there_yet(skipping("orders/7/5")) == []
    assert await not_there_yet(skipping("orders/7/5, orders/7/100-120")) == [
        "orders/7/100 is beyond the end, which is 100"
    ]
