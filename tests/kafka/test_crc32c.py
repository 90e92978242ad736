"""Kafka's checksum: the processor's instruction, the tables and aiokafka say the same."""

from __future__ import annotations

import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka._crc32c import crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_it_is_what_others_say_it_is(data: bytes, checksum: int) -> None:
    """RFC 3720, B.4, and the catalogue of CRCs."""
    assert crc32c(data) == crc32c(data, by_tables=True) == checksum


@given(st.binary(max_size=100), st.integers(0, 9), st.integers(1, 40))
def test_both_ways_say_what_aiokafka_says_wherever_the_data_begins(
    data: bytes, start: int, times: int
) -> None:
    part = memoryview(bytearray(data * times))[start:]
    assert crc32c(part) == crc32c(part, by_tables=True) == calc_crc32c(bytes(part))


def test_what_has_no_bytes_has_no_checksum() -> None:
    with pytest.raises(TypeError):
        crc32c("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        crc32c(memoryview(b"abcdef")[::2])
