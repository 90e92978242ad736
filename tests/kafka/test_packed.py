"""Records on their way out, as bytes: what is packed comes back; what Kafka cannot carry never goes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stream.kafka._packed import LARGEST, PackedRecords, pack, unpack
from stream.structs import Target, WireRecord

pytestmark = pytest.mark.engine  # what is wrong with memory, the sanitizer sees

BYTES = some.binary(max_size=300)
NAMES = some.text(max_size=20).filter(lambda name: name.isprintable())
HEADERS = some.lists(some.tuples(NAMES, BYTES), max_size=5).map(tuple)
TARGETS = some.tuples(some.sampled_from(["web", "mail"]), some.sampled_from([None, 0, 3]))
RECORDS = some.lists(
    some.builds(
        lambda target, key, value, headers: WireRecord(target[0], key, value, headers, target[1]),
        TARGETS,
        some.none() | BYTES,
        some.none() | BYTES,
        HEADERS,
    ),
    max_size=30,
)


def packed(records: Sequence[WireRecord]) -> PackedRecords:
    made = PackedRecords()
    for record in records:
        made.add(record.key, record.value, record.headers)
    return made


@given(RECORDS)
def test_what_is_packed_comes_back_by_where_it_goes_in_its_order(records: list[WireRecord]) -> None:
    found = pack(records)
    assert sum(map(len, found.values())) == len(records)
    for target, several in found.items():
        assert isinstance(target, Target)
        assert several.unpack(*target) == [each for each in records if (each.topic, each.partition) == target]
    assert sorted(unpack(found), key=repr) == sorted(records, key=repr)
    assert list(found) == list(dict.fromkeys((each.topic, each.partition) for each in records))


@given(RECORDS, RECORDS)
def test_what_is_collected_is_a_copy(first: list[WireRecord], then: list[WireRecord]) -> None:
    waiting, more = packed(first), packed(then)
    waiting.extend(more)
    more.extend(more)
    names = [each._replace(topic="t", partition=None) for each in [*first, *then]]
    assert waiting.unpack("t") == names
    assert len(more) == 2 * len(then)
    assert more.unpack("t")[len(then) :] == names[len(first) :]


def test_pairs_are_records_without_headers() -> None:
    """Those of a changelog."""
    pairs = [(b"c%d" % number, b"x" * number) for number in range(1000)]
    made = PackedRecords()
    made.add_pairs([*pairs, (b"", b"marks")])
    assert made.unpack("log", 7) == [WireRecord("log", *pair, (), 7) for pair in [*pairs, (b"", b"marks")]]


def test_none_are_false_and_of_no_size() -> None:
    empty = PackedRecords()
    assert not empty
    assert (len(empty), empty.size, empty.unpack("t"), pack([])) == (0, 0, [], {})


@pytest.mark.parametrize(
    ("key", "value", "header"),
    [
        (LARGEST + 1, 0, 0),
        (0, LARGEST + 1, 0),
        (LARGEST // 2, LARGEST // 2, 0),
        (0, 0, LARGEST + 1),
        (0, LARGEST - 100, 100),
        (0, LARGEST - 2, 0),  # with its length it is too large
        (1 << 32, 1 << 33, 1 << 32),
    ],
)
def test_what_kafka_cannot_carry_is_not_taken(key: int, value: int, header: int) -> None:
    """Lengths on the wire have 32 bits: it would be read as something else, or as nothing."""
    made = packed([WireRecord("t", b"a", b"b", ())])
    with pytest.raises(OverflowError, match="Kafka cannot carry it"):  # zeros are no memory until written to
        made.add(bytes(key), bytes(value), (("h", bytes(header)),))
    assert made.unpack("t") == [WireRecord("t", b"a", b"b", ())]


WRONG: dict[str, Callable[[PackedRecords], Any]] = {
    "a key that is text": lambda made: made.add("k", b""),
    "a value that is no bytes": lambda made: made.add(b"", bytearray()),
    "headers in a list": lambda made: made.add(b"", b"", [("n", b"")]),
    "a header in a list": lambda made: made.add(b"", b"", (("n", b""), ["n", b""])),
    "half a header": lambda made: made.add(b"", b"", (("n", b""), ("n",))),
    "a name that is bytes": lambda made: made.add(b"", b"", ((b"n", b""),)),
    "no name": lambda made: made.add(b"", b"", ((None, b""),)),
    "a name that UTF-8 cannot carry": lambda made: made.add(b"", b"", (("n", b""), ("\ud800", b""))),
    "a value of a header that is text": lambda made: made.add(b"", b"", (("n", "v"),)),
    "no headers at all": lambda made: made.add(b"", b"", None),
    "pairs that are none": lambda made: made.add_pairs([(b"k", b"v", b"w")]),
    "others that are none": lambda made: made.extend([]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_record_leaves_nothing_behind(wrong: Callable[[PackedRecords], Any]) -> None:
    made = packed([WireRecord("t", b"a", b"b", ())])
    with pytest.raises((TypeError, ValueError)):
        wrong(made)
    made.add(b"c", b"d")
    assert [each.key for each in made.unpack("t")] == [b"a", b"c"]
