"""Files of past events: every line arrives once, in order, and the engine is told when a source has ended."""

from __future__ import annotations

import gzip
import io
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from stream.authoring.event_files import event_files
from stream.errors import EventFileError
from stream.history.pieces import MAX_LINE
from stream.rules.model import RuleSet, Source

CLICKS = Source("clicks", "clicks", ("customer",), ("event",))
ORDERS = Source("orders", "orders", ("customer",), None, "purchase")
RULES = RuleSet("r", (CLICKS, ORDERS), (), (), (), (), first_source="clicks")


def lines(*sources: str) -> str:
    return "".join(f'{{"source": "{name}", "n": {n}}}\n' for n, name in enumerate(sources))


def read(*arguments: str, sort: bool = False) -> dict[str, list[bytes | None]]:
    """All values by source."""
    values: dict[str, list[bytes | None]] = defaultdict(list)
    with event_files(arguments, RULES, sort=sort) as files:
        for partition, records in files.batches():
            assert partition == 0
            for name, found in records.items():
                assert [each.offset for each in found] == list(
                    range(len(values[name]), len(values[name]) + len(found))
                )
                values[name] += [each.value for each in found]
    return values


def test_every_line_goes_to_its_source_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(lines("clicks", "orders", "clicks"))
    values = read(str(path))
    assert values["clicks"] == [b'{"source": "clicks", "n": 0}', b'{"source": "clicks", "n": 2}']
    assert values["orders"] == [b'{"source": "orders", "n": 1}']


def test_lines_without_a_source_and_lines_that_are_no_json_go_to_the_first_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "view"}\nnot json\n\n[1]\n{"source": null}\n')
    values = read(str(path))
    assert values == {"clicks": [b'{"event": "view"}', b"not json", b"[1]", b'{"source": null}']}


def test_a_source_that_is_no_name_sends_an_event_nowhere_else(tmp_path: Path) -> None:
    """Events that say where they come from in an object went to the first source, unsaid."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"source": {"service": "orders"}}\n')
    with event_files([str(path)], RULES) as files:
        list(files.batches())
    assert (files.unknown, files.first_unknown) == ({"(others)": 1}, {"(others)": f"{path}:1"})


def test_a_file_can_be_of_one_source_whatever_its_events_say(tmp_path: Path) -> None:
    """CloudEvents have a `source` of their own, dumps of a topic have none of ours: both were left out."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"source": "/shop/till"}\n{"source": "clicks"}\n')
    values = read(f"orders={path}")
    assert values == {"orders": [b'{"source": "/shop/till"}', b'{"source": "clicks"}']}
    with pytest.raises(EventFileError, match="did you mean `orders`"), event_files([f"order={path}"], RULES):
        pass


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_its_first_event(tmp_path: Path) -> None:
    """Excel and PowerShell write one: the first event was a dead letter."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines("orders").encode())
    assert list(read(str(path))) == ["orders"]


def test_lines_without_a_source_are_events_whatever_other_sources_come_first(tmp_path: Path) -> None:
    """They went to the source that was first by name, as profiles of nobody."""
    about = Source("about", "about", ("customer",), kind="profile")
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "view"}\n')
    with event_files([str(path)], replace(RULES, sources=(about, CLICKS, ORDERS))) as files:
        assert files.lines == {"clicks": 1}


def test_gzip_is_told_by_its_first_bytes_and_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    packed, plain = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(lines("clicks").encode()))
    plain.write_text(lines("clicks", "clicks"))
    values = read(str(packed), str(plain))
    assert len(values["clicks"]) == 3


def test_standard_input_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines("orders").encode())))
    assert len(read("-")["orders"]) == 1


def test_sources_that_the_rules_do_not_have_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.history._past.MAX_NAMES", 2)
    path = tmp_path / "events.jsonl"
    path.write_text(lines("a", "b", "c", "a", "d", "clicks"))
    with event_files([str(path)], RULES) as files:
        list(files.batches())
        assert files.unknown == {"a": 2, "b": 1, "(others)": 2}
        assert files.first_unknown == {"a": f"{path}:1", "b": f"{path}:2", "(others)": f"{path}:3"}
        assert files.total == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (gzip.compress(lines("clicks").encode())[:-9], "cannot be read to its end"),
        (b"x" * (MAX_LINE + 1), ":1: a line of more than 1,048,576 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "events.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventFileError, match=message) as caught, event_files([str(path)], RULES) as files:
        list(files.batches())
    assert str(path) in str(caught.value)


def test_topics_of_kafka_stand_alone() -> None:
    with pytest.raises(EventFileError, match="stands alone"), event_files(["kafka:clicks"], RULES):
        pass


def test_sources_that_are_no_names_are_counted_and_not_shown(tmp_path: Path) -> None:
    """A terminal obeyed what a file of events said, and showed addresses of people."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([b'{"source": "\\u001b]0;owned\\u0007"}', b'{"source": "eve@example.org"}']))
    with event_files([str(path)], RULES) as files:
        for _ in files.batches():
            pass
    assert files.unknown == {"(others)": 2}
