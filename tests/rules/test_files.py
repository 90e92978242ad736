"""Rule files as written: places, merging, YAML 1.2, caps, and no error but ours."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.diagnostics import Location, in_file_order
from stream.errors import RuleFileError
from stream.rules.files import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FOLDERS,
    Mapped,
    Scalar,
    Sequence,
    collect,
    paths_in,
    plain_value,
)
from stream.worker.reload import Directory


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory of rules, called `rules` by whoever runs there."""
    (tmp_path / "rules").mkdir()
    monkeypatch.chdir(tmp_path)
    return Path("rules")


def errors(directory: Path) -> list[str]:
    """What is wrong with the files, whatever they define."""
    try:
        _, found = collect(directory)
    except RuleFileError as error:
        found = error.diagnostics
    return [str(each) for each in in_file_order(found)]


def refusal(rules: Path, text: str | bytes) -> str:
    """The one error of a directory with this one file."""
    (rules / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = errors(rules)
    return found


def test_files_below_the_directory_are_merged(rules: Path) -> None:
    (rules / "team" / "spring").mkdir(parents=True)
    (rules / "a.yaml").write_text("rules:\n  b: {}\ntraits: {t: {}}\n")
    (rules / "team" / "spring" / "z.yml").write_text("rules:\n  a: {}\n")
    (rules / "empty.yaml").write_text("# nothing yet\n")
    (rules / "notes.txt").write_text("rules: {c: {}}")
    files, _ = collect(rules)
    assert list(files.rules) == ["a", "b"]
    assert list(files.traits) == ["t"]
    assert files.rules["a"].location == Location("rules/team/spring/z.yml", 2, 3)


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_a_separator_pasted_from_a_word_processor_moves_no_line_below_it(rules: Path, separator: str) -> None:
    """YAML 1.1 begins a line there; no editor does."""
    (rules / "a.yaml").write_text(f'rules:\n  a: {{describe: "b{separator} c", on: x}}\n  b: {{}}\n')
    files, _ = collect(rules)
    assert files.rules["b"].location == Location("rules/a.yaml", 3, 3)
    assert isinstance(rule := files.rules["a"].value, Mapped)
    assert rule.entries["on"].location == Location("rules/a.yaml", 2, 25)


def test_a_mounted_config_map_is_read_once(rules: Path) -> None:
    """Kubernetes keeps the files in a hidden folder and links to them; every name would be defined twice."""
    (rules / "..2026_03_01").mkdir()
    (rules / "..2026_03_01" / "a.yaml").write_text("rules: {a: {}}")
    (rules / "..data").symlink_to("..2026_03_01")
    (rules / "a.yaml").symlink_to("..data/a.yaml")
    assert list(collect(rules)[0].rules) == ["a"]


def test_a_name_defined_twice_points_at_both_places(rules: Path) -> None:
    (rules / "a.yaml").write_text("rules:\n  cart: {}\n")
    (rules / "b.yaml").write_text("\nrules: {cart: {}}\n")
    assert errors(rules) == [
        "rules/a.yaml:2:3: error: rule `cart` is defined twice (also at rules/b.yaml:2:9) [E105]",
        "rules/b.yaml:2:9: error: rule `cart` is defined twice (also at rules/a.yaml:2:3) [E105]",
    ]


def test_every_broken_file_is_reported(rules: Path) -> None:
    (rules / "a.yaml").write_text("rules: [")
    (rules / "b.yaml").write_text("rules:\n\tx: 1")
    (rules / "c.yaml").write_text("rulez: {}\npolicy: {}\nrules: []\n")
    assert errors(rules) == [
        "rules/a.yaml:1:9: error: not YAML: did not find expected node content [E005]",
        "rules/b.yaml:2:1: error: not YAML: found character that cannot start any token "
        "(indent with spaces, not with tabs) [E005]",
        "rules/c.yaml:1:1: error: unknown key `rulez` (did you mean `rules`?) [E101]",
        "rules/c.yaml:3:8: error: `rules` must map names to definitions (write `NAME: {…}` below it) [E104]",
    ]


def test_a_directory_that_is_not_there_or_empty_is_said(rules: Path) -> None:
    assert "rules: error: no rule files" in errors(rules)[0]
    assert "nowhere: error: no such directory" in errors(Path("nowhere"))[0]
    (rules / "a.yaml").write_text("")
    assert "no such directory" in errors(rules / "a.yaml")[0]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("010", 10),
        ("0o10", 8),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-03-01", "2026-03-01"),
        ("~", None),
        ("", None),
        ("True", True),
        ("-1.5e3", -1500.0),
        (".5", 0.5),
        ("-.Inf", float("-inf")),
        ("1e", "1e"),
        ("none", "none"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written: str, value: object) -> None:
    assert (type(plain_value(written)), plain_value(written)) == (type(value), value)


def test_on_and_no_are_words(rules: Path) -> None:
    (rules / "a.yaml").write_text("rules: {a: {on: no, quoted: 'true'}}")
    rule = collect(rules)[0].rules["a"].value
    assert isinstance(rule, Mapped)
    assert {
        key: entry.value.value for key, entry in rule.entries.items() if isinstance(entry.value, Scalar)
    } == {
        "on": "no",
        "quoted": "true",
    }


@pytest.mark.parametrize(
    ("value", "word", "line", "column"),
    [
        ("event.x == bad", "bad", 1, 21),
        ("'event.x == bad'", "bad", 1, 22),
        ('"event.x == bad"', "bad", 1, 22),
        ("event.x\n    == bad", "bad", 2, 8),
        (">-\n    event.x\n    == bad\n", "bad", 3, 8),
        ("|  # why\n\n      event.x ==\n      bad\n", "bad", 4, 7),
        ('"event.\\x78 == bad"', "bad", 1, 10),  # an escape: the start of the value
        ("&anchor event.x == bad", "bad", 1, 10),
    ],
)
def test_a_place_within_a_text_is_found_however_it_is_written(
    rules: Path, value: str, word: str, line: int, column: int
) -> None:
    (rules / "a.yaml").write_text(f"rules:\n  where: {value}\n")
    scalar = collect(rules)[0].rules["where"].value
    assert isinstance(scalar, Scalar)
    place = scalar.at(scalar.written.index(word))
    assert (place.line - 1, place.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "rules: {a: {on: x, on: y}}",
            "1:20: error: `on` stands twice in one mapping (first at rules/a.yaml:1:13)",
        ),
        ("rules: {}\n--- \nrules: {}", "2:1: error: a second document in one file"),
        ("rules: {a: !!str 5}", "1:12: error: tags (`!…`) are not supported"),
        ("rules: {a: !!python/object:os.system {}}", "1:12: error: tags (`!…`) are not supported"),
        ("rules: {a: *b}", "1:12: error: `*b` stands for nothing"),
        ("rules: &a {b: *a}", "1:15: error: `*a` contains itself"),
        ("rules: {{ event.x }}: 1", "1:9: error: a key must be a word"),
        ('rules: {a: "\\ud800"}', "1:15: error: not YAML: found invalid Unicode character escape code"),
        ('rules: {a: "\\U99999999"}', "1:15: error: not YAML: found invalid Unicode character escape code"),
        (
            "a: b: c",
            "1:5: error: not YAML: mapping values are not allowed in this context (a text with `: ` in",
        ),
        ("a: {b: c, d: x[1]}", "1:15: error: not YAML: did not find expected ',' or '}' (within `{…}`"),
        ("a: @b", "1:4: error: not YAML: found character that cannot start any token (a text with `@`"),
        ("a: 'b\n\n\n", "1:6: error: not YAML: found unexpected end of the file"),
        ("- a", "1:1: error: a rule file must be a mapping"),
        (b"a: \xff", "1:1: error: not UTF-8 text"),
        ("a: \x01", "1:4: error: not YAML: a character that is not allowed"),
        ("#" * (MAX_BYTES + 1), "error: more than 1,000,000 bytes"),
        ("rules: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, f"error: nested more than {MAX_DEPTH} levels deep"),
        ("rules: [" + "[a, b, c]," * 5_000 + "]", "error: more than 20,000 values in one file"),
        ("rules: [" + "a," * 5_001 + "]", "1:10009: error: more than 5,000 items in one list"),
        ("".join(f"k{n}: 1\n" for n in range(5_001)), "5001:1: error: more than 5,000 keys in one mapping"),
        ("traits: {a: &a {}}\nrules: [" + "*a," * (MAX_ALIASES + 1) + "]", "error: more than 10 aliases"),
    ],
)
def test_what_is_refused(rules: Path, text: str | bytes, message: str) -> None:
    assert message in refusal(rules, text)


BOMBS = {
    "a billion laughs": "a0: &a0 ["
    + "x," * 2000
    + "]\n"
    + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(5)),
    "deep flow": "a: " + "[" * 500_000,
    "deep mappings": "{" * 500_000,
    "deep blocks": "- " * 400_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(70_000)),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_before_they_are_built(rules: Path, bomb: str) -> None:
    """At most what the caps allow is ever put together; how long it takes: loadtest/micro/check_rules.py."""
    (rules / "a.yaml").write_text(bomb)
    tracemalloc.start()
    try:
        assert len(errors(rules)) == 1
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_aliases_stand_for_what_they_name(rules: Path) -> None:
    (rules / "a.yaml").write_text("traits:\n  a: &a {of: [x, y]}\n  b: *a\n")
    traits = collect(rules)[0].traits
    assert traits["b"].value == traits["a"].value
    assert traits["b"].location == Location("rules/a.yaml", 3, 3)
    body = traits["b"].value
    assert isinstance(body, Mapped)
    assert isinstance(body.entries["of"].value, Sequence)


# fmt: off
yaml_pieces = st.sampled_from([
    "rules", "traits", ":", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a ", "*a", "!", "!!str ", "'",
    '"', "|", ">", "%YAML 1.1\n", "---", "...", "#", "? ", "\\x", "\\U", "\t", "é", "\x00", "\ufeff", "<<",
    "@", "`", "~", "1", "\r",
])
# fmt: on


@given(st.binary(max_size=80) | st.lists(yaml_pieces, max_size=30).map(lambda parts: "".join(parts).encode()))
@settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_file_does_anything_but_load_or_be_refused(rules: Path, content: bytes) -> None:
    (rules / "a.yaml").write_bytes(content)
    with contextlib.suppress(RuleFileError):
        collect(rules)


def test_a_file_that_became_a_pipe_is_refused_and_not_waited_for(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed as a file, and a pipe by the time it is opened: the start hung without a line."""
    os.mkfifo(rules / "a.yaml")
    monkeypatch.setattr("stream.rules.files.paths_in", lambda *_: [rules / "a.yaml"])
    assert errors(rules) == ["rules/a.yaml: error: cannot be read: not a regular file [E002]"]
    monkeypatch.setattr("stream.worker.reload.paths_in", lambda *_: [rules / "a.yaml"])
    Directory(rules).read()


def test_a_folder_that_may_not_be_listed_is_an_error_and_no_missing_rules(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rules / "a.yaml").write_text("rules: {}\n")
    (rules / "team").mkdir()
    scan = os.scandir

    def scandir(path: str) -> object:  # root, as which tests may run, may list every folder
        if str(path).endswith("team"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert errors(rules) == ["rules/team: error: cannot be read: Permission denied [E002]"]


def test_a_volumes_lost_and_found_holds_no_rules(rules: Path) -> None:
    (rules / "a.yaml").write_text("rules: {}\n")
    (rules / "lost+found").mkdir()
    (rules / "lost+found" / "b.yaml").write_text("not: rules\n")
    assert errors(rules) == []


def test_what_is_read_is_what_a_reload_looks_at(rules: Path) -> None:
    """Neither follows a link to a folder, opens a pipe, or looks into what is hidden."""
    for name in ("team", ".hidden", "folder.yaml", "elsewhere"):
        (rules / name).mkdir()
    for name in ("a.yaml", "team/b.yml", ".hidden/c.yaml", ".d.yaml", "e.txt", "folder.yaml/f.yaml"):
        (rules / name).write_text("rules: {}\n")
    (rules / "linked.yaml").symlink_to("team/b.yml")
    (rules / "nowhere.yaml").symlink_to("missing")
    (rules / "other.yaml").symlink_to("team")
    os.mkfifo(rules / "pipe.yaml")
    found = [str(path.relative_to(rules)) for path in paths_in(rules)]
    assert found == [
        "a.yaml",
        "folder.yaml/f.yaml",
        "linked.yaml",
        "nowhere.yaml",
        "pipe.yaml",
        "team/b.yml",
    ]
    assert errors(rules) == [
        "rules/nowhere.yaml: error: cannot be read: No such file or directory [E002]",
        "rules/pipe.yaml: error: cannot be read: not a regular file [E002]",
    ]
    (rules / "nowhere.yaml").unlink()
    directory = Directory(rules)
    assert [path for path, *_ in directory.look()] == [
        f"rules/{name}" for name in found if name != "nowhere.yaml"
    ]


def test_a_socket_beside_the_rules_was_left_out_without_a_word(rules: Path) -> None:
    """So were a pipe and a device: what the file of that name had said was missing, and nobody knew."""
    (rules / "a.yaml").write_text("rules: {}\n")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("rules/b.yaml")
        assert errors(rules) == ["rules/b.yaml: error: cannot be read: No such device or address [E002]"]


def test_a_thousand_nested_folders_ended_a_check_with_a_traceback(rules: Path) -> None:
    (rules / "a.yaml").write_text("rules: {}\n")
    deepest = rules.joinpath(*["d"] * MAX_FOLDERS)
    deepest.mkdir(parents=True)
    (deepest / "b.yaml").write_text("rules: {}\n")
    assert not errors(rules)
    with contextlib.chdir(deepest):
        for _ in range(1100):
            Path("d").mkdir()
            os.chdir("d")
    place = "/".join(["rules", *["d"] * (MAX_FOLDERS + 1)])
    words = f"cannot be read: more than {MAX_FOLDERS} folders within each other [E002]"
    try:
        assert errors(rules) == [f"{place}: error: {words}"]
        assert len(Directory(rules).look()) == 2
    finally:
        subprocess.run(["rm", "-r", rules / "d"], check=True)  # more than Python's own removal takes
