"""Warnings that are meant: `allow: [W505]` in a definition, in `policy` for all, or said by whoever checks.

A finding belongs to the definition in which its place lies, that is, to the last one that begins before it.
Tested by tests/rules/test_allowances.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import NamedTuple

from stream.diagnostics import Code, Diagnostic, Location
from stream.hints import did_you_mean
from stream.rules import keys
from stream.rules.files import Entry, Mapped, RuleFiles, Scalar, Sequence, Written

_COMMAND = Location("--allow")  # the place of what is said there
_ALLOW = "allow"
_FORM = "write e.g. allow: [W505]"
_PLAYED = frozenset({Code.ENDS_WHILE_WAITING})  # what a check does not look for: `stream test` finds it


class Allowance(NamedTuple):
    """`at`: where it is said; `within`: the place of the definition that it is for, None: for all."""

    code: str
    at: Location
    within: Location | None = None


class Allowances:
    """Who may be silent about what. `also`: codes that are allowed beside those of the files."""

    def __init__(self, files: RuleFiles, also: Iterable[str] = ()) -> None:
        self._by_code: dict[str, list[Allowance]] = defaultdict(list)
        self._used: set[Allowance] = set()
        for each in (*_said(files), *(Allowance(code, _COMMAND) for code in also)):
            self._by_code[each.code].append(each)
        self._begins = sorted(_places(files)) if self._by_code else []

    def allows(self, code: Code, at: Location) -> bool:
        """Whether this finding is meant."""
        allowing = [each for each in self._by_code.get(code, ()) if each.within in (None, self._around(at))]
        self._used.update(allowing)
        return bool(allowing)

    def _around(self, at: Location) -> Location | None:
        """The beginning of the definition that a place lies in."""
        number = bisect_right(self._begins, at)
        return self._begins[number - 1] if number else None

    def in_vain(self) -> Iterator[Diagnostic]:
        """What is allowed and was not found. To be asked when everything has been looked for."""
        for each in (each for same in self._by_code.values() for each in same):
            if each.code not in keys.WARNINGS:
                what, hint = f"there is no warning `{each.code}`", did_you_mean(each.code, keys.WARNINGS)
                if each.code in list(Code):
                    what, hint = f"`{each.code}` is an error: it cannot be allowed", "mend what it says"
                yield Diagnostic(Code.NOTHING_ALLOWED, each.at, what, hint)
            elif each not in self._used and each.code not in _PLAYED:
                where = "here" if each.within else "anywhere"
                what = f"nothing is allowed by `{each.code}`: there is no such warning {where}"
                yield Diagnostic(Code.NOTHING_ALLOWED, each.at, what, "leave it out")


def wrong_allowances(files: RuleFiles) -> Iterator[Diagnostic]:
    """Where `allow` is not a list of codes."""
    for _, entry in _entries(files):
        said: set[str] = set()
        for item in _items(entry.value):
            if not isinstance(item, Scalar) or not isinstance(item.value, str) or not item.value:
                message = "`allow` must name warnings by their codes"
                yield Diagnostic(Code.WRONG_TYPE, item.location, message, _FORM)
            elif item.written in said:
                yield Diagnostic(Code.WRONG_LIST, item.location, f"the code `{item.written}` stands twice")
            else:
                said.add(item.written)
        if not _items(entry.value):
            message = "`allow` must be a list of codes of warnings"
            yield Diagnostic(Code.WRONG_TYPE, entry.value.location, message, _FORM)


def _said(files: RuleFiles) -> Iterator[Allowance]:
    for within, entry in _entries(files):
        for item in _items(entry.value):
            if isinstance(item, Scalar):
                yield Allowance(item.written, item.location, within)


def _entries(files: RuleFiles) -> Iterator[tuple[Location | None, Entry]]:
    """Each `allow`, with the place of its definition."""
    if _ALLOW in files.policy:
        yield None, files.policy[_ALLOW]
    for section in (files.sources, files.traits, files.channels, files.rules):
        for entry in section.values():
            if isinstance(entry.value, Mapped) and _ALLOW in entry.value.entries:
                yield entry.location, entry.value.entries[_ALLOW]
    for test in files.tests:
        if isinstance(test, Mapped) and _ALLOW in test.entries:
            yield test.location, test.entries[_ALLOW]


def _items(written: Written) -> tuple[Written, ...]:
    return written.items if isinstance(written, Sequence) else ()


def _places(files: RuleFiles) -> Iterator[Location]:
    """Where definitions begin."""
    for section in fields(files):
        written = getattr(files, section.name)
        yield from (each.location for each in (written if isinstance(written, tuple) else written.values()))
