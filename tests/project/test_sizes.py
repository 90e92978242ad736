"""Modules and classes stay small enough to be read at one go, or say why they are not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stream

PACKAGE = Path(stream.__file__).parent
LINES = 600
METHODS = 25

# What a docstring says where there are more.
LONG = re.compile(r"Longer than \d+ lines,? because \w")
MANY = re.compile(r"More than \d+ methods,? because \w")


# Too large without a reason; each goes from here when it is split or says why. None is added.
TOO_LARGE = {
    "_fastmatch.pyx: PartitionState",
    *("state/_customer.pyx: Customer", "state/_customers.pyx: Customers"),
}


def findings(package: Path) -> Iterator[str]:
    """What is too large in a package without giving a reason, one line each."""
    for suffix in ("py", "pyx"):
        for path in sorted(package.rglob(f"*.{suffix}")):
            text, name = path.read_text(encoding="utf-8"), path.relative_to(package).as_posix()
            if (count := text.count("\n")) > LINES and not LONG.search(plain(docstring_of(text))):
                yield f"{name} has {count} lines"
            for title, docstring, methods in classes(text, cython=suffix == "pyx"):
                if methods > METHODS and not MANY.search(plain(docstring)):
                    yield f"{name}: {title} has {methods} methods"


def plain(text: str) -> str:
    return " ".join(text.split())


def docstring_of(text: str) -> str:
    """The docstring at the beginning of a module's text, or of a class' lines."""
    found = re.match(r'\s*"""(.*?)"""', text, re.DOTALL)
    return found[1] if found else ""


def classes(text: str, *, cython: bool) -> Iterator[tuple[str, str, int]]:
    """Of each class of a module: its name, its docstring, and how many methods it has."""
    if not cython:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                methods = [
                    each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                yield node.name, ast.get_docstring(node) or "", len(methods)
        return
    for found in re.finditer(
        r"^(?:cdef )?class (\w+).*:(?: *#.*)?\n((?:[ \t]+.*\n|\n)*)", text, re.MULTILINE
    ):
        methods = re.findall(r"^ {4}(?:def|cdef|cpdef) [^=\n]*\(", found[2], re.MULTILINE)
        yield found[1], docstring_of(found[2]), len(methods)


def test_nothing_is_too_large_without_a_reason() -> None:
    assert [each for each in findings(PACKAGE) if each.partition(" has ")[0] not in TOO_LARGE] == []


@pytest.mark.parametrize("suffix", ["py", "pyx"])
def test_what_is_too_large_is_found(tmp_path: Path, suffix: str) -> None:
    kind = "cdef class" if suffix == "pyx" else "class"
    method = "    def method_{}(self):\n        return {{1: (2)}}\n"
    many = "".join(method.format(number) for number in range(METHODS + 1))
    (tmp_path / f"large.{suffix}").write_text(f'"""Large."""\n{kind} Large:\n{many}' + "\n" * LINES)
    (tmp_path / f"said.{suffix}").write_text(
        f'"""Large. Longer than {LINES} lines,\nbecause it is."""\n{kind} Large:\n'
        f'    """More than {METHODS} methods, because it has."""\n{many}' + "\n" * LINES
    )
    assert list(findings(tmp_path)) == [
        f"large.{suffix} has {2 + 2 * (METHODS + 1) + LINES} lines",
        f"large.{suffix}: Large has {METHODS + 1} methods",
    ]
