"""The checksum of batches, against aiokafka's."""

from __future__ import annotations

import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka._crc32c import crc32c


def test_it_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # of the catalogue of CRCs
    assert crc32c(b"") == 0


@given(st.binary(max_size=100))
def test_it_is_aiokafkas(data: bytes) -> None:
    assert crc32c(data) == calc_crc32c(data)
    assert crc32c(memoryview(bytearray(data))[1:]) == calc_crc32c(data[1:])


@pytest.mark.parametrize("size", [255, 256, 4097, 1 << 16])
def test_it_is_aiokafkas_of_much(size: int) -> None:
    data = bytes(number * 31 % 251 for number in range(size))
    assert crc32c(data) == calc_crc32c(data)
