"""JSON as records have it: byte by byte what orjson writes, and times as datetime knows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.decisions._json import MAX_DEPTH, encode, iso_time
from stream.decisions._wire import decision_json
from stream.structs import Decision, EventRef

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = -62_135_596_800_000, 253_402_300_799_999


def decision(text: str) -> Decision:
    return Decision(text, text, text, "suppressed", "limit", text, text, EventRef(text, text, 0), 0)


@given(st.text(st.characters(codec="utf-8")))
@example("".join(map(chr, range(0x80))))
@example('"' * 1000)
@example("\x00" * 5000)
@example("\u2028\ufffe\U0010ffff")
@example("a" * 300 + "\n")
def test_texts_are_written_as_orjson_writes_them(text: str) -> None:
    as_it_is = {
        "trigger_id": text,
        "rule": text,
        "revision": "r",
        "customer_id": text,
        "outcome": "suppressed",
        "reason": "limit",
        "channel": text,
        "variant": text,
        "event": {"name": text or None, "id": text, "time": "1970-01-01T00:00:00.000Z"},
        "at": "1970-01-01T00:00:00.000Z",
        "held_out_by": [],
        "goals": [],
        "unwritten": None,
        "silenced_by": None,
    }
    assert decision_json(decision(text), "r") == orjson.dumps(as_it_is)


@given(st.text(st.characters(), max_size=20))
@example("\ud83d\udc5f \ud800")
@example("\udc00\ud800")
def test_halves_of_pairs_are_joined_or_replaced(text: str) -> None:
    mended = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert decision_json(decision(text), "r") == decision_json(decision(mended), "r")
    assert orjson.loads(encode([{text: text}])) == [{mended: mended}]


@given(st.integers(EARLIEST, LATEST))
@example(EARLIEST)
@example(LATEST)
@example(-1)
@example(0)
@example(951_782_399_999)  # the end of 28 February 2000
@example(951_868_800_000)  # 1 March 2000
@example(4_107_542_400_000)  # 1 March 2100, which has no 29 February
def test_times_are_those_of_the_calendar(ms: int) -> None:
    at = EPOCH + timedelta(milliseconds=ms)
    assert iso_time(ms) == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("ms", [EARLIEST - 1, LATEST + 1, -(1 << 63), (1 << 63) - 1])
def test_what_is_in_no_year_that_can_be_written_is_an_error(ms: int) -> None:
    with pytest.raises(ValueError, match="year"):
        iso_time(ms)


def test_what_lies_too_deep_is_null() -> None:
    deep: object = 1
    for _ in range(1000):
        deep = [deep]
    written, depth = orjson.loads(encode(deep)), 0
    while written is not None:
        written, depth = written[0], depth + 1
    assert depth == MAX_DEPTH - 1
