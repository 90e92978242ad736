"""What the doctor says of customers that are torn apart."""

from __future__ import annotations

from stream.doctor.findings import error, ok, warning
from stream.doctor.placement import CHECK, judged
from stream.events._murmur import partition_of
from stream.topics.placement import HINT

RIGHT = {(f"c{n}", partition_of(f"c{n}".encode(), 4)) for n in range(100)}
ELSEWHERE = {(customer, 3 - number) for customer, number in RIGHT}


def test_each_customer_in_one_partition_is_fine() -> None:
    assert list(judged({"clicks": RIGHT}, 4)) == [ok(CHECK, "100 of them sampled, each in one partition")]


def test_customers_in_two_halves_are_an_error_that_names_the_setting() -> None:
    first, *_ = judged({"clicks": RIGHT, "orders": ELSEWHERE}, 4)
    assert first == error(CHECK, first.message, HINT)
    assert "partitioner=murmur2_random" in HINT


def test_a_source_that_is_keyed_otherwise_as_a_whole_is_a_warning() -> None:
    (only,) = judged({"clicks": ELSEWHERE}, 4)
    assert only == warning(CHECK, only.message, HINT)
