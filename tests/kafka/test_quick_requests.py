"""Requests that are written and read by hand, held against aiokafka's own."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7, ProduceResponse_v7
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka.quick_requests import install

install()

SMALL, LARGE = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**63), 2**63 - 1)
NUMBER = st.integers(-(2**31), 2**31 - 1)
TOPIC = st.text("abcäö-._", max_size=12)
BYTES = st.binary(max_size=40)


def topics(of_partition: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(TOPIC, st.lists(of_partition, max_size=3)), max_size=3)


def newest(kind: Any) -> Any:
    """What a client sends to a broker of today."""
    return kind._CLASSES[-1]


@given(
    st.tuples(NUMBER, NUMBER, NUMBER, st.integers(0, 1)),
    topics(st.tuples(NUMBER, LARGE, NUMBER)),
    st.sampled_from(["", "eu-1"]),
)
def test_a_fetch_is_asked_for_as_before(numbers: Any, asked: Any, rack: str) -> None:
    request = FetchRequest(*numbers, asked, rack)
    assert request.prepare({1: (4, 17)}).encode() == request.build(FetchRequest_v11).encode()


ABORTED = st.none() | st.lists(st.tuples(LARGE, LARGE), max_size=2)


@given(
    NUMBER,
    SMALL,
    NUMBER,
    topics(st.tuples(NUMBER, SMALL, LARGE, LARGE, LARGE, ABORTED, NUMBER, st.none() | BYTES)),
)
def test_what_is_fetched_is_read_as_before(throttled: int, error: int, session: int, found: Any) -> None:
    data = FetchResponse_v11(throttled, error, session, found).encode()
    ours, theirs = newest(FetchRequest).RESPONSE_TYPE, FetchResponse_v11.decode(data)
    assert ours.decode(data) == theirs
    behind_its_header = BytesIO(b"head" + data)
    behind_its_header.seek(4)
    assert ours.decode(behind_its_header) == theirs


@given(st.none() | TOPIC, SMALL, NUMBER, topics(st.tuples(NUMBER, BYTES)))
def test_batches_are_sent_as_before(transaction: str | None, acks: int, timeout: int, sent: Any) -> None:
    request = ProduceRequest(transaction, acks, timeout, sent)
    assert request.prepare({0: (3, 12)}).encode() == request.build(ProduceRequest_v7).encode()


@given(topics(st.tuples(NUMBER, SMALL, LARGE, LARGE, LARGE)), NUMBER)
def test_what_became_of_batches_is_read_as_before(found: Any, throttled: int) -> None:
    data = ProduceResponse_v7(found, throttled).encode()
    ours, theirs = newest(ProduceRequest).RESPONSE_TYPE, ProduceResponse_v7.decode(data)
    assert ours.decode(data) == theirs


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    """Its last records would have been taken for damaged ones."""
    fetched = FetchResponse_v11(0, 0, 0, [("clicks", [(0, 0, 9, 9, 0, None, -1, b"records")])]).encode()
    with pytest.raises(ValueError, match="too early"):
        newest(FetchRequest).RESPONSE_TYPE.decode(fetched[:-1])


def test_an_older_broker_is_asked_in_its_version() -> None:
    request = FetchRequest(1, 1, 1, 0, [("clicks", [(0, 5, 100)])])
    assert request.prepare({1: (4, 10)}).API_VERSION == 10
