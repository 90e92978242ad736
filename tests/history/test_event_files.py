"""Files of past events: every line arrives once, in order, and the engine is told when a source has ended."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stream.errors import EventFileError
from stream.history.event_files import Between, Disorder, Portion, disorder_notes, event_files
from stream.history.pieces import MAX_LINE
from stream.rules.model import RuleSet, Source

CLICKS = Source("clicks", "clicks", ("customer",), ("event",))
ORDERS = Source("orders", "orders", ("customer",), None, "purchase")
RULES = RuleSet("r", (CLICKS, ORDERS), (), (), (), (), first_source="clicks")
T0 = 1_772_445_600_000
TIMED = replace(
    RULES,
    sources=(
        replace(CLICKS, time=("ts",)),
        replace(ORDERS, time=("ts",)),
        Source("people", "people", ("who",), kind="profile"),
    ),
)


def lines(*sources: str) -> str:
    return "".join(f'{{"source": "{name}", "n": {n}}}\n' for n, name in enumerate(sources))


def read(*arguments: str, sort: bool = False, rules: RuleSet = RULES) -> dict[str, list[bytes | None]]:
    """All values by source."""
    values: dict[str, list[bytes | None]] = defaultdict(list)
    with event_files(arguments, rules, sort=sort) as files:
        for partition, records, _ in files.batches():
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
        (gzip.compress(lines("clicks").encode(), mtime=0)[:-9], "cannot be read to its end"),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kafka:", "x.jsonl"], "stands alone"),
        (["kafka:", "kafka:"], "stands alone"),
        (["kafka:clicks"], "takes no name of a topic"),
    ],
)
def test_topics_of_kafka_stand_alone(arguments: list[str], message: str) -> None:
    with pytest.raises(EventFileError, match=message), event_files(arguments, RULES):
        pass


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("minutes", [(0, 1, 2, 3, 4, 5), (0, 3, 1, 2, 5, 4)])
def test_between_two_times_what_was_before_comes_first_and_what_is_later_not_at_all(
    tmp_path: Path, sort: bool, minutes: tuple[int, ...]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"source": "people", "who": "c1"}\n' + clicked(*(60_000 * each for each in minutes)))
    times = Between(T0 + 120_000, T0 + 240_000)
    with event_files([str(path)], TIMED, times, sort=sort) as files:
        portions = list(files.batches())
    before, after = _times(portions, True), _times(portions, False)
    if sort or minutes == (0, 1, 2, 3, 4, 5):
        assert (before, after) == ([T0 - 1, T0, T0 + 60_000], [T0 + 120_000, T0 + 180_000])
    else:  # as they lie: two come late, and count as late
        assert (before, after) == ([T0 - 1, T0], [T0 + 180_000, T0 + 60_000, T0 + 120_000])
    assert files.notes == ["2 events of --until and later were left out"]


def _times(portions: Sequence[Portion], is_before: bool) -> list[int]:
    found = [list(each.records.values()) for each in portions if each.is_before is is_before]
    return [each.timestamp for records in found for some in reversed(records) for each in some]


def test_sources_that_are_no_names_are_counted_and_not_shown(tmp_path: Path) -> None:
    """A terminal obeyed what a file of events said, and showed addresses of people."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([b'{"source": "\\u001b]0;owned\\u0007"}', b'{"source": "eve@example.org"}']))
    with event_files([str(path)], RULES) as files:
        for _ in files.batches():
            pass
    assert files.unknown == {"(others)": 2}


def clicked(*times: int, **more: object) -> str:
    return "".join(
        f"{json.dumps({'event': 'view', 'customer': 'c', 'ts': T0 + at, **more})}\n" for at in times
    )


def at(values: list[bytes | None]) -> list[int]:
    return [json.loads(each or b"")["ts"] - T0 for each in values]


def test_a_file_that_is_newest_first_is_told_and_can_be_sorted(tmp_path: Path) -> None:
    """Every reminder was of the wrong time, and nothing was said."""
    path = tmp_path / "events.jsonl"
    path.write_text(clicked(*range(7_200_000, -1, -60_000)))
    with event_files([str(path)], TIMED) as files:
        assert files.disorder == {"clicks": Disorder(119, 7_200_000, f"{path}:3", f"{path}:1")}
        (note,) = disorder_notes(files)
        assert note.startswith("119 records of clicks are earlier than one before them, by up to 2h, first")
        assert "--sort" in note
        (taken,) = files.batches()
    assert at([each.value for each in taken.records["clicks"]])[0] == 7_200_000
    values = read(str(path), sort=True, rules=TIMED)
    assert at(values["clicks"]) == list(range(0, 7_200_001, 60_000))
    with event_files([str(path)], TIMED, sort=True) as files:
        assert disorder_notes(files) == []


def test_a_little_disorder_is_not_worth_a_word(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(clicked(0, 70_000, 10_000, 80_000))
    with event_files([str(path)], TIMED) as files:
        assert files.disorder == {}


def test_several_files_are_merged_by_time_in_whichever_order_they_are_named(tmp_path: Path) -> None:
    """February before January gave an old cart the purchase of a month later."""
    january, february = tmp_path / "jan.jsonl", tmp_path / "feb.csv"
    january.write_text(clicked(1, 2, 5))
    february.write_text(f"event,ts\nview,{T0 + 3}\nview,{T0 + 4}\nview,{T0 + 9}\n")
    values = read(str(february), str(january), rules=TIMED)
    assert at(values["clicks"]) == [1, 2, 3, 4, 5, 9]


def test_sources_one_after_the_other_in_a_file_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that one source ran ahead of the other was held in memory."""
    monkeypatch.setattr("stream.history.formats.BLOCK", 200)
    path = tmp_path / "events.jsonl"
    path.write_text(clicked(*range(0, 100, 2), source="clicks") + clicked(*range(1, 100, 2), source="orders"))
    seen: list[int] = []
    with event_files([str(path)], TIMED) as files:
        monkeypatch.setattr("stream.history.merged.BATCH", 10)
        for _, records, _ in files.batches():
            seen += sorted(at([each.value for events in records.values() for each in events]))
    assert seen == list(range(100))


def test_a_file_without_any_time_comes_before_all_others(tmp_path: Path) -> None:
    """`clicks=… people=…`: everybody had consented after the last click."""
    clicks, people = tmp_path / "clicks.jsonl", tmp_path / "people.jsonl"
    clicks.write_text(clicked(10, 20))
    people.write_text('{"who": "c1"}\n{"who": "c2"}\n')
    with event_files([f"clicks={clicks}", f"people={people}"], TIMED) as files:
        batches = list(files.batches())
        times = {
            name: [each.timestamp - T0 for each in events] for name, events in batches[0].records.items()
        }
    assert times["people"] == [9, 9]
    assert files.placed["people"] == 2


def test_memory_does_not_grow_with_the_history(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("w") as file:
        for block in range(40):
            file.write(clicked(*range(block * 5_000, block * 5_000 + 5_000), pad="x" * 100))
    most = 0
    with event_files([str(path)], TIMED) as files:
        for _, records, _ in files.batches():
            most = max(most, sum(map(len, records.values())))
        assert files.total == 200_000
    assert most < 20_000


def test_files_and_topics_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="stands alone"), event_files(["kafka:", "x"], TIMED):
        pass


def test_an_empty_file_among_others_was_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(lines("clicks"))
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "header.csv").write_text("event,customer\n")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "list.json").write_text("[]")
    names = ["events.jsonl", "empty.jsonl", "header.csv", "packed.gz", "list.json"]
    with event_files([str(tmp_path / each) for each in names], RULES) as files:
        assert files.notes == [f"{tmp_path / each} has no lines" for each in names[1:]]
