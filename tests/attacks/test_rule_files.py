"""What an author's file can hold: it is refused with its place, in a few lines, and nothing huge is built."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.authoring.check import check
from stream.diagnostics import Diagnostic

MOST = 100_000  # characters that are said of one file

FILES: Mapping[str, bytes] = {
    "aliases that double": b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(40)),
    "an alias of itself": b"rules: &a\n  x: *a\n",
    "a thousand levels": b"rules: " + b"{a: " * 1_000 + b"1" + b"}" * 1_000,
    "a hundred thousand brackets": b"rules: " + b"[" * 100_000,
    "a number of 100,000 digits": b"rules: {a: {on: view, priority: " + b"9" * 100_000 + b"}}",
    "a Python object": b"rules: !!python/object/apply:os.system ['true']\n",
    "a key twice": b"rules: {a: {on: view}, a: {on: view}}\n",
    "a byte that is nothing": b"rules: {a: {on: \x00}}\n",
    "Latin-1": "rules: {ä: {on: view}}\n".encode("latin-1"),
    "UTF-16": "rules: {a: {on: view}}\n".encode("utf-16"),
    "a terminal's escape": b'rules: {"\\e[2J": {on: view}}\n',
    "a key of a megabyte": b"rules: {" + b"k" * 1_000_000 + b": {on: view}}\n",
    "a condition of a megabyte": b"rules: {a: {on: view, if: '" + b"x && " * 200_000 + b"x'}}\n",
    "a pattern that doubles": b"rules: {a: {on: view, if: \"event.a.matches('"
    + b"(a|a)*" * 300
    + b"b')\"}}\n",
    "two documents": b"rules: {}\n---\nrules: {}\n",
    "no mapping": b"- rules\n",
}


def findings(folder: Path) -> tuple[Diagnostic, ...]:
    found = check(folder).diagnostics
    assert sum(len(str(each)) for each in found) < MOST
    assert all(str(each).isprintable() for each in found)
    return found


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_hostile_file_is_refused_with_its_place(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shop.yaml").write_bytes(content)
    errors = [each for each in findings(tmp_path) if each.severity == "error"]
    assert errors
    assert all(each.location.file.endswith("shop.yaml") for each in errors)


def made(kind: str, path: Path) -> None:
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
        case "a device":
            path.symlink_to("/dev/zero")
        case "a link to itself":
            path.symlink_to(path)
        case "a link to nothing":
            path.symlink_to(path.with_name("nothing"))


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device", "a link to itself", "a link to nothing"])
def test_what_is_no_regular_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    (Path("rules")).mkdir()
    (Path("rules") / "good.yaml").write_text("traits: {n: {function: count, of: view}}\n", encoding="utf-8")
    made(kind, Path("rules") / "x.yaml")
    assert any("x.yaml" in str(each) for each in findings(Path("rules")))
