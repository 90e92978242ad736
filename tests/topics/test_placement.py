"""Customers in two partitions, and sources that are keyed in different ways, as a sample shows them."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from stream.events._murmur import partition_of
from stream.rules.model import Source
from stream.topics.placement import Placed, customer_of, problems

PARTITIONS = 8


def crc32(key: bytes, partitions: int) -> int:
    return zlib.crc32(key) % partitions


def by_length(key: bytes, partitions: int) -> int:
    return len(key) % partitions


def placed(partition: Callable[[bytes, int], int], first: int = 0, count: int = 100) -> set[Placed]:
    names = [f"c{n}" for n in range(first, first + count)]
    return {(name, partition(name.encode(), PARTITIONS)) for name in names}


def said(*samples: set[Placed], partitions: int = PARTITIONS) -> list[tuple[bool, str]]:
    names = ("clicks", "orders", "profiles", "returns", "weather")
    found = problems(dict(zip(names, samples, strict=False)), partitions)
    return [(each.fatal, each.message) for each in found]


def test_nothing_is_wrong_where_all_are_where_javas_clients_put_them() -> None:
    assert said(placed(partition_of), placed(partition_of, 50), set()) == []


def test_half_of_a_customer_written_by_another_client_is_found() -> None:
    (found,) = said(placed(partition_of) | {("c1", (partition_of(b"c1", PARTITIONS) + 1) % PARTITIONS)})
    assert found == (
        True,
        "1 of 100 sampled customers have records in two partitions: "
        "their caps and limits hold for each half alone; records of clicks are not where murmur2 puts them",
    )


def test_two_sources_of_different_clients_are_found_though_no_customer_was_seen_in_both() -> None:
    (found,) = said(placed(partition_of), placed(crc32, 500))
    assert found == (
        True,
        "orders is keyed by CRC32 of the customer, clicks by murmur2 of the customer: "
        "a customer of both is in two partitions",
    )


def test_two_halves_by_two_clients_are_found_by_the_customers_too() -> None:
    (_, source), (fatal, message) = said(placed(partition_of), placed(crc32))
    assert source.startswith("orders is keyed by CRC32")
    assert fatal
    assert "customers have records in two partitions" in message
    assert "clicks" not in message


@pytest.mark.parametrize("bad", [{1}, {0, 3}])
def test_one_source_of_five_was_an_error_for_each_pair_and_none_said_which_to_mend(bad: set[int]) -> None:
    names = ("clicks", "orders", "profiles", "returns", "weather")
    found = said(*(placed(crc32 if n in bad else partition_of, 500 * n) for n in range(len(names))))
    assert [message.partition(" ")[0] for _, message in found] == [names[n] for n in sorted(bad)]
    assert all(fatal and "is keyed by CRC32" in message for fatal, message in found)


def test_the_source_that_differs_from_most_is_named_though_it_is_the_one_of_java() -> None:
    ((_, message),) = said(placed(crc32), placed(partition_of, 500), placed(crc32, 1000))
    assert message.startswith("orders is keyed by murmur2 of the customer, clicks, profiles by CRC32")


@pytest.mark.parametrize(
    ("partition", "words"), [(crc32, "by CRC32 of the customer"), (by_length, "by something else")]
)
def test_what_is_keyed_otherwise_as_a_whole_is_a_warning(
    partition: Callable[[bytes, int], int], words: str
) -> None:
    message = f"clicks is keyed {words}, not by murmur2 of the customer as Java's clients do"
    assert said(placed(partition)) == [(False, message)]


def test_a_few_customers_tell_nothing() -> None:
    assert said(placed(crc32, count=19)) == []
    assert said(placed(partition_of), placed(crc32, 500, count=19)) == []


def test_in_one_partition_all_are_together() -> None:
    assert said(placed(lambda *_: 0), partitions=1) == []


@pytest.mark.parametrize(
    ("value", "customer"),
    [
        (b'{"user": {"id": "c1"}}', "c1"),
        (b'{"user": {"id": 7}}', "7"),
        (b'{"user": {"id": true}}', None),
        (b'{"user": {"id": ""}}', None),
        (b'{"user": {}}', None),
        (b'{"user": 5}', None),
        (b"[1]", None),
        (b"no json", None),
        (None, None),
    ],
)
def test_the_customer_of_a_record(value: bytes | None, customer: str | None) -> None:
    assert customer_of(Source("clicks", "clicks", ("user", "id")), value) == customer
