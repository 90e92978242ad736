"""The reader of records: it takes the same bytes for JSON as orjson, and gives the same values."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.events._event import event_of

PATHS = (("a",), ("b",), ("a", "b"), ("a", "b", "c"), ("c", "d"), ("",), ("é",))
NOTHING = object()


def expected(raw: bytes) -> dict[tuple[str, ...], Any] | None:
    """What orjson says lies at the paths; of maps and lists only which it is. None: no JSON object."""
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict):
        return None
    values = {path: _reach(event, path) for path in PATHS}
    return {
        path: type(value)() if isinstance(value, dict | list) else value
        for path, value in values.items()
        if value is not NOTHING
    }


def _reach(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return NOTHING
        value = value[name]
    return value


def assert_read(raw: bytes) -> None:
    found = event_of(PATHS).look(raw)
    assert repr(found) == repr(expected(raw))  # repr: 1 is not 1.0, nor True; -0.0 is not 0.0


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"a":1}',
        b' {"a" : {"b": {"c": [1]}}, "c": {"d": null}} \n',
        b'{"a":{"b":1},"a":2}',
        b'{"a":2,"a":{"b":1}}',
        b'{"a":{"b":{"c":1}},"a":{"b":{}}}',
        '{"":"","é":"\\u00e9\\ud83d\\ude00","\\u00e9":"twice"}'.encode(),
        b'{"a":9223372036854775807,"b":9223372036854775808}',
        b'{"a":-9223372036854775808,"b":-9223372036854775809}',
        b'{"a":18446744073709551615,"b":18446744073709551616}',
        b'{"a":-0,"b":-0.0}',
        b'{"a":1e308,"b":2.2250738585072014e-308}',
        b'{"a":"x\\u0000y"}',
        b'{"a":true,"b":false}',
    ],
)
def test_values_are_those_of_orjson(raw: bytes) -> None:
    assert expected(raw) is not None
    assert_read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"1", b"null", b'"a"', b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{'a':1}", b'{"a":01}'),
        *(b'{"a":1e400}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}'),
        *(
            b'{"a":"\\ud800"}',
            b'{"a":"\\ude00x"}',
            b'{"a":"\t"}',
            b'{"a":1} x',
            b"\xef\xbb\xbf{}",
            b'{"a":+1}',
        ),
        *(b'{"a":1}\x00', b'{"a":.5}', b'{"a":5.}', b"{} {}", b'{"a":tru}', b"// c\n{}"),
    ],
)
def test_what_orjson_refuses_is_no_event(raw: bytes) -> None:
    assert expected(raw) is None
    assert_read(raw)


@pytest.mark.parametrize("depth", [10, 1022, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_the_deepest_nesting_is_that_of_orjson(opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    inner = "[]" if opening == "[" else "{}"
    assert_read(f'{{"b":{opening * depth}{inner}{closing * depth},"c":{{"d":7}}}}'.encode())


@pytest.mark.parametrize("text", ["[" * 2000, '"[{' * 700, "\\" * 1001 + "[" * 1100, '\\"{' * 1100, "]" * 9])
@pytest.mark.parametrize("depth", [1, 1022, 1024])
def test_brackets_in_texts_were_taken_for_levels(text: str, depth: int) -> None:
    raw = orjson.dumps({"b": [text, {text: text}], "c": {"d": 7}})
    assert_read(raw[:-1] + b',"e":' + b"[" * depth + b"]" * depth + b"}")


def test_many_maps_side_by_side_are_not_deep() -> None:
    raw = orjson.dumps({"a": [{} for _ in range(3000)], "b": 5})
    assert event_of(PATHS).look(raw) == {("a",): [], ("b",): 5}


def test_a_record_beyond_the_kept_memory_is_read_and_let_go() -> None:
    event = event_of(PATHS)
    for size in (10, 20_000, 100, 900_000, 10):
        assert event.look(orjson.dumps({"a": "x" * size, "b": size})) == {("a",): "x" * size, ("b",): size}


def test_no_path_is_no_field() -> None:
    assert event_of([]).look(b'{"a":1}') == {}


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
)
NAMES = st.sampled_from(["a", "b", "c", "d", "", "é"])
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(NAMES, each, max_size=4), max_leaves=12
)
EDITS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from([*'{}[]",:0eE+-.\\u tfn\x00', "\xff", ""])))


@settings(max_examples=3000, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5), st.booleans(), EDITS)
def test_generated_records_are_read_as_orjson_reads_them(
    event: dict[str, Any], escape: bool, edits: list[tuple[int, str]]
) -> None:
    raw = json.dumps(event, ensure_ascii=escape).encode("utf-8", "surrogatepass")
    assert_read(raw)
    for at, character in edits[:2]:
        raw = raw[: at % len(raw)] + character.encode("latin-1") + raw[at % len(raw) + 1 :] if raw else b""
    assert_read(raw)
